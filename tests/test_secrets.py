"""A planted key, and a server that repeats it in every form: it is in no file of the run and on no screen."""

import asyncio
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from asking import Asking, sentence
from hypothesis import given
from hypothesis import strategies as st
from llm_server import Fault, serving
from raw_server import answer, raw_server

from synthneg.config import LLMConfig
from synthneg.errors import BackendError
from synthneg.llm.base import Reply, Request
from synthneg.llm.http import HttpBackend, open_server
from synthneg.llm.secret import Secret
from synthneg.prompts.render import Message

# Characters that JSON encoders and addresses write in other ways.
KEY = "sk-planted/5f1e0c9+ab3d74e2c86=="
FORMS = {
    "plain": KEY,
    "bearer": f"Authorization: Bearer {KEY}",
    "in an address": f"http://x/?api_key={quote(KEY, safe='')}",
    "in Base64": b64encode(KEY.encode()).decode(),
    "as basic authorization": f"Basic {b64encode(f'user:{KEY}'.encode()).decode()}",
    "of Bearer in Base64": b64encode(f"Bearer {KEY}".encode()).decode(),
}


def spoken(text: str, escaped: bool = False) -> str:
    """Return a text as it stands in JSON, with slashes and pluses as some encoders write them."""
    said = orjson.dumps(text).decode()
    return (
        said.replace("/", r"\/").replace("+", r"\u002b").replace("=", r"\u003D")
        if escaped
        else said
    )


def traces(asking: Asking, *said: str) -> list[str]:
    """Return where the key, or a good part of it, is to be found: files of the run, and what was said."""
    parts = [KEY[3:], quote(KEY, safe="")[3:], *(form[-24:] for form in list(FORMS.values())[3:])]
    needles = [part.encode() for part in parts]
    places = {str(file): file.read_bytes() for file in asking.folder.rglob("*") if file.is_file()}
    places |= {f"said {number}": words.encode() for number, words in enumerate(said)}
    return [place for place, data in places.items() if any(needle in data for needle in needles)]


def asking_with_key(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Return a run whose key is the planted one."""
    monkeypatch.setattr("world.KEY", KEY)
    asking = Asking(folder, url)
    asking.build_small(6, concurrency=2, retries=1, timeout_s=1)
    return asking


@pytest.mark.slow
@pytest.mark.parametrize("escaped", [False, True])
def test_a_reply_that_repeats_the_key_is_stored_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, escaped: bool
) -> None:
    """In text, reasoning and model's name of a reply, however it is written, the key is cut out first of all."""
    text = spoken(f"Which key is {' and '.join(FORMS.values())} of all?", escaped)
    said = f'{{"content": {text}, "reasoning_content": {text}}}'
    with serving(
        canned=(200, f'{{"choices": [{{"message": {said}}}], "model": {text}}}')
    ) as server:
        asking = asking_with_key(tmp_path, server.url, monkeypatch)
        done = asking.generate()
    assert asking.books()["kept"] == 6
    assert "***" in (asking.run / "queries.jsonl").read_text()
    assert traces(asking, done.stdout, done.stderr) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "page"),
    [(401, False), (401, True), (403, False), (500, False), (500, True), (429, False), (200, True)],
)
def test_an_error_that_repeats_the_key_is_said_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, page: bool
) -> None:
    """Whether it stops the run or is stored as the reason of a failure, no form of the key is in what is kept."""
    everything = " ".join(FORMS.values())
    body = f'{{"error": {{"message": {spoken(everything, escaped=status == 403)}}}}}'
    with serving(canned=(status, f"<p>{everything}" if page else body)) as server:
        asking = asking_with_key(tmp_path, server.url, monkeypatch)
        done = asking.generate(status=2)
    assert "***" in done.stderr + (asking.run / "ledger.sqlite").read_bytes().decode("latin-1")
    assert traces(asking, done.stdout, done.stderr) == []


def test_a_redirect_that_repeats_the_key_is_said_without_it() -> None:
    """A new address with the key in it is shown without it."""

    async def script(_: int, __: int, writer: asyncio.StreamWriter) -> None:
        place = f"Location: http://x/?api_key={quote(KEY, safe='')}&k={KEY}".encode()
        writer.write(answer(b"", place, status=b"302 Found"))

    async def work() -> None:
        async with raw_server(script) as server:
            url = f"http://127.0.0.1:{server.port}/v1"
            backend = HttpBackend(url, "m", "i", KEY, LLMConfig())
            with pytest.raises(BackendError) as caught:
                await backend.complete(Request((Message("user", "tea"),), {}, 7, None))
            await backend.close()
        assert "http://x/?api_key=***&k=***" in str(caught.value)

    asyncio.run(work())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset", "truncated", "hang"])
def test_broken_connections_and_bodies_leave_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What goes wrong on the way is stored and said without the key too."""
    with serving([Fault("", kind)], key=KEY) as server:
        asking = asking_with_key(tmp_path, server.url, monkeypatch)
        done = asking.generate(status=2)
    assert traces(asking, done.stdout, done.stderr) == []


@pytest.mark.slow
def test_a_run_that_ends_well_leaves_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key was used, as the server saw, and stands nowhere."""
    with serving(key=KEY) as server:
        asking = asking_with_key(tmp_path, server.url, monkeypatch)
        done = asking.generate()
    assert asking.books()["kept"] == 6
    assert traces(asking, done.stdout, done.stderr) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        f"llm.api_key={KEY}",
        f"llm.api_key_env={KEY}",
        f"llm.base_url=http://{quote(KEY, safe='')}@127.0.0.1:9/v1",
        f"llm.base_url=http://ann:{quote(KEY, safe='')}@127.0.0.1:9/v1",
        f"llm.base_url=http://127.0.0.1:9/v1?api_key={KEY}",
        f"llm.base_url=http://127.0.0.1:9/v1#{KEY}",
    ],
)
def test_a_key_in_the_settings_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Wherever somebody puts the key by mistake, the error does not repeat it, and no run's folder is made."""
    asking = asking_with_key(tmp_path, "http://127.0.0.1:9/v1", monkeypatch)
    done = asking.generate("--set", change, status=2)
    assert "llm." in sentence(done.stderr)
    assert not asking.run.exists()
    assert traces(asking, done.stdout, done.stderr) == []


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16), st.text())
def test_whatever_stands_around_a_key_it_is_cut_out(key: str, around: str) -> None:
    """Plain, in an address or in Base64 behind any text, nothing is left from which the key could be read."""
    secret = Secret(key)
    if key in around or key in "***":
        return
    assert key not in secret.cut(f"{around}{key}{around}").replace("***", "\0")
    assert quote(key, safe="") not in secret.cut(f"{around}{quote(key, safe='')}").replace(
        "***", "\0"
    )
    whole = b64encode(around.encode() + key.encode()).decode()
    assert secret.cut(whole) != whole


def test_what_is_no_key_stays_as_it_is() -> None:
    """Without a key, and in replies that do not repeat it, nothing changes."""
    reply = Reply("tea " * 99, "stop", 1, 2, "m", "thought")
    assert Secret(None).cut_reply(reply) is Secret(KEY).cut_reply(reply) is reply
    assert Secret(None).cut_json(b"no JSON") == b"no JSON"


@pytest.mark.parametrize("key", ["hunter2", "k" * 40])
def test_errors_of_the_question_for_models_are_without_the_key(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Where llm.model is missing and the server refuses with the key in its words, the error is without it."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with serving(key="another") as server, pytest.raises(BackendError) as caught:
        open_server(LLMConfig(backend="openai", base_url=server.url))
    assert key not in str(caught.value)
