"""The client of OpenAI-compatible servers, against a real server on the loopback interface and each of its faults."""

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from llm_server import MODEL, Fault, Server, serving

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, SettingsError, SynthnegError
from synthneg.llm.ask import Answer, Asker, Failure, Job
from synthneg.llm.base import Reply, Request, Transient, Unanswerable
from synthneg.llm.http import HttpBackend, open_server
from synthneg.llm.ledger import Ledger
from synthneg.progress import Progress
from synthneg.prompts.render import Message

KEY = "sk-loopback-0123456789abcdef"
GRADED = {
    "type": "object",
    "properties": {"1": {"type": "string"}, "0": {"type": "string"}},
    "required": ["1", "0"],
}
SAMPLING = {"temperature": 0.7, "max_tokens": 50, "stop": ["\n"]}


def request_of(text: str, schema: dict[str, Any] | None = None, seed: int = 7) -> Request:
    """Return a request of two turns."""
    return Request((Message("system", "You write."), Message("user", text)), SAMPLING, seed, schema)


def settings_of(server: Server, **values: Any) -> LLMConfig:
    """Return settings that name the server."""
    return LLMConfig(backend="openai", base_url=server.url, model=MODEL, **values)


def complete(config: LLMConfig, *requests: Request) -> list[Reply | BaseException]:
    """Return the reply to each request, or what it raised; all are sent at once."""

    async def work() -> list[Reply | BaseException]:
        backend = open_server(config)
        try:
            calls = [backend.complete(request) for request in requests]
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await backend.close()

    return asyncio.run(work())


def ask(
    config: LLMConfig, ledger: Ledger, texts: Sequence[str], schema: dict[str, Any] | None = None
) -> list[Answer | Failure]:
    """Return the outcomes of asking for each text, with retries and askings anew."""

    async def work() -> list[Answer | Failure]:
        backend = open_server(config)
        asker = Asker(backend, ledger, config, 7)
        turns = [(Message("system", "You write."), Message("user", text)) for text in texts]
        asked = [
            (None, Job(str(n), "t@1", turn, {}, schema or "text", n, {}))
            for n, turn in enumerate(turns)
        ]
        try:
            return [o async for *_, o in asker.ask(asked, Progress("", None, "").advance)]
        finally:
            await backend.close()

    return asyncio.run(work())


def test_a_request_is_sent_as_it_was_made() -> None:
    """Messages, seed, sampling and the schema's form stand in the body; the reply brings text, finish and usage."""
    with serving() as server:
        [reply] = complete(settings_of(server), request_of("green tea", GRADED))
    assert server.bodies == [
        {
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "You write."},
                {"role": "user", "content": "green tea"},
            ],
            "seed": 7,
            **SAMPLING,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": GRADED, "strict": True},
            },
        }
    ]
    assert isinstance(reply, Reply)
    assert (reply.finish, reply.tokens_in, reply.model) == ("stop", 4, MODEL)
    assert reply.tokens_out == len(reply.text.split()) > 80


@pytest.mark.parametrize(
    ("kind", "error", "reason"),
    [
        ("429", Transient, "http_429"),
        ("500", Transient, "http_500"),
        ("reset", Transient, "connection"),
        ("truncated", Transient, "bad_body"),
        ("hang", Transient, "timeout"),
        ("too_long", Unanswerable, "too_long_for_model"),
    ],
)
def test_each_fault_has_its_reason(kind: str, error: type[Transient], reason: str) -> None:
    """What a server does wrong is told apart: tried again, or given up for this request alone."""
    with serving([Fault("", kind)]) as server:
        [raised] = complete(settings_of(server, timeout_s=0.5), request_of("tea"))
    assert isinstance(raised, error)
    assert raised.reason == reason
    assert "\n" not in raised.detail


@pytest.mark.parametrize(
    ("sent", "wait_s"),
    [("0.05", 0.05), ("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_read(sent: str, wait_s: float | None) -> None:
    """Seconds to wait are handed on, of a date those until then; anything else leaves the pause to the client."""
    with serving([Fault("", "429")], retry_after=sent) as server:
        [raised] = complete(settings_of(server), request_of("tea"))
    assert isinstance(raised, Transient)
    assert raised.wait_s == wait_s


@pytest.mark.parametrize("kind", ["429", "500", "reset", "truncated", "hang", "empty", "refusal"])
def test_a_fault_that_passes_costs_nothing(kind: str) -> None:
    """Requests that meet a fault on their first attempt are answered in the end, as without it."""
    texts = ["tea", "bread", "moon"]
    with serving() as server:
        plain = ask(settings_of(server), Ledger(Path(":memory:")), texts)
    with serving([Fault("bread", kind, 1)]) as server:
        config = settings_of(server, timeout_s=0.5, retries=2)
        outcomes = ask(config, Ledger(Path(":memory:")), texts)
    assert len(server.bodies) == 4
    values = [outcome.value for outcome in outcomes if isinstance(outcome, Answer)]
    wanted = [outcome.value for outcome in plain if isinstance(outcome, Answer)]
    same = [a == b for a, b in zip(values, wanted, strict=True)]
    # What was replied to but of no use is asked for with another seed, and so gets another text.
    assert same == [True, kind not in {"empty", "refusal"}, True]


@pytest.mark.parametrize(
    ("kind", "schema", "reason", "replied"),
    [
        ("500", None, "http_500", False),
        ("too_long", None, "too_long_for_model", False),
        ("empty", None, "empty", True),
        ("refusal", None, "refusal", True),
        ("prose", GRADED, "not_json", True),
    ],
)
def test_a_fault_that_stays_is_the_failure_of_its_request(
    kind: str, schema: dict[str, Any] | None, reason: str, replied: bool
) -> None:
    """The job that cannot be answered says why; those around it are answered."""
    with serving([Fault("bread", kind)]) as server:
        config = settings_of(server, retries=1, reasks=1)
        first, failed, last = ask(
            config, Ledger(Path(":memory:")), ["tea", "bread", "moon"], schema
        )
    assert isinstance(first, Answer)
    assert isinstance(last, Answer)
    assert isinstance(failed, Failure)
    assert (failed.reason, failed.replied) == (reason, replied)


def test_what_is_whole_of_a_cut_object_is_kept() -> None:
    """Of JSON that is cut at every asking the finished texts are kept, and the others are named as missing."""
    with serving([Fault("bread", "length")]) as server:
        config = settings_of(server, reasks=1)
        [outcome] = ask(config, Ledger(Path(":memory:")), ["bread"], GRADED)
    assert isinstance(outcome, Answer)
    assert set(outcome.value) == {"1"}
    assert outcome.missing == ("0",)
    assert len(server.bodies) == 2


def test_a_text_cut_by_the_limit_keeps_its_whole_sentences() -> None:
    """finish_reason "length" is handed on, and the text ends with its last whole sentence."""
    with serving([Fault("", "length")]) as server:
        [outcome] = ask(settings_of(server), Ledger(Path(":memory:")), ["tea"])
    assert isinstance(outcome, Answer)
    assert outcome.reply.finish == "length"
    assert outcome.value.endswith(".")
    assert outcome.reply.text.startswith(outcome.value)


@pytest.mark.parametrize(
    ("formats", "tried"),
    [
        (["json_schema", "json_object"], ["json_schema"]),
        (["json_object"], ["json_schema", "json_object"]),
        ([], ["json_schema", "json_object", None]),
    ],
)
def test_the_form_of_replies_that_a_server_takes_is_found_once(
    formats: list[str], tried: list[str | None]
) -> None:
    """A server that refuses a response_format is asked with a lesser one, and from then on with that alone."""
    with serving(formats=formats) as server:
        config = settings_of(server)

        async def work() -> list[Reply]:
            backend = open_server(config)
            replies = [await backend.complete(request_of(t, GRADED)) for t in ("tea", "bread")]
            await backend.close()
            return replies

        asyncio.run(work())
    used = [body.get("response_format", {}).get("type") for body in server.bodies]
    assert used == [*tried, tried[-1]]


def test_one_request_of_many_finds_the_form() -> None:
    """The first request finds out how the server takes a schema; the others wait for that, and are never refused."""
    with serving(formats=["json_object"], latency_ms=20) as server:
        replies = complete(settings_of(server), *(request_of(str(n), GRADED) for n in range(8)))
    assert all(isinstance(reply, Reply) for reply in replies)
    used = [body["response_format"]["type"] for body in server.bodies]
    assert used == ["json_schema"] + ["json_object"] * 8


def test_what_a_server_takes_is_remembered(tmp_path: Path) -> None:
    """The next start over the same ledger asks in the form that was found out, at once."""

    async def once(url: str) -> None:
        ledger = Ledger(tmp_path / "ledger.sqlite")
        config = LLMConfig(backend="openai", base_url=url, model=MODEL)
        backend = open_server(config, ledger)
        await backend.complete(request_of("tea", GRADED))
        await backend.close()
        ledger.close()

    with serving(formats=[]) as server:
        asyncio.run(once(server.url))
        first = [body.get("response_format", {}).get("type") for body in server.bodies]
        asyncio.run(once(server.url))
        second = [body.get("response_format", {}).get("type") for body in server.bodies[3:]]
    assert first == ["json_schema", "json_object", None]
    assert second == [None]


LIKELY = {"temperature": 0.0, "max_tokens": 4, "top_logprobs": 3}


def test_a_server_without_probabilities_is_asked_for_them_once(tmp_path: Path) -> None:
    """Where they are refused, the reply comes without them, and the next start over the same ledger does not ask."""
    question = replace(request_of("Yes or no: is tea hot?"), sampling=LIKELY)

    async def once(url: str) -> Reply:
        ledger = Ledger(tmp_path / "ledger.sqlite")
        backend = open_server(LLMConfig(backend="openai", base_url=url, model=MODEL), ledger)
        reply = await backend.complete(question)
        await backend.close()
        ledger.close()
        return reply

    with serving(logprobs=False) as server:
        replies = [asyncio.run(once(server.url)) for _ in range(2)]
        asked = [("logprobs" in body, "top_logprobs" in body) for body in server.bodies]
    assert asked == [(True, True), (False, False), (False, False)]
    assert all(reply.text and reply.top == {} for reply in replies)


def test_probabilities_are_not_asked_of_a_server_that_has_none() -> None:
    """A query whose probability is to be told is answered without it, and no request names it again."""
    question = replace(request_of("tea"), sampling={"max_tokens": 4, "logprobs": True})
    with serving(logprobs=False) as server:
        replies = complete(settings_of(server), question, replace(question, seed=2))
        asked = ["logprobs" in body for body in server.bodies]
    assert [isinstance(reply, Reply) and reply.logprob is None for reply in replies] == [True] * 2
    assert asked.count(False) == 2


@pytest.mark.parametrize(
    "words",
    [
        "5 is greater than the maximum of 1 - 'logprobs'",
        "Requested sample logprobs of 20, which is greater than max allowed: 5",
    ],
)
def test_a_server_that_gives_fewer_probabilities_stops_the_run(words: str) -> None:
    """Too many alternatives are a mistake in the prompt, which is told, and not a server without probabilities."""
    canned = (400, orjson.dumps({"error": {"message": words}}).decode())
    question = replace(request_of("Yes or no?"), sampling=LIKELY)
    with serving(canned=canned) as server, pytest.raises(BackendError, match="logprobs.*prompts"):
        raise complete(settings_of(server), question)[0]


@pytest.mark.parametrize(
    "logprobs",
    ["7", "{}", '{"content": []}', '{"content": [{"top_logprobs": [{"token": "a"}]}]}', "[[]]"],
)
def test_probabilities_that_cannot_be_read_cost_no_reply(logprobs: str) -> None:
    """A reply is taken without its probabilities where these are not in the form that was agreed on."""
    body = f'{{"choices": [{{"message": {{"content": "yes"}}, "logprobs": {logprobs}}}]}}'
    with serving(canned=(200, body)) as server:
        [reply] = complete(settings_of(server), replace(request_of("tea"), sampling=LIKELY))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.top) == ("yes", {})


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "401",
            r"answered 401: Incorrect API key provided; put a valid key into .* OPENAI_API_KEY",
        ),
        ("echo", r"answered 403: .*; the key in OPENAI_API_KEY may not use this model"),
    ],
)
def test_a_server_that_refuses_the_key_stops_the_run(kind: str, said: str) -> None:
    """A key that is refused is an error of one line that names the variable to be put right."""
    with serving([Fault("", kind)]) as server, pytest.raises(BackendError, match=said) as caught:
        ask(settings_of(server), Ledger(Path(":memory:")), ["tea", "bread"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("key", "given"), [(KEY, True), (f" {KEY}\n", True), ("", False)])
def test_the_key_is_sent_as_a_bearer_token(
    monkeypatch: pytest.MonkeyPatch, key: str, given: bool
) -> None:
    """The key of the environment opens a server that demands it, blanks around it or not; without it there is 401."""
    monkeypatch.setenv("OWN_KEY", key)
    with serving(key=KEY) as server:
        [outcome] = complete(settings_of(server, api_key_env="OWN_KEY"), request_of("tea"))
    assert isinstance(outcome, Reply if given else BackendError)


def test_the_key_is_in_no_error_and_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that repeats the key in errors, in a broken body and in a reply puts it nowhere that we write to."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    bodies = [
        (403, f'{{"error": {{"message": "{"x" * 280} Bearer {KEY}"}}}}'),
        (500, f"<html>Authorization: Bearer {KEY}</html>"),
        (200, f"no JSON, but {KEY}"),
        (200, f'{{"choices": [{{"message": {{"content": "I got {KEY}"}}}}], "model": "{KEY}"}}'),
    ]
    file = tmp_path / "ledger.sqlite"
    seen = []
    for status, body in bodies:
        with serving(canned=(status, body)) as server:
            ledger = Ledger(file)
            try:
                seen += ask(settings_of(server, retries=0, reasks=0), ledger, [f"{len(seen)}"])
            except SynthnegError as error:
                seen.append(str(error))
            ledger.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"I got ***" in kept
    assert KEY.encode() not in kept
    assert KEY[:8] not in str(seen)


def test_a_short_key_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of a few characters is cut out of what a server says of an error, before that is cut to size."""
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    body = f'{{"error": {{"message": "{"x" * 295}hunter2"}}}}'
    with serving(canned=(403, body)) as server:
        [raised] = complete(settings_of(server), request_of("tea"))
    assert isinstance(raised, BackendError)
    assert "hun" not in str(raised)


def test_a_placeholder_key_leaves_replies_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key such as EMPTY, which local servers are given, is no secret and may be a word of a reply."""
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    content = '{"choices": [{"message": {"content": "EMPTY cups"}}]}'
    with serving(canned=(200, content)) as server:
        [reply] = complete(settings_of(server), request_of("tea"))
    assert isinstance(reply, Reply)
    assert reply.text == "EMPTY cups"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '{"choices": []}',
        '{"choices": [{"message": null}]}',
        '{"choices": [{"message": {"content": [{"type": "text"}]}}]}',
        '{"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": "many"}}',
        '{"error": {"message": "overloaded"}}',
        "\xff",
    ],
)
def test_a_body_that_is_no_completion_is_tried_again(body: str) -> None:
    """Whatever else a server sends with status 200 is a try that failed, never a traceback."""
    with serving(canned=(200, body)) as server:
        [raised] = complete(settings_of(server), request_of("tea"))
    assert isinstance(raised, Transient)
    assert raised.reason == "bad_body"


def test_usage_that_a_server_leaves_out_is_counted_as_none() -> None:
    """A reply without usage, model or finish reason is kept, in the ledger too."""
    body = '{"choices": [{"message": {"content": "tea"}}], "usage": {"prompt_tokens": null}, "model": null}'
    ledger = Ledger(Path(":memory:"))
    with serving(canned=(200, body)) as server:
        [outcome] = ask(settings_of(server), ledger, ["tea"])
    assert isinstance(outcome, Answer)
    assert outcome.reply == Reply("tea", "stop", 0, 0, "")
    assert ledger.totals().replies == 1
    ledger.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        (None, "llm.base_url is missing"),
        ("localhost:8000/v1", "must be an address such as http://localhost:8000/v1"),
        ("nonsense", "must be an address such as http://localhost:8000/v1"),
        ("http://ann:secret@localhost:8000/v1", "llm.base_url holds a name or password"),
    ],
)
def test_an_address_that_is_none_says_what_one_looks_like(base_url: str | None, said: str) -> None:
    """A missing or malformed address is an error of one line, without what it may hold of a secret."""
    config = LLMConfig(backend="openai", base_url=base_url, model=MODEL)
    with pytest.raises((SettingsError, BackendError), match=re.escape(said)) as caught:
        raise complete(config, request_of("tea"))[0]  # type: ignore[misc]  # it is an error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("model", [MODEL, None])
def test_an_address_without_a_server_is_said_at_once(model: str | None) -> None:
    """Where nobody listens, the first request says so with the address, and nothing is tried again."""
    url = f"http://127.0.0.1:{free_port()}/v1"
    config = LLMConfig(backend="openai", base_url=url, model=model)
    with pytest.raises(
        BackendError, match=rf"{url} .*is the server running\?|{url}: .*is the server running\?"
    ):
        raise complete(config, request_of("tea"))[0]  # type: ignore[misc]  # it is an error


def test_a_server_that_goes_away_later_is_tried_again() -> None:
    """Once a server has answered, a refused connection is a try that failed, as a restart would cure it."""

    async def work() -> list[Reply | BaseException]:
        server = Server()
        await server.start()
        backend = open_server(settings_of(server))
        await backend.complete(request_of("tea"))
        await server.stop()
        # The first may fail on the connection that was open, the second on opening another.
        raised = [
            (await asyncio.gather(backend.complete(request_of("tea")), return_exceptions=True))[0]
            for _ in range(2)
        ]
        await backend.close()
        return raised

    for error in asyncio.run(work()):
        assert isinstance(error, Transient)
        assert error.reason == "connection"


def test_the_only_model_of_a_server_is_taken() -> None:
    """Without llm.model the server is asked; one model is taken, and the ledger's key covers it."""
    with serving() as server:
        backend = open_server(LLMConfig(backend="openai", base_url=server.url + "/"))
        assert backend.identity == f"{server.url} {MODEL}"


@pytest.mark.parametrize("models", [[], ["small", "large"]])
def test_a_server_with_several_models_wants_a_choice(models: list[str]) -> None:
    """Without llm.model, a server that offers none or several is an error that lists them."""
    with (
        serving(models=models) as server,
        pytest.raises(
            BackendError, match=rf"offers {len(models)} models; set llm.model .*{', '.join(models)}"
        ),
    ):
        open_server(LLMConfig(backend="openai", base_url=server.url))


def test_closing_twice_is_closing_once() -> None:
    """`close` may be called before anything was asked; it closes the connections, and may be called again."""

    async def work(url: str) -> None:
        backend = HttpBackend(url, MODEL, "m", None, LLMConfig())
        await backend.close()
        await backend.complete(request_of("tea"))
        await backend.close()
        await backend.close()

    with serving() as server:
        asyncio.run(work(server.url))
        assert server.open_connections() == 0
