"""The page: one file of HTML that holds its style, script, figures and records, and may ask no network for anything."""

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from synthneg.evaluate.compare import MEAN, Evaluation
from synthneg.evaluate.significance import verdict
from synthneg.printable import visible
from synthneg.progress import clock
from synthneg.report.advice import Advice
from synthneg.report.changed import Arms, Changed
from synthneg.report.cost import Cost
from synthneg.report.overview import Overview, sentence
from synthneg.report.people import people
from synthneg.report.plots import (
    arms_plot,
    curve_plot,
    funnel_plot,
    lengths_plot,
    measures_plot,
    people_plot,
    ranks_plot,
    scores_plot,
)
from synthneg.report.records import Shown
from synthneg.report.strings import embedded
from synthneg.report.tables import Table, lead, sample, tables
from synthneg.report.tally import Tally


@dataclass(frozen=True, slots=True)
class _Measured:
    """An evaluation, what it is called, and its figure."""

    evaluation: Evaluation
    name: str
    measures: tuple[str, ...]
    plot: str


@dataclass(frozen=True, slots=True)
class _Compared:
    """A comparison of arms, and its figure."""

    arms: Arms
    plot: str


def page(
    found: Overview,
    tally: Tally,
    cost: Cost | None,
    shown: Shown,
    changed: Changed,
    advice: list[Advice],
) -> str:
    """Return the page; the same run gives the same."""
    css, js = _package_file("page.css"), _package_file("page.js")
    told = {"records": shown.records, "strings": shown.strings, "replies": shown.replies}
    return _template().render(
        policy=_policy(css, js),
        css=css,
        js=js,
        data=embedded(told | {"run": found.state.run}),
        state=found.state,
        lead=lead(found, tally),
        advice=advice,
        evaluations=[_measured(place, one) for place, one in enumerate(found.evaluations)],
        people=people(found.people),
        funnel=found.funnel,
        cost=cost,
        sample=sample(shown, tally),
        plots=_plots(found, tally),
        tables=_filled(tables(found, tally, shown)),
        changed=changed,
        arms=[
            _Compared(arms, arms_plot(arms, f"arms-{place}"))
            for place, arms in enumerate(changed.arms)
        ],
        shares={row.stage: row.share for row in found.funnel},
    )


def _plots(found: Overview, tally: Tally) -> Mapping[str, str]:
    return {
        "funnel": funnel_plot(found.funnel),
        "scores": scores_plot(tally),
        "ranks": ranks_plot(tally),
        "lengths": lengths_plot(tally),
        "curve": curve_plot(found.curve),
        "people": people_plot(found.people),
    }


def _filled(every: list[Table]) -> list[Table]:
    return [table for table in every if table.rows]


def _measured(place: int, one: Evaluation) -> _Measured:
    name = one.collection if one.collection != MEAN else f"mean of {one.collections} collections"
    measures = tuple(next(iter(one.models.values()), {}))
    return _Measured(one, name, measures, measures_plot(one, f"measures-{place}"))


def _policy(css: str, js: str) -> str:
    """Return the policy that lets this style and this script alone be, and nothing be fetched."""
    return (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@lru_cache(maxsize=3)
def _package_file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {
        "whole": lambda value: f"{round(value):,}",
        "three": lambda value: f"{value:.3f}",
        "signed": lambda value: f"{value:+.3f}".replace("-", "−"),
        "percent": _percent,
        "clock": clock,
        "verdict": verdict,
        "sentence": sentence,
    }
    return environment.from_string(_package_file("page.html.j2"))


def _percent(share: float) -> str:
    """Return a share as people read it; what is not all is not called 100 %.

    >>> _percent(1.0), _percent(0.9997), _percent(0.5)
    ('100%', '99.9%', '50%')
    """
    if 0.995 <= share < 1:
        return f"{math.floor(share * 1000) / 10:.1f}%"
    return f"{share:.0%}"


def _finalized(value: object) -> object:
    # `safe` marks are of a class of their own, and what they mark has been made visible where it was made.
    return visible(value) if type(value) is str else value
