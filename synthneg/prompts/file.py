r"""Prompt files: find, check, draw for, render and name them by their hash.

A prompt is one file: a front matter in YAML, then sections that begin with a role marker on a line of its own.

    ---
    makes: query                         # query | document | negative | judgement | task
    about: One question that the passage answers.
    needs: [passage]                     # exactly these variables: see FIELDS
    draws: {style: [plain, formal]}      # drawn per record from its own seed; per grade where `grades` is given
    examples: {draw: 2, pool: [...]}     # exemplars drawn per record
    turns: {plan: {type: object, ...}}   # JSON schemas of open turns that are no plain text
    reply: text                          # text | lines: several queries, one on each line | word | a JSON schema
    sampling: {temperature: 0.7, max_tokens: 60, stop: ["\n"]}
    ---
    === system
    You write search queries.
    === user
    {{ passage.text }}

The markers split the source before anything is rendered, so a passage with a line `=== system` stays text. An empty
`=== assistant` section is answered by the model before the next turn is sent; with a name, `=== assistant plan`, what
the model says there is kept on the record. Of a reply in JSON one key is the record's text (TEXT_KEYS), and what else
it holds is kept on the record, too. A prompt that makes documents has all its grades in one reply, or, if that is a
text, is asked once for each grade.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from jinja2 import StrictUndefined, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from synthneg.errors import PromptError
from synthneg.prompts.head import Form, FrontMatter

Role = Literal["system", "user", "assistant"]

# What a template may read of each variable. A query gives its text alone: no passage can be reached through it.
# `documents`, a list of such as `document`, and `grade`, a number, have no fields of their own.
FIELDS = {
    "passage": {"text", "title"},
    "related": {"text", "title"},  # another passage of the corpus, near the first
    "query": {"text"},
    "mined": {
        "text",
        "title",
    },  # a passage that a search finds for the query, and that does not answer it
    "document": {"text", "title"},  # to be judged
    "task": {"text"},
    "topic": {"text"},
}
# The key of a JSON reply that is the record's text; what writes one document, whatever its grade, says `passage`.
TEXT_KEYS = {"query": "query", "document": "passage", "negative": "passage"}
# Folders are named by what is in them.
FOLDERS = {"judgement": "judge"}
ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
# They give another text each time: a prompt's chance is in `draws`, which the record's seed decides.
del ENVIRONMENT.globals["lipsum"], ENVIRONMENT.filters["random"]
_MARKER = re.compile(r"^===[ \t]*(.*?)[ \t]*$")
_NAMED = re.compile(r"assistant[ \t]+([a-z][a-z0-9_-]*)")
_ROLES = ("system", "user", "assistant")
_FORBIDDEN_NODES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Turn(NamedTuple):
    """A section of a prompt file."""

    role: Role
    source: str  # of its template; empty: the model answers
    name: str = ""  # under which the model's answer is kept on the record


@dataclass(frozen=True, slots=True, eq=False)  # a key by its identity, for what is made of it once
class Prompt:
    """A checked prompt file."""

    name: str  # such as query/question
    tag: str  # name@hash8, under which its results are compared
    head: FrontMatter
    turns: tuple[Turn, ...]
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
    def text_key(self) -> str:
        """The key of a JSON reply that holds the record's text."""
        return TEXT_KEYS[self.head.makes]

    @property
    def grades_apart(self) -> bool:
        """Whether each grade is asked for by itself."""
        return bool(self.head.grades) and not set(map(str, self.head.grades)) <= _required(
            self.head.reply
        )

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
    _check_turns(head, turns, path)
    folder = FOLDERS.get(head.makes, head.makes)
    name = name or f"{folder}/{path.stem}"
    if not name.startswith(f"{folder}/"):
        raise PromptError(
            f"{path}: makes {head.makes}, but stands in the folder {name.split('/')[0]}/"
        )
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return Prompt(name, f"{name}@{digest}", head, tuple(turn for turn, _ in turns), source)


def replaced(
    prompt: Prompt, examples: Sequence[Mapping[str, str]], draws: Mapping[str, Any]
) -> Prompt:
    """Return the prompt with exemplars and draws of a run's own instead of its file's, under a hash of its own.

    Raises:
        PromptError: the prompt has no exemplars, or does not draw what is named; the new ones are not well formed.
    """
    path = Path(f"{prompt.name} with generate.replace")
    lines = prompt.source.split("\n")
    end = [line.rstrip() for line in lines].index("---", 1)
    head = yaml.safe_load("\n".join(lines[1:end]))
    if examples:
        if prompt.head.examples is None:
            raise PromptError(f"{path}: the prompt takes no exemplars")
        keys = set(prompt.head.examples.pool[0])
        if set(examples[0]) != keys:
            raise PromptError(
                f"{path}: expected exemplars with the keys {', '.join(sorted(keys))}, got {', '.join(examples[0])}"
            )
        head["examples"]["pool"] = [dict(example) for example in examples]
    if unknown := sorted(set(draws) - set(prompt.head.draws)):
        known = ", ".join(sorted(prompt.head.draws)) or "nothing"
        raise PromptError(f"{path}: the prompt draws {known}, not {unknown[0]}")
    head["draws"] = head.get("draws", {}) | dict(draws)
    text: str = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1000)
    return parse("\n".join(["---", text + "---", *lines[end + 1 :]]), prompt.name, path)


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


def _split(lines: list[str], start: int, path: Path) -> list[tuple[Turn, int]]:
    """Return each section with the number of the line before its text."""
    turns: list[tuple[Role, list[str], int]] = []
    names: list[str] = []
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
            named = _NAMED.fullmatch(marker[1])
            role = "assistant" if named else marker[1]
            if role not in _ROLES:
                raise PromptError(
                    f"{path}:{number}: expected === system, === user or === assistant, got {line.strip()!r}"
                )
            turns.append((role, [], number))  # type: ignore[arg-type]  # it is one of _ROLES
            names.append(named[1] if named else "")
    _check_order(turns, path)
    stripped = (_stripped(body, number) for _, body, number in turns)
    return [
        (Turn(role, text, name), line)
        for (role, _, _), name, (text, line) in zip(turns, names, stripped, strict=True)
    ]


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


def _stripped(body: list[str], number: int) -> tuple[str, int]:
    """Return a section's text without the blank lines around it, and the number of the line before it."""
    text = "\n".join(body)
    inner = text.lstrip("\n")
    return inner.rstrip("\n") if inner.strip() else "", number + len(text) - len(inner)


def _check_turns(head: FrontMatter, turns: list[tuple[Turn, int]], path: Path) -> None:
    """Refuse a name for a turn that is not open, a name twice, and a schema for no turn."""
    names = [turn.name for turn, _ in turns if turn.name]
    for turn, line in turns:
        if turn.name and (turn.source or names.count(turn.name) > 1):
            raise PromptError(
                f"{path}:{line}: expected a name of its own on an empty `=== assistant` alone, got {turn.name!r}"
            )
    if surplus := sorted(set(head.turns) - set(names)):
        raise PromptError(
            f"{path}: `turns` has a schema for {', '.join(surplus)}, but no section is called so;"
            f" write `=== assistant {surplus[0]}`"
        )


def _check_variables(head: FrontMatter, turns: list[tuple[Turn, int]], path: Path) -> None:
    given: set[str] = set(head.needs)
    given |= {"draws"} if head.draws else set()
    given |= {"examples"} if head.examples else set()
    # A prompt with all grades in one reply draws for each of them: draws["3"].words.
    together = head.grades and "grade" not in head.needs
    fields = FIELDS | ({"draws": set(head.draws)} if not together else {})
    used: set[str] = set()
    for turn, line in turns:
        try:
            tree = ENVIRONMENT.parse(turn.source)
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
    required = _required(head.reply)
    if (head.makes == "document") != bool(head.grades):
        raise PromptError(f"{path}: a prompt that makes documents names its grades, and no other")
    if head.makes == "task":
        if not ({"tasks"} <= required or {"query", "positive", "negative"} <= required):
            raise PromptError(
                f"{path}: a prompt that makes a task has a JSON schema that requires `tasks`, or `query`,"
                " `positive` and `negative`"
            )
    elif head.makes == "document":
        together = {str(grade) for grade in head.grades} <= required
        if together == ("grade" in head.needs) and (together or len(head.grades) > 1):
            raise PromptError(
                f"{path}: a prompt that makes documents has a JSON schema that requires each of its grades, or"
                " it needs `grade` and is asked for each by itself"
            )
        if not together:
            _check_text(head, required, path)
    elif head.makes != "judgement":
        _check_text(head, required, path)


def _check_text(head: FrontMatter, required: set[str], path: Path) -> None:
    key = TEXT_KEYS[head.makes]
    known = ("text", "lines") if head.makes == "query" else ("text",)
    if head.reply not in known and key not in required:
        raise PromptError(
            f"{path}: the reply of a prompt that makes a {head.makes} is {' or '.join(known)}, or a JSON schema"
            f" that requires `{key}`"
        )


def _required(form: Form) -> set[str]:
    """Return the keys that a JSON reply must have; none for text and lines."""
    return set(form.get("required", ())) if isinstance(form, dict) else set()


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
        # What a loop fills, as in `for document in documents`, is not looked into there.
        if name.ctx == "load" and name.name in FIELDS and id(name) not in looked_into:
            known = " or ".join(f"{name.name}.{field}" for field in sorted(FIELDS[name.name]))
            raise PromptError(f"{path}:{line + name.lineno}: write {known}, not {name.name} alone")


def _field(access: nodes.Getattr | nodes.Getitem) -> str | None:
    """Return the name in `variable.name` and `variable["name"]`; None where it is known at rendering only."""
    if isinstance(access, nodes.Getattr):
        return access.attr
    arg = access.arg
    return arg.value if isinstance(arg, nodes.Const) and isinstance(arg.value, str) else None
