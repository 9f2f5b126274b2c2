"""What kind of query a text is."""

from collections import Counter
from pathlib import Path

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synthneg.prompts.shelf import shipped_folder
from synthneg.realism.kinds import KINDS, Kind, kind_of

COLLECTIONS = Path("../shared/collections")
QUERIES: dict[Kind, list[str]] = {
    "question": [
        "how do I descale an espresso machine",
        "What is the boiling point of ethanol?",
        "does magnesium help with muscle cramps",
        "who wrote the first novel in Finnish",
        "which vitamins can be taken together",
        "is it safe to freeze cooked rice",
        "How many moons does Neptune have",
        "why is my sourdough flat",
        "can you grow avocados indoors",
        "when was the metric system introduced in Japan",
        "where are the spark plugs on a 2012 Corolla",
        "Heart attack or panic attack: how can I tell?",
        "wie lange ist ein Reisepass gültig",
        "pourquoi le ciel est bleu",
        "¿Cuánto dura el vuelo a Lima?",
        "什么是绿茶",
        "how to remove a stripped screw",
    ],
    "claim": [
        "Aspirin lowers the risk of stroke in women.",
        "The Danube flows through ten countries.",
        "Sea levels have risen by more than twenty centimetres since 1900",
        "Merino wool does not shrink in cold water.",
        "Smoking increases the risk of lung cancer",
        "Vitamin D supplements had no effect on fractures.",
        "Gut bacteria produce most of the body's serotonin.",
        "A deficiency of IL-6 leads to slower healing.",
        "the enzyme is inactive at low pH",
        "Der Vertrag endet mit dem Tod des Mieters.",
        "Copper wire conducts heat better than aluminium wire does.",
        "Mice lacking the gene were resistant to obesity.",
    ],
    "keywords": [
        "espresso machine, descaling, citric acid",
        "vitamin B12 deficiency",
        "neptune moons",
        "Alaska",
        "sourdough hydration starter ratio",
        "insulin; glucagon; fasting",
        "python asyncio timeout",
        "Guillain-Barré syndrome",
        "GDPR data retention",
        "tenancy deposit, deductions, fair wear",
        "stripped screw removal",
        "omega 3",
        "red onions",
    ],
    "title": [
        "Descaling and Care of Espresso Machines",
        "The Moons of Neptune: A Short History",
        "Rent after leaving a fixed-term lease early",
        "How Green Tea Is Made in Japan",
        "Effects of sleep on memory in older adults",
        "Why fresh concrete must be kept moist",
        "A Practical Guide to Mending Wool",
        "Plasma lipids and prolactin in patients with breast cancer.",
        "Sourdough for beginners",
        "Update on Gluten",
        "Learning to rank for legal search",
    ],
    "request": [
        "side effects of taking melatonin every night",
        "I need a recipe for bread without yeast",
        "papers on dense retrieval with synthetic queries",
        "find me a hotel in Antwerp near the station",
        "best way to clean a cast iron pan",
        "looking for a treatment of yellow leaves",
        "show all invoices of march",
        "water temperature for steeping green tea",
        "legal duties of a landlord when a tenant moves out early",
        "evidence for the benefits of slow breathing",
    ],
    "scenario": [
        "My landlord kept the whole deposit although the flat was clean when I left. He says that the carpet was worn."
        " I lived there for six years. Can he do that, and what should I write to him?",
        "I am a nurse on a ward for older patients. Several of them wake at night since their blood pressure tablets"
        " were changed. What could be the cause, and whom should I tell?",
        "We run a small bakery and our bread has been coming out flat since the new flour arrived, although the recipe,"
        " the oven, the starter and the times are exactly the same as in the last four years, and we would like to know"
        " which property of the flour could explain it",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in QUERIES.items() for text in texts]
)
def test_a_query_is_of_the_kind_that_a_person_sees(kind: Kind, text: str) -> None:
    """Each of the hand-written queries, in several languages and with few marks, is told right."""
    assert kind_of(text) == kind


def test_there_are_enough_queries_of_our_own() -> None:
    """The hand-written queries are at least sixty, of all kinds."""
    assert sum(map(len, QUERIES.values())) >= 60
    assert set(QUERIES) == set(KINDS)


@pytest.mark.parametrize("kind", ["question", "claim", "keywords", "title"])
def test_exemplars_of_the_shipped_prompts_are_of_their_kind(kind: Kind) -> None:
    """What the shipped prompts hold up to the model as a question, claim and so on is one by these rules."""
    source = (shipped_folder() / "query" / f"{kind}.j2").read_text(encoding="utf-8")
    pool = yaml.safe_load(source.split("---")[1])["examples"]["pool"]

    assert [e["query"] for e in pool if kind_of(e["query"]) != kind] == []


@given(st.text())
def test_any_text_has_a_kind_whatever_its_blanks(text: str) -> None:
    """No text breaks the rules, and blanks around and between its words change nothing."""
    assert kind_of(text) in KINDS
    assert kind_of("  " + text.replace(" ", " \n ") + " ") == kind_of(text)


def train_queries(name: str) -> list[str]:
    """Return the queries of a collection's train split."""
    folder = COLLECTIONS / name
    if not folder.is_dir():
        pytest.skip(f"the collection {name} is not at {COLLECTIONS}")
    lines = (folder / "qrels" / "train.tsv").read_text().splitlines()[1:]
    ids = {line.partition("\t")[0] for line in lines}
    rows = map(orjson.loads, (folder / "queries.jsonl").read_bytes().splitlines())
    return [row["text"] for row in rows if row["_id"] in ids]


def test_scifact_is_claims() -> None:
    """Of SciFact's claims, which people wrote, 95 % are told to be claims."""
    kinds = Counter(map(kind_of, train_queries("scifact")))

    assert kinds["claim"] >= 0.95 * kinds.total()


def test_nfcorpus_is_keywords_titles_and_questions() -> None:
    """NFCorpus has headlines, terms and questions: all with a question mark are questions, and claims are rare."""
    queries = train_queries("nfcorpus")
    kinds = Counter(map(kind_of, queries))

    assert all(kind_of(query) == "question" for query in queries if query.endswith("?"))
    assert kinds["keywords"] + kinds["title"] + kinds["question"] >= 0.98 * len(queries)
    assert min(kinds["keywords"], kinds["title"], kinds["question"]) >= 0.1 * len(queries)
