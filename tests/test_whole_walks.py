"""However many records a stage walks over, it takes the same memory, but for a few numbers of each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import walked

FEW, MANY = 600, 2400
# Bytes a record, where texts are encoded or compared: their keys, rows and places are numbers in memory.
MOST = 200
# And where that is not so. An entry of a dict, with its id, takes more than 100.
MOST_OF_WALKS = 50
WALKS = {"write documents", "judge queries", "judge documents", "export"}


def held(folder: Path, records: int) -> dict[str, int]:
    """Return how many bytes each step held at most, walked in a process of its own."""
    command = [sys.executable, walked.__file__, str(folder), str(records)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    steps: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return steps


@pytest.mark.slow
def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    """Walking over 2,400 records holds what 600 do, and encoding and comparing them a few numbers of each more."""
    few, many = (held(tmp_path / str(n), n) for n in (FEW, MANY))

    grown = {step: round((many[step] - few[step]) / (MANY - FEW)) for step in few}

    assert len(grown) == 8
    assert {s: n for s, n in grown.items() if n > (MOST_OF_WALKS if s in WALKS else MOST)} == {}
