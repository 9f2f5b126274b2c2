"""A query that speaks of the text it was made from: nobody who searches has seen that text.

The patterns are English, and would rather miss one than refuse a query about passages, texts or studies: in
"the text editor" or "the study of tea" the noun is not the text at hand, so a noun must end its phrase.
"""

import re

from synthneg.verify.refusal import Refusal

_NOUN = (
    r"(?:passages?|texts?|excerpts?|snippets?|extracts?|paragraphs?|abstracts?|articles?|documents?"
    r"|papers?|stud(?:y|ies)|reports?|authors?)"
)
_NEAR = r"(?:given|provided|following|above|preceding|previous|present|current|aforementioned|accompanying)"
# What may follow a noun that ends its phrase.
_END = (
    r"(?=\s*(?:$|[?.!,;:)\"'”’\]])"
    r"|\s+(?:above|below|provided|given|and|that|who|which|when|to|as|is|are|was|were|does|do|did|has|have"
    r"|what|how|why|where|can|could|should|would)\b)"
)
_SAY = (
    r"(?:says?|said|states?|stated|mentions?|mentioned|describes?|described|discuss(?:es|ed)?|suggests?|suggested"
    r"|explains?|explained|refers?|referred|reports?|reported|concludes?|concluded|claims?|claimed|argues?|argued"
    r"|impl(?:y|ies|ied)|talks?|focus(?:es)?|finds?|found|shows?|showed|indicates?|indicated|highlights?"
    r"|propos(?:e|es|ed)|investigat(?:e|es|ed)|demonstrat(?:e|es|ed)|recommends?|recommended)"
)
_TOLD = (
    r"(?:mentioned|described|discussed|stated|reported|outlined|presented|explained|cited|used|shown|found|given"
    r"|referred to|proposed|studied|investigated|talked about|listed)"
)
_PART = (
    r"(?:idea|topic|theme|point|purpose|aim|goal|subject|focus|message|title|tone|conclusions?|findings?|argument"
    r"|summary|authors?|objective|results?)"
)

_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\bthis (?:\w+ )?{_NOUN}(?:{_END}|(?= (?:about|{_SAY})\b))",
        rf"\bthese {_NOUN}{_END}",
        rf"\b(?:the|this|these) {_NEAR} {_NOUN}{_END}",
        rf"\bthe {_NOUN} (?:above|below|provided)(?=\s*(?:$|[?.!,;:]))",
        rf"\b(?:according to|based on) (?:the|this|these) {_NOUN}{_END}",
        r"\b(?:according to|based on) (?:the|this) (?:(?:given |provided )?context|information provided)\b(?! of\b)",
        r"\b(?:according to|based on) the above\b",
        rf"\b{_TOLD} (?:in|by) (?:the|this) {_NOUN}{_END}",
        rf"^in (?:the|this) {_NOUN}\s*,",
        # "in the text" and "in the document" may end a question about any text.
        r"\bin the (?:passage|excerpt|snippet|abstract|article|stud(?:y|ies)|paper)\s*[?.!]?$",
        rf"\b(?:does|do|did) the {_NOUN} {_SAY}\b",
        rf"^the {_NOUN} {_SAY}\b",
        rf"\bthe (?:author|writer)s? of (?:the|this) {_NOUN} {_SAY}\b",
        rf"\b{_PART} of (?:the|this) {_NOUN}{_END}",
        rf"\b(?:is|are|was) the {_NOUN} (?:\w+ly )?about\b",
        r"\b(?:as |was |were |is |are )?(?:mentioned|described|stated|discussed|noted|shown) (?:above|below|earlier)\b",
        r"\b(?:the )?above-?mentioned\b|\baforementioned\b",
    )
)


def phrase_about_passage(query: str) -> str | None:
    """Return the words by which the query refers to the text it was written from; None where it does not.

    >>> phrase_about_passage("According to the passage, who grows tea?")
    'according to the passage'
    """
    plain = " ".join(query.lower().split())
    for pattern in _PATTERNS:
        if found := pattern.search(plain):
            return found.group().strip()
    return None


def speaks_of_passage(phrase: str | None) -> Refusal | None:
    """Return `speaks_of_passage` if such a phrase was found."""
    return None if phrase is None else Refusal("speaks_of_passage", f'says "{phrase}"')
