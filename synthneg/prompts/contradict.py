"""Instructions that contradict the front matter: simple rules on sentences, for what experience shows to go wrong.

A rule that errs teaches its reader to ignore all of them, so each asks for much before it speaks, and a sentence that
denies something (`never speaks of the passage`) is no order for it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from synthneg.prompts.front import Front
from synthneg.prompts.head import FrontMatter
from synthneg.prompts.problem import Problem
from synthneg.prompts.sections import Section

_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SENTENCE = re.compile(r"[^.!?:;\n]+[.!?:;]?")
_DENIES = re.compile(
    r"\b(?:no|not|never|none|nothing|neither|nor|without|instead|although|though|fails?|avoid|cannot|lacks?|looks?|"
    r"seems?|almost|nearly)\b|n't\b",
    re.IGNORECASE,
)
_ORDER = r"\b(?:write|writes|compose|composes|produce|produces|create|creates|generate|generates)\b"
_SMALL = (
    r"(?:\s+(?:me|us|a|an|one|another|two|three|four|five|\d+|the|some|several|single|short|brief|long|new|web|natural|"
    r"relevant|hard|good|realistic|original|other|further|such|plain|full|complete|real))*"
)
_TEXTS = r"(?:passage|document|paragraph|article|essay)s?"
_QUERIES = r"(?:question|query|queries|search request|search)s?"
_ORDERS_TEXT = re.compile(rf"{_ORDER}{_SMALL}\s+{_TEXTS}\b", re.IGNORECASE)
_ORDERS_QUERY = re.compile(rf"{_ORDER}{_SMALL}\s+{_QUERIES}\b", re.IGNORECASE)
_ANSWERS = re.compile(
    rf"\b{_TEXTS}\b.{{0,60}}?\b(?:(?:that|which|what|to|and)\s+(?:\w+ly\s+)?answers?|answering)\b",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    rf"{_ORDER}\s+(?:two|three|four|five|six|seven|eight|nine|ten|several|some|[2-9]|\d\d)\b[\w ]{{0,30}}?\b"
    r"(?:questions|queries|requests|searches|claims|titles|keywords lists)\b",
    re.IGNORECASE,
)
_ACCORDING = re.compile(
    r"\b(?:according to|as (?:stated|described|mentioned) in|mentioned in|described in)\s+(?:the|this|that)\s+"
    r"(?:passage|text|document|article|paragraph)\b",
    re.IGNORECASE,
)
_SPEAKS = re.compile(
    r"\b(?:according to|in|of|by|does|do|from)\s+(?:the|this)\s+(?:passage|text|document|article|paragraph|author)\b",
    re.IGNORECASE,
)
_POINTS = (
    r"\b(?:(?:{0})s?\s+(?:above|below|given|shown|provided|that follows|here)|"
    r"(?:above|following|given|provided|preceding)\s+(?:{0})s?)\b"
)
_JSON = re.compile(r"\bJSON\b", re.IGNORECASE)
# A word by which a text speaks of a record, and the variables of which it may be speaking.
_SEEN = {
    "passage": ("passage", "related", "mined", "document", "documents"),
    "document": ("document", "documents", "passage", "mined", "related"),
    "query": ("query",),
    "question": ("query", "passage", "task"),
}


class _Sentence(NamedTuple):
    line: int
    text: str
    last: bool  # of what leads to the reply itself, not to a turn before it


def contradictions(head: FrontMatter, top: Front, parts: Sequence[Section]) -> Iterator[Problem]:
    """Yield each instruction that contradicts what the prompt makes, sees, or replies."""
    sentences = list(_sentences(parts))
    final = [sentence for sentence in sentences if sentence.last]
    yield from _orders(head, final)
    yield from _unseen(head, sentences)
    yield from _reply(head, final)
    yield from _keys(head, top, parts)
    yield from _stops(head, top)
    yield from _exemplars(head, top)


def _orders(head: FrontMatter, sentences: Sequence[_Sentence]) -> Iterator[Problem]:
    """Yield orders for something else than what the prompt makes."""
    for line, text, _ in sentences:
        denied = _DENIES.search(text)
        if head.makes == "query":
            if _ACCORDING.search(text) and not denied:
                yield Problem(
                    line,
                    f"{_seen(_ACCORDING, text)}: a query must stand without its passage; take it out, or forbid it",
                )
            if _orders_to(_ORDERS_TEXT, text):
                yield Problem(
                    line,
                    f"makes a query, but the text orders: {_seen(_ORDERS_TEXT, text)}; order a query, or mend makes",
                )
        elif head.makes in ("document", "negative") and _orders_to(_ORDERS_QUERY, text):
            yield Problem(
                line,
                f"makes a {head.makes}, but the text orders: {_seen(_ORDERS_QUERY, text)};"
                " order a passage, or mend makes",
            )
        if head.makes == "negative" and not denied and _orders_answer(text):
            yield Problem(
                line,
                f"makes a negative, but the text orders a passage that answers: {' '.join(text.split())[:60]!r};"
                " say that it does not answer, or mend makes",
            )
        if head.makes == "judgement" and (
            _orders_to(_ORDERS_TEXT, text) or _orders_to(_ORDERS_QUERY, text)
        ):
            yield Problem(
                line,
                "makes a judgement, but the text orders to write; order a verdict, or mend makes",
            )


def _orders_to(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a sentence orders this, and does not say before that it be left."""
    found = pattern.search(text)
    return found is not None and not _DENIES.search(text[: found.start()])


def _orders_answer(text: str) -> bool:
    return bool(re.search(_ORDER, text, re.IGNORECASE) and _ANSWERS.search(text))


def _unseen(head: FrontMatter, sentences: Sequence[_Sentence]) -> Iterator[Problem]:
    """Yield where the text points at something that the prompt does not show."""
    for word, variables in _SEEN.items():
        if set(variables) & set(head.needs):
            continue
        pattern = re.compile(
            _POINTS.format(word if word != "query" else "query|queries"), re.IGNORECASE
        )
        for line, text, _ in sentences:
            if pattern.search(text):
                yield Problem(
                    line,
                    f"speaks of {_seen(pattern, text)!r}, but needs has no {' or '.join(variables)};"
                    " add one, or take it out",
                )


def _reply(head: FrontMatter, sentences: Sequence[_Sentence]) -> Iterator[Problem]:
    """Yield where the text asks for another form of reply than the front matter says."""
    if isinstance(head.reply, dict):
        return
    for line, text, _ in sentences:
        if _JSON.search(text) and not _DENIES.search(text):
            yield Problem(
                line, f"asks for JSON, but reply is {head.reply}; give a schema, or take JSON out"
            )
        if head.makes == "query" and head.reply == "text" and _SEVERAL.search(text):
            seen = _seen(_SEVERAL, text)
            yield Problem(line, f"asks for several ({seen}), but reply is text; say reply: lines")


def _keys(head: FrontMatter, top: Front, parts: Sequence[Section]) -> Iterator[Problem]:
    """Yield the keys that a schema requires and the text does not name: a model would have to guess them."""
    words = "\n".join(_literal(part.turn.source) for part in parts)
    forms = {("reply",): head.reply} | {("turns", name): f for name, f in head.turns.items()}
    for place, form in forms.items():
        for key in form.get("required", ()) if isinstance(form, dict) else ():
            if not re.search(rf"(?<!\w){re.escape(str(key))}(?!\w)", words):
                yield Problem(
                    top.line(*place, "required"),
                    f"{'.'.join(place)} requires the key {key!r}, but the text never names it; name it, or drop it",
                )


def _stops(head: FrontMatter, top: Front) -> Iterator[Problem]:
    """Yield a stop sequence that would cut a reply of several lines after the first."""
    several = head.reply == "lines" or isinstance(head.reply, dict)
    if several and any("\n" in stop for stop in head.sampling.stop):
        yield Problem(
            top.line("sampling", "stop"),
            "stops at the end of a line, but the reply has several; take the stop sequence away",
        )


def _exemplars(head: FrontMatter, top: Front) -> Iterator[Problem]:
    """Yield exemplars of queries that do not stand without their passage."""
    if head.makes != "query" or head.examples is None:
        return
    for number, example in enumerate(head.examples.pool):
        query = example.get("query", "")
        if _SPEAKS.search(query):
            yield Problem(
                top.line("examples", "pool", number, "query"),
                f"the exemplar {query[:60]!r} speaks of its passage; write one that stands without it",
            )


def _sentences(parts: Sequence[Section]) -> Iterator[_Sentence]:
    """Yield the sentences of the orders with their lines; what exemplars show as said by the model is none."""
    for number, part in enumerate(parts):
        if part.turn.role == "assistant":
            continue
        answered = number + 1 < len(parts) and parts[number + 1].turn.role == "assistant"
        text = _literal(part.turn.source)
        for found in _SENTENCE.finditer(text):
            inner = found[0]
            blank = len(inner) - len(inner.lstrip())
            line = part.before + 1 + text.count("\n", 0, found.start() + blank)
            yield _Sentence(line, inner, not answered)


def _literal(source: str) -> str:
    """Return a template's own words, in their lines: what is filled in is blanked."""
    return _EXPRESSION.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def _seen(pattern: re.Pattern[str], text: str) -> Any:
    found = pattern.search(text)
    return " ".join(found[0].split()) if found else ""
