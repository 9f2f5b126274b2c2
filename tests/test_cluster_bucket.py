"""A run whose partitions lie in a bucket: the bytes of one machine, one budget for all workers, nothing asked twice."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import Asking
from llm_server import started
from world import snapshot

pytest.importorskip("s3fs", reason="needs the extra s3")
pytest.importorskip("moto", reason="needs moto[server]")
from object_store import BUCKET, storing

pytestmark = [pytest.mark.slow, pytest.mark.trial, pytest.mark.timeout(900)]

PASSAGES, BUDGET = 36, 20


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    """Give a run of queries, with its server, and a bucket beside it."""
    with storing(), started("--log", str(tmp_path / "requests.log"), "--latency-ms", "50") as url:
        made = Asking(tmp_path, url)
        made.build_small(PASSAGES, concurrency=6)
        yield made


def generate(asking: Asking, *arguments: str) -> None:
    """Run `synthneg generate` to its end, of queries alone: a budget's pilot asks for all that is to be asked."""
    alone = [f"generate.{kind}.prompts=[]" for kind in ("documents", "negatives")]
    words = [word for change in alone for word in ("--set", change)]
    process = asking.start("generate", *words, *arguments)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err


def test_partitions_in_a_bucket_make_the_same_files(asking: Asking) -> None:
    """With a budget for half of it no more is asked; the next command asks the rest, and no reply again.

    The files are those of one machine.
    """
    changes = {"storage": BUCKET, "partitions": 3, "workers": 2}
    words = [("--set", f"ray.{key}={value}") for key, value in changes.items()]
    cluster = ["--engine", "ray", *(word for pair in words for word in pair)]
    generate(asking, *cluster, "--set", f"llm.budget.requests={BUDGET}")
    assert 0 < len(asking.asked()) <= BUDGET
    generate(asking, *cluster, "--set", "llm.budget.requests=1000")
    assert Counter(asking.asked()).most_common(1)[0][1] == 1
    assert len(asking.asked()) == PASSAGES
    assert not (asking.run / "partitions").exists()

    generate(asking, "--outputs", "undisturbed")
    found, expected = (
        {
            name: data
            for name, data in snapshot(asking.run_folder(outputs)).items()
            if not name.endswith(".done") and name != "run.yaml"
        }
        for outputs in ("outputs", "undisturbed")
    )
    assert found == expected
