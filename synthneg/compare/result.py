"""The whole of a comparison as figures: a row for each model, every arm beside its base and beside the first arm."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from synthneg.compare.figures import Against, Row, Told, correct, difference, row
from synthneg.evaluate.compare import MEAN
from synthneg.evaluate.measure import PerQuery
from synthneg.evaluate.significance import corrected

if TYPE_CHECKING:
    from synthneg.compare.figures import Values

BM25_ROW = "(BM25)"  # no arm can be called so
_SHOWN = 0.0005  # what is less is 0.000 in a table
_LONGEST = 20  # characters of a student's name in a table

Student = tuple[str, int]  # the model that is trained, and how many tokens of a text it reads


@dataclass(frozen=True, slots=True)
class Entry:
    """An arm, and the row of the model that it was trained from."""

    name: str
    base: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on a collection: for each model, its values by measure and query, once a seed."""

    name: str
    split: str
    models: Mapping[str, Sequence[PerQuery]]

    @property
    def queries(self) -> int:
        """How many there are."""
        return len(next(iter(next(iter(self.models.values()))[0].values())))

    def values(self, model: str, measure: str) -> "Values":
        """Return (seeds, queries), the queries in the order of their ids."""
        import numpy as np  # noqa: PLC0415 - heavy: only when comparing

        of_seeds = [found[measure] for found in self.models[model]]
        ids = sorted(of_seeds[0])
        return np.array([[values[id] for id in ids] for values in of_seeds], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Found:
    """What can be said on one collection, or in the mean over several, each of which weighs the same."""

    name: str
    split: str
    queries: int
    rows: Mapping[str, Mapping[str, Row]]  # model -> measure
    told: tuple[Told, ...]
    collections: int = 1


@dataclass(frozen=True, slots=True)
class Curve:
    """A learning curve: what more passages were worth.

    Attributes:
        arms: by rising amount.
        amounts: shares of the passages.
        measure: of which it is told.
        enough: place of the smallest amount than which no larger one is better.
        smallest: the smallest difference between it and the whole that would have been seen; NaN where it is the whole.
    """

    arms: tuple[str, ...]
    amounts: tuple[float, ...]
    measure: str
    enough: int
    smallest: float


def base_rows(students: Sequence[Student]) -> dict[Student, str]:
    """Return what the row of each student, before its training, is called.

    >>> base_rows([("models/a", 256), ("models/a", 256)])
    {('models/a', 256): '(base)'}
    >>> list(base_rows([("models/a", 256), ("b", 256), ("b", 64)]).values())
    ['(a)', '(b, 256)', '(b, 64)']
    """
    each = list(dict.fromkeys(students))
    short = [Path(name).name[:_LONGEST] for name, _ in each]
    if len(each) == 1:
        return {each[0]: "(base)"}
    return {
        student: f"({name})" if short.count(name) == 1 else f"({name}, {student[1]})"
        for student, name in zip(each, short, strict=True)
    }


def compare_entries(
    entries: Sequence[Entry], collections: Sequence[Measured], seed: int, resamples: int
) -> list[Found]:
    """Return what can be said on each collection, then of their mean where there are several.

    All comparisons of arms with their bases are corrected together, over measures and collections, and those with the
    first arm likewise; those of the mean are families of their own.

    Args:
        entries: the arms; the others are compared with the first of them.
        collections: with values of the arms, their bases and BM25.
        seed: of what is drawn.
        resamples: how often.
    """
    each = [_found(entries, [c], seed, resamples) for c in collections]
    found = _correct_together(each)
    if len(collections) > 1:
        found += _correct_together([_found(entries, collections, seed, resamples)])
    return found


def _found(
    entries: Sequence[Entry], collections: Sequence[Measured], seed: int, resamples: int
) -> Found:
    first = collections[0]
    lone = len(collections) == 1
    rows = [*dict.fromkeys(e.base for e in entries), BM25_ROW, *(e.name for e in entries)]
    names = [
        name for name in rows if name in first.models
    ]  # runs may have been measured without BM25
    measures = list(first.models[names[0]][0])

    def values(model: str, measure: str) -> "list[Values]":
        return [c.values(model, measure) for c in collections]

    told = tuple(
        Told(against, difference((a, b), m, (values(a, m), values(b, m)), seed, resamples))
        for against, a, b in _pairs(entries)
        for m in measures
    )
    return Found(
        name=first.name if lone else MEAN,
        split=", ".join(dict.fromkeys(c.split for c in collections)),
        queries=sum(c.queries for c in collections),
        rows={name: {m: row(values(name, m), seed, resamples) for m in measures} for name in names},
        told=told,
        collections=len(collections),
    )


def _pairs(entries: Sequence[Entry]) -> Iterator[tuple[Against, str, str]]:
    yield from (("base", entry.name, entry.base) for entry in entries)
    yield from (("first", entry.name, entries[0].name) for entry in entries[1:])


def _correct_together(found: Sequence[Found]) -> list[Found]:
    kinds: tuple[Against, ...] = ("base", "first")
    told = iter(
        correct(
            {kind: [one for f in found for one in f.told if one.against == kind] for kind in kinds}
        )
    )
    # `correct` gives kind after kind, and within one the order of the collections.
    after: dict[int, list[Told]] = {place: [] for place in range(len(found))}
    for kind in kinds:
        for place, f in enumerate(found):
            after[place] += [next(told) for one in f.told if one.against == kind]
    return [replace(f, told=tuple(after[place])) for place, f in enumerate(found)]


def curve_of(
    arms: Sequence[str],
    amounts: Sequence[float],
    collections: Sequence[Measured],
    seed: int,
    resamples: int,
) -> Curve:
    """Return from which amount on more passages stopped paying, by the first measure and the mean over collections.

    Every amount is compared with every larger one; the comparisons are corrected together (Holm 1979).

    Args:
        arms: by rising amount, at least two.
        amounts: of the arms.
        collections: with the values of the arms.
        seed: of what is drawn.
        resamples: how often.
    """
    measure = next(iter(collections[0].models[arms[0]][0]))
    groups = [[c.values(arm, measure) for c in collections] for arm in arms]
    pairs = list(combinations(range(len(arms)), 2))
    gaps = corrected(
        [
            difference((arms[j], arms[i]), measure, (groups[j], groups[i]), seed, resamples)
            for i, j in pairs
        ]
    )
    still = {
        i for (i, _), gap in zip(pairs, gaps, strict=True) if Told("first", gap).word == "better"
    }
    enough = next(i for i in range(len(arms)) if i not in still)
    last = len(arms) - 1
    smallest = next(
        (g.smallest for pair, g in zip(pairs, gaps, strict=True) if pair == (enough, last)),
        float("nan"),
    )
    return Curve(tuple(arms), tuple(amounts), measure, enough, smallest)


def below(entries: Sequence[Entry], found: Sequence[Found]) -> dict[str, list[tuple[str, Told]]]:
    """Return the arms whose mean lies below their base's, by the first measure, with where and by how much."""
    lower: dict[str, list[tuple[str, Told]]] = {}
    for entry in entries:
        for f in found:
            if f.collections > 1:
                continue
            told = next(t for t in f.told if t.against == "base" and t.difference.a == entry.name)
            if told.difference.mean <= -_SHOWN:
                lower.setdefault(entry.name, []).append((f.name, told))
    return lower
