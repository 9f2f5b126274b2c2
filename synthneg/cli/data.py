"""`synthneg evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from synthneg.cli.common import DEFAULT_FILE, DEFAULT_OUTPUTS, Changes, Outputs, check_json_file
from synthneg.cli.run import with_run
from synthneg.errors import SettingsError


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...|RUN",
            help="Models (folders or Hub names), the first is the base; or a run.",
        ),
    ] = None,
    collections: Annotated[
        list[Path] | None,
        typer.Option(
            "--collection", metavar="PATH", help="A folder in BEIR format; may be repeated."
        ),
    ] = None,
    mteb: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="A task of the package mteb instead, such as SciFact; may be repeated.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="Which qrels: qrels/<split>.tsv, test if not given."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the numbers here.")
    ] = None,
    first_stage: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Whose finds a cross-encoder reranks; BM25's if not given."
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="How many of them; 100 if not given.")
    ] = None,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Measure models against each other: nDCG@10, P@10 and R@100, with intervals and paired tests.

    With --collection, any sentence-transformers models: bi-encoders, sparse and multi-vector ones, and cross-encoders,
    which rerank; BM25 is always beside them. Without, the base and the tuned model of a run, on the collections of its
    settings and its held-out queries. With --mteb, tasks of that package (`pip install 'synthneg[mteb]'`), measured by
    it.
    """
    if mteb:
        _hand_over(
            models or [], mteb, json_file, any((collections, split, changes, first_stage, depth))
        )
        return
    if not collections:
        _refuse_without_collection(models or [], split, json_file)
        if first_stage is not None or depth is not None:
            raise SettingsError(
                "evaluate: --first-stage and --depth go with --collection; a run has evaluate.rerank in its settings"
            )
        from synthneg.pipeline import evaluate_model  # noqa: PLC0415  # needs the settings model

        with_run(Path(models[0]) if models else DEFAULT_FILE, changes, outputs, evaluate_model)
        return
    if changes:
        raise SettingsError(
            "evaluate: --set changes the settings of a run; with --collection there is none"
        )
    rerank = {"first_stage": first_stage, "depth": depth}
    given = {key: value for key, value in rerank.items() if value is not None}
    _evaluate_models(models or [], collections, split, json_file, given)


def _hand_over(models: list[str], tasks: list[str], json_file: Path | None, others: bool) -> None:
    if others:
        raise SettingsError(
            "evaluate: --mteb has collections, splits and settings of its own; expected none of --collection, --split,"
            " --first-stage, --depth and --set beside it"
        )
    _check_models(models, json_file)
    from synthneg.config import VerifyConfig  # noqa: PLC0415  # pydantic is not needed for help
    from synthneg.evaluate.hand_over import find_tasks, lines, run_tasks  # noqa: PLC0415  # as above

    found = run_tasks({m: m for m in models}, find_tasks(tasks), VerifyConfig().encode_batch)
    typer.echo("\n".join(lines(found)))
    if json_file is not None:
        import orjson  # noqa: PLC0415  # not needed for help

        from synthneg.files import write_whole  # noqa: PLC0415  # as above

        write_whole(json_file, orjson.dumps(found, option=orjson.OPT_INDENT_2))


def _refuse_without_collection(
    models: list[str], split: str | None, json_file: Path | None
) -> None:
    if len(models) > 1:
        raise SettingsError(
            f"evaluate: expected --collection PATH for the models {', '.join(models)}"
        )
    if split is not None or json_file is not None:
        raise SettingsError(
            "evaluate: --split and --json go with --collection; a run has evaluate.split in its settings, and its"
            " numbers in its folder evaluation/"
        )


def _check_models(models: list[str], json_file: Path | None) -> None:
    if twice := next((name for name in models if models.count(name) > 1), None):
        raise SettingsError(
            f"evaluate: the model {twice} is given twice; expected models that differ in name"
        )
    check_json_file(json_file)


def _evaluate_models(
    models: list[str],
    collections: list[Path],
    split: str | None,
    json_file: Path | None,
    rerank: dict[str, Any],
) -> None:
    _check_models(models, json_file)
    from synthneg.config import EvaluateConfig, RerankConfig, VerifyConfig  # noqa: PLC0415  # pydantic is not needed for help
    from synthneg.evaluate.collection import read_collection  # noqa: PLC0415  # as above
    from synthneg.evaluate.compare import evaluate as measure  # noqa: PLC0415  # as above
    from synthneg.evaluate.stored import write_all  # noqa: PLC0415  # as above
    from synthneg.evaluate.table import tables  # noqa: PLC0415  # as above

    config = EvaluateConfig()
    evaluations = measure(
        {name: name for name in models},
        [read_collection(path, split or config.split) for path in collections],
        measures=config.measures,
        seed=0,
        resamples=config.resamples,
        bm25=config.bm25,
        batch_size=VerifyConfig().encode_batch,
        rerank=RerankConfig(**rerank),
    )
    for lines in tables(evaluations):
        typer.echo("\n".join([*lines, ""]))
    if json_file is not None:
        write_all(evaluations, json_file)
