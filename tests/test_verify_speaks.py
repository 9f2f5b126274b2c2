"""The check on queries that speak of the text they were made from."""

import pytest

from synthneg.verify.speaks import phrase_about_passage, speaks_of_passage

SPEAKING = [
    "What does the passage say about green tea?",
    "According to the text, who discovered penicillin?",
    "according to the passage who discovered penicillin",
    "According to the authors, what limits the method?",
    "Based on the document, when was the bridge built?",
    "Based on the provided text, when was the bridge built?",
    "What is the main idea of this article?",
    "What is the purpose of the study?",
    "What is this passage about?",
    "What is the passage mainly about?",
    "Which drug is mentioned in the passage?",
    "Which proteins are described in the abstract?",
    "What sample size was used in this study?",
    "In this study, what was measured?",
    "In the text, who is the queen?",
    "What hormone is measured in the study?",
    "What do the authors conclude about insulin?",
    "The authors report that insulin falls.",
    "The study found that insulin falls.",
    "What is the topic of the above paragraph?",
    "What is the topic of the paragraph above?",
    "Summarize the following passage",
    "Who is the author of this document?",
    "Which effect is described above?",
    "How does the aforementioned drug act?",
    "What is the answer based on the given context?",
    "What can be concluded based on the above?",
    "What   does\nTHE PASSAGE suggest?",
    "What did this recent study show?",
    "What does the author of the passage say about tea?",
    "The writers of this article argue that tea calms.",
]

STANDING_ALONE = [
    "who found the Northwest Passage",
    "the passage of time in relativity",
    "How long did the passage of the bill through the Senate take?",
    "text to speech software",
    "Which text editor is best for Python?",
    "how does the text editor show line numbers",
    "How is the document object model built?",
    "document database or relational database",
    "What study showed that smoking causes cancer?",
    "How long does it take to study medicine?",
    "study of the history of tea",
    "The study of tea is called tsiology.",
    "the author of Hamlet",
    "Who is the author of Hamlet?",
    "According to the Bible, who built the ark?",
    "According to the Heisenberg principle, what cannot be measured?",
    "abstract algebra textbooks",
    "What is an abstract class?",
    "What is the purpose of the appendix?",
    "What is the title of the first book of Euclid?",
    "context-free grammar",
    "based on the context of use, how are fonts chosen",
    "article 50 of the treaty",
    "How do I cite an article in APA style?",
    "paper size A4 in inches",
    "What is the main idea of utilitarianism?",
    "Which metals are found in the earth's crust?",
    "Who reported the Watergate story?",
    "annual report filing deadline",
    "What is passage planning in navigation?",
    "Extract text from the document object in Word",
    "How many words are in the text of the Declaration of Independence?",
    "papers that cite BERT",
    "given a sorted array, return the index",
    "the following sequence converges",
    "",
    "\0 \u202e???",
    "كيف يزرع الشاي",
]


@pytest.mark.parametrize("query", SPEAKING)
def test_a_query_that_speaks_of_its_passage_is_refused(query):
    """A query that only makes sense beside its passage is refused, and the words that show it are quoted."""
    refusal = speaks_of_passage(phrase_about_passage(query))
    assert refusal is not None
    assert refusal.reason == "speaks_of_passage"
    quoted = refusal.detail.removeprefix('says "').removesuffix('"')
    assert quoted
    assert quoted in " ".join(query.lower().split())


@pytest.mark.parametrize("query", STANDING_ALONE)
def test_a_query_that_stands_alone_is_kept(query):
    """Queries about passages, texts, studies and authors of the world are no talk of the passage at hand."""
    assert speaks_of_passage(phrase_about_passage(query)) is None
