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


_THINK = re.compile(r"<think>.*?</think>\s*", re.DOTALL)
_OPEN_THINK = re.compile(r"<think>.*\Z", re.DOTALL)
_FENCE = re.compile(r"\A```[A-Za-z0-9_-]*[ \t]*\n?(.*?)\n?```\s*\Z", re.DOTALL)
_PREAMBLE = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok|yes)\b[^\n:]{0,80}[:!.]\s*)?"
    r"(?:here(?:'s| is| are)\b[^\n:]{0,120}:\s*)?",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"\A(?:\*\*)?(?:question|query|claim|keywords?|title|passage|answer|hard negative)(?: \d+)?"
    r"(?:\*\*)?\s*:\s*(?:\*\*\s*)?",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\A\W*(?:i'?m sorry|i am sorry|sorry,|i apologi[sz]e|i can(?:no|')t (?:help|assist|fulfil|provide|comply|do)|"
    r"i'?m (?:un)?able to|i am (?:not|un)able to|as an ai\b)",
    re.IGNORECASE,
)
_QUOTES = {('"', '"'), ("'", "'"), ("“", "”"), ("«", "»"), ("`", "`")}
_SENTENCE_END = re.compile(r"[.!?。！？]['\")\]”]*(?=\s|\Z)")


def parse(reply: Reply, schema: dict[str, Any] | None) -> Any | Problem:
    """Return the text, or the JSON value where there is a schema; else the Problem."""
    text = _OPEN_THINK.sub("", _THINK.sub("", reply.text)).strip()
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
    fence = _FENCE.match(text)
    text = (fence[1] if fence else text).strip()
    text = _PREAMBLE.sub("", text, count=1).strip()
    text = _LABEL.sub("", text, count=1).strip()
    if len(text) > 1 and (text[0], text[-1]) in _QUOTES:
        text = text[1:-1].strip()
    if finish == "length":
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        # A text that ran into the limit is whole up to its last sentence; less than half of it is not worth keeping.
        if not ends or ends[-1] < len(text) / 2:
            return Problem(
                "truncated", f"no sentence ends in the second half of {len(text)} characters"
            )
        text = text[: ends[-1]]
    return text or Problem("empty", "nothing but a preamble")


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
    missing = [key for key in schema.get("required", ()) if not _filled(value.get(key))]
    if missing:
        return Problem("schema", f"missing or empty: {', '.join(missing)}")
    return value


def _filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None
