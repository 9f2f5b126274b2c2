"""The prompts behind a dataset: their texts, by tag, and the files under which they travel with it."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from synthneg.config import RunConfig
from synthneg.errors import PromptError
from synthneg.prompts.file import Prompt, replaced
from synthneg.prompts.kept import FOLDER, text_of
from synthneg.prompts.kept import tags as kept_tags
from synthneg.prompts.shelf import load

# What a file of a prompt is called in a dataset; nothing else is taken from one of somebody else.
FILE = re.compile(r"prompts/[a-z]+/[A-Za-z0-9_-][A-Za-z0-9._-]*(?:@[0-9a-f]{8})?\.j2")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt that was asked, and its file in the dataset."""

    tag: str
    path: str  # such as prompts/query/question.j2
    source: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The prompts of a dataset.

    `named` says by which file the settings name a prompt: reference in the run's settings -> path in the dataset.
    """

    files: tuple[PromptFile, ...]
    named: Mapping[str, str]


def asked(config: RunConfig, tags: Set[str], folders: Sequence[Path]) -> Asked:
    """Return the prompts that the settings name, as records carry them, and all others of these.

    A prompt whose file was edited or deleted since is taken as it was when it was asked, from the run's own copy.

    Args:
        config: the settings that make the dataset again.
        tags: of the prompts behind the records.
        folders: of the runs that have asked: this one, and those of the rounds before it.

    Raises:
        PromptError: a prompt that the settings name is gone or broken.
    """
    files, named = {}, {}
    for reference in references(config):
        tag, source = _as_asked(config, reference, tags, folders)
        path = f"{FOLDER}/{tag.partition('@')[0]}.j2"
        files[tag], named[reference] = PromptFile(tag, path, source), path
    for tag in sorted(tags - set(files)):
        if (kept := _kept(tag, folders)) is not None:
            files[tag] = PromptFile(tag, f"{FOLDER}/{tag}.j2", kept)
    return Asked(tuple(files[tag] for tag in sorted(files)), named)


def _as_asked(
    config: RunConfig, reference: str, tags: Set[str], folders: Sequence[Path]
) -> tuple[str, str]:
    """Return tag and text of a prompt that the settings name, as the records have it; else as it is now.

    Raises:
        PromptError: it is gone or broken, and the run has kept no text of it.
    """
    try:
        prompt = _effective(config, reference)
    except PromptError:
        stem = Path(reference).stem
        found = sorted({*tags, *(tag for folder in folders for tag in kept_tags(folder / FOLDER))})
        former = [tag for tag in found if tag.partition("@")[0].rpartition("/")[2] == stem]
        if not former or (source := _kept(former[0], folders)) is None:
            raise
        return former[0], source
    former = sorted(tag for tag in tags if tag.partition("@")[0] == prompt.name)
    if former and prompt.tag not in former and (source := _kept(former[0], folders)) is not None:
        return former[0], source
    return prompt.tag, prompt.source


def references(config: RunConfig) -> list[str]:
    """Return how the settings name the prompts that a run of them asks, each once."""
    generate, passages = config.generate, config.generate.passages
    first: tuple[str, ...] = generate.queries.prompts
    if config.corpus.queries is not None:
        first = (passages.positive,)
    elif config.corpus.is_written:
        first = (passages.brainstorm, passages.example)
    judge = () if config.verify.judge is None else (config.verify.judge,)
    named = (*first, *generate.documents.prompts, *generate.negatives.prompts, *judge)
    return list(dict.fromkeys(named))


def _effective(config: RunConfig, reference: str) -> Prompt:
    prompt, own = load(reference), config.generate.replace.get(reference)
    return prompt if own is None else replaced(prompt, own.examples, own.draws)


def _kept(tag: str, folders: Sequence[Path]) -> str | None:
    for folder in folders:
        try:
            return text_of(tag, folder / FOLDER, []).source
        except PromptError:
            continue  # another round may have asked it
    return None
