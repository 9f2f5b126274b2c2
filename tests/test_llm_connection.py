"""Our own keep-alive connections, against servers that say byte for byte what real ones and broken ones say."""

import asyncio
import gzip
import os
import resource
import socket
import ssl
import struct
import subprocess
import zlib
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_server import Script, answer, raw_server

from synthneg.config import LLMConfig
from synthneg.errors import BackendError
from synthneg.llm.base import Reply, Request, Transient
from synthneg.llm.connection import Answer, Connections, Unreachable
from synthneg.llm.http import HttpBackend
from synthneg.prompts.render import Message

T = TypeVar("T")
Said = Answer | BaseException
SWEET = b'{"choices": [{"message": {"content": "sweet"}}]}'
REQUEST = Request((Message("user", "tea"),), {}, 7, None)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in an event loop whose complaints are errors."""
    noise: list[dict[str, Any]] = []

    async def quiet() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        done = await work
        await asyncio.sleep(0.01)
        return done

    done = asyncio.run(quiet())
    assert noise == []
    return done


def post(
    script: Script, bodies: Sequence[bytes] = (b"tea",), timeout_s: float = 5.0, pause_s: float = 0
) -> tuple[list[Said], int]:
    """Post one body after the other; return what came of each, and how many connections that took."""

    async def work() -> tuple[list[Said], int]:
        said: list[Said] = []
        async with raw_server(script) as server:
            url = f"http://127.0.0.1:{server.port}/v1/x?y=z"
            connections = Connections(url, {"X-Made-By": "us"}, timeout_s)
            for body in bodies:
                said += await asyncio.gather(connections.post(body), return_exceptions=True)
                await asyncio.sleep(pause_s)
            await connections.close()
            await asyncio.sleep(0.01)
            assert server.open == 0
        return said, server.connections

    return run(work())


def says(*pieces: bytes, close: bool = False, pause_s: float = 0.002) -> Script:
    """Return a script that writes the pieces one after the other, each in a packet of its own."""

    async def script(_: int, __: int, writer: asyncio.StreamWriter) -> bool:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return not close

    return script


def texts(said: Sequence[Said]) -> list[bytes]:
    """Return the bodies of answers; anything else is raised."""
    for one in said:
        if isinstance(one, BaseException):
            raise one
    return [one.data for one in said if isinstance(one, Answer)]


def test_a_request_is_http_and_a_connection_is_kept() -> None:
    """Three requests go over one connection, each with address, host, headers, length and body."""

    async def work() -> list[bytes]:
        async with raw_server(says(answer(b"sweet"))) as server:
            connections = Connections(f"http://127.0.0.1:{server.port}/v1/x?y=z", {"X-A": "b"}, 5)
            for body in (b"tea", b"", b"\0\r\n\r\n\xff"):
                assert await connections.post(body) == (200, {b"content-length": b"5"}, b"sweet")
            await connections.close()
        assert server.connections == 1
        host = b"127.0.0.1:%d" % server.port
        return [request.replace(host, b"HOST") for request in server.requests]

    head = b"POST /v1/x?y=z HTTP/1.1\r\nHost: HOST\r\nAccept-Encoding: identity\r\nX-A: b\r\n"
    assert run(work()) == [
        head + b"Content-Length: 3\r\n\r\ntea",
        head + b"Content-Length: 0\r\n\r\n",
        head + b"Content-Length: 6\r\n\r\n\0\r\n\r\n\xff",
    ]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nswe\r\n2;a=b\r\net\r\n0\r\nX-T: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("whole", "kept"),
    [
        (answer(b"sweet"), True),
        (CHUNKED, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"sweet"), True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + CHUNKED, True),
        (b"\r\n" + answer(b"sweet"), True),
        (answer(b"sweet", b"Connection: close"), False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nsweet", False),
        (
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nsweet",
            True,
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_answer_may_come_in_any_form_and_in_any_pieces(
    whole: bytes, kept: bool, size: int
) -> None:
    """With a length or in chunks, after answers that only inform, byte by byte or at once, it is the same answer."""
    pieces = [whole[n : n + size] for n in range(0, len(whole), size)]
    said, connections = post(says(*pieces, pause_s=0), (b"a", b"b"))
    assert texts(said) == [b"sweet", b"sweet"]
    assert connections == (1 if kept else 2)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n"])
def test_an_answer_may_end_with_its_connection(head: bytes) -> None:
    """Without a length the body is all that comes before the server closes, and not a byte less."""
    said, connections = post(says(head, b"swe", b"et", close=True), (b"a", b"b"))
    assert texts(said) == [b"sweet", b"sweet"]
    assert connections == 2


def test_a_connection_that_breaks_does_not_end_such_an_answer() -> None:
    """Without a length, a reset is a failure: what came until then may be half of the answer."""

    async def script(_: int, __: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
        await writer.drain()
        await asyncio.sleep(0.02)
        reset(writer)
        return False

    [error], _ = post(script)
    assert isinstance(error, ConnectionError)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nswe"]
)
@pytest.mark.parametrize("rst", [True, False])
def test_a_connection_that_ends_too_early_is_a_failure(begun: bytes, rst: bool) -> None:
    """Closed or reset before, in or after the head, there is no answer, and one try on a new connection was made."""

    async def script(_: int, __: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(begun)
        await writer.drain()
        await asyncio.sleep(0.01)
        if rst:
            reset(writer)
        return False

    [error], connections = post(script)
    assert isinstance(error, ConnectionError)
    assert "closed the connection" in str(error)
    assert connections == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"<html>502</html>\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc",
    ],
)
def test_what_is_no_http_is_a_failure(garbage: bytes) -> None:
    """Whatever else listens on a port, the request fails at once with a sentence, and the connection is closed."""
    [error], _ = post(says(garbage))
    assert isinstance(error, ConnectionError)
    assert "no answer in HTTP/1.1" in str(error)


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=60)
def test_no_bytes_break_it(data: bytes, headed: bool) -> None:
    """Whatever bytes come, alone or behind a head, the request ends with an answer or an OSError, and without noise."""
    head = b"HTTP/1.1 200 OK\r\n" if headed else b""
    [said], _ = post(says(head + data, close=True, pause_s=0))
    assert isinstance(said, Answer | OSError)


def test_an_answer_too_many_never_reaches_the_next_request() -> None:
    """Two answers in one packet, or a second one later and in pieces: the second is nobody's."""
    wrong = answer(b"bitter", b"Retry-After: 9")

    async def in_one(_: int, __: int, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"sweet") + wrong + wrong[:40])

    async def later(_: int, __: int, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"sweet"))
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(wrong[:-3])
        await writer.drain()

    async def half(connection: int, said: int, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"sweet") + wrong[:-3] if said == 1 else wrong[-3:] + answer(b"sweet"))

    # One that comes after the next request has gone cannot be told from its answer.
    for script, pause_s in (
        (in_one, 0.0),
        (half, 0.0),
        (in_one, 0.03),
        (half, 0.03),
        (later, 0.03),
    ):
        said, _ = post(script, [b"a"] * 4, pause_s=pause_s)
        assert texts(said) == [b"sweet"] * 4
        assert all(one.headers == {b"content-length": b"5"} for one in said)  # type: ignore[union-attr]


def test_a_kept_connection_that_the_server_closes_costs_nothing() -> None:
    """Closed while idle, or just as the next request goes out: that request is answered over another connection."""

    async def idle(_: int, __: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer(b"sweet"))
        return False

    async def as_it_goes(connection: int, said: int, writer: asyncio.StreamWriter) -> bool:
        if said == 2:
            reset(writer)
            return False
        writer.write(answer(b"sweet"))
        return True

    for script in (idle, as_it_goes):
        for pause_s in (0.0, 0.03):
            said, _ = post(script, [b"a"] * 5, pause_s=pause_s)
            assert texts(said) == [b"sweet"] * 5


def test_a_server_that_says_that_it_closes_an_idle_connection_is_not_misheard() -> None:
    """A 408 that comes before the connection is closed belongs to no request."""

    async def script(_: int, __: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer(b"sweet"))
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(answer(b"", b"Connection: close", status=b"408 Request Timeout"))
        return False

    said, connections = post(script, [b"a"] * 3, pause_s=0.04)
    assert texts(said) == [b"sweet"] * 3
    assert connections == 3


def test_a_request_that_kills_its_connection_is_not_sent_for_ever() -> None:
    """On a new connection there is no second try without a word: that is for the retries, which are counted."""

    async def script(_: int, said: int, writer: asyncio.StreamWriter) -> bool:
        if said == 1:
            writer.write(answer(b"sweet"))
            return True
        return False

    async def always(_: int, __: int, writer: asyncio.StreamWriter) -> bool:
        return False

    assert texts(post(script, [b"a"] * 3)[0]) == [b"sweet"] * 3
    [error, _], connections = post(always, [b"a"] * 2)
    assert isinstance(error, ConnectionError)
    assert connections == 2


def test_a_large_answer_and_a_large_request() -> None:
    """20 MB go both ways."""
    body = os.urandom(20 << 20)
    said, _ = post(says(answer(body)), (body,), timeout_s=30)
    assert texts(said) == [body]


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        (b"gzip", gzip.compress(b"sweet", mtime=0)),
        (b"deflate", zlib.compress(b"sweet")),
        (b"GZIP ", gzip.compress(b"sweet", mtime=0)),
        (b"identity", b"sweet"),
    ],
)
def test_an_answer_that_is_compressed_unasked_is_unpacked(coding: bytes, data: bytes) -> None:
    """A server that compresses whatever it is told is understood."""
    said, _ = post(says(answer(data, b"Content-Encoding: " + coding)))
    assert texts(said) == [b"sweet"]


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        (b"br", b"\x0b\x02\x80sweet\x03"),
        (b"gzip", b"sweet"),
        (b"gzip", gzip.compress(b"s", mtime=0)[:-9]),
    ],
)
def test_an_answer_that_cannot_be_unpacked_is_a_failure(coding: bytes, data: bytes) -> None:
    """A coding that we do not know, or a broken one, is never taken for text."""
    [error], _ = post(says(answer(data, b"Content-Encoding: " + coding)))
    assert isinstance(error, ConnectionError)
    assert "cannot be unpacked" in str(error)


def test_a_late_answer_reaches_nobody() -> None:
    """After a time-out the connection is closed, and what the server says then is not the next request's answer."""

    async def script(connection: int, _: int, writer: asyncio.StreamWriter) -> None:
        if connection == 1:
            await asyncio.sleep(0.15)
        writer.write(answer(b"%d" % connection))

    said, connections = post(script, [b"a", b"b", b"c"], timeout_s=0.1, pause_s=0.05)
    assert isinstance(said[0], TimeoutError)
    assert texts(said[1:]) == [b"2", b"2"]
    assert connections == 2


@pytest.mark.parametrize("timeout_s", [0.05, 30])
def test_a_request_that_is_given_up_closes_its_connection(timeout_s: float) -> None:
    """Cancelled, or not answered in time, a request leaves nothing open that the server could still answer on."""

    async def script(_: int, said: int, writer: asyncio.StreamWriter) -> None:
        if said == 1:
            writer.write(answer(b"sweet"))

    async def work() -> None:
        async with raw_server(script) as server:
            connections = Connections(f"http://127.0.0.1:{server.port}", {}, timeout_s)
            await connections.post(b"a")
            waiting = asyncio.create_task(connections.post(b"b"))
            await asyncio.sleep(0.1)
            waiting.cancel()
            [error] = await asyncio.gather(waiting, return_exceptions=True)
            assert isinstance(error, TimeoutError if timeout_s < 1 else asyncio.CancelledError)
            await asyncio.sleep(0.02)
            assert server.open == 0
            assert (await connections.post(b"c")).data == b"sweet"
            await connections.close()

    run(work())


def test_many_at_once_leave_no_file_open() -> None:
    """300 requests at once, a third of them cancelled, take at most 300 connections and leave none behind."""

    async def script(_: int, __: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(answer(b"sweet"))

    async def work() -> None:
        async with raw_server(script) as server:
            connections = Connections(f"http://127.0.0.1:{server.port}", {}, 20)
            for _ in range(2):
                tasks = [asyncio.create_task(connections.post(b"a")) for _ in range(300)]
                await asyncio.sleep(0.03)
                for task in tasks[::3]:
                    task.cancel()
                said = await asyncio.gather(*tasks, return_exceptions=True)
                assert sum(isinstance(one, Answer) for one in said) == 200
            assert server.connections <= 600
            await connections.close()
            await asyncio.sleep(0.05)
            assert server.open == 0

    before = len(os.listdir("/proc/self/fd"))
    run(work())
    assert len(os.listdir("/proc/self/fd")) == before


def complete(url: str, **values: Any) -> Reply | BaseException:
    """Return what a backend gives for one request."""

    async def work() -> Reply | BaseException:
        backend = HttpBackend(url, "m", "i", None, LLMConfig(**values))
        [said] = await asyncio.gather(backend.complete(REQUEST), return_exceptions=True)
        await backend.close()
        return said

    return run(work())


def through(script: Script, path: str = "/v1", **server: Any) -> Reply | BaseException:
    """Return what a backend makes of a server's answer to one request."""

    async def work() -> Reply | BaseException:
        async with raw_server(script, **server) as raw:
            host = server.get("host", "127.0.0.1")
            host = f"[{host}]" if ":" in host else host
            scheme = "https" if "tls" in server else "http"
            url = f"{scheme}://{host}:{raw.port}{path}"
            backend = HttpBackend(url, "m", "i", None, LLMConfig(timeout_s=3))
            [said] = await asyncio.gather(backend.complete(REQUEST), return_exceptions=True)
            await backend.close()
            return said

    return run(work())


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_a_server_that_has_moved_is_said_with_its_new_address(status: bytes) -> None:
    """A redirect, which a POST with a key in it must not follow blindly, stops the run and says where it points."""
    place = b"Location: https://example.org/v1/chat/completions"
    error = through(says(answer(b"", place, status=status)))
    assert isinstance(error, BackendError)
    words = f"answered {status[:3].decode()}: it has moved to https://example.org/v1/chat/completions; set llm.base_url"
    assert words in str(error)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_a_host_may_be_an_ipv6_address() -> None:
    """http://[::1]:8000/v1 is asked."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    reply = through(says(answer(SWEET)), host="::1")
    assert isinstance(reply, Reply)
    assert reply.text == "sweet"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a self-signed certificate for 127.0.0.1, and its key."""
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    names = ["-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names]
    try:
        subprocess.run(
            [*command, "-keyout", file, "-out", file.with_suffix(".crt")],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("the openssl command is not installed")
    file.write_bytes(file.read_bytes() + file.with_suffix(".crt").read_bytes())
    return file


def test_a_certificate_is_trusted_when_the_environment_says_so(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE makes a server's own certificate good; without it the run stops at once and says so."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    error = through(says(answer(SWEET)), tls=tls)
    assert isinstance(error, BackendError)
    assert "self-signed certificate" in str(error)
    assert "SSL_CERT_FILE" in str(error)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    reply = through(says(answer(SWEET)), tls=tls)
    assert isinstance(reply, Reply)
    assert reply.text == "sweet"


def test_https_to_a_server_of_http_says_so() -> None:
    """The wrong scheme is found out at once, and the sentence names the right one."""

    async def work() -> Reply | BaseException:
        async with raw_server(says(answer(b"sweet"), close=True)) as raw:
            # A server of HTTP waits for the end of a line that never comes, or closes.
            backend = HttpBackend(
                f"https://127.0.0.1:{raw.port}/v1", "m", "i", None, LLMConfig(timeout_s=1)
            )
            [said] = await asyncio.gather(backend.complete(REQUEST), return_exceptions=True)
            await backend.close()
            return said

    error = run(work())
    assert isinstance(error, BackendError)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/v1", "http://127.0.0.1:1/v1", "http://localhost:1/v1"]
)
def test_a_host_that_does_not_answer_is_said_at_once(url: str) -> None:
    """An unknown name and a closed port are one sentence with the address and the remedy."""
    error = complete(url)
    assert isinstance(error, BackendError)
    assert f"{url} cannot be asked (" in str(error)
    assert "is the server running? else correct llm.base_url" in str(error)
    assert "\n" not in str(error)


def test_a_proxy_that_is_not_used_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy, which these connections do not use, the error of an unreachable server says so."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    error = complete("http://127.0.0.1:1/v1")
    assert "a proxy of the environment is not used" in str(error)
    monkeypatch.delenv("HTTP_PROXY")
    assert "proxy" not in str(complete("http://127.0.0.1:1/v1"))


def test_a_name_with_two_addresses_of_which_none_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a name stands for two addresses, as localhost often does, both refusing is still nobody there."""

    async def two(*_: object, **__: object) -> list[tuple[Any, ...]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.1", 1)), (*kind, ("127.0.0.2", 1))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", two)
    error = complete("http://two.example/v1")
    assert isinstance(error, BackendError)
    assert "is the server running?" in str(error)


def test_a_host_that_takes_no_connection_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that does not come about within the time-out is Unreachable, not a late reply."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", never)

    async def work() -> None:
        with pytest.raises(Unreachable, match=r"no connection within 0\.05 s"):
            await Connections("http://127.0.0.1:1", {}, 0.05).post(b"")

    run(work())


def test_too_many_open_files_say_what_to_do() -> None:
    """Where the process may open no more files, the error names llm.concurrency and ulimit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def work() -> BaseException | Reply:
        async with raw_server(says(answer(SWEET))) as raw:
            backend = HttpBackend(f"http://127.0.0.1:{raw.port}/v1", "m", "i", None, LLMConfig())
            await backend.complete(REQUEST)
            spare = []
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 50, hard)
            )
            with suppress(OSError):
                while True:
                    spare.append(os.dup(0))
            calls = [backend.complete(REQUEST) for _ in range(2)]  # one takes the kept connection
            try:
                said = await asyncio.gather(*calls, return_exceptions=True)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for file in spare:
                    os.close(file)
            await backend.close()
            return next(one for one in said if isinstance(one, BackendError))

    error = asyncio.run(work())
    assert "Too many open files" in str(error)
    assert "lower llm.concurrency (16), or let processes open more files: ulimit -n" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org",
        "example.org/v1",
        "http://",
        "http://example.org:many",
        "http://example.org/my model",
        "http://bücher.example",
        "http://example.org/v1\r\nX-Evil: 1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """No scheme, no host, no port, a blank, a line's end or letters beyond ASCII: nothing is sent."""
    with pytest.raises(ValueError, match="."):
        Connections(url, {}, 5)


def test_a_page_of_a_proxy_is_a_try_that_failed() -> None:
    """HTML with status 200, a truncated body and one in a coding that we do not know are each tried again."""
    page = answer(b"<html>please log in</html>")
    half = answer(orjson.dumps({"choices": [{"message": {"content": "sweet"}}]})[:30])
    packed = answer(SWEET, b"Content-Encoding: br")
    reasons = [through(says(said)) for said in (page, half, packed)]
    assert all(isinstance(error, Transient) for error in reasons)
    assert [error.reason for error in reasons] == ["bad_body", "bad_body", "connection"]  # type: ignore[union-attr]
