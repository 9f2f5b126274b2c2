"""A corpus larger than memory: what is encoded, ranked and mined is what is found with all the memory there is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import large_corpus
import pytest

LIMIT_MB = 280


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with corpus and queries; the vectors are gone afterwards, or they would lie there for days."""
    folder = tmp_path / "limited"
    large_corpus.write_inputs(folder)
    yield folder
    shutil.rmtree(folder / "vectors", ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vectors_larger_than_the_address_space(limited: Path) -> None:
    """Under a limit below the size of the vectors every file has the bytes that it has without one."""
    free = shutil.copytree(limited, limited.with_name("free"))
    _walk(limited, LIMIT_MB)
    (vectors,) = (limited / "vectors").glob("*.f16")
    assert vectors.stat().st_size > 1.2 * (LIMIT_MB << 20)
    (free / "vectors").symlink_to(limited / "vectors")
    _walk(free, 0)
    for name in large_corpus.FILES:
        found, expected = ((folder / "small" / name).read_bytes() for folder in (limited, free))
        assert found == expected != b""


def _walk(folder: Path, limit_mb: int) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    script = Path(large_corpus.__file__)
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(limit_mb)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
