"""Asking on a Ray cluster gives the bytes of one machine; that of several machines is in `test_cluster_killed.py`."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from llm_server import asked, started
from test_generate_order import fill
from world import snapshot

from synthneg.generate.asking import with_asker
from synthneg.generate.negatives import write_negatives
from synthneg.generate.queries import write_queries
from synthneg.records import Passage, Query
from synthneg.run import Run
from synthneg.settings import resolve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PASSAGES = 40
FAULTS = (
    "passage 7.:refusal",
    "passage 8.:500:1",
    "passage 9.:too_long",
    "passage 11.:empty:1",
    "passage 12.:length:1",
)
# The prompts of open turns: one that all records begin with, and one of each record's own.
GENERATE = {
    "queries": {
        "prompts": ["query/question", "query/summarise-then-ask"],
        "rounds": 1,
    },
    "negatives": {"prompts": ["negative/defined-first", "negative/requirement-violation"]},
}


def settings(url: str, **ray: Any) -> dict[str, Any]:
    """Return the settings of a run that asks the server at `url`."""
    return {
        "run": "r",
        "corpus": {"path": "corpus"},
        "llm": {
            "backend": "openai",
            "base_url": url,
            "model": "loopback-llm",
            "concurrency": 6,
            "retries": 1,
        },
        "generate": GENERATE,
        "ray": ray,
    }


def written(folder: Path, engine: str, url: str, **ray: Any) -> Path:
    """Write what is asked for, with every second query verified; return the run's folder."""
    with closing(Run(folder, resolve(settings(url, **ray), "test"), engine)) as run:
        texts = (f"Of teas and breads, passage {n}. The mill turns by it." for n in range(PASSAGES))
        fill(run, "corpus", "passages.jsonl", [Passage(f"p{n}", t) for n, t in enumerate(texts)])
        with_asker(run, write_queries)
        passed = list(run.read("queries.jsonl", Query))[::2]
        fill(run, "verify.queries", "verified_queries.jsonl", passed)
        with_asker(run, write_negatives)
    return run.folder


def data(run: Path) -> dict[str, bytes]:
    """Return the files that a run is made of: all but what names the engine's settings and what a cluster needed."""
    return {
        name: content
        for name, content in snapshot(run).items()
        if name != "run.yaml" and not name.startswith("partitions/")
    }


def test_a_cluster_writes_the_bytes_of_one_machine(tmp_path: Path) -> None:
    """Queries with rounds and negatives with open turns, some asked anew or failed, are the same.

    Each request that one machine makes is made, once, and one machine can go on with what a cluster was answered.
    Graded documents are asked for in the same way (`test_cluster_partitions.py`).
    """
    runs, requests = {}, {}
    port = "0"
    for engine, ray in {"local": {}, "ray": {"partitions": 7, "workers": 2}}.items():
        log = tmp_path / f"{engine}.log"
        faults = [word for fault in FAULTS for word in ("--fault", fault)]
        with started("--port", port, "--log", str(log), *faults) as url:
            port = url.rpartition(":")[2].partition("/")[0]  # a record's key names the server
            runs[engine] = written(tmp_path / engine, engine, url, **ray)
            requests[engine] = asked(log)
            if engine == "ray":
                written(tmp_path / "ray", "local", url, **ray)
                lines = log.read_text().splitlines()[requests["ray"].total() :]
                # As at any start: what got no reply is asked again, and nothing else.
                assert {line.split()[1] for line in lines} == {"too_long"}

    expected, found = (data(runs[engine]) for engine in ("local", "ray"))
    assert found == expected
    assert {"queries.jsonl", "documents.jsonl", "rejects.jsonl", "books.json"} <= set(found)
    assert requests["ray"] == requests["local"]
    rejected = found["rejects.jsonl"].decode()
    assert all(reason in rejected for reason in ("refusal", "too_long_for_model"))
