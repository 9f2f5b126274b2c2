"""From a raw reply to a value, or to the reason why there is none. Nothing here raises, whatever the model wrote.

What is cut off is kept: the ledger holds the raw reply.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from synthneg.llm.base import Reply
from synthneg.llm.extract import Found, labelled, values
from synthneg.llm.fit import UNFIT, Fit, fit
from synthneg.llm.loop import ends_blank, repeats, unit_is_short
from synthneg.llm.peel import items, peel, refuses
from synthneg.llm.thought import without_reasoning
from synthneg.prompts.head import Form


class Parsed(NamedTuple):
    """What a reply gives: a text, a list of texts, or a JSON value, as the form says.

    `missing` names the required keys of a JSON object that the reply lacks, gives in a form that is of no use, or with
    too few items; `value` holds what is there. "$" stands for a list that is itself the reply.
    """

    value: Any
    missing: tuple[str, ...] = ()


class Problem(NamedTuple):
    """Why a reply gives no value.

    The reason is a code to count by: empty; refusal; truncated; reasoning (what it was for never came); whitespace_loop
    (blanks, or a mark or two, up to the limit); repeats (the same words up to the limit); not_json; schema.
    """

    reason: str
    detail: str


_REFUSED = ("content_filter", "refusal")  # finish reasons
_SENTENCE_END = re.compile(r"[.!?]['\")\]”’]*(?=\s|\Z)|[。！？][」』”）]*")
_WORD = re.compile(r"[^\W_]+")
_SHOWN_CHARS = 120
_TEXTS = {"type": "array", "items": {"type": "string"}}


def parse(reply: Reply, form: Form, stop: tuple[str, ...] = ()) -> Parsed | Problem:
    """Return what the reply gives in the wanted form, or why it gives nothing.

    Args:
        reply: as the backend gave it.
        form: "text", "lines", "word", or a JSON schema.
        stop: where the prompt ends a text, for replies that were asked without it.
    """
    if isinstance(form, dict):
        clean = _at_once(reply.text, form)
        if clean is not None:
            return clean
    if reply.finish in _REFUSED:
        return Problem("refusal", f"finish reason {reply.finish!r}: {reply.text[:_SHOWN_CHARS]}")
    text, cut = without_reasoning(reply.text)
    if not text:
        return _nothing(reply, cut)
    if isinstance(form, dict):
        return _json(text, reply, form)
    if refuses(text):
        return Problem("refusal", text[:_SHOWN_CHARS])
    if form == "word":
        return _word(text)
    if reply.finish == "length" and repeats(text):
        return _loop(text)
    return _lines(text, reply.finish) if form == "lines" else _text(text, reply.finish, stop)


def _nothing(reply: Reply, cut: bool) -> Problem:
    detail = f"nothing but blanks or reasoning; finish reason {reply.finish!r}"
    thought = reply.reasoning if not reply.text.strip() else reply.finish == "length"
    if cut or (thought and not ends_blank(reply.text)):
        return Problem("reasoning", detail)
    if reply.finish != "length":
        return Problem("empty", detail)
    return _loop(reply.text) if ends_blank(reply.text) else Problem("truncated", detail)


def _loop(text: str) -> Problem:
    shown = f"up to the limit: …{text[-60:]!r}"
    if ends_blank(text) or unit_is_short(text):
        return Problem("whitespace_loop", f"blanks or marks {shown}")
    return Problem("repeats", f"the same words {shown}")


def _word(text: str) -> Parsed | Problem:
    """Return the first word; what would come after it is of no interest, so that a cut takes nothing away."""
    found = _WORD.search(text)
    return Parsed(found[0]) if found else Problem("empty", f"no word in {text[:_SHOWN_CHARS]!r}")


def _text(text: str, finish: str, stop: tuple[str, ...]) -> Parsed | Problem:
    text = peel(text)
    for end in stop:
        text = text.partition(end)[0].rstrip()
    if finish == "length":
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        # A text that ran into the limit is whole up to its last sentence; less than half of it is not worth keeping.
        if not ends or ends[-1] < len(text) / 2:
            return Problem(
                "truncated", f"no sentence ends in the second half of {len(text)} characters"
            )
        text = text[: ends[-1]]
    return Parsed(text) if text else Problem("empty", "nothing but a preamble")


def _lines(text: str, finish: str) -> Parsed | Problem:
    whole = finish != "length"
    found = _listed(text) or items(text, whole)
    if found:
        return Parsed(found)
    return Problem("empty" if whole else "truncated", f"no line is an item: {text[:80]!r}")


def _listed(text: str) -> list[str]:
    """Return the items of a reply that is a JSON list of texts, or an object with one."""
    if text[0] not in "[{`":
        return []
    for found in values(text):
        got = fit(found.value, _TEXTS).value
        if got is not UNFIT and got:
            return list(filter(None, dict.fromkeys(peel(item.strip()) for item in got)))
    return []


def _at_once(text: str, schema: dict[str, Any]) -> Parsed | None:
    """Return the value of a reply that is nothing but JSON that fits, which most are."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    got = fit(value, schema)
    return None if got.missing or got.value is UNFIT else Parsed(got.value)


def _json(text: str, reply: Reply, schema: dict[str, Any]) -> Parsed | Problem:
    whole, required = reply.finish != "length", tuple(schema.get("required", ()))
    looping = not whole and (ends_blank(reply.text) or repeats(text))
    read = list(_found(text))
    best = _best(read, schema, looping)
    if not _useful(best, required):
        named = labelled(text, tuple(schema.get("properties", required)), whole)
        read += [Found(named)] if named else []
        best = fit(named, schema)
    if _useful(best, required):
        return Parsed(best.value, best.missing)
    if looping:
        return _loop(reply.text)
    if refuses(text) or any(_refuses_inside(value) for value, _ in read):
        return Problem("refusal", text[:_SHOWN_CHARS])
    if not whole or not any(isinstance(value, dict) for value, _ in read):
        kind = "not_json" if whole else "truncated"
        return Problem(kind, f"no JSON object in the reply that can be used: {text[:80]!r}")
    return Problem("schema", f"missing, empty or of another type: {', '.join(best.missing)}")


def _found(text: str) -> Iterator[Found]:
    """Yield the JSON values of a text, and those of a JSON string that is the whole of it."""
    if text.startswith('"'):
        try:
            yield from values(str(orjson.loads(text)))
        except orjson.JSONDecodeError:
            pass
    yield from values(text)


def _best(read: list[Found], schema: dict[str, Any], looping: bool) -> Fit:
    """Return the first of the values that fits best; or all objects as one, where that fits better.

    What the end of the reply cut is missing; its whole items are kept, unless they are the rounds of a loop.
    """
    best = Fit(UNFIT, tuple(schema.get("required", ("$",))))
    objects = [found for found in read if isinstance(found.value, dict)]
    if len(objects) > 1:
        cut = frozenset().union(*(found.cut for found in objects))
        read = [*read, Found([found.value for found in objects], cut)]
    for value, cut in read:
        got = fit(value, schema)
        if got.value is UNFIT:
            continue
        if cut:
            got = _without_cut(got, schema, cut, looping)
        if best.value is UNFIT or len(got.missing) < len(best.missing):
            best = got
    return best


def _without_cut(got: Fit, schema: dict[str, Any], cut: frozenset[str], looping: bool) -> Fit:
    required = schema.get("required", ("$",))
    open_list = "$" in cut and len(required) == 1
    hit = [key for key in required if key in cut or open_list]
    if looping and isinstance(got.value, dict):
        got = got._replace(value={k: v for k, v in got.value.items() if k not in hit})
    return Fit(got.value, tuple(k for k in required if k in hit or k in got.missing))


def _useful(got: Fit, required: tuple[str, ...]) -> bool:
    """Whether a value holds anything that was asked for."""
    if got.value is UNFIT or not got.missing:
        return got.value is not UNFIT
    return bool(got.value) and (
        isinstance(got.value, list) or any(k in got.value for k in required)
    )


def _refuses_inside(value: Any) -> bool:
    held = value.values() if isinstance(value, dict) else value
    return any(isinstance(item, str) and refuses(item.strip()) for item in held)
