"""Odd replies that models gave, and those that users of other systems report: what each must give."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from synthneg.llm.base import Reply
from synthneg.prompts.head import Form
from synthneg.prompts.shelf import load

FILE = Path(__file__).parent / "data" / "odd_replies.jsonl"
_TEXT = {"type": "string"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any], **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **bounds}


FORMS: dict[str, Form] = {
    "text": "text",
    "lines": "lines",
    "graded": load("document/graded").form,
    "card": _object(question=_TEXT, answer=_TEXT, keywords=_list(_TEXT)),
    "pairs": _object(pairs=_list(_object(question=_TEXT, answer=_TEXT), minItems=3)),
    "verdicts": _object(
        verdicts=_list(
            {"type": "string", "enum": ["relevant", "irrelevant"]}, minItems=7, maxItems=7
        )
    ),
    "cells": _object(cell=_TEXT, next=_TEXT),
}


class Odd(NamedTuple):
    """A reply, what was asked for, and what it gives: {"value", "missing"} or {"problem"}."""

    prompt: str
    made: str  # the model's name, or by_hand
    reply: Reply
    form: Form
    stop: tuple[str, ...]
    gives: dict[str, Any]


def odd_replies() -> list[Odd]:
    """Return the corpus."""
    return [_odd(json.loads(line)) for line in FILE.read_bytes().splitlines()]


def _odd(row: dict[str, Any]) -> Odd:
    reply = Reply(row["text"], row["finish"], 1, 1, row["made"], row.get("reasoning", ""))
    stop = tuple(row.get("stop", ()))
    return Odd(row["prompt"], row["made"], reply, FORMS[row["form"]], stop, row["gives"])
