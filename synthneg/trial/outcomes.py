"""From what an arm has written to what two arms are compared in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import fmean

from synthneg.prompts.head import Makes
from synthneg.scoring.base import Encoder
from synthneg.trial.entries import Entry
from synthneg.trial.measures import Measure, Ratio, mean_of, standard
from synthneg.trial.rows import Outcome
from synthneg.verify import order
from synthneg.verify.copied import longest_shared_run
from synthneg.words import words

_OF_NEGATIVES = ("cosine", "margin", "cosine_to_positive")


def outcomes(entries: Sequence[Entry], makes: Makes, encoder: Encoder) -> list[Outcome]:
    """Return each record with its values and, where it has a text, its vector."""
    texts = [entry.text for entry in entries if entry.text is not None]
    vectors = iter(encoder.encode(texts, "query" if makes == "query" else "document"))
    of_documents = _order(entries) if makes == "document" else {}
    return [
        Outcome(
            entry.passage.id,
            entry.id,
            entry.text,
            entry.reason,
            _values(entry, makes) | of_documents.get(entry.id, {}),
            next(vectors) if entry.text is not None else None,
        )
        for entry in entries
    ]


def measures_for(makes: Makes, a: Sequence[Outcome], b: Sequence[Outcome]) -> list[Measure]:
    """Return what two arms are compared in, in the order of a report."""
    found = standard(a, b)
    if makes == "negative":
        found += [mean_of(name, None) for name in _OF_NEGATIVES]
    if makes == "document":
        grades = sorted({int(o.values["grade"]) for o in (*a, *b)}, reverse=True)
        found += [_kept_of(grade) for grade in grades]
        if len(grades) > 1:
            found.append(Ratio("grade order", "higher", "share", _pairs))
            found.append(Ratio("words/grade", None, "number", _slope))
    return found


def length_and_grade(found: Iterable[Outcome]) -> float | None:
    """Return the correlation of a document's words and its grade (Pearson); None where either is always the same."""
    points = [(o.values["words"], o.values["grade"]) for o in found if "words" in o.values]
    if len(points) < 2:
        return None
    xs, ys = zip(*points, strict=True)
    x, y = fmean(xs), fmean(ys)
    spread = sum((a - x) ** 2 for a in xs) * sum((b - y) ** 2 for b in ys)
    return sum((a - x) * (b - y) for a, b in points) / spread**0.5 if spread else None


def inversions(group: Sequence[Entry]) -> tuple[list[tuple[Entry, Entry]], int]:
    """Return which pairs of a query's documents stand the wrong way round, the higher grade first, and of how many.

    A pair has two grades, and its order is that of the cosines to the query.
    """
    scored = [entry for entry in group if entry.grade is not None and "cosine" in entry.scores]
    ranked = sorted(scored, key=lambda entry: -(entry.grade or 0))
    grades = [entry.grade or 0 for entry in ranked]
    cosines = [entry.scores["cosine"] for entry in ranked]
    wrong = [(ranked[a], ranked[b]) for a, b in order.inversions(grades, cosines)]
    return wrong, order.order_of(grades, cosines).pairs


def by_query(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return the documents by the id of their query, in its order."""
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.query is not None:
            groups[entry.query.id].append(entry)
    return groups


def _values(entry: Entry, makes: Makes) -> dict[str, float]:
    values = {"tokens": entry.tokens_in + entry.tokens_out}
    if entry.usd is not None:
        values["money"] = entry.usd
    if entry.grade is not None:
        values["grade"] = entry.grade
    if entry.text is None:
        return values
    said = words(entry.text)
    if makes == "query":
        run, _ = longest_shared_run(said, words(entry.passage.full_text))
        values["copied_share"] = run / len(said) if said else 0.0
        values |= {name: entry.scores[name] for name in ("rank", "cosine")}
    else:
        values |= {name: entry.scores[name] for name in ("cosine", "cosine_to_positive")}
        values["margin"] = entry.scores["positive"] - entry.scores["cosine"]
        values["words"] = len(said)
    return values


def _order(entries: Iterable[Entry]) -> dict[str, dict[str, float]]:
    """Return, for the first document of each query, what its pairs of grades say.

    `pairs` and how many are `in_order`; `longer` over `apart` is by how many words a document is longer for each grade
    more, by least squares over the pairs.
    """
    found: dict[str, dict[str, float]] = {}
    for group in by_query(entries).values():
        wrong, pairs = inversions(group)
        sizes = [(e.grade or 0, len(words(e.text))) for e in group if e.text is not None]
        apart = [(g - h, m - n) for (g, m), (h, n) in combinations(sizes, 2)]
        found[group[0].id] = {
            "pairs": pairs,
            "in_order": pairs - len(wrong),
            "longer": sum(grades * length for grades, length in apart),
            "apart": sum(grades * grades for grades, _ in apart),
        }
    return found


def _kept_of(grade: int) -> Ratio:
    def of(o: Outcome) -> tuple[float, float]:
        here = o.values["grade"] == grade
        return (here and o.reason is None, here)

    return Ratio(f"grade {grade} kept", "higher", "share", of)


def _pairs(o: Outcome) -> tuple[float, float]:
    return o.values.get("in_order", 0), o.values.get("pairs", 0)


def _slope(o: Outcome) -> tuple[float, float]:
    return o.values.get("longer", 0), o.values.get("apart", 0)
