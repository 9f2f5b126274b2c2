"""The figures of a page, narrow enough for a phone. Each is a string of SVG; "" where there is nothing to draw."""

from collections.abc import Sequence
from typing import Any

from synthneg.evaluate.compare import Evaluation
from synthneg.evaluate.significance import Interval
from synthneg.report.changed import Arms
from synthneg.report.overview import BM25, StageRow
from synthneg.report.svg import INKS, to_svg
from synthneg.report.tally import LENGTH_STEP, RANKS, Tally, middle_of, quantile
from synthneg.review.summary import Summary

_WIDTH = 5.0  # inches, of 72 units each
_ROW = 0.27
_HEAD = 0.55  # for the axis below
_FONT = 9
_MOST_NAME = 22  # characters of a name beside an axis
_LOW, _HIGH = 0.05, 0.95


def funnel_plot(rows: Sequence[StageRow]) -> str:
    """Return, of each stage, the shares that were kept, rejected and failed."""
    rows = [row for row in rows if row.taken]
    if not rows:
        return ""
    figure, axes = _figure(len(rows))
    names = [row.stage for row in rows]
    kept = [row.share for row in rows]
    failed = [sum(row.failed.values()) / row.taken for row in rows]
    rejected = [1 - a - b for a, b in zip(kept, failed, strict=True)]
    axes.barh(names, kept, color=INKS["accent"], height=0.6)
    axes.barh(names, rejected, left=kept, color=INKS["soft"], height=0.6)
    left = [a + b for a, b in zip(kept, rejected, strict=True)]
    axes.barh(names, failed, left=left, color=INKS["bad"], height=0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    told = ", ".join(f"{row.stage} {row.share:.0%}" for row in rows)
    return to_svg(figure, "funnel", f"Share kept of what came to each stage: {told}.")


def measures_plot(evaluation: Evaluation, name: str) -> str:
    """Return the first measure of each model with its 95 % interval."""
    if not evaluation.models:
        return ""
    measure = next(iter(next(iter(evaluation.models.values()))))
    rows = [(model, of[measure]) for model, of in evaluation.models.items()]
    inks = ["muted" if model in (BM25, rows[0][0]) else "accent" for model, _ in rows]
    figure, axes = _figure(len(rows))
    _intervals(axes, rows, inks)
    axes.set_xlabel(measure, fontsize=_FONT)
    told = ", ".join(f"{model} {v.mean:.3f}, {v.low:.3f} to {v.high:.3f}" for model, v in rows)
    return to_svg(figure, name, f"{measure} on {evaluation.collection}: {told}.")


def arms_plot(arms: Arms, name: str) -> str:
    """Return a comparison's arms with their intervals; what stands in brackets is nobody's arm."""
    figure, axes = _figure(len(arms.rows))
    inks = ["muted" if row.startswith("(") else "accent" for row, _ in arms.rows]
    _intervals(axes, arms.rows, inks)
    axes.set_xlabel(arms.measure, fontsize=_FONT)
    told = ", ".join(f"{row} {value.mean:.3f}" for row, value in arms.rows)
    return to_svg(figure, name, f"{arms.measure} of each arm on {arms.collection}: {told}.")


def people_plot(found: Summary | None) -> str:
    """Return the share that people call right, of each source and each prompt, with its interval."""
    every = [*found.sources, *found.prompts] if found else []
    rows = [
        (row.name, Interval(row.found.share, row.found.low, row.found.high))
        for row in every
        if row.found.answers
    ]
    if not rows:
        return ""
    figure, axes = _figure(len(rows))
    _intervals(axes, rows, ["accent"] * len(rows))
    axes.set_xlim(0, 1)
    axes.set_xlabel("share that people call right", fontsize=_FONT)
    told = ", ".join(f"{name} {v.mean:.2f}, {v.low:.2f} to {v.high:.2f}" for name, v in rows)
    return to_svg(figure, "people", f"Share that people call right: {told}.")


def scores_plot(tally: Tally) -> str:
    """Return how the cosines to the query are spread, a ridge for each source and grade."""
    kinds = list(tally.kinds())
    if not kinds:
        return ""
    figure, axes = _figure(len(kinds), 0.36)
    lowest = min(min(tally.scores[kind]) for kind in kinds)
    for place, kind in enumerate(kinds):
        counts = tally.scores[kind]
        most = max(counts.values())
        bins = range(max(lowest - 1, -1), max(max(tally.scores[k]) for k in kinds) + 2)
        x = [middle_of(step) for step in bins]
        y = [place - 0.85 * counts[step] / most for step in bins]
        ink = "accent" if kind[1] >= 2 else "muted"
        axes.fill_between(x, place, y, color=INKS[ink], alpha=0.35, linewidth=0, step="mid")
        axes.step(x, y, color=INKS[ink], linewidth=1, where="mid")
        median = middle_of(quantile(counts, 0.5))
        axes.plot([median, median], [place, place - 0.85], color=INKS[ink], linewidth=1.4)
    axes.set_yticks(range(len(kinds)), [f"{source} · {grade}" for source, grade in kinds])
    axes.set_ylim(len(kinds) - 0.5, -1.05)
    axes.set_xlabel("cosine to the query; the line is the median", fontsize=_FONT)
    told = ", ".join(
        f"{source} of grade {grade} {middle_of(quantile(tally.scores[source, grade], 0.5)):.2f}"
        for source, grade in kinds
    )
    return to_svg(figure, "scores", f"Median cosine to the query by source and grade: {told}.")


def lengths_plot(tally: Tally) -> str:
    """Return the lengths of queries and of each source: the median, and the span of 90 %."""
    kinds = tally.length_kinds()
    if not kinds:
        return ""
    figure, axes = _figure(len(kinds))
    told = []
    for place, kind in enumerate(kinds):
        counts = tally.lengths[kind]
        low, middle, high = (
            (quantile(counts, share) + 0.5) * LENGTH_STEP for share in (_LOW, 0.5, _HIGH)
        )
        axes.plot([low, high], [place, place], color=INKS["muted"], linewidth=2)
        axes.plot([middle], [place], "o", color=INKS["accent"], markersize=5)
        told.append(f"{kind} {middle:.0f}")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("words: median, and the span of 90 %", fontsize=_FONT)
    return to_svg(figure, "lengths", f"Median words by source: {', '.join(told)}.")


def ranks_plot(tally: Tally) -> str:
    """Return at which rank queries find their own passage."""
    if not tally.ranks.total():
        return ""
    bounds = ("1", *(f"{a + 1}–{b}" for a, b in zip(RANKS[:-1], RANKS[1:], strict=True)))
    names = [*bounds, f"> {RANKS[-1]}"]
    shares = [tally.ranks[place] / tally.ranks.total() for place in range(len(names))]
    figure, axes = _figure(len(names))
    axes.barh(names, shares, color=INKS["accent"], height=0.6)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("share of queries, by the rank of their own passage", fontsize=_FONT)
    told = ", ".join(f"{name}: {share:.0%}" for name, share in zip(names, shares, strict=True))
    return to_svg(figure, "ranks", f"Rank of the own passage. {told}.")


def curve_plot(curve: Sequence[tuple[int, float]]) -> str:
    """Return the loss of the training over its steps."""
    if len(curve) < 2:
        return ""
    figure, axes = _figure(7)
    steps, losses = zip(*curve, strict=True)
    axes.plot(steps, losses, color=INKS["accent"], linewidth=1.4)
    axes.set_xlabel("training step", fontsize=_FONT)
    axes.set_ylabel("loss", fontsize=_FONT)
    axes.set_ylim(bottom=min(0.0, *losses))
    told = f"from {losses[0]:.3f} at the first step to {losses[-1]:.3f} at the last"
    return to_svg(figure, "curve", f"The training loss, {told}.")


def _figure(rows: int, row: float = _ROW) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy: only when plotting

    figure = Figure(figsize=(_WIDTH, _HEAD + row * rows), layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=_FONT, length=0, colors=INKS["text"])
    axes.grid(axis="x", color=INKS["grid"], linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure, axes


def _intervals(axes: Any, rows: Sequence[tuple[str, Any]], inks: Sequence[str]) -> None:
    for place, ((_, value), ink) in enumerate(zip(rows, inks, strict=True)):
        axes.plot([value.low, value.high], [place, place], color=INKS[ink], linewidth=2)
        axes.plot([value.mean], [place], "o", color=INKS[ink], markersize=5)
    axes.set_yticks(range(len(rows)), [_cut(name) for name, _ in rows])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)  # a model may be called $x^2$
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _cut(name: str) -> str:
    """Return a name that has room beside an axis."""
    plain = "".join(c if c.isprintable() else " " for c in name)
    return plain if len(name) <= _MOST_NAME else f"{plain[: _MOST_NAME - 1]}…"
