"""An arm of a trial: one prompt, with a run of its own that is named by all that decides what the prompt is asked.

So the same command finds the same run and asks nothing twice, and whatever is made otherwise is another run. How many
passages are asked about is not among that: the passages of a smaller number are among those of a larger one.
"""

import re
import shutil
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from synthneg.config import QueriesConfig, RunConfig, Section
from synthneg.errors import PromptError
from synthneg.files import fingerprint
from synthneg.generate.asking import LEDGER
from synthneg.generate.jobs import prompts_for
from synthneg.llm.history import History
from synthneg.prompts.file import Prompt
from synthneg.prompts.head import Makes
from synthneg.prompts.shelf import load
from synthneg.run import TRIALS, Run
from synthneg.verify.asked import judge_prompt

WRITTEN: tuple[Makes, ...] = ("query", "document", "negative")
_TRIED: tuple[Makes, ...] = (*WRITTEN, "judgement")


@dataclass(frozen=True, slots=True)
class Arm:
    """A prompt on trial, and the settings of its run."""

    prompt: Prompt
    config: RunConfig
    draw: int = 0  # another one has independent replies to the same prompt

    @property
    def makes(self) -> Makes:
        """What the prompt makes."""
        return self.prompt.head.makes


def makes_of(names: Sequence[str]) -> Makes:
    """Return what the prompts make.

    Raises:
        PromptError: there is no such prompt, they make different things, or what no trial is made of.
    """
    prompts = [load(name) for name in names]
    first = prompts[0].head.makes
    for prompt in prompts:
        if prompt.head.makes not in _TRIED:
            raise PromptError(
                f"{prompt.name} makes a {prompt.head.makes}; expected a prompt that makes a query, a document, a"
                " negative or a judgement: what else is written for has no checks of its own to be tried by"
            )
        if prompt.head.makes != first:
            raise PromptError(
                f"{prompts[0].name} makes a {first}, and {prompt.name} a {prompt.head.makes}; compare prompts that make"
                " the same"
            )
    return first


def query_arm(config: RunConfig, name: str, count: int, draw: int = 0) -> Arm:
    """Return the arm of a prompt that makes queries; of passages that are written, it has the queries they come with.

    Args:
        config: settings of a run; what it asks is not looked at.
        name: of the prompt.
        count: passages that are asked about.
        draw: another gives independent replies to the same prompt.
    """
    if config.corpus.is_written:
        return _arm(config, name, count, {"queries": QueriesConfig()})
    queries = config.generate.queries
    first = queries.first_draw + draw * queries.per_passage
    # Rounds ask again for what the whole set shows: they would hide how often a prompt says the same.
    asked = queries.model_copy(update={"prompts": (name,), "first_draw": first, "rounds": 0})
    return _arm(config, name, count, {"queries": asked})


def written_arm(config: RunConfig, name: str, base: Arm, draw: int = 0) -> Arm:
    """Return the arm of a prompt that makes documents or negatives for the verified queries of `base`.

    Args:
        config: settings of a run; what it asks is not looked at.
        name: of the prompt.
        base: whose queries they are.
        draw: another gives independent replies to the same prompt.
    """
    documents, negatives = config.generate.documents, config.generate.negatives
    asked: Section
    if load(name).head.makes == "document":
        family, first = "documents", documents.first_draw + draw
        asked = documents.model_copy(update={"prompts": (name,), "first_draw": first})
    else:
        family, first = "negatives", negatives.first_draw + draw * negatives.per_query
        asked = negatives.model_copy(update={"prompts": (name,), "first_draw": first})
    sections: dict[str, Section] = {"queries": base.config.generate.queries, family: asked}
    count = base.config.corpus.limit
    if count is None:
        raise AssertionError("an arm has a number of passages")
    return _arm(config, name, count, sections)


def judge_arm(config: RunConfig, name: str, base: Arm, draw: int = 0) -> Arm:
    """Return the arm of a prompt that judges passages for the verified queries of `base`.

    Args:
        config: settings of a run; what it asks is not looked at.
        name: of the prompt.
        base: whose queries they are.
        draw: another gives independent replies to the same prompt.

    Raises:
        PromptError: its replies are none that could be read as a judgement.
    """
    judging = config.verify.model_copy(update={"judge": name})
    changed = config.model_copy(update={"verify": judging})
    judge_prompt(changed)
    count = base.config.corpus.limit
    if count is None:
        raise AssertionError("an arm has a number of passages")
    return _arm(changed, name, count, {"queries": base.config.generate.queries}, draw)


def open_run(arm: Arm, outputs: Path) -> Run:
    """Return the arm's run, locked for this process; trials in one folder share what an encoder has encoded.

    Where nothing has been asked, its folder goes when it is closed: a mistake leaves nothing behind.
    """
    run = Run(outputs / TRIALS, arm.config)
    run.vectors = outputs / TRIALS / "vectors"
    run.at_close(lambda: _clear(run.folder))
    return run


def _clear(folder: Path) -> None:
    if (folder / LEDGER).exists():
        with closing(History(folder / LEDGER)) as history:
            totals = history.totals()
            if totals.replies or totals.failures or history.open_batches():
                return
    shutil.rmtree(folder)
    for empty in (folder.parent, folder.parent.parent):
        with suppress(OSError):  # it holds something
            empty.rmdir()


def _arm(
    config: RunConfig, name: str, count: int, sections: dict[str, Section], draw: int = 0
) -> Arm:
    generate = config.generate
    none = {
        "documents": generate.documents.model_copy(update={"prompts": ()}),
        "negatives": generate.negatives.model_copy(update={"prompts": ()}),
    }
    generate = generate.model_copy(update=none | sections)
    used = {*generate.queries.prompts, *generate.documents.prompts, *generate.negatives.prompts}
    kept = {key: value for key, value in generate.replace.items() if key in used}
    generate = generate.model_copy(update={"replace": kept})
    prompts = [p for makes in WRITTEN for p in prompts_for(generate, makes)]  # type: ignore[arg-type]  # three of Makes
    prompt = prompts[-1]  # queries come first, and one family beside them
    if load(name).head.makes == "judgement":
        prompt = load(name)
        prompts.append(prompt)
    sample = "random" if config.corpus.sample == "all" else config.corpus.sample
    corpus = config.corpus.model_copy(update={"limit": count, "sample": sample})
    changed = config.model_copy(update={"corpus": corpus, "generate": generate})
    named = _run_name(prompt, changed, [*(p.tag for p in prompts), *([str(draw)] if draw else [])])
    return Arm(prompt, changed.model_copy(update={"run": named}), draw)


def _run_name(prompt: Prompt, config: RunConfig, tags: Sequence[str]) -> str:
    path = Path(config.corpus.path)
    corpus = config.corpus.model_dump(mode="json", exclude={"limit", "path"})
    where = str(path.resolve()) if path.exists() else config.corpus.path
    llm, generate = config.llm, config.generate.model_dump(mode="json", exclude={"replace"})
    for family in ("queries", "documents", "negatives"):
        del generate[family]["prompts"]  # the tags say more
    backend = (llm.backend, llm.base_url, llm.model)
    digest = fingerprint(where, corpus, config.seed, backend, generate, list(tags))[:8]
    kind = re.sub(r"[^A-Za-z0-9-]+", "-", prompt.kind).strip("-") or "prompt"
    return f"{kind}-{prompt.tag.rpartition('@')[2]}-{digest}"
