"""Examples of every kind for the tests of formats: several positives, all grades and sources, hostile texts."""

from dataclasses import replace
from itertools import count
from pathlib import Path

from examples import origin
from hypothesis import strategies as st

from synthneg.config import RunConfig
from synthneg.intake.take import take_in
from synthneg.records import Example, Judged, Passage, Source, Split
from synthneg.run import Run
from synthneg.settings import resolve

# No id may hold them: tabs, line ends, controls, half surrogate pairs; nor a mark of byte order, which begins a file.
_NO_ID = "\t\n\r\x7f\u2028\u2029\ufeff" + "".join(map(chr, [*range(32), *range(0x80, 0xA0)]))
IDS = st.text(st.characters(exclude_characters=_NO_ID, exclude_categories=["Cs"]), max_size=6)
ODD = ("\t", "\n", "\r\n", "\u2028", "\u2029", "\x85", '"', "'", ",", "\\", "{{ x }}", "\0", "é")
TEXTS = st.lists(
    st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)),
    max_size=4,
).map("".join)
SCORES = st.floats(-1, 1).map(lambda x: round(x, 6))


@st.composite
def examples(draw: st.DrawFn) -> tuple[list[Passage], list[Example]]:
    """Draw a corpus and examples of it; no two documents and no two queries have one text, at least one trains."""
    numbers = count()
    passages = [
        Passage(f"{draw(IDS)}p{i}", f"{draw(TEXTS)} text {i}", draw(TEXTS).strip())
        for i in range(draw(st.integers(3, 6)))
    ]
    found = []
    for number in range(draw(st.integers(1, 4))):
        split: Split = "held_out" if number and draw(st.booleans()) else "train"
        order = draw(st.permutations(range(len(passages))))
        positives = draw(st.integers(1, 2))
        mined = draw(st.integers(0, len(passages) - positives))
        query_id = f"{draw(IDS)}q{number}"
        documents = [
            _judged(draw, passages[i], 3, "corpus" if place < positives else "bm25")
            for place, i in enumerate(order[:positives])
        ]
        for grade in draw(st.lists(st.integers(0, 3), max_size=3)):
            documents.append(_written(draw, query_id, next(numbers), grade, "graded"))
        for _ in range(draw(st.integers(0, 2))):
            documents.append(_written(draw, query_id, next(numbers), 1, "negative"))
        rest = order[positives : positives + mined]
        documents += [_judged(draw, passages[i], 1, "bm25") for i in rest]
        text = f"{draw(TEXTS)} query {number}"
        own = passages[order[0]].id
        made = origin("query/question")
        found.append(Example(query_id, text, own, split, made, tuple(documents)))
    return passages, found


def _judged(draw: st.DrawFn, passage: Passage, grade: int, source: Source) -> Judged:
    scores = {"cosine": draw(SCORES)}
    return Judged(passage.id, passage.text, passage.title, grade, source, scores, None)


def _written(draw: st.DrawFn, query_id: str, number: int, grade: int, source: Source) -> Judged:
    text = f"{draw(TEXTS)} written {number}"
    scores = {"cosine": draw(SCORES)}
    return Judged(
        f"{query_id}.{number}", text, "", grade, source, scores, origin("document/graded")
    )


def taken_in(shape: str, path: Path, outputs: Path, **corpus: object) -> Run:
    """Return the run that a dataset becomes."""
    run = Run(outputs, settings_of(shape, path, **corpus))
    try:
        take_in(run)
    except BaseException:
        run.close()
        raise
    return run


def settings_of(shape: str, path: Path, **corpus: object) -> RunConfig:
    """Return settings under which nothing is asked and nothing mined, as `synthneg import` writes them."""
    values = {
        "run": "imported",
        "corpus": {"path": f"{shape}:{path}", "held_out": 0.0} | corpus,
        "generate": {"documents": {"prompts": []}, "negatives": {"prompts": []}},
        "mine": {"bm25": 0, "dense": 0},
    }
    return resolve(values, "test")


def examples_of(run: Run) -> list[Example]:
    """Return the run's examples."""
    return list(run.read("examples.jsonl", Example))


def scored(kept: list[Example]) -> list[Example]:
    """Return the examples with a cosine for each document, all different."""
    numbers = count(1)
    return [
        replace(
            e,
            documents=tuple(replace(d, scores={"cosine": next(numbers) / 64}) for d in e.documents),
        )
        for e in kept
    ]
