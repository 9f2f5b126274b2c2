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
            yield parsed(line, file, number)


def parsed(data: bytes, file: Path, number: int | None = None) -> Any:
    """Return the value of a piece of JSON.

    Args:
        data: the piece.
        file: where it stands.
        number: of its line; None: it is the whole file, or a line that was found by its place.

    Raises:
        RunError: it is no JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data)  # takes half a pair of surrogates, which orjson refuses
    except ValueError as error:
        line = "" if number is None else f", line {number}"
        raise RunError(
            f"{file}{line}: expected JSON, but {error}; it was changed or is damaged: `synthneg run` makes it anew"
        ) from error


def read_json(file: Path) -> Any:
    """Return the value of a JSON file; None where there is no file.

    Raises:
        RunError: it is no JSON.
    """
    return parsed(file.read_bytes(), file) if file.exists() else None
