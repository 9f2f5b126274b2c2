"""The text of a prompt: it names its variables, chooses and repeats by them, and does nothing else.

A prompt file may come from anywhere. So what has a place in a prompt is listed (`allowed`), and all else is refused
when the file is read: calls, attributes that no variable has, other files, arithmetic that makes a long text of a short
one. What is left takes a time and gives a text that grow with the file and the record alone. Passages, queries and
replies are values, and no value is ever read as a template.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jinja2 import (
    StrictUndefined,
    TemplateRuntimeError,
    TemplateSyntaxError,
    Undefined,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synthneg.prompts.allowed import FILTERS, TESTS, Given, Visit, field_of, is_variable, too_much
from synthneg.prompts.problem import Problem


class Read(NamedTuple):
    """What a text reads of the variables."""

    variables: dict[str, int]  # with the line of the first use
    draws: frozenset[str] | None  # None where it is not known before rendering


def _printable(value: Any) -> Any:
    """Return a value that is to be sent; a list or mapping written out would be Python's, not a text."""
    if isinstance(value, (str, int, float, Undefined)):
        return value
    raise TemplateRuntimeError(f"expected a text or a number to write out, got {value!r:.60}")


def environment() -> ImmutableSandboxedEnvironment:
    """Return the environment of all prompts: strict, sandboxed, with the few filters and tests above."""
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, finalize=_printable
    )
    made.globals.clear()
    for known, allowed in ((made.filters, set(FILTERS)), (made.tests, TESTS)):
        for name in set(known) - allowed:
            del known[name]
    return made


ENVIRONMENT = environment()


def check(text: str, before: int, given: Given) -> tuple[Read | None, list[Problem]]:
    """Return what a text reads, and what is wrong with it; nothing is read of one that jinja cannot parse.

    Args:
        text: source of a template.
        before: number of the line before it.
        given: what it may read.
    """
    try:
        tree = ENVIRONMENT.parse(text)
        visit = Visit(given)
        faults = [
            # Jinja gives no line to blocks that it makes itself.
            Problem(before + (line or 1), fault)
            for line, fault in (*too_much(tree), *visit.faults(tree))
        ]
        if faults:
            return None, faults
        # Not before: it computes what is constant, however long that takes.
        used = meta.find_undeclared_variables(tree)
    except TemplateSyntaxError as error:
        words = " ".join(str(error.message).split())
        return None, [Problem(before + error.lineno, words)]
    except (RecursionError, ValueError, OverflowError) as error:
        return None, [Problem(before + 1, f"expected a text that can be read, got {error}")]
    names = [name for name in tree.find_all(nodes.Name) if name.ctx == "load"]
    first = {name: min(before + n.lineno for n in names if n.name == name) for name in used}
    return Read(first, _draws(tree, given)), []


def _draws(tree: nodes.Template, given: Given) -> frozenset[str] | None:
    """Return the draws that a text reads; None where it reads of a variable which."""
    found = set()
    accesses: list[nodes.Getattr | nodes.Getitem] = [
        *tree.find_all(nodes.Getattr),
        *tree.find_all(nodes.Getitem),
    ]
    for access in accesses:
        root = access.node
        of_grade = isinstance(root, (nodes.Getattr, nodes.Getitem)) and is_variable(
            root.node, "draws"
        )
        if of_grade if given.grades else is_variable(root, "draws"):
            field = field_of(access)
            if field is None:
                return None
            found.add(str(field))
    return frozenset(found)


def unmatched(reads: Mapping[str, int], lines: Mapping[str, int]) -> Iterator[Problem]:
    """Yield each variable that the texts read and the front matter does not give, and the other way round.

    Args:
        reads: variables that the texts read, with the line of the first use.
        lines: variables that the front matter gives, with their lines.
    """
    for name in sorted(set(reads) - set(lines)):
        yield Problem(
            reads[name],
            f"the text uses {name}, which the front matter does not give; name it in needs, or take it out",
        )
    for name in sorted(set(lines) - set(reads)):
        yield Problem(
            lines[name],
            f"the front matter gives {name}, which the text leaves unused; use it, or take it away",
        )
