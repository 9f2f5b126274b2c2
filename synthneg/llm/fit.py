"""What of a JSON value fits a schema: types, lengths, bounds, enumerations. What fits is kept, item by item.

Schemas here are those of prompts: an object of strings, numbers, truth values, enumerations, lists of those, and lists
of objects. Keywords that are not known here are not looked at.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from synthneg.llm.loop import repeats
from synthneg.llm.peel import refuses

_NO = object()
UNFIT: Final = _NO
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DEEPEST_WRAPPER = 3
# Their meaning is their place: what follows one that does not fit cannot be told apart any more.
_IN_PLACE = ("integer", "number", "boolean")


class Fit(NamedTuple):
    """What fits, and the required keys that do not: absent, of another type, or with fewer items than wanted."""

    value: Any  # UNFIT where nothing does
    missing: tuple[str, ...]


def fit(value: Any, schema: dict[str, Any]) -> Fit:
    """Return what of `value` fits `schema`.

    >>> fit({"a": "tea", "b": 3}, {"type": "object", "required": ["a", "b"], "properties": {"b": {"type": "string"}}})
    Fit(value={'a': 'tea'}, missing=('b',))
    """
    if _is_object(schema):
        return _object(_unwrapped(value, schema, 0), schema)
    if schema.get("type") == "array":
        value = _sole_list(value) if isinstance(value, dict) else value
    got = _fitted(value, schema)
    return Fit(got, ("$",) if got is UNFIT or _too_few(got, schema) else ())


def _is_object(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" or "properties" in schema or "required" in schema


def _object(value: Any, schema: dict[str, Any]) -> Fit:
    required = schema.get("required", ())
    if not isinstance(value, dict):
        return Fit(UNFIT, tuple(required))
    kinds = schema.get("properties", {})
    kept = {} if schema.get("additionalProperties") is False else value.copy()
    for key in kinds or required:
        if key in value:
            got = _fitted(value[key], kinds.get(key, {}))
            if got is not UNFIT:
                kept[key] = got
            else:
                kept.pop(key, None)
    missing = [k for k in required if k not in kept or _too_few(kept[k], kinds.get(k, {}))]
    return Fit(kept, tuple(missing))


def _unwrapped(value: Any, schema: dict[str, Any], depth: int) -> Any:
    """Return the object inside what models put around it: a list of one, a further object, the schema's own keys."""
    known = schema.get("properties") or schema.get("required", ())
    if depth > _DEEPEST_WRAPPER:
        return value
    if isinstance(value, list):
        objects = [item for item in value if isinstance(item, dict)]
        if len(objects) == len(value) == 1:
            return _unwrapped(value[0], schema, depth + 1)
        if len(known) == 1 and schema.get("properties", {}).get(*known, {}).get("type") == "array":
            return {next(iter(known)): value}
        keys = [key for item in objects for key in item]
        # [{"3": …}, {"2": …}]: one object in pieces, where no key stands twice
        pieces = len(objects) == len(value) and len(keys) == len(set(keys))
        return {k: v for item in objects for k, v in item.items()} if pieces else value
    if isinstance(value, dict) and not any(key in value for key in known):
        inner = value.get("properties", next(iter(value.values())) if len(value) == 1 else None)
        if isinstance(inner, dict | list):
            return _unwrapped(inner, schema, depth + 1)
    return value


def _sole_list(value: dict[str, Any]) -> Any:
    lists = [item for item in value.values() if isinstance(item, list)]
    return lists[0] if len(lists) == 1 else value


def _too_few(value: Any, schema: dict[str, Any]) -> bool:
    return isinstance(value, list) and len(value) < schema.get("minItems", 0)


def _fitted(value: Any, schema: dict[str, Any]) -> Any:
    """Return the value as the schema wants it, or UNFIT; a list without the items that do not fit."""
    if "enum" in schema:
        return _enumerated(value, schema["enum"])
    if "const" in schema:
        return value if value == schema["const"] else UNFIT
    kind = schema.get("type")
    if isinstance(kind, list):
        found = (_fitted(value, {**schema, "type": one}) for one in kind)
        return next((got for got in found if got is not UNFIT), UNFIT)
    check = _CHECKS.get(kind or ("string" if isinstance(value, str) else ""))
    if check is not None:
        return check(value, schema)
    return value if value is not None else UNFIT


def _string(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        # {"3": {"content": "Green tea …"}}
        value = next(iter(value.values()))
    if not isinstance(value, str) or not value.isascii() and _LONE_SURROGATE.search(value):
        return UNFIT
    length, most = len(value), schema.get("maxLength", math.inf)
    if length > most or len(value.strip()) < max(1, schema.get("minLength", 1)) or refuses(value):
        return UNFIT
    # A loop that ran into the bound of a constrained string ends like a whole one.
    return UNFIT if length >= most - 1 and repeats(value) else value


def _enumerated(value: Any, wanted: list[Any]) -> Any:
    same = [one for one in wanted if type(one) is type(value) and one == value]
    if not same and isinstance(value, str):
        same = [
            w for w in wanted if isinstance(w, str) and w.casefold() == value.strip().casefold()
        ]
    if not same and isinstance(value, str) and _NUMBER.fullmatch(value):
        same = [w for w in wanted if str(w) == value]
    return same[0] if len(same) == 1 else UNFIT


def _number(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return UNFIT
    if not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        return UNFIT
    return value


def _integer(value: Any, schema: dict[str, Any]) -> Any:
    value = _number(value, schema)
    if value is not UNFIT and value != int(value):
        return UNFIT
    return value if value is UNFIT else int(value)


def _boolean(value: Any, schema: dict[str, Any]) -> Any:
    return value if isinstance(value, bool) else UNFIT


def _null(value: Any, schema: dict[str, Any]) -> Any:
    return value if value is None else UNFIT


def _array(value: Any, schema: dict[str, Any]) -> Any:
    if not isinstance(value, list):
        return UNFIT
    wanted = schema.get("items", {})
    in_place = "enum" in wanted or wanted.get("type") in _IN_PLACE
    kept = []
    for item in value[: schema.get("maxItems", len(value))]:
        got = _fitted(item, wanted)
        if got is not UNFIT:
            kept.append(got)
        elif in_place:
            break
    return UNFIT if value and not kept else kept


def _inner_object(value: Any, schema: dict[str, Any]) -> Any:
    got, missing = _object(value, schema)
    return UNFIT if missing else got


_CHECKS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "null": _null,
    "array": _array,
    "object": _inner_object,
}
