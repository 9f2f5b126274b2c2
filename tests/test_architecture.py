"""The layers of the house: who may import whom, and what the command line may load."""

import ast
import graphlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "synthneg"
# docs/ARCHITECTURE.md explains them. A unit is a module or package directly below synthneg.
LAYERS = (
    {"errors"},
    {"records", "config", "progress", "files", "seen", "words", "printable", "interval"},
    {"corpus", "prompts", "run", "settings", "grouped"},
    {"llm", "scoring"},
    {"cluster"},
    {"generate", "mine", "verify", "dataset", "train", "evaluate", "realism"},
    {"stages", "rounds", "intake", "review"},
    {"preflight", "finished"},
    {"pipeline", "reparse", "compare", "report", "publish", "trial", "doctor"},
    {"cli"},
)
LAYER = {unit: number for number, units in enumerate(LAYERS) for unit in units}
HIGHEST_FOR_TESTING = 3  # `testing` stands beside the house: scripted models and encoders
HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "vllm",
    "sentence_transformers",
    "openai",
    "numpy",
    "ray",
}
HELP = "import sys; from synthneg.cli import main; sys.argv[0] = 'synthneg'; main()"


def unit_of(module: str) -> str:
    """Return the unit that a module belongs to; "" for synthneg itself."""
    return module.partition(".")[2].partition(".")[0]


def read_package() -> dict[str, str]:
    """Return the source of each module of synthneg by its dotted name, packages under their own."""
    sources = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = file.read_text(encoding="utf-8")
    return sources


def named(node: ast.AST, module: str) -> Iterator[str]:
    """Yield the dotted names that a statement or call of `module` may import."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = ".".join(module.split(".")[: -node.level]) if node.level else ""
        start = ".".join(filter(None, (base, node.module)))
        yield from (f"{start}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        if called in {"import_module", "__import__"}:
            yield str(node.args[0].value)


def imports(module: str, sources: dict[str, str]) -> Iterator[str]:
    """Yield the modules of synthneg that `module` imports, wherever in its text."""
    for node in ast.walk(ast.parse(sources[module])):
        for name in named(node, module):
            if name.partition(".")[0] != "synthneg":
                continue
            # `from package import name`: a module where there is one, else something that the package holds
            yield name if name in sources or "." not in name else name.rpartition(".")[0]


def may_import(unit: str, other: str) -> bool:
    """Whether a module of `unit` may import from `other`: itself, what lies below, and synthneg's own version."""
    if other in {unit, ""}:
        return True
    if "testing" in {unit, other}:
        return (
            unit == "testing" and LAYER.get(other, HIGHEST_FOR_TESTING + 1) <= HIGHEST_FOR_TESTING
        )
    return LAYER.get(other, len(LAYERS)) < LAYER.get(unit, -1)


def violations(sources: dict[str, str]) -> list[str]:
    """Return every import that breaks the layers, every unit without a layer, and a cycle if there is one."""
    graph = {module: set(imports(module, sources)) - {module} for module in sources}
    found = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in sorted(others)
        if not may_import(unit_of(module), unit_of(other))
    ]
    known = {"", "testing", *LAYER}
    found += [f"{unit} has no layer" for unit in sorted({unit_of(m) for m in sources} - known)]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append(f"cycle: {' -> '.join(error.args[1])}")
    return found


def test_package_keeps_the_layers() -> None:
    """Every module of synthneg imports from lower layers or its own unit alone, and no modules form a cycle."""
    sources = read_package()
    assert len(sources) > 10
    assert violations(sources) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("synthneg.errors", "from synthneg.config import load"),
        ("synthneg.run", "import synthneg.llm.ask"),
        ("synthneg.run", "from synthneg import prompts"),
        ("synthneg.records", "from synthneg.config import load"),
        ("synthneg.llm.ask", "from synthneg.scoring.encoder import Encoder"),
        ("synthneg.generate.queries", "from synthneg.verify.verdict import judge"),
        ("synthneg.generate.queries", "def f():\n    from synthneg.mine import bm25"),
        (
            "synthneg.generate.queries",
            "class A:\n    async def f(self):\n        import synthneg.pipeline",
        ),
        ("synthneg.generate.queries", "if TYPE_CHECKING:\n    from synthneg.train import fit"),
        ("synthneg.generate.queries", "from ..verify import verdict"),
        ("synthneg.generate.queries", "from .. import verify"),
        ("synthneg.generate.queries", "importlib.import_module('synthneg.verify')"),
        ("synthneg.compare", "import synthneg.pipeline"),
        ("synthneg.publish", "from synthneg.cli import main"),
        ("synthneg.cli.run", "from synthneg.testing import ScriptedBackend"),
        ("synthneg.testing", "from synthneg.generate import queries"),
        ("synthneg.newroom", "x = 1"),
        ("synthneg.newroom", "from synthneg.errors import SynthnegError"),
        ("synthneg.run", "from synthneg.newroom import thing"),
    ],
)
def test_planted_violation_is_found(module: str, source: str) -> None:
    """A module that reaches up, sideways, into `testing`, or has no layer is found, however it imports."""
    sources = {m: "" for m in ("synthneg.verify", "synthneg.prompts", "synthneg.pipeline")}
    assert violations(sources | {module: source})


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("synthneg.run", "from synthneg.config import load\nfrom synthneg.errors import RunError"),
        (
            "synthneg.generate.queries",
            "from synthneg import __version__\nfrom synthneg.llm import ask",
        ),
        ("synthneg.generate.queries", "from synthneg.generate import documents"),
        ("synthneg.publish", "import huggingface_hub.dataset.train"),
        ("synthneg.cli.run", "from synthneg import pipeline\nfrom synthneg.errors import RunError"),
        ("synthneg.testing.encoder", "from synthneg.scoring.encoder import Encoder"),
    ],
)
def test_allowed_import_is_not_found(module: str, source: str) -> None:
    """Imports from below, from the own unit, of the version and of other packages are no violation."""
    sources = {m: "" for m in ("synthneg", "synthneg.pipeline", "synthneg.generate.documents")}
    assert violations(sources | {module: source}) == []


def test_cycle_in_a_package_is_found() -> None:
    """Modules of one package may import each other, unless they come back to where they began."""
    sources = {
        "synthneg.llm.a": "from synthneg.llm.b import x",
        "synthneg.llm.b": "from synthneg.llm import c",
        "synthneg.llm.c": "",
    }
    assert violations(sources) == []
    (found,) = violations(sources | {"synthneg.llm.c": "def f():\n    import synthneg.llm.a"})
    assert found.startswith("cycle: ")


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def command_line() -> None:
    """Skip as long as nobody has written the command line."""
    if "main" not in (PACKAGE / "cli" / "__init__.py").read_text(encoding="utf-8"):
        pytest.skip("synthneg.cli has no main yet")


@pytest.mark.parametrize(
    "code",
    ["import synthneg.cli", f"import atexit\n{HELP}"],
    ids=["import", "help"],
)
@pytest.mark.usefixtures("command_line")
def test_command_line_is_light(code: str) -> None:
    """Importing the command line, and its help, load no library for models, data or arrays."""
    show = f"import sys, atexit; atexit.register(lambda: sys.stderr.write(repr({HEAVY!r} & set(sys.modules))))\n"
    done = run_python(show + code, "--help")
    assert (done.returncode, done.stderr) == (0, "set()")


@pytest.mark.slow
@pytest.mark.usefixtures("command_line")
def test_help_costs_little() -> None:
    """`synthneg --help` takes less than 0.3 s of processor time, the median of five starts."""
    seconds = []
    for _ in range(5):
        before = os.times()
        done = run_python(HELP, "--help")
        after = os.times()
        assert done.returncode == 0, done.stderr
        seconds.append(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
    assert statistics.median(seconds) < 0.3, seconds
