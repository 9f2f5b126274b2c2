"""Two prompts over the same passages: asked, checked, and set side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import orjson

from synthneg.config import RunConfig
from synthneg.errors import SettingsError
from synthneg.evaluate.compare import Evaluation
from synthneg.evaluate.stored import to_json
from synthneg.evaluate.table import table as evaluation_lines
from synthneg.files import disk_errors, fingerprint, write_whole
from synthneg.llm.budget import cost_usd, money
from synthneg.prompts.head import Makes
from synthneg.run import COMPARED, TRIALS
from synthneg.stages import open_encoder
from synthneg.trial.arms import compare_arms
from synthneg.trial.entries import entries, model_of
from synthneg.trial.judge_view import judge_measures, judge_outcomes, judge_sheet
from synthneg.trial.measures import Measure
from synthneg.trial.outcomes import length_and_grade, measures_for, outcomes
from synthneg.trial.rows import Outcome, Row
from synthneg.trial.rows import to_json as rows_to_json
from synthneg.trial.student import Students, evaluate_students
from synthneg.trial.table import table
from synthneg.trial.view import Sheet, kept_where, sheet_of
from synthneg.trial.walk import Walked, plan_trial, walked

_Told = tuple[list[Outcome], list[Outcome], list[Measure], tuple[Sheet, ...]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What can be said of prompt B beside prompt A."""

    makes: Makes
    a: str  # name@hash8
    b: str
    corpus: str
    passages: int  # asked for, or with a verified query
    model: str
    seed: int
    queries_by: (
        str | None
    )  # prompt whose queries both were asked for; None: they make them, or the corpus has them
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    students: Evaluation | None
    sheets: tuple[Sheet, ...]  # what A and B wrote


def compare_prompts(
    config: RunConfig,
    names: tuple[str, str],
    count: int,
    queries_by: str,
    outputs: Path,
    students: Students | None,
) -> Comparison:
    """Ask both prompts about the same passages with the same seed, and return what differs.

    Args:
        config: settings of a run.
        names: of prompts A and B; the same twice gets independent replies.
        count: passages that are asked about.
        queries_by: prompt that writes the queries, where A and B need some.
        outputs: folder of runs.
        students: what is trained on each prompt's records and where it is measured; None: nothing is.

    Raises:
        SynthnegError: what `plan_trial` and `walked` say.
    """
    plan = plan_trial(config, names, count, queries_by)
    makes = plan.arms[0].makes
    if students is not None and makes == "judgement":
        raise SettingsError(
            "--train: a judge writes nothing that a student could be trained on; leave it out"
        )
    with walked(plan, outputs) as arms:
        a, b, measures, sheets = _told(arms, makes)
        rows = compare_arms(a, b, measures, config.seed, config.evaluate.resamples)
        measured = evaluate_students(arms, students) if students else None
        return Comparison(
            makes=makes,
            a=arms[0].arm.prompt.tag,
            b=arms[1].arm.prompt.tag,
            corpus=config.corpus.path,
            passages=len({o.unit for o in (*a, *b)}),
            model=model_of(arms[0]),
            seed=config.seed,
            queries_by=plan.base.prompt.tag if plan.base and not config.corpus.is_written else None,
            rows=tuple(rows),
            notes=(*_lengths(a, b, makes), *_no_price(config, makes), kept_where(arms)),
            students=measured,
            sheets=sheets,
        )


def try_prompt(config: RunConfig, name: str, count: int, queries_by: str, outputs: Path) -> Sheet:
    """Ask one prompt, and return what is to be shown of it; arguments and errors are those of `compare_prompts`."""
    with walked(plan_trial(config, [name], count, queries_by), outputs) as [arm]:
        return judge_sheet(arm) if arm.arm.makes == "judgement" else sheet_of(arm, entries(arm))


def _told(arms: Sequence[Walked], makes: Makes) -> _Told:
    """Return what each arm has made of each record, what that is compared in, and what is to be shown of it."""
    if makes == "judgement":
        a, b = (judge_outcomes(arm.judged) for arm in arms)
        return a, b, judge_measures(), tuple(map(judge_sheet, arms))
    found = [entries(arm) for arm in arms]
    encoder = open_encoder(arms[0].run)
    a, b = (outcomes(some, makes, encoder) for some in found)
    sheets = tuple(sheet_of(*arm) for arm in zip(arms, found, strict=True))
    return a, b, measures_for(makes, a, b), sheets


def _lengths(a: Sequence[Any], b: Sequence[Any], makes: Makes) -> list[str]:
    if makes != "document":
        return []
    one, other = (length_and_grade(found) for found in (a, b))
    said = (
        f"{name} {'-' if value is None else f'{abs(value):.2f}'}"
        for name, value in (("A", one), ("B", other))
    )
    return [f"|correlation| of a document's length and its grade: {', '.join(said)}"]


def _no_price(config: RunConfig, makes: Makes) -> list[str]:
    """Say why a comparison of prompts that write has no row for money."""
    known = makes == "judgement" or cost_usd(config.llm.price, 0, 0) is not None
    return [] if known else [f"money: {money(None)}"]


def heading(found: Comparison) -> list[str]:
    """Return which prompts were compared, and over what."""
    by = f" · queries by {found.queries_by}" if found.queries_by else ""
    return [
        f"A  {found.a}",
        f"B  {found.b}{'  (independent replies to the same prompt)' if found.a == found.b else ''}",
        f"{found.passages:,} passages of {found.corpus} · {found.model} · seed {found.seed}{by}",
    ]


def comparison_lines(found: Comparison, width: int) -> list[str]:
    """Return the comparison as lines of text, its table in `width` columns, 80 or more."""
    lines = [*heading(found), "", *table(found.rows, width=width)]
    if found.students is not None:
        lines += ["", "students trained on each:", *evaluation_lines(found.students)]
    return [*lines, "", *(line for note in found.notes for line in wrap(note, width))]


def keep_comparison(found: Comparison, outputs: Path) -> None:
    """Write the comparison among the trials, where the report of a run over the same corpus finds it."""
    folder = outputs / TRIALS / COMPARED
    about = fingerprint(found.corpus, found.passages, found.model, found.seed, found.queries_by)
    name = f"{found.a}-{found.b}-{about[:8]}.json".replace("/", ".")
    with disk_errors(outputs):
        folder.mkdir(parents=True, exist_ok=True)
        data = orjson.dumps(comparison_json(found), option=orjson.OPT_INDENT_2)
        write_whole(folder / name, data)


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Return the comparison as plain data."""
    return {
        "makes": found.makes,
        "a": found.a,
        "b": found.b,
        "corpus": found.corpus,
        "passages": found.passages,
        "model": found.model,
        "seed": found.seed,
        "queries_by": found.queries_by,
        "rows": rows_to_json(found.rows),
        "notes": list(found.notes),
        "students": None if found.students is None else to_json(found.students),
    }
