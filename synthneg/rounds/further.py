"""The settings of the next round: an ordinary run beside the one before, that asks what this one's failures ask for."""

from collections.abc import Sequence

from synthneg.config import ReplaceConfig, RunConfig
from synthneg.errors import RunError, SettingsError
from synthneg.generate.jobs import prompts_for
from synthneg.progress import say
from synthneg.prompts.file import Prompt
from synthneg.records import Example, Failed
from synthneg.rounds.failed import write_failed
from synthneg.run import Run

_CHARS = 600  # of an exemplar's passage
_KEYS = {"passage", "query"}  # of exemplars that a failure can stand in for


def check_rounds(config: RunConfig, wanted: int) -> None:
    """Refuse a further round where there can be none.

    Raises:
        SettingsError: the passages are written by the model, each with its one query, or a dataset brought both.
    """
    if wanted > config.rounds.number and config.corpus.dataset is not None:
        raise SettingsError(
            f"--round {wanted}: expected passages of a corpus, of which more can be asked, but corpus.path"
            f" {config.corpus.path} is a dataset with queries of its own; name its documents alone as corpus.path"
        )
    if wanted > config.rounds.number and config.corpus.is_written:
        raise SettingsError(
            f"--round {wanted}: expected passages of a corpus, of which more can be asked, but corpus.path"
            f" {config.corpus.path} has each passage written for its query; raise corpus.limit"
        )


def further(run: Run) -> RunConfig:
    """Return the settings of the round after a finished one.

    They are those of the run but for its name, the passages (those of failed queries and their neighbours), the numbers
    of the draws, which follow the earlier ones, and the exemplars, which are failed queries.

    Raises:
        RunError: the tuned model fails no query.
    """
    failed = write_failed(run)
    passages = {id for one in failed for id in one.ask}
    config, number = run.config, run.config.rounds.number + 1
    if not passages:
        raise RunError(
            f"{run.folder}: of its verified queries the tuned model fails none (rounds.top_k {config.rounds.top_k},"
            f" rounds.margin {config.rounds.margin:g}), so there is nothing to ask for; lower top_k or raise the margin"
        )
    shown = sum(one.exemplar for one in failed)
    say(
        f"round {number}: the tuned model fails {len(failed):,} verified queries; {len(passages):,} passages are asked"
        f" about, {shown:,} failures are exemplars"
    )
    name = config.run.removesuffix(f"-round-{config.rounds.number}")
    queries = config.generate.queries
    generate = config.generate.model_copy(
        update={
            "queries": queries.model_copy(
                update={"first_draw": queries.first_draw + queries.per_passage}
            ),
            "replace": config.generate.replace | _replaced(run, failed),
        }
    )
    corpus = {"limit": len(passages), "sample": "random", "clusters": None}
    return config.model_copy(
        update={
            "run": f"{name}-round-{number}",
            "corpus": config.corpus.model_copy(update=corpus),
            "generate": generate,
            "rounds": config.rounds.model_copy(update={"after": config.run, "number": number}),
        }
    )


def _replaced(run: Run, failed: Sequence[Failed]) -> dict[str, ReplaceConfig]:
    """Return the exemplars of each prompt that can take failures of its own."""
    wanted = {one.query_id for one in failed if one.exemplar}
    shown: dict[str, list[dict[str, str]]] = {}
    for example in run.read("examples.jsonl", Example):
        if example.query_id in wanted:
            name = example.origin.prompt.rpartition("@")[0]
            passage = _cut(example.positive.full_text)
            shown.setdefault(name, []).append({"passage": passage, "query": example.query})
    found = {}
    for prompt in prompts_for(run.config.generate, "query"):
        pool = shown.get(prompt.name, [])
        if pool and _takes(prompt):
            found[prompt.name] = ReplaceConfig(
                examples=tuple(_filled(prompt, pool)), draws=_draws(run.config, prompt.name)
            )
    return found


def _takes(prompt: Prompt) -> bool:
    examples = prompt.head.examples
    return examples is not None and examples.pool[0].keys() == _KEYS


def _filled(prompt: Prompt, pool: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the failures, and as many of the prompt's own exemplars as are missing to what it draws."""
    examples = prompt.head.examples
    missing = max(0, examples.draw - len(pool)) if examples else 0
    return [*pool, *(dict(own) for own in (examples.pool if examples else ())[:missing])]


def _draws(config: RunConfig, name: str) -> dict[str, object]:
    own = config.generate.replace.get(name)
    return {} if own is None else own.draws


def _cut(text: str) -> str:
    """Return the beginning of a passage in one line, as the exemplars of prompt files are."""
    text = " ".join(text.split())
    return text if len(text) <= _CHARS else f"{text[:_CHARS].rpartition(' ')[0]} …"
