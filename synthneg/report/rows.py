"""Rows of a run's files as they stand, half pairs of surrogates and all: a page must come of whatever is there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from synthneg.errors import RunError


def rows(file: Path) -> Iterator[Any]:
    """Yield the value of each line of a JSONL file; none where there is no file.

    Raises:
        RunError: a line is no JSON.
    """
    if not file.exists():
        return
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            yield parsed(line, f"{file}, line {number}")


def parsed(data: bytes, place: str) -> Any:
    """Return the value of a piece of JSON.

    Raises:
        RunError: it is none; `place` says where it stands.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data)  # takes half a pair of surrogates, which orjson refuses
    except ValueError as error:
        raise RunError(
            f"{place}: expected JSON, but {error}; the file was changed or is damaged: `synthneg run` makes it anew"
        ) from error


def read_json(file: Path) -> Any:
    """Return the value of a JSON file; None where there is no file.

    Raises:
        RunError: it is no JSON.
    """
    return parsed(file.read_bytes(), str(file)) if file.exists() else None
