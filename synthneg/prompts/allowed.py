"""What has a place in the text of a prompt: nodes of jinja's syntax tree, filters, tests, and fields of variables."""

from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import nodes

# What a template may read of each variable. A query gives its text alone: no passage can be reached through it.
# `documents`, a list of such as `document`, and `grade`, a number, have no fields of their own.
FIELDS = {
    "passage": {"text", "title"},
    "related": {"text", "title"},  # another passage of the corpus, near the first
    "query": {"text"},
    # a passage that a search finds for the query, and that does not answer it
    "mined": {"text", "title"},
    "document": {"text", "title"},  # to be judged
    "task": {"text"},
    "topic": {"text"},
}
_LOOP = {"index", "index0", "revindex", "first", "last", "length"}
# Filters and how many values each may be given; one that can make a text longer stands in _LONGER, too. Chance is not
# among them: it is in `draws`, which the record's seed decides.
FILTERS = {
    "capitalize": 0, "count": 0, "d": 1, "default": 1, "first": 0, "int": 0, "join": 1, "last": 0, "length": 0,
    "lower": 0, "replace": 2, "reverse": 0, "round": 1, "sort": 0, "string": 0, "title": 0, "trim": 0, "truncate": 1,
    "unique": 0, "upper": 0, "wordcount": 0,
}  # fmt: skip
_LONGER = {"join", "replace"}  # twice in a row they would multiply
TESTS = {"defined", "undefined", "none", "string", "number", "even", "odd", "divisibleby",
          "eq", "equalto", "ne", "gt", "ge", "lt", "le", "in"}  # fmt: skip
_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr,
    nodes.Getitem, nodes.Slice, nodes.If, nodes.CondExpr, nodes.For, nodes.Filter, nodes.Test, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Neg,
)  # fmt: skip
_WORDS = {
    nodes.Include: "another file", nodes.Import: "another file", nodes.FromImport: "another file",
    nodes.Extends: "another file", nodes.Call: "a call", nodes.Mul: "the sign *", nodes.Pow: "the sign **",
    nodes.Mod: "the sign %", nodes.Div: "the sign /", nodes.FloorDiv: "the sign //", nodes.Keyword: "a named argument",
}  # fmt: skip
_LONGEST, _LARGEST, _DEEPEST = 200, 10_000, 30
_MOST_NODES, _MOST_REPEATED, _MOST_ROUNDS = 2_000, 200, 100


class Given(NamedTuple):
    """What a front matter gives to the text."""

    draws: frozenset[str]
    grades: frozenset[str]  # of which each has draws of its own; empty: all draws are of the record
    examples: frozenset[str]  # keys of an exemplar


class Visit:
    """Goes through the tree of a text once."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.loops: dict[str, set[str] | None] = {}  # variable of a loop → its fields; None: a text

    def faults(self, node: nodes.Node, depth: int = 0) -> Iterator[tuple[int, str]]:
        """Yield (line, what is wrong) of a node and all below it."""
        if depth > _DEEPEST:
            yield node.lineno, f"expected at most {_DEEPEST} levels of brackets and blocks"
        elif not isinstance(node, _NODES):
            words = _WORDS.get(type(node), type(node).__name__.lower())
            yield node.lineno, f"{words} has no place in a prompt; {self._remedy(node)}"
        else:
            check = getattr(self, f"_{type(node).__name__.lower()}", None)
            if check is not None:
                yield from check(node)
            for child in node.iter_child_nodes():
                # A variable of which a field is read is judged with the field.
                if not (isinstance(node, (nodes.Getattr, nodes.Getitem)) and child is node.node
                        and isinstance(child, nodes.Name)):  # fmt: skip
                    yield from self.faults(child, depth + 1)
            if isinstance(node, nodes.For) and isinstance(node.target, nodes.Name):
                self.loops.pop(node.target.name, None)

    def _remedy(self, node: nodes.Node) -> str:
        if isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            return "it is one file, and cannot include or import another"
        return "write variables, filters, if and for alone"

    def _const(self, node: nodes.Const) -> Iterator[tuple[int, str]]:
        value = node.value
        if isinstance(value, str) and len(value) > _LONGEST:
            yield node.lineno, f"expected texts of at most {_LONGEST} characters within {{{{ }}}}"
        elif isinstance(value, (int, float)) and not abs(value) <= _LARGEST:
            yield node.lineno, f"expected numbers up to {_LARGEST:,}, got one beyond"

    def _filter(self, node: nodes.Filter) -> Iterator[tuple[int, str]]:
        most = FILTERS.get(node.name)
        if most is None:
            yield (
                node.lineno,
                f"No filter named {node.name!r} for prompts; there are: {', '.join(FILTERS)}",
            )
        elif node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) > most:
            yield (
                node.lineno,
                f"the filter {node.name} is given at most {most} values, and no named ones",
            )
        elif node.name in _LONGER and not all(isinstance(arg, nodes.Const) for arg in node.args):
            yield node.lineno, f"the filter {node.name} is given texts in quotation marks alone"
        elif node.node is None:
            yield (
                node.lineno,
                "a block of filters has no place in a prompt; put the filter behind a variable",
            )
        elif any(f is not node and f.name in _LONGER for f in node.find_all(nodes.Filter)) and (
            node.name in _LONGER
        ):
            yield node.lineno, f"{node.name} after another of {', '.join(sorted(_LONGER))}: use one"

    def _test(self, node: nodes.Test) -> Iterator[tuple[int, str]]:
        if node.name not in TESTS:
            yield (
                node.lineno,
                f"No test named {node.name!r} for prompts; there are: {', '.join(sorted(TESTS))}",
            )

    def _for(self, node: nodes.For) -> Iterator[tuple[int, str]]:
        listed = isinstance(node.iter, (nodes.List, nodes.Tuple)) and all(
            isinstance(item, nodes.Const) for item in node.iter.items[: _MOST_ROUNDS + 1]
        )
        if self.loops or node.recursive:
            yield node.lineno, "a loop within a loop has no place in a prompt; write one loop"
        elif len(list(node.find_all(nodes.Node))) > _MOST_REPEATED:
            yield node.lineno, "a loop repeats a few lines; write the rest outside of it"
        elif not isinstance(node.target, nodes.Name) or node.target.name == "loop":
            yield node.lineno, "expected one variable after for"
        elif listed and len(node.iter.items) > _MOST_ROUNDS:  # type: ignore[attr-defined]  # it is a list
            yield node.lineno, f"expected a list of at most {_MOST_ROUNDS}"
        elif not listed and not is_variable(node.iter, "examples", "documents"):
            yield node.lineno, "expected a loop over examples, documents or a list such as [3, 2]"
        else:
            fields = None if listed else self._entry(node.iter)
            self.loops[node.target.name] = fields

    def _entry(self, node: nodes.Node) -> set[str]:
        """Return the fields of what the list `examples` or `documents` holds."""
        return set(self.given.examples) if is_variable(node, "examples") else FIELDS["document"]

    def _name(self, node: nodes.Name) -> Iterator[tuple[int, str]]:
        if node.ctx == "load" and node.name in FIELDS and node.name not in self.loops:
            known = " or ".join(f"{node.name}.{field}" for field in sorted(FIELDS[node.name]))
            yield node.lineno, f"write {known}, not {node.name} alone"

    def _getattr(self, node: nodes.Getattr) -> Iterator[tuple[int, str]]:
        yield from self._access(node, node.attr)

    def _getitem(self, node: nodes.Getitem) -> Iterator[tuple[int, str]]:
        key = field_of(node)
        sliced = isinstance(node.arg, nodes.Slice)
        if isinstance(node.arg, nodes.Name) and node.arg.name in self.loops:
            return
        if key is None and not sliced:
            yield (
                node.lineno,
                'expected a name or number within [ ], such as draws["3"] or examples[0]',
            )
        elif sliced or (isinstance(key, int) and not isinstance(node.node, nodes.Name)):
            return  # a piece of a text
        else:
            yield from self._access(node, key)

    def _access(
        self, node: nodes.Getattr | nodes.Getitem, key: str | int | None
    ) -> Iterator[tuple[int, str]]:
        if isinstance(key, str) and key.startswith("_"):
            yield node.lineno, f"{key} is not for prompts"
            return
        of, known = self._known(node.node)
        if known is not None and str(key) not in known:
            there = ", ".join(sorted(known)) or "no fields"
            yield node.lineno, f"{of} has {there}, not {key}"

    def _known(self, base: nodes.Node) -> tuple[str, set[str] | None]:
        """Return what `base` is called, and the names that may be read of it; None: the front matter lacks it."""
        if isinstance(base, nodes.Name):
            return base.name, self._of_variable(base.name)
        if isinstance(base, (nodes.Getattr, nodes.Getitem)) and isinstance(base.node, nodes.Name):
            if base.node.name == "draws" and self.given.grades:
                return "each grade", set(self.given.draws)
            if base.node.name in ("examples", "documents") and isinstance(base, nodes.Getitem):
                return f"each of {base.node.name}", self._entry(base.node)
        return "it", set()

    def _of_variable(self, name: str) -> set[str] | None:
        if name in self.loops:
            return self.loops[name] or set()
        if name == "draws":
            return set(self.given.grades or self.given.draws)
        if name in ("examples", "documents"):
            return _Numbers()
        if name == "grade":
            return set()
        return _LOOP if name == "loop" else FIELDS.get(name)


class _Numbers(set[str]):
    """The places in a list."""

    def __contains__(self, key: object) -> bool:
        return str(key).isdecimal()


def too_much(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Yield that a text writes out far more than prompts do."""
    if len(list(tree.find_all(nodes.Node))) > _MOST_NODES:
        yield 1, f"expected at most {_MOST_NODES:,} variables and texts in a section"


def is_variable(node: nodes.Node, *names: str) -> bool:
    """Whether a node is one of the variables `names`."""
    return isinstance(node, nodes.Name) and node.name in names


def field_of(access: nodes.Getattr | nodes.Getitem) -> str | int | None:
    """Return the name in `variable.name` and `variable["name"]`; None where it is known at rendering only."""
    if isinstance(access, nodes.Getattr):
        return access.attr
    arg = access.arg
    return arg.value if isinstance(arg, nodes.Const) and isinstance(arg.value, (str, int)) else None
