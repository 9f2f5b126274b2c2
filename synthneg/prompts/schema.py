"""JSON schemas of replies: every string and list gets a bound.

A constrained model that sees no way out of a string or list goes on in it up to its last token, and the rest of the
reply never comes; a bound ends it there.
"""

from collections.abc import Iterator
from typing import Any

_CHARS_PER_TOKEN = 6  # more than any language with spaces has: a bound cuts loops, not texts
_TOKENS_PER_ITEM = 8
_ITEMS_EXPECTED = 2
_CLOSED = ("maxLength", "enum", "const", "pattern", "format")
_NESTS = ("properties", "$defs", "definitions")
_BRANCHES = ("anyOf", "oneOf", "allOf")

Schema = dict[str, Any]


def bounded(schema: Schema, max_tokens: int) -> Schema:
    """Return the schema with a bound on every string and list that has none; bounding twice is bounding once.

    One string alone may fill the reply; one of n may take 2 / (n + 1) of it, so that none eats all the others' room.

    Args:
        schema: a JSON schema; it is not changed.
        max_tokens: the longest reply.

    >>> bounded({"type": "object", "properties": {"q": {"type": "string"}}}, 100)["properties"]["q"]["maxLength"]
    600
    """
    strings = sum(times for part, times in _parts(schema, 1) if _is_string(part))
    most_chars = _CHARS_PER_TOKEN * max_tokens * 2 // (max(1, strings) + 1)
    new: Schema = _bounded(schema, most_chars, max(1, max_tokens // _TOKENS_PER_ITEM))
    return new


def _bounded(schema: Any, most_chars: int, most_items: int) -> Any:
    if isinstance(schema, bool):
        return schema
    new = dict(schema)
    if _is_string(schema) and not any(key in schema for key in _CLOSED):
        new["maxLength"] = max(most_chars, schema.get("minLength", 0))
    if _is(schema, "array") and "maxItems" not in schema and "enum" not in schema:
        new["maxItems"] = max(most_items, schema.get("minItems", 0))
    for key in _NESTS:
        if key in schema:
            new[key] = {n: _bounded(s, most_chars, most_items) for n, s in schema[key].items()}
    for key in _BRANCHES:
        if key in schema:
            new[key] = [_bounded(s, most_chars, most_items) for s in schema[key]]
    if isinstance(schema.get("items"), dict):
        new["items"] = _bounded(schema["items"], most_chars, most_items)
    return new


def _parts(schema: Schema | bool, times: int) -> Iterator[tuple[Schema, int]]:
    """Yield the schema and all that it holds, each with how often it is expected in a reply."""
    if isinstance(schema, bool):  # what takes everything, or nothing
        return
    yield schema, times
    for key in _NESTS:
        for inner in schema.get(key, {}).values():
            yield from _parts(inner, times)
    for key in _BRANCHES:
        for inner in schema.get(key, ()):
            yield from _parts(inner, times)
    if isinstance(schema.get("items"), dict):
        expected = max(schema.get("minItems", _ITEMS_EXPECTED), 1)
        yield from _parts(schema["items"], times * expected)


def _is_string(schema: Schema) -> bool:
    return _is(schema, "string") and "enum" not in schema and "const" not in schema


def _is(schema: Schema, kind: str) -> bool:
    kinds = schema.get("type", ())
    return kind == kinds or (isinstance(kinds, list) and kind in kinds)
