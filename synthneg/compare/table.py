"""A comparison as lines of text, at most 100 columns wide."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from synthneg.compare.figures import Against, Row, Told
from synthneg.compare.result import Curve, Entry, Found
from synthneg.evaluate.table import aligned, in_columns

_WIDTH = 100
_SIGNS = {"better": "↑", "worse": "↓", "not distinguishable": "≈"}


def lines_of(entries: Sequence[Entry], found: Sequence[Found]) -> Iterator[str]:
    """Yield every comparison of every collection, then the table of all arms and collections."""
    measures = list(next(iter(found[0].rows.values())))
    for f in found:
        for measure in measures:
            for against, name in _others(entries):
                yield from _told(f, measure, against, name)
    for measure in measures:
        yield from _overview(entries, found, measure)
    yield from _signs(entries, found[0])


def _others(entries: Sequence[Entry]) -> list[tuple[Against, str]]:
    base: list[tuple[Against, str]] = [("base", "its base")]
    return base if len(entries) == 1 else [*base, ("first", entries[0].name)]


def _told(found: Found, measure: str, against: Against, name: str) -> Iterator[str]:
    told = [t for t in found.told if t.against == against and t.difference.measure == measure]
    rows = [["arm", "", "difference, 95 %", "p (Holm)", "sees", "seeds ±"]]
    rows += [_sentence(one, found.rows[one.difference.a][measure]) for one in told]
    yield f"{title_of(found)} · {measure} · each arm beside {name}"
    yield from aligned(rows)
    yield ""


def _sentence(one: Told, row: Row) -> list[str]:
    d = one.difference
    sees = "" if math.isnan(d.smallest) else f"{d.smallest:.3f}"
    return [d.a, one.word, _gap(d.mean, d.low, d.high), f"{d.p_holm:.4f}", sees, _spread(row)]


def _gap(mean: float, low: float, high: float) -> str:
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _spread(row: Row) -> str:
    return "" if math.isnan(row.spread) else f"{row.spread:.3f}"


def title_of(found: Found) -> str:
    """Return where it was measured, the split always named."""
    if found.collections > 1:
        return f"mean of {found.collections} collections"
    return f"{found.name} · {found.split} · {found.queries:,} queries"


def _overview(entries: Sequence[Entry], found: Sequence[Found], measure: str) -> Iterator[str]:
    models = list(found[0].rows)
    first = [[measure, "queries", *models]]
    columns = [
        [_head(f), f"{f.queries:,}", *(_marked(entries, f, model, measure) for model in models)]
        for f in found
    ]
    yield from in_columns(first, columns)
    yield ""


def _head(found: Found) -> str:
    if found.collections > 1:
        return title_of(found)
    return f"{found.name[:14]} · {found.split[:8]}"


def _marked(entries: Sequence[Entry], found: Found, model: str, measure: str) -> str:
    value = found.rows[model][measure].interval
    cell = f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"
    marks = {
        t.against: _SIGNS[t.word]
        for t in found.told
        if (t.difference.a, t.difference.measure) == (model, measure)
    }
    return f"{cell} {''.join(marks[a] for a, _ in _others(entries) if a in marks)}".rstrip()


def _signs(entries: Sequence[Entry], found: Found) -> Iterator[str]:
    second = f"; the second sign: beside {entries[0].name}" if len(entries) > 1 else ""
    yield from wrapped(f"↑ better, ↓ worse than its base, ≈ not distinguishable{second}", "  ")
    row = next(iter(found.rows[entries[0].name].values()))
    of = "queries and seeds" if len(row.seeds) > 1 else "queries alone, for there is one seed"
    yield from wrapped(
        f"intervals cover {of}; p: paired randomisation test over queries, corrected over all arms, collections and"
        " measures (Holm); sees: the least difference shown in 4 of 5 cases",
        "  ",
    )


def curve_lines(curve: Curve, passages: Mapping[str, int]) -> list[str]:
    """Return in words when more passages stopped paying.

    Args:
        curve: as it was found.
        passages: of each of its arms, with the first seed.
    """
    amount, arm = curve.amounts[curve.enough], curve.arms[curve.enough]
    place = f"{amount:.3g} of the passages ({passages[arm]:,})"
    head = f"learning curve, {curve.measure}: more generation"
    if curve.enough == len(curve.arms) - 1:
        return wrapped(
            f"{head} still pays: {place} are better than {curve.amounts[-2]:.3g} of them"
        )
    return wrapped(
        f"{head} stopped paying at {place}: no larger amount is better; from there to all a difference of"
        f" {curve.smallest:.3f} would have been seen"
    )


def below_lines(
    lower: Mapping[str, Sequence[tuple[str, Told]]], places: Mapping[str, str]
) -> Iterator[str]:
    """Yield for each arm below its base where that is so, and the command that says why.

    Args:
        lower: the arms, with the collections and comparisons.
        places: the folder of a trained model of each arm.
    """
    for arm, where in lower.items():
        told = ", ".join(f"{name} {one.difference.mean:+.3f} ({one.word})" for name, one in where)
        yield from wrapped(f"{arm} is below its base: {told}; what is wrong is said by")
        yield f"    synthneg doctor {places[arm]}"


def kind_lines(kinds: Mapping[str, str]) -> list[str]:
    """Return what of the lead of arms need not come from training; nothing where there are none.

    Args:
        kinds: of arms that are another kind of student than their base.
    """
    if not kinds:
        return []
    arms = ", ".join(f"{arm} ({kind})" for arm, kind in kinds.items())
    return wrapped(
        f"of another kind than their base: {arms}; what lies between them and it may be the kind's, not the training's:"
        " an arm with train: {epochs: 0.01, learning_rate: 1.0e-12} says what the kind alone is worth"
    )


def wrapped(text: str, indent: str = "    ") -> list[str]:
    """Return a sentence as lines of the table's width, all but the first with this indent."""
    return textwrap.wrap(
        text, _WIDTH, initial_indent="  ", subsequent_indent=indent, break_on_hyphens=False
    )
