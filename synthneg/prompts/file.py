r"""Prompt files: find, check, draw for, render and name them by their hash.

A prompt is one file: a front matter in YAML, then sections that begin with a role marker on a line of its own.

    ---
    makes: query                         # query | document | negative
    about: One question that the passage answers.
    needs: [passage]                     # exactly these variables of passage, query
    draws: {style: [plain, formal]}      # drawn per record from its own seed; per grade where `grades` is given
    examples: {draw: 2, pool: [...]}     # exemplars drawn per record
    reply: text                          # text | lines: several queries, one on each line | a JSON schema
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
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import StrictUndefined, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from synthneg.errors import PromptError
from synthneg.prompts.head import Form, FrontMatter

Role = Literal["system", "user", "assistant"]

# What a template may read of each variable. A query gives its text alone: no passage can be reached through it.
FIELDS = {"passage": {"text", "title"}, "query": {"text"}}
ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
# They give another text each time: a prompt's chance is in `draws`, which the record's seed decides.
del ENVIRONMENT.globals["lipsum"], ENVIRONMENT.filters["random"]
_MARKER = re.compile(r"^===[ \t]*(.*?)[ \t]*$")
_ROLES = ("system", "user", "assistant")
_FORBIDDEN_NODES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


@dataclass(frozen=True, slots=True, eq=False)  # a key by its identity, for what is made of it once
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
    def form(self) -> Form:
        """What the reply must be; all strings and lists of a schema are bounded."""
        return self.head.reply

    @property
    def kind(self) -> str:
        """The last part of the name, such as `question`: records are named by it."""
        return self.name.rpartition("/")[2]

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema of the reply, or None for text and lines."""
        return self.head.reply if isinstance(self.head.reply, dict) else None

    @lru_cache(maxsize=256)  # noqa: B019  # prompts are few, and live as long as the process
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
    turns_text = tuple((role, text) for role, text, _ in turns)
    return Prompt(name, f"{name}@{hash_of(source)}", head, turns_text, source)


def hash_of(source: str) -> str:
    """Return the eight digits that stand for a prompt's text in its tag."""
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def _front_matter(lines: list[str], path: Path) -> FrontMatter:
    try:
        values = yaml.safe_load("\n".join(lines))
    except (yaml.YAMLError, ValueError) as error:  # a date such as 2024-13-01 is a ValueError
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        problem = " ".join(str(getattr(error, "problem", error)).split())
        raise PromptError(f"{path}:{line}: the front matter is not YAML: {problem}") from error
    if not isinstance(values, dict):
        raise PromptError(
            f"{path}:2: expected keys such as makes, needs and sampling in the front matter"
        )
    try:
        return FrontMatter.model_validate(values)
    except ValidationError as error:
        # A misspelt key is seen twice, as one too many and as one missing: the first tells what to mend.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
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
    _check_order(turns, path)
    return [_stripped(role, body, number) for role, body, number in turns]


def _check_order(turns: list[tuple[Role, list[str], int]], path: Path) -> None:
    if not turns or turns[-1][0] != "user":
        raise PromptError(
            f"{path}: the last section must be `=== user`: the model's reply comes after it"
        )
    before = ""
    for role, body, number in turns:
        if role == "assistant":
            if before != "user":
                raise PromptError(f"{path}:{number}: `=== assistant` must come after `=== user`")
        elif not "".join(body).strip():
            raise PromptError(f"{path}:{number}: the section `=== {role}` is empty")
        before = role


def _stripped(role: Role, body: list[str], number: int) -> tuple[Role, str, int]:
    """Return a section without the blank lines around it, with the number of the line before what is left."""
    text = "\n".join(body)
    inner = text.lstrip("\n")
    return role, inner.rstrip("\n") if inner.strip() else "", number + len(text) - len(inner)


def _check_variables(head: FrontMatter, turns: list[tuple[Role, str, int]], path: Path) -> None:
    given: set[str] = set(head.needs)
    given |= {"draws"} if head.draws else set()
    given |= {"examples"} if head.examples else set()
    fields = FIELDS | ({"draws": set(head.draws)} if not head.grades else {})
    used: set[str] = set()
    for _, text, line in turns:
        try:
            tree = ENVIRONMENT.parse(text)
            used |= meta.find_undeclared_variables(tree)
        except TemplateSyntaxError as error:
            words = " ".join(str(error.message).split())
            raise PromptError(f"{path}:{line + error.lineno}: {words}") from error
        _check_fields(tree, fields, path, line)
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
    replies = {"query": ("text", "lines"), "negative": ("text",)}.get(head.makes)
    if replies and (head.grades or head.reply not in replies):
        raise PromptError(
            f"{path}: a prompt that makes a {head.makes} has no grades, and its reply is {' or '.join(replies)}"
        )


def _check_fields(tree: nodes.Template, fields: dict[str, set[str]], path: Path, line: int) -> None:
    """Refuse other files, hidden attributes, fields that a variable lacks, and a variable without a field."""
    for node in tree.find_all(_FORBIDDEN_NODES):
        raise PromptError(
            f"{path}:{line + node.lineno}: a prompt is one file; it cannot include or import another"
        )
    accesses: list[nodes.Getattr | nodes.Getitem] = [
        *tree.find_all(nodes.Getattr),
        *tree.find_all(nodes.Getitem),
    ]
    looked_into = set()
    for access in accesses:
        place, field = f"{path}:{line + access.lineno}", _field(access)
        if field is not None and field.startswith("_"):
            raise PromptError(f"{place}: {field} is not for prompts")
        variable = access.node
        if isinstance(variable, nodes.Name) and variable.name in fields:
            looked_into.add(id(variable))
            if field is not None and field not in fields[variable.name]:
                known = ", ".join(sorted(fields[variable.name]))
                raise PromptError(f"{place}: {variable.name} has {known}, not {field}")
    for name in tree.find_all(nodes.Name):
        if name.name in FIELDS and id(name) not in looked_into:
            known = " or ".join(f"{name.name}.{field}" for field in sorted(FIELDS[name.name]))
            raise PromptError(f"{path}:{line + name.lineno}: write {known}, not {name.name} alone")


def _field(access: nodes.Getattr | nodes.Getitem) -> str | None:
    """Return the name in `variable.name` and `variable["name"]`; None where it is known at rendering only."""
    if isinstance(access, nodes.Getattr):
        return access.attr
    arg = access.arg
    return arg.value if isinstance(arg, nodes.Const) and isinstance(arg.value, str) else None
