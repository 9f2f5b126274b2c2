"""Passages from the docstrings of installed packages: real prose that every machine has."""

import importlib
import inspect
import pkgutil
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from types import ModuleType

from synthneg.corpus.prose import prose
from synthneg.corpus.raw import Raw, bad

_NOT_PROSE = {
    *("conftest", "test", "tests", "testing", "testutils", "estimator_checks"),
    *("setup", "externals", "distutils", "f2py"),
}
_LEAST_WORDS = 40
_BOILERPLATE_USES = 5


def read_docstrings(packages: Sequence[str]) -> Iterator[Raw]:
    """Yield the docstrings of the packages' public modules, classes and functions that hold at least 40 words of prose.

    The id is the shortest dotted name under which the object can be reached; each docstring comes once, in the
    order of the ids.

    Raises:
        CorpusError: a package is not installed.
    """
    for package in packages:
        if not package.isidentifier() or find_spec(package) is None:
            raise bad(
                f"docstrings:{','.join(packages)}",
                f"expected installed packages, but {package!r} is not; install it or leave it out",
            )
    for package in packages:
        with warnings.catch_warnings(action="ignore"):
            found = {name: prose(doc) for name, doc in sorted(_docstrings(package).items())}
        for name, text in _without_boilerplate(found).items():
            if len(text.split()) >= _LEAST_WORDS:
                yield Raw(id=name, title=name, text=text, where=f"docstring of {name}")


def _without_boilerplate(texts: dict[str, str]) -> dict[str, str]:
    """Return the texts without the paragraphs that many share but for the name of their object."""

    def shared(name: str, paragraph: str) -> str:
        return paragraph.replace(name.rpartition(".")[2], "")

    paragraphs = {name: text.split("\n\n") for name, text in texts.items()}
    uses = Counter(shared(name, p) for name, found in paragraphs.items() for p in found)
    return {
        name: "\n\n".join(p for p in found if uses[shared(name, p)] < _BOILERPLATE_USES)
        for name, found in paragraphs.items()
    }


def _docstrings(package: str) -> dict[str, str]:
    """Return the package's docstrings by the shortest public names of their objects, each docstring once."""
    names: dict[str, str] = {}
    for module_name, module in _modules(package):
        for name, value in [(module_name, module), *_members(module_name, module)]:
            doc = _docstring(value)
            if doc not in names or _rank(name) < _rank(names[doc]):
                names[doc] = name
    return {name: doc for doc, name in names.items()}


def _rank(name: str) -> tuple[int, int, str]:
    return name.count("."), len(name), name


def _modules(name: str) -> Iterator[tuple[str, ModuleType]]:
    """Yield the public modules of a package, itself first, each imported."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return  # it needs a package that is not installed, as some public modules do
    yield name, module
    for child in sorted(
        pkgutil.iter_modules(getattr(module, "__path__", ())), key=lambda c: c.name
    ):
        if child.name[0] != "_" and child.name not in _NOT_PROSE:
            yield from _modules(f"{name}.{child.name}")


def _members(module_name: str, module: ModuleType) -> Iterator[tuple[str, object]]:
    package = module_name.partition(".")[0]
    for name in sorted(set(getattr(module, "__all__", None) or vars(module))):
        value = getattr(module, name, None)
        if name[0] != "_" and not inspect.ismodule(value) and _is_of(value, package):
            yield f"{module_name}.{name}", value


def _is_of(value: object, package: str) -> bool:
    """Whether the object comes from the package, or is an instance of one of its classes, such as scipy.stats.norm."""
    home = getattr(value, "__module__", None) or type(value).__module__
    return str(home).partition(".")[0] == package


def _docstring(value: object) -> str:
    doc = getattr(value, "__doc__", None)
    is_own = doc is not None and doc != type(value).__doc__
    return inspect.cleandoc(doc) if isinstance(doc, str) and is_own else ""
