"""Where prompts lie: the shipped ones by name, a user's own by the path of its file; either at a git revision.

query/question               the shipped prompt of that name
my.j2                        a file
query/question@HEAD~3        either, as it was at a git revision
my.j2@1b9d6bcd               either, with the text that has this hash: the present one, or one that git knows
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Template

from synthneg.errors import PromptError
from synthneg.prompts.file import Prompt, hash_of, parse
from synthneg.prompts.history import at, decoded, with_hash
from synthneg.prompts.template import ENVIRONMENT

_HASH = re.compile(r"[0-9a-f]{8}")


class Text(NamedTuple):
    """The text of a prompt, not yet checked, and what it is called."""

    name: str | None  # of a shipped prompt; None for a file, which is named by what it makes
    path: Path
    revision: str | None
    source: str

    @property
    def label(self) -> str:
        """Name or file, and hash: what finds this very text again."""
        return f"{self.name or self.path}@{hash_of(self.source)}"


def shipped_folder() -> Path:
    """Return the folder of the shipped prompts: inside the wheel, or beside the package in a checkout."""
    inside = Path(__file__).parents[1] / "_prompts"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "prompts"


def shipped() -> list[str]:
    """Return the names of the shipped prompts, sorted."""
    root = shipped_folder()
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.glob("*/*.j2"))


def split(reference: str) -> tuple[str, str | None]:
    """Return name and revision of a reference; an @ in a folder's name, or in that of a file that is there, is none.

    >>> split("query/question@HEAD~3"), split("a@b/my.j2@v1.2"), split("my.j2"), split("query/claim")
    (('query/question', 'HEAD~3'), ('a@b/my.j2', 'v1.2'), ('my.j2', None), ('query/claim', None))
    """
    if ".j2@" in reference and not Path(reference).is_file():
        file, _, revision = reference.partition(".j2@")
        return f"{file}.j2", revision
    if reference.endswith(".j2"):
        return reference, None
    name, at_sign, revision = reference.partition("@")
    return name, revision if at_sign else None


def find(name: str) -> Path:
    """Return the file of a prompt: `name` is a path that ends with .j2, or the name of a shipped one.

    Raises:
        PromptError: there is no such prompt; the message lists those that there are.
    """
    if name.endswith(".j2"):
        path = Path(name)
        if not path.is_file():
            raise PromptError(f"{name}: there is no prompt file there")
        return path
    if name not in shipped():
        raise PromptError(
            f"no shipped prompt is called {name!r}; a file of your own must end with .j2;"
            f" shipped: {', '.join(shipped())}"
        )
    return shipped_folder() / f"{name}.j2"


def text(reference: str) -> Text:
    """Return the text that a reference names.

    Raises:
        PromptError: there is no such prompt, no such revision, or it cannot be read; one line.
    """
    name, revision = split(reference)
    own = name.endswith(".j2")
    if revision is None:
        path = find(name)
        return Text(None if own else name, path, None, _read(path))
    # At a revision a file may be there that is gone by now.
    path = Path(name) if own else shipped_folder() / f"{name}.j2"
    found = with_hash(path, revision) if _HASH.fullmatch(revision) else None
    source = found.source if found else at(path, revision)
    return Text(None if own else name, path, revision, source)


@lru_cache(maxsize=256)
def load(reference: str) -> Prompt:
    """Return the prompt that a reference names, checked.

    Raises:
        PromptError: one line that names file, line, and what was expected.
    """
    found = text(reference)
    try:
        return parse(found.source, found.name, found.path)
    except PromptError as error:
        if found.revision is None:
            raise
        raise PromptError(f"at {found.revision}: {error}") from error


def _read(path: Path) -> str:
    try:
        return decoded(path.read_bytes())
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: expected UTF-8, byte {error.start} is not") from error
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror})") from error


@lru_cache(maxsize=8)
def part(name: str) -> Template:
    """Return the template of a piece of text that is added to prompts; it lies beside their folders."""
    return ENVIRONMENT.from_string((shipped_folder() / f"{name}.jinja").read_text(encoding="utf-8"))
