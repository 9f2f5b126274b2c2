"""Where prompts lie: the shipped ones by name, a user's own by the path of its file."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Template

from synthneg.errors import PromptError
from synthneg.prompts.file import ENVIRONMENT, Prompt, parse


def shipped_folder() -> Path:
    """Return the folder of the shipped prompts: inside the wheel, or beside the package in a checkout."""
    inside = Path(__file__).parents[1] / "_prompts"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "prompts"


def shipped() -> list[str]:
    """Return the names of the shipped prompts, sorted."""
    root = shipped_folder()
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.glob("*/*.j2"))


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


@lru_cache(maxsize=256)
def load(name: str) -> Prompt:
    """Return the prompt `name`, checked.

    Raises:
        PromptError: one line that names file, line, and what was expected.
    """
    path = find(name)
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: expected UTF-8, byte {error.start} is not") from error
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror})") from error
    return parse(source, name if not name.endswith(".j2") else None, path)


@lru_cache(maxsize=8)
def part(name: str) -> Template:
    """Return the template of a piece of text that is added to prompts; it lies beside their folders."""
    return ENVIRONMENT.from_string((shipped_folder() / f"{name}.j2").read_text(encoding="utf-8"))
