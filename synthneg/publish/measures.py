"""A run's measures as a card says them: tables with intervals, and in words what is better than what."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from synthneg.dataset.markdown import plain, table
from synthneg.evaluate.compare import MEAN, Evaluation
from synthneg.evaluate.significance import Difference, Interval, verdict
from synthneg.evaluate.stored import from_json


def read_evaluations(folder: Path) -> list[Evaluation]:
    """Return what the run in `folder` has measured, a mean over collections last; nothing where it has not."""
    files = sorted((folder / "evaluation").glob("*.json"))
    found = [from_json(orjson.loads(file.read_bytes())) for file in files]
    return sorted(found, key=lambda evaluation: evaluation.collection == MEAN)


def measures_text(evaluations: Sequence[Evaluation]) -> str:
    """Return the measures as Markdown; "" where there are none."""
    shown = [part for evaluation in evaluations for part in _of_one(evaluation)]
    if not shown:
        return ""
    explained = (
        "Means with their 95 % intervals (bootstrap over queries). A difference is called better or worse where a"
        " paired randomisation test, corrected for all comparisons with the same model (Holm), says so at .05."
    )
    return "\n\n".join([explained, *shown])


def _of_one(evaluation: Evaluation) -> Iterator[str]:
    names = list(next(iter(evaluation.models.values()), {}))
    kind = "synthetic queries" if evaluation.synthetic else "queries"
    yield f"**{title(evaluation)}**, {evaluation.queries:,} {kind}:"
    yield table(
        ("model", *names),
        [
            (plain(model), *(_cell(found[name]) for name in names))
            for model, found in evaluation.models.items()
        ],
    )
    if evaluation.differences:
        yield "\n".join(f"- {_sentence(d)}" for d in evaluation.differences)


def title(evaluation: Evaluation) -> str:
    """Return what a collection is called: its name and split, or that it is the mean of several."""
    if evaluation.collections > 1:
        return f"Mean of {evaluation.collections} collections"
    return f"{plain(evaluation.collection)}, {plain(evaluation.split)}"


def _cell(value: Interval) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _sentence(d: Difference) -> str:
    said, a, b = verdict(d), plain(d.a), plain(d.b)
    words = (
        f"{a} and {b} are **not distinguishable**"
        if said == "not distinguishable"
        else f"{a} is **{said}** than {b}"
    )
    gap = f"{d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"
    return f"{d.measure}: {words}, {gap}, p = {d.p_holm:.4f}"
