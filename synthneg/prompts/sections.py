"""The sections of a prompt file: role markers split it before anything in it is read as a template."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from synthneg.prompts.problem import Problem

Role = Literal["system", "user", "assistant"]

_MARKER = re.compile(r"^===[ \t]*(.*?)[ \t]*$")
# A marker with too few or too many signs, or set in from the margin, would be sent to the model as text.
_NEARLY = re.compile(r"^[ \t]*=+[ \t]*(?:system|user|assistant)\b[^.]{0,30}$", re.IGNORECASE)
_NAMED = re.compile(r"assistant[ \t]+([a-z][a-z0-9_-]*)")
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


class Turn(NamedTuple):
    """A section of a prompt file."""

    role: Role
    source: str  # of its template; empty: the model answers
    name: str = ""  # under which the model's answer is kept on the record


class Section(NamedTuple):
    """A turn, and where it stands."""

    turn: Turn
    marker: int  # line of its role marker
    before: int  # number of the line before its text


def split(lines: Sequence[str], start: int) -> tuple[list[Section], list[Problem]]:
    """Return the sections of a file, and what is wrong with them.

    Args:
        lines: of the whole file.
        start: how many of them are the front matter.
    """
    problems: list[Problem] = []
    found: list[tuple[str, int, list[str]]] = []  # marker, its line, lines below it
    for number, line in enumerate(lines[start:], start + 1):
        marker = _MARKER.match(line)
        if marker is not None or _NEARLY.match(line):
            role = marker[1] if marker else line.strip()
            found.append((role, number, []))
            if marker is None or _role(role) is None:
                problems.append(
                    Problem(
                        number,
                        f"expected === system, === user or === assistant, got {line.strip()!r}",
                    )
                )
        elif found:
            found[-1][2].append(line)
        elif line.strip():
            problems.append(
                Problem(number, "text before the first role marker; begin with `=== user`")
            )
    misspelt = any(_role(role) is None for role, _, _ in found)
    # Text below a misspelt marker is looked through like that of a user.
    sections = [_section(_role(role) or ("user", ""), number, body) for role, number, body in found]
    return sections, problems + ([] if misspelt else _order(sections, start))


def _role(marker: str) -> tuple[Role, str] | None:
    """Return the role that a marker names, and the name of the turn; None where there is no such role."""
    named = _NAMED.fullmatch(marker)
    if named is not None:
        return "assistant", named[1]
    return (_ROLES[marker], "") if marker in _ROLES else None


def _section(role: tuple[Role, str], number: int, body: list[str]) -> Section:
    """Return a section without the blank lines around its text."""
    text = "\n".join(body)
    inner = text.lstrip("\n")
    source = inner.rstrip("\n") if inner.strip() else ""
    return Section(Turn(role[0], source, role[1]), number, number + len(text) - len(inner))


def _order(sections: Sequence[Section], start: int) -> list[Problem]:
    problems = []
    before = ""
    for turn, line, _ in sections:
        if turn.role == "assistant":
            if before != "user":
                problems.append(Problem(line, "`=== assistant` must come after `=== user`"))
        elif not turn.source:
            problems.append(Problem(line, f"the section `=== {turn.role}` is empty"))
        before = turn.role
    if before != "user":
        last = sections[-1].marker if sections else start
        problems.append(
            Problem(last, "the last section must be `=== user`: the model's reply comes after it")
        )
    return problems


def check_names(
    sections: Sequence[Section], schemas: Mapping[str, Any], line_of: Mapping[str, int]
) -> list[Problem]:
    """Return what is wrong with the names of open turns: one that is not open, one twice, a schema for none.

    Args:
        sections: of the file.
        schemas: `turns` of the front matter.
        line_of: line of each of the schemas.
    """
    names = [turn.name for turn, _, _ in sections if turn.name]
    problems = [
        Problem(
            line,
            f"expected a name of its own on an empty `=== assistant` alone, got {turn.name!r}",
        )
        for turn, line, _ in sections
        if turn.name and (turn.source or names.count(turn.name) > 1)
    ]
    return problems + [
        Problem(
            line_of[name],
            f"`turns` has a schema for {name}, but no section is called so; write `=== assistant {name}`",
        )
        for name in schemas
        if name not in names
    ]
