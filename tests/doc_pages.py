"""What the pages of the documents tell a reader to type and to write down, in the order of the page.

A fenced block of `sh` is a command a line, one of `python` a program. An HTML comment on the line before a block says
more of it:

    <!-- needs: gpu -->     what follows cannot be run here (gpu, key, network or cluster)
    <!-- file: my.yaml -->  the reader saves what follows under this name
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from synthneg.cli.app import app
from synthneg.errors import SettingsError
from synthneg.settings import apply, resolve

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(
    r"(?:^<!-- (?P<word>needs|file): (?P<about>[^>]+?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# Programs that install, serve, or belong to somebody else.
ELSEWHERE = (
    *("pip", "make", "ollama", "llama-server", "vllm", "git", "python", "cd", "nohup", "export"),
    *("ray", "sbatch", "kubectl"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language and text, what it needs that is not here, and the file that it becomes."""

    language: str
    text: str
    needs: str = ""
    file: str = ""

    @property
    def commands(self) -> list[str]:
        """Return its command lines, continued lines joined, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s+)#\s.*$", "", line).strip() for line in joined.split("\n"))
        return [line for line in lines if line] if self.language == "sh" else []


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        told = {found["word"]: found["about"]} if found["word"] else {}
        yield Block(found["language"], found["text"], **told)


def pages() -> list[Path]:
    """Return all pages that tell what to type, or have programs."""
    places = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "prompts" / "README.md"]
    return sorted(page for page in places if any(map(_is_done, blocks(page))))


def _is_done(block: Block) -> bool:
    return bool(block.commands) or block.language == "python"


def words_of(line: str) -> tuple[list[str], str]:
    """Return the words of a command line, and the file that its output goes to; "" where it is shown."""
    words = shlex.split(line)
    return (words[:-2], words[-1]) if ">" in words[-2:] else (words, "")


def refusal(line: str) -> str:
    """Return why a line is no command of the program; "" where it is one, or belongs to another program."""
    words, _ = words_of(line)
    if words[0] != "synthneg":
        return ""
    command: Any = typer.main.get_command(app)
    given = words[1:]
    while given and given[0] in getattr(command, "commands", {}):
        command, given = command.commands[given[0]], given[1:]
    if hasattr(command, "commands"):
        return "" if given == ["--help"] else f"no command of the program: {line}"
    try:
        read = command.make_context(words[1], list(given)).params
    except typer.Exit:  # --help
        return ""
    except Exception as error:  # noqa: BLE001  # whatever the parser says is what this is about
        return f"{line}: {error}"
    return "" if command.name == "compare" else _unknown_setting(read.get("changes") or [])


def _unknown_setting(changes: list[str]) -> str:
    values: dict[str, Any] = {"run": "page", "corpus": {"path": "documents"}}
    try:
        apply(values, changes)
        resolve(values, "--set")
    except SettingsError as error:
        # Of a setting that goes with another one of the run, only the name can be told here.
        return str(error) if "unknown setting" in str(error) else ""
    return ""
