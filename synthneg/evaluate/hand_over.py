"""Tasks of the package mteb, which brings collections, splits and measures of its own: handed over to it.

mteb tells a score per split and language and no value per query, so there is no interval and no test here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthneg.errors import CollectionError, SettingsError, require
from synthneg.progress import Progress, say
from synthneg.scoring.encoder import load_model


@dataclass(frozen=True, slots=True)
class Handed:
    """What mteb measured on one split and language of a task."""

    task: str
    split: str
    subset: str
    measure: str  # the task's main one, as mteb spells it
    scores: Mapping[str, float]  # by model


def find_tasks(names: Sequence[str]) -> list[Any]:
    """Return mteb's tasks of these names.

    Raises:
        MissingExtra: mteb is not installed.
        SettingsError: it has no task of a name.
    """
    require("mteb", "mteb", "evaluate --mteb")
    import mteb  # noqa: PLC0415 - heavy: only when it is asked for

    found = []
    for name in names:
        try:
            found.append(mteb.get_task(name))
        except KeyError as error:
            hint = str(error.args[0]).removeprefix("KeyError: ")
            raise SettingsError(f"--mteb {name}: expected a task of mteb; {hint}") from error
    return found


def run_tasks(models: Mapping[str, str], tasks: Sequence[Any], batch_size: int) -> list[Handed]:
    """Return a row for each split and language of each task.

    A model reads with the prompts that it brings, or those of its family, as everywhere here. mteb's store of earlier
    results is not used.

    Args:
        models: what a model is called -> its folder or Hub name.
        tasks: of mteb, by `find_tasks` or made by hand.
        batch_size: texts per forward pass.

    Raises:
        ModelError: a model cannot be loaded.
        CollectionError: mteb cannot get a task's data.
    """
    import mteb  # noqa: PLC0415 - heavy: only when it is asked for

    found: dict[tuple[str, str, str, str], dict[str, float]] = {}
    with Progress("mteb", len(models) * len(tasks), "tasks") as progress:
        for name, model in models.items():
            loaded = load_model(model, None)
            for task in tasks:
                try:
                    result = mteb.evaluate(
                        loaded,
                        task,
                        cache=None,
                        co2_tracker=False,
                        show_progress_bar=False,
                        encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
                    )
                except OSError as error:  # also of the Hub and of its data sets
                    raise CollectionError(
                        f"--mteb {task.metadata.name}: expected data that mteb can get from the Hub, but"
                        f" {' '.join(str(error).split())[:200]}; connect, or measure a folder with --collection"
                    ) from error
                for *place, score in _scores(task, result):
                    found.setdefault((place[0], place[1], place[2], place[3]), {})[name] = score
                progress.advance(note=f"{task.metadata.name}, {name}")
    if not found:
        say("mteb: no task gave a score")
    return [Handed(*place, scores) for place, scores in found.items()]


def lines(rows: Sequence[Handed]) -> Iterator[str]:
    """Yield a table: a line per row, with the score of each model and how far it lies above the first."""
    for row in rows:
        base = next(iter(row.scores.values()))
        yield f"{row.task} · {row.split} · {row.subset} · {row.measure}"
        for place, (model, score) in enumerate(row.scores.items()):
            above = f"  {score - base:+.3f}" if place else ""
            yield f"  {model}  {score:.3f}{above}"
    yield "mteb gives no values per query: no interval, no test"


def _scores(task: Any, result: Any) -> Iterator[tuple[str, str, str, str, float]]:
    """Yield task, split, language, main measure and its value of each that mteb has measured."""
    for one in result.task_results:
        for split, subsets in one.scores.items():
            for scores in subsets:
                main = task.metadata.main_score
                value = float(scores["main_score"])
                yield one.task_name, split, str(scores["hf_subset"]), main, value
