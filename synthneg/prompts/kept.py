"""A run's own copy of each prompt that it has asked, so that a record's prompt is found though its file was edited."""

from pathlib import Path

from synthneg.errors import PromptError
from synthneg.files import write_whole
from synthneg.prompts.file import Prompt, hash_of
from synthneg.prompts.history import Found, decoded, with_hash

FOLDER = "prompts"


def file_of(tag: str, folder: Path) -> Path:
    """Return where a run keeps the prompt with this tag.

    >>> file_of("query/question@1b9d6bcd", Path("r/prompts")).as_posix()
    'r/prompts/query.question@1b9d6bcd.j2'
    """
    return folder / f"{tag.replace('/', '.')}.j2"


def keep(prompt: Prompt, folder: Path) -> None:
    """Write a prompt's text into a run's folder of prompts, whole or not at all."""
    file = file_of(prompt.tag, folder)
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, prompt.source.encode())


def tags(folder: Path) -> list[str]:
    """Return the tags of the prompts that a run has kept, sorted."""
    return sorted(file.stem.replace(".", "/", 1) for file in folder.glob("*@*.j2"))


def text_of(tag: str, folder: Path, files: list[Path]) -> Found:
    """Return the text of the prompt with this tag: a run's own copy, or what git knows of one of `files`.

    Args:
        tag: name@hash8, as records carry it.
        folder: where the run keeps its prompts.
        files: prompt files that may have had this text.

    Raises:
        PromptError: it is nowhere.
    """
    name, _, hash = tag.partition("@")
    copy = file_of(tag, folder)
    if copy.is_file():
        source = decoded(copy.read_bytes())
        if hash_of(source) == hash:
            return Found(source, str(copy))
    for file in files:
        found = with_hash(file, hash)
        if found is not None:
            return found
    looked = ", ".join(map(str, files)) or "no file of that name"
    raise PromptError(
        f"{tag}: neither {folder} nor git has a text of {name} with this hash (looked at: {looked});"
        f" kept there: {', '.join(tags(folder)) or 'none'}"
    )
