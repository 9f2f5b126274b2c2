"""The front matter of a prompt file: YAML to a checked head, each fault with its line."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ValidationError

from synthneg.prompts.head import Examples, FrontMatter, Sampling
from synthneg.prompts.problem import Problem

# What anchors stand for is counted each time: nine lines of them can say a billion things.
_MOST_NODES, _DEEPEST = 100_000, 40
_SECTIONS: dict[str, type[BaseModel]] = {"sampling": Sampling, "examples": Examples}


class Front(NamedTuple):
    """A front matter as it was read."""

    head: FrontMatter | None  # None: it is not well formed
    values: dict[str, Any]  # as the file says it
    root: yaml.Node | None
    problems: list[Problem]

    def line(self, *path: str | int) -> int:
        """Return the line of a key or entry, or of the nearest around it that the file has."""
        return _walk(self.root, path)[0]


def read(lines: Sequence[str]) -> Front:
    """Return the front matter whose lines begin in line 2 of a file."""
    try:
        text = "\n".join(lines)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        problems = list(_tree_problems(root))
        if problems:
            return Front(None, {}, root, problems)
        values = yaml.safe_load(text)
    # A date such as 2024-13-01 is a ValueError; a thousand brackets are a RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        said = " ".join(str(getattr(error, "problem", None) or error).split())
        fault = f"the front matter is not YAML: {said}; quote texts that hold : or #"
        return Front(None, {}, None, [Problem(mark.line + 2 if mark else 2, fault)])
    if not isinstance(values, dict):
        fault = "expected keys such as makes, needs and sampling in the front matter"
        return Front(None, {}, root, [Problem(2, fault)])
    try:
        return Front(FrontMatter.model_validate(values), values, root, [])
    except ValidationError as error:
        return Front(None, values, root, list(_explained(error, root)))


def _tree_problems(root: yaml.Node | None) -> Iterator[Problem]:
    """Yield keys that are given twice, and anchors that stand for too much."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node | None, depth: int) -> Iterator[Problem]:
        if node is None or id(node) in sizes:
            return
        if depth > _DEEPEST:
            yield Problem(_line(node), f"expected at most {_DEEPEST} levels of keys and lists")
        sizes[id(node)] = (
            _MOST_NODES + 1
        )  # as long as it is open: a node that holds itself has no end
        total = 1
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if str(key.value) in seen:
                    fault = f"the key {key.value} is given twice; take one away"
                    yield Problem(_line(key), fault)
                seen.add(str(key.value))
                yield from size(value, depth + 1)
                total += 1 + sizes[id(value)]
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                yield from size(value, depth + 1)
                total += sizes[id(value)]
        sizes[id(node)] = total

    yield from size(root, 0)
    if root is not None and sizes[id(root)] > _MOST_NODES:
        fault = f"expected at most {_MOST_NODES:,} values, what anchors stand for included"
        yield Problem(2, fault)


def _explained(error: ValidationError, root: yaml.Node | None) -> Iterator[Problem]:
    """Yield what is wrong with the values, one problem for each of them."""
    errors = error.errors()
    surplus = [str(found["loc"][-1]) for found in errors if found["type"] == "extra_forbidden"]
    told = set()
    for found in errors:
        key = str(found["loc"][-1])
        # A misspelt key is seen twice, as one too many and as one missing: the first tells what to mend.
        if found["type"] == "missing" and difflib.get_close_matches(key, surplus, n=1):
            continue
        line, place = _walk(root, found["loc"])
        if found["type"] == "missing":
            place.append(key)
        # Each way to read a value is tried, and each says what is wrong with it.
        if tuple(place) not in told:
            told.add(tuple(place))
            said = str(found["msg"]).removeprefix("Value error, ")
            name = ".".join(place) or str(found["loc"][0])
            seen = str(found["input"])[:60]
            yield Problem(line, f"{name}: {said}, got {seen!r}{_hint(found)}")


def _hint(found: Any) -> str:
    """Return which key was meant, or which there are, where one is not known."""
    if found["type"] != "extra_forbidden":
        return ""
    *sections, key = map(str, found["loc"])
    known = list(_SECTIONS.get("".join(sections[:1]), FrontMatter).model_fields)
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"


def _walk(root: yaml.Node | None, path: Sequence[str | int]) -> tuple[int, list[str]]:
    """Return the line of what lies deepest on `path`, and the steps that led there; others are passed over."""
    line, node, steps = 2, root, []
    for step in path:
        if isinstance(node, yaml.MappingNode):
            inner = next((pair for pair in node.value if str(pair[0].value) == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            inner = (node.value[step], node.value[step]) if step < len(node.value) else None
        else:
            inner = None
        if inner is not None:
            line, node = _line(inner[0]), inner[1]
            steps.append(str(step))
    return line, steps


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 2
