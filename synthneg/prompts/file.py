r"""Prompt files: find, check, draw for, render and name them by their hash.

A prompt is one file: a front matter in YAML, then sections that begin with a role marker on a line of its own.

    ---
    makes: query                         # query | document | negative
    about: One question that the passage answers.
    needs: [passage]                     # exactly these variables of passage, query
    draws: {style: [plain, formal]}      # drawn per record from its own seed; per grade where `grades` is given
    examples: {draw: 2, pool: [...]}     # exemplars drawn per record
    reply: text                          # text | a JSON schema
    sampling: {temperature: 0.7, max_tokens: 60, stop: ["\n"]}
    ---
    === system
    You write search queries.
    === user
    {{ passage.text }}

The markers split the source before anything is rendered, so a passage with a line `=== system` stays text. An empty
`=== assistant` section is answered by the model before the next turn is sent.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import StrictUndefined, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthneg.errors import PromptError

Role = Literal["system", "user", "assistant"]

# What a template may read of each variable. A query gives its text alone: no passage can be reached through it.
FIELDS = {"passage": {"text", "title"}, "query": {"text"}}
ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_MARKER = re.compile(r"^===[ \t]*(.*?)[ \t]*$")
_ROLES = ("system", "user", "assistant")
_FORBIDDEN_NODES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Between(BaseModel):
    """A whole number drawn evenly from low..high, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    low: int
    high: int


class Sampling(BaseModel):
    """How the model samples; what is not set is the server's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: float = Field(ge=0, le=2)
    max_tokens: int = Field(ge=1, description="longest reply, in tokens")
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: tuple[str, ...] = ()


class Examples(BaseModel):
    """Exemplars: `draw` of the pool at random, in one of `sets` draws that each record falls into.

    Fewer sets mean longer beginnings in common, which a server's prefix cache does not read again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    draw: int = Field(ge=1)
    sets: int = Field(ge=1)
    pool: tuple[dict[str, str], ...]


class FrontMatter(BaseModel):
    """The head of a prompt file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    makes: Literal["query", "document", "negative"]
    about: str
    needs: tuple[Literal["passage", "query"], ...] = Field(min_length=1)
    grades: tuple[int, ...] = ()
    draws: dict[str, Between | tuple[str, ...]] = {}
    examples: Examples | None = None
    reply: Literal["text"] | dict[str, Any] = "text"
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Prompt:
    """A checked prompt file."""

    name: str  # such as query/question
    tag: str  # name@hash8, under which its results are compared
    head: FrontMatter
    turns: tuple[
        tuple[Role, str], ...
    ]  # role and template source; an empty source is answered by the model
    source: str

    @property
    def kind(self) -> str:
        """The last part of the name, such as `question`: records are named by it."""
        return self.name.rpartition("/")[2]

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema of the reply, or None for text."""
        return self.head.reply if isinstance(self.head.reply, dict) else None

    def sampling(self) -> dict[str, Any]:
        """Return the sampling settings that are set, as an OpenAI-compatible request names them."""
        return self.head.sampling.model_dump(exclude_none=True, exclude_defaults=True, mode="json")


def parse(source: str, name: str | None, path: Path) -> Prompt:
    """Return the prompt whose file holds `source`; without `name` it is named by what it makes and its stem."""
    lines = source.split("\n")
    if lines[0].rstrip() != "---" or "---" not in [line.rstrip() for line in lines[1:]]:
        raise PromptError(
            f"{path}:1: expected a front matter between two lines `---`, got {lines[0][:40]!r}"
        )
    end = [line.rstrip() for line in lines].index("---", 1)
    head = _front_matter(lines[1:end], path)
    turns = _split(lines, end + 1, path)
    _check_variables(head, turns, path)
    _check_reply(head, path)
    name = name or f"{head.makes}/{path.stem}"
    if not name.startswith(f"{head.makes}/"):
        raise PromptError(
            f"{path}: makes {head.makes}, but stands in the folder {name.split('/')[0]}/"
        )
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    turns_text = tuple((role, text) for role, text, _ in turns)
    return Prompt(name, f"{name}@{digest}", head, turns_text, source)


def _front_matter(lines: list[str], path: Path) -> FrontMatter:
    try:
        values = yaml.safe_load("\n".join(lines))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        raise PromptError(
            f"{path}:{line}: the front matter is not YAML: {getattr(error, 'problem', error)}"
        ) from error
    if not isinstance(values, dict):
        raise PromptError(
            f"{path}:2: expected keys such as makes, needs and sampling in the front matter"
        )
    try:
        return FrontMatter.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        line = next((n for n, text in enumerate(lines, 2) if text.startswith(f"{key}:")), 2)
        place = ".".join(map(str, first["loc"]))
        raise PromptError(
            f"{path}:{line}: {place}: {first['msg']}, got {str(first['input'])[:60]!r}"
        ) from error


def _split(lines: list[str], start: int, path: Path) -> list[tuple[Role, str, int]]:
    """Return (role, template source, number of the line before it) for each section."""
    turns: list[tuple[Role, list[str], int]] = []
    for number, line in enumerate(lines[start:], start + 1):
        marker = _MARKER.match(line)
        if marker is None:
            if turns:
                turns[-1][1].append(line)
            elif line.strip():
                raise PromptError(
                    f"{path}:{number}: text before the first role marker; begin with `=== user`"
                )
        else:
            role = marker[1]
            if role not in _ROLES:
                raise PromptError(
                    f"{path}:{number}: expected === system, === user or === assistant, got {line.strip()!r}"
                )
            turns.append((role, [], number))  # type: ignore[arg-type]  # it is one of _ROLES
    if not turns or turns[-1][0] != "user":
        raise PromptError(
            f"{path}: the last section must be `=== user`: the model's reply comes after it"
        )
    for role, body, number in turns:
        if role != "assistant" and not "".join(body).strip():
            raise PromptError(f"{path}:{number}: the section `=== {role}` is empty")
    return [(role, "\n".join(body).strip("\n"), number) for role, body, number in turns]


def _check_variables(head: FrontMatter, turns: list[tuple[Role, str, int]], path: Path) -> None:
    given: set[str] = set(head.needs)
    given |= {"draws"} if head.draws else set()
    given |= {"examples"} if head.examples else set()
    used: set[str] = set()
    for _, text, line in turns:
        try:
            tree = ENVIRONMENT.parse(text)
        except TemplateSyntaxError as error:
            raise PromptError(f"{path}:{line + error.lineno}: {error.message}") from error
        for node in tree.find_all(_FORBIDDEN_NODES):
            raise PromptError(
                f"{path}:{line + node.lineno}: a prompt is one file; it cannot include or import another"
            )
        used |= meta.find_undeclared_variables(tree)
        for attribute in tree.find_all(nodes.Getattr):
            _check_field(attribute, f"{path}:{line + attribute.lineno}")
    if used != given:
        missing, surplus = sorted(used - given), sorted(given - used)
        raise PromptError(
            f"{path}: the text uses {missing or 'nothing'} that the front matter does not give,"
            f" and leaves {surplus or 'nothing'} of it unused; `needs`, `draws` and `examples` must match the text"
        )


def _check_reply(head: FrontMatter, path: Path) -> None:
    required = set(head.reply.get("required", ())) if isinstance(head.reply, dict) else set()
    if head.makes == "document" and not (
        head.grades and {str(grade) for grade in head.grades} <= required
    ):
        raise PromptError(
            f"{path}: a prompt that makes documents names its grades, and its JSON schema requires each of them"
        )
    if head.makes != "document" and (head.grades or isinstance(head.reply, dict)):
        raise PromptError(
            f"{path}: a prompt that makes a {head.makes} has no grades, and its reply is text"
        )


def _check_field(node: nodes.Getattr, place: str) -> None:
    if node.attr.startswith("_"):
        raise PromptError(f"{place}: {node.attr} is not for prompts")
    if isinstance(node.node, nodes.Name) and node.attr not in FIELDS.get(
        node.node.name, {node.attr}
    ):
        known = ", ".join(sorted(FIELDS[node.node.name]))
        raise PromptError(f"{place}: {node.node.name} has {known}, not {node.attr}")
