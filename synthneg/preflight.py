"""What is refused before a language model is asked for hours: settings that a later stage would stumble over."""

from pathlib import Path

from synthneg.config import RunConfig
from synthneg.corpus.read import check_corpus
from synthneg.errors import SettingsError
from synthneg.generate.beside import needed
from synthneg.generate.jobs import all_prompts
from synthneg.generate.passages import check_written
from synthneg.llm.budget import check_budget
from synthneg.llm.open import check_backend
from synthneg.run.books import STAGES
from synthneg.scoring.approximate import check_approximate
from synthneg.stages import check_labelled, declared_sets

HELD_OUT = "held-out"  # the collection of held-out synthetic queries


def check_settings(config: RunConfig, until: str = STAGES[-1]) -> None:
    """Refuse what the stages up to `until` would stumble over, before a language model is asked for hours.

    Raises:
        CorpusError: the corpus is not there, or in no form that is known.
        SettingsError: there is no such stage or measure, two collections have one name, or settings of the corpus
            do not go with passages that are written.
        PromptError: a prompt is missing, broken, or makes something else.
        BackendError: the language model's address or weights are missing.
        ModelError: the encoder or the base model is a folder without a model.
        CollectionError: a test collection is missing or broken.
        MissingExtra: the packages of an extra that the settings need are not installed.
    """
    if until not in STAGES:
        raise SettingsError(f"--until {until}: expected one of {', '.join(STAGES)}")
    wanted = up_to(until)
    check_written(config)
    all_prompts(config)
    if config.verify.judge is not None:
        _check_judge(config)
    check_corpus(config.corpus)
    if ("generate.queries" in wanted or config.corpus.is_written) and all_prompts(config):
        check_budget(config.llm)
        check_backend(config.llm)
    if "verify.queries" in wanted or _chooses_with_vectors(config):
        _check_models(config, wanted)
    if "evaluate" in wanted:
        _check_evaluation(config)
    if "train" in wanted:
        check_labelled(config)
    if "verify.queries" in wanted:
        _check_sets(config)
        _check_content(config)
    if "mine" in wanted and config.mine.approximate_above is not None:
        check_approximate()


def _check_sets(config: RunConfig) -> None:
    from synthneg.evaluate.collection import check_collection  # noqa: PLC0415 - heavy: not for help

    for folder, split in declared_sets(config).values():
        check_collection(folder, split)


def _check_content(config: RunConfig) -> None:
    from synthneg.verify.private import check_private  # noqa: PLC0415 - a later stage: not for generate

    check_private(config.verify.content)


def _check_judge(config: RunConfig) -> None:
    from synthneg.verify.asked import judge_prompt  # noqa: PLC0415 - heavy: not for help

    judge_prompt(config)


def _chooses_with_vectors(config: RunConfig) -> bool:
    return config.corpus.sample == "cluster" or needed("related", all_prompts(config))


def _check_models(config: RunConfig, wanted: tuple[str, ...]) -> None:
    from synthneg.scoring.encoder import check_model  # noqa: PLC0415 - heavy: not for help
    from synthneg.scoring.models import check_reranker  # noqa: PLC0415 - heavy: not for help

    check_model(config.verify.encoder)
    if config.verify.reranker is not None:
        check_reranker(config.verify.reranker)
    if "train" in wanted:
        check_training(config)


def check_training(config: RunConfig) -> None:
    """Refuse what cannot be trained, or not in this way.

    Raises:
        SettingsError, MissingExtra, ModelError: as `check_student` and `processes_of` say.
    """
    from synthneg.scoring.encoder import check_model  # noqa: PLC0415 - heavy: not for help
    from synthneg.train.launch import processes_of  # noqa: PLC0415 - as above
    from synthneg.train.students import check_student  # noqa: PLC0415 - heavy: not for help

    for name in config.train.models:
        check_model(name)
    check_student(config.train)
    processes_of(config.train)


def _check_evaluation(config: RunConfig) -> None:
    from synthneg.evaluate.collection import check_collection  # noqa: PLC0415 - heavy: not for help
    from synthneg.evaluate.compare import check_names_differ  # noqa: PLC0415 - heavy: not for help
    from synthneg.evaluate.measure import parse  # noqa: PLC0415 - heavy: not for help

    parse(config.evaluate.measures)
    folders = [Path(folder) for folder in config.evaluate.collections]
    check_names_differ([HELD_OUT, *(folder.resolve().name for folder in folders)])
    for folder in folders:
        check_collection(folder, config.evaluate.split)


def up_to(stage: str) -> tuple[str, ...]:
    """Return the stages up to and with `stage`, in their order."""
    return STAGES[: STAGES.index(stage) + 1]
