"""A comparison as a picture: points with intervals per arm and collection, and a learning curve as a line."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthneg.compare.figures import Told
from synthneg.compare.result import BM25_ROW, Curve, Entry, Found
from synthneg.compare.table import title_of
from synthneg.evaluate.significance import Interval
from synthneg.files import beside

_ARM, _REFERENCE, _WORSE, _BETTER = "#1f4e79", "#777777", "#b2182b", "#1b7837"
_INCHES_A_ROW = 0.32
_KINDS = ("svg", "png")


def write_plots(
    folder: Path, entries: Sequence[Entry], found: Sequence[Found], curve: Curve | None
) -> list[Path]:
    """Write compare.svg and compare.png, and curve.svg and curve.png where there is a curve; return the files.

    The first measure is shown.
    """
    files = _saved(_points(entries, found), folder, "compare")
    if curve is not None:
        files += _saved(_line(curve, found), folder, "curve")
    return files


def _figure(width: float, height: float, panels: int) -> Any:
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy: only when plotting

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _saved(figure: Any, folder: Path, name: str) -> list[Path]:
    from matplotlib import rc_context  # noqa: PLC0415 - as above

    files = [folder / f"{name}.{kind}" for kind in _KINDS]
    # Without a salt and with a date, equal figures would be other bytes each time.
    with rc_context({"svg.hashsalt": "synthneg"}):
        for file, kind in zip(files, _KINDS, strict=True):
            dated = {"Date": None} if kind == "svg" else {}
            figure.savefig(beside(file), format=kind, dpi=150, metadata=dated)
            beside(file).replace(file)
    return files


def _points(entries: Sequence[Entry], found: Sequence[Found]) -> Any:
    """Draw a panel per collection, a row per model, the references as lines from top to bottom."""
    measure = next(iter(next(iter(found[0].rows.values()))))
    names = list(found[0].rows)
    figure, panels = _figure(2.2 + 3.4 * len(found), 1.3 + _INCHES_A_ROW * len(names), len(found))
    references = {e.base for e in entries} | {BM25_ROW}
    for panel, f in zip(panels, found, strict=True):
        words = {t.difference.a: t.word for t in f.told if _is_shown(t, measure)}
        for place, name in enumerate(names):
            value = f.rows[name][measure].interval
            color = {"better": _BETTER, "worse": _WORSE}.get(words.get(name, ""), _ARM)
            if name in references:
                color = _REFERENCE
                panel.axvline(value.mean, color=color, linewidth=0.8, linestyle=_dash(name))
            _error_bar(panel, value, place, color)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set_yticks(range(len(names)), names if panel is panels[0] else [""] * len(names))
        panel.grid(axis="x", linewidth=0.3)
        panel.set_title(title_of(f), fontsize=9)
        panel.tick_params(labelsize=8)
    figure.supxlabel(
        f"{measure}, 95 % intervals; green: better than its base, red: worse, blue: not distinguishable", fontsize=8
    )  # fmt: skip
    return figure


def _is_shown(told: Told, measure: str) -> bool:
    return told.against == "base" and told.difference.measure == measure


def _dash(name: str) -> str:
    return "--" if name == BM25_ROW else "-"


def _error_bar(panel: Any, value: Interval, place: float, color: str) -> None:
    panel.plot([value.low, value.high], [place, place], color=color, linewidth=1.6)
    panel.plot([value.mean], [place], "o", color=color, markersize=4.5)


def _line(curve: Curve, found: Sequence[Found]) -> Any:
    """Draw a panel per collection: the measure over the share of the passages, which doubles from tick to tick."""
    figure, panels = _figure(0.6 + 3.4 * len(found), 3.2, len(found))
    for panel, f in zip(panels, found, strict=True):
        of = [f.rows[arm][curve.measure].interval for arm in curve.arms]
        panel.fill_between(
            curve.amounts, [v.low for v in of], [v.high for v in of], alpha=0.2, color=_ARM, linewidth=0
        )  # fmt: skip
        panel.plot(curve.amounts, [v.mean for v in of], "o-", color=_ARM, markersize=4)
        for name, rows in _references(f.rows):
            mean = rows[curve.measure].interval.mean
            panel.axhline(mean, color=_REFERENCE, linewidth=0.8, linestyle=_dash(name))
            panel.annotate(name, (curve.amounts[0], mean), fontsize=7, color=_REFERENCE, va="top")
        panel.set_xscale("log", base=2)
        panel.set_xticks(curve.amounts, [f"{amount:.3g}" for amount in curve.amounts])
        panel.minorticks_off()
        panel.grid(linewidth=0.3)
        panel.set_title(title_of(f), fontsize=9)
        panel.tick_params(labelsize=8)
    figure.supxlabel("share of the passages", fontsize=8)
    figure.supylabel(curve.measure, fontsize=8)
    return figure


def _references(rows: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield the rows that no arm can be called as."""
    return ((name, of) for name, of in rows.items() if name.startswith("("))
