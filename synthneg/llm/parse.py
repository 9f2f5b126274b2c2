"""From a raw reply to a value, or to the reason why there is none. Nothing here raises, whatever the model wrote.

What is cut off is kept: the ledger holds the raw reply.
"""

import re
from typing import Any, NamedTuple

import orjson

from synthneg.llm.base import Reply


class Problem(NamedTuple):
    """Why a reply gives no value."""

    reason: str  # a code to count by: empty, refusal, truncated, not_json, schema
    detail: str


# Some chat templates open the reasoning themselves, so that the reply holds the closing tag alone.
_THOUGHT = re.compile(r"<think>.*?</think>|\A.*</think>|<think>.*\Z", re.DOTALL)
_FENCE = re.compile(r"\A```[A-Za-z0-9_-]*[ \t]*\n?(.*?)\n?```\s*\Z", re.DOTALL)
# A preamble is agreement ("Sure!", "Certainly, I can help."), an announcement ("Here is the passage:"), or both. A
# text may begin with the same words, so they must announce what a prompt asks for, or have a line of their own.
_ASKED_FOR = (
    r"(?:questions?|query|queries|claims?|keywords?|titles?|passages?|answers?|negatives?|documents?"
    r"|texts?|json)"
)
_PREAMBLE = re.compile(
    r"\A(?:(?:sure|certainly|of course|absolutely|okay|ok|yes)\b[!.:,]?\s+(?=here\b))?"
    r"(?:(?:sure|certainly|of course|absolutely|okay)\b"
    r"(?:!\s*|,? (?:i can|i will|i['’]ll|let me)\b[^\n.!:]{0,80}[.!:]\s+|[^\n]{0,80}[!.:][ \t]*\n\s*))?"
    r"(?:here(?:['’]s| is| are| you are| you go)\b[^\n:]{0,120}"
    rf"(?:\b{_ASKED_FOR}\b[^\n:]{{0,120}}:\s*|:[ \t]*\n\s*))?",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"\A(?:\*\*)?(?:question|query|claim|keywords?|title|passage|answer|hard negative)(?: \d+)?"
    r"(?:\*\*)?\s*:\s*(?:\*\*\s*)?",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\A\W*(?:(?:i['’]?m|i am) sorry\b(?! to hear)|sorry,|i apologi[sz]e"
    r"|unfortunately, i (?:can|am)|i (?:must|have to) decline"
    r"|i (?:can(?:not|['’]t)|won['’]t) (?:help|assist|fulfil|provide|comply|do|write|create|generate)"
    r"|(?:i['’]?m|i am) (?:not |un)able to|as an ai\b)",
    re.IGNORECASE,
)
_QUOTES = {('"', '"'), ("'", "'"), ("“", "”"), ("«", "»"), ("`", "`")}
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_SENTENCE_END = re.compile(r"[.!?]['\")\]”’]*(?=\s|\Z)|[。！？][」』”）]*")


def parse(reply: Reply, schema: dict[str, Any] | None) -> Any | Problem:
    """Return the text, or the JSON value where there is a schema; else the Problem."""
    text = _THOUGHT.sub("", reply.text).strip()
    if not text:
        cut = reply.finish == "length"
        return Problem(
            "truncated" if cut else "empty",
            f"nothing but blanks or reasoning; finish reason {reply.finish!r}",
        )
    if _REFUSAL.match(text):
        return Problem("refusal", text[:120])
    return _text(text, reply.finish) if schema is None else _json(text, reply.finish, schema)


def _text(text: str, finish: str) -> str | Problem:
    before = None
    while text != before:
        before, text = text, _peeled(text)
    if finish == "length":
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        # A text that ran into the limit is whole up to its last sentence; less than half of it is not worth keeping.
        if not ends or ends[-1] < len(text) / 2:
            return Problem(
                "truncated", f"no sentence ends in the second half of {len(text)} characters"
            )
        text = text[: ends[-1]]
    return text or Problem("empty", "nothing but a preamble")


def _peeled(text: str) -> str:
    """Return the text without one layer of what a model puts around it: preamble, fence, label, quotes."""
    text = _PREAMBLE.sub("", text, count=1).strip()
    fence = _FENCE.match(text)
    text = (fence[1] if fence else text).strip()
    text = _LABEL.sub("", text, count=1).strip()
    inner = text[1:-1]
    # Quotes that stand inside as well are not around the whole: "green tea" or "black tea"
    if (text[:1], text[-1:]) in _QUOTES and not {text[0], text[-1]} & set(
        _APOSTROPHE.sub("", inner)
    ):
        text = inner.strip()
    return text


def _json(text: str, finish: str, schema: dict[str, Any]) -> Any | Problem:
    start, end = text.find("{"), text.rfind("}")
    try:
        value = orjson.loads(text[start : end + 1]) if 0 <= start < end else None
    except orjson.JSONDecodeError as error:
        value, detail = None, str(error)
    else:
        detail = "no JSON object in the reply"
    if value is None:
        return Problem(
            "truncated" if finish == "length" else "not_json", f"{detail}: {text[:80]!r}"
        )
    kinds = schema.get("properties", {})
    missing = [
        key
        for key in schema.get("required", ())
        if not _filled(value.get(key), kinds.get(key, {}).get("type"))
    ]
    if missing:
        return Problem("schema", f"missing, empty or of another type: {', '.join(missing)}")
    return value


def _filled(value: Any, kind: str | None) -> bool:
    if kind == "string" or isinstance(value, str):
        return isinstance(value, str) and bool(value.strip())
    return value is not None
