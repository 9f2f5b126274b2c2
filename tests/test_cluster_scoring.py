"""Encoding and reranking on a Ray cluster: the bytes of one machine, whatever is killed."""

import os
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from examples import settings
from mining import query
from tiny_model import save_static_model, save_tiny_reranker
from world import World, snapshot

from synthneg.cluster import pool
from synthneg.cluster.pool import dismiss, pool_of
from synthneg.cluster.scorer import Answer
from synthneg.cluster.scoring import ClusterEncoder, open_cluster_encoder
from synthneg.cluster.session import connect
from synthneg.errors import ModelError
from synthneg.mine.negatives import write_mined_negatives
from synthneg.records import Document, Passage, Query
from synthneg.run import Run
from synthneg.scoring import store
from synthneg.scoring.encoder import load_encoder
from synthneg.stages import open_encoder, open_reranker
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
pytest.importorskip("ray")

WORDS = "mill river stone bread roof wheel flour grain water tower keeper storm light sea".split()
FILES = (
    "scores.jsonl",
    "verified_queries.jsonl",
    "documents.jsonl",
    "examples.jsonl",
    "rejects.jsonl",
)


def texts(count: int) -> list[str]:
    """Return texts of a few words."""
    drawn = random.Random(5)
    return [" ".join(drawn.choices(WORDS, k=9)) for _ in range(count)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return a static encoder and a small reranker, as settings name them."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "encoder": str(save_static_model(folder / "static", WORDS)),
        "reranker": str(save_tiny_reranker(folder / "reranker")),
    }


def opened(folder: Path, engine: str, verify: dict[str, object], **sections: object) -> Run:
    """Return a run with two workers at most."""
    config = settings(verify=verify, ray={"workers": 2}, **sections)
    return Run(folder, config, engine)


@pytest.fixture(scope="module")
def _ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start Ray once for all tests that work on this machine alone."""
    with closing(opened(tmp_path_factory.mktemp("ray"), "ray", {})) as holder:
        connect(holder)
        yield


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, models: dict[str, str], _ray: None
) -> Iterator[Run]:
    """Return a run on a cluster, whose actors go from one test to the next."""
    with closing(opened(tmp_path_factory.mktemp("run"), "ray", models)) as opened_run:
        yield opened_run


def write_inputs(run: Run) -> None:
    """Write a corpus of 1,500 passages and 60 queries that say some of their words."""
    with run.stage("corpus", "passages.jsonl") as stage:
        for n, text in enumerate(texts(1500)):
            stage.take()
            stage.keep(Passage(f"p{n}", f"{text} number {n}"))
    with run.stage("generate.queries", "queries.jsonl") as stage:
        for n, text in enumerate(texts(60)):
            stage.take()
            stage.keep(query(f"q{n}", text.rsplit(" ", 4)[0], f"p{n}"))


def walk(run: Run) -> None:
    """Verify the queries, mine with all sources, and verify the documents."""
    verify_queries(run, open_encoder(run), open_reranker(run))
    with run.stage("generate.documents", "documents.jsonl") as stage:
        passages = {p.id: p for p in run.read("passages.jsonl", Passage)}
        for one in run.read("verified_queries.jsonl", Query):
            stage.take()
            text = passages[one.passage_id].text
            stage.keep(Document(one.passage_id, one.id, text, "", 3, "corpus", None))
    write_mined_negatives(run, open_encoder(run), open_reranker(run))
    verify_documents(run, open_encoder(run), open_reranker(run))


@pytest.mark.trial
def test_a_lost_machine_is_replaced_by_the_others(
    tmp_path: Path, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no room to start an actor again, the other one takes over what it was asked.

    It comes first, for later this process is connected to a cluster of its own.
    """
    from ray_machines import machines  # noqa: PLC0415 - imports an extra

    monkeypatch.setattr(pool, "_STILL_S", 1.0)
    with machines(1, 1) as cluster:
        config = settings(verify=models, ray={"address": cluster.address})
        with closing(Run(tmp_path, config, "ray")) as run:
            kept = ClusterEncoder(run, pool_of(run).ask("kept_as")[0])
            chunks = [texts(100 + n) for n in range(30)]
            found = []
            for number, rows in enumerate(kept.encode_each(chunks, "document")):
                found.append(rows)
                if number == 5:
                    assert len(pool_of(run)._members) == 2
                    cluster.lose()
    local = load_encoder(models["encoder"], batch_size=config.verify.encode_batch)
    for rows, chunk in zip(found, chunks, strict=True):
        assert np.array_equal(rows, local.encode(chunk, "document"))


@pytest.mark.usefixtures("_ray")
def test_the_bytes_are_those_of_one_machine(
    tmp_path: Path, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores, verdicts, mined documents and both caches of a cluster with two actors are those of this process."""
    monkeypatch.setattr(store, "CHUNK", 64)  # many chunks in flight
    mine = {"bm25": 1, "dense": 2, "reranked": 1, "random": 1}
    queries = {"round_trip_k": 400}
    for engine in ("local", "ray"):
        verify = models | {"queries": queries}
        with closing(opened(tmp_path / engine, engine, verify, mine=mine)) as run:
            write_inputs(run)
            walk(run)
            if engine == "ray":
                assert len(pool_of(run)._members) == 2
    kept = sorted(file.name for file in (tmp_path / "local" / "small" / "vectors").iterdir())
    assert len(kept) == 4
    for name in (*FILES, *(f"vectors/{name}" for name in kept)):
        found, expected = (
            (tmp_path / engine / "small" / name).read_bytes() for engine in ("ray", "local")
        )
        assert found == expected != b"", name


def actors() -> list[int]:
    """Return the process ids of the actors that encode, of this process's cluster."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "".join(child.cmdline()).startswith("ray::Scorer"):
                found.append(child.pid)
    return found


@pytest.mark.trial
def test_a_killed_actor_is_missed_by_nobody(run: Run, models: dict[str, str]) -> None:
    """Each actor is killed once in the middle of its work; all vectors come, right and in their order."""
    chunks = [texts(200 + n) for n in range(40)]
    kept = ClusterEncoder(run, pool_of(run).ask("kept_as")[0])
    found, killed = [], 0
    for number, rows in enumerate(kept.encode_each(chunks, "document")):
        found.append(rows)
        if number in (6, 20):
            victims = actors()
            assert victims
            for victim in victims[: 1 + number % 3]:
                os.kill(victim, signal.SIGKILL)
                killed += 1
    assert killed >= 2
    local = load_encoder(models["encoder"], batch_size=settings().verify.encode_batch)
    for rows, chunk in zip(found, chunks, strict=True):
        assert np.array_equal(rows, local.encode(chunk, "document"))


def test_actors_that_were_dismissed_come_back(run: Run) -> None:
    """Who needs their room sends them away; the next text starts them again, with the same vectors."""
    encoder = open_cluster_encoder(run)
    before = encoder.encode(["mill"], "query")
    (one,) = actors()
    dismiss(run)
    assert not pool._POOLS
    shutil.rmtree(run.vectors)
    assert np.array_equal(encoder.encode(["mill"], "query"), before)
    assert one not in actors()


def test_another_model_on_another_machine_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors that were made with other weights are not kept as if they were of the same model."""
    encoder = open_cluster_encoder(run)
    other = Answer("other", np.zeros((1, 32), np.float32))
    monkeypatch.setattr(pool.Pool, "_answer", lambda self, call: other)
    with pytest.raises(ModelError, match="the same model on all machines"):
        encoder.encode(["river"], "query")


@pytest.mark.usefixtures("_ray")
def test_what_a_machine_lacks_is_said_in_one_line(tmp_path: Path) -> None:
    """A model that is not there on the cluster is a ModelError, and says where it was missed."""
    with closing(opened(tmp_path, "ray", {"encoder": str(tmp_path / "gone")})) as run:
        with pytest.raises(ModelError, match=r"^[^\n]*no such folder exists \(seen on a machine"):
            open_cluster_encoder(run)


@pytest.mark.trial
def test_a_whole_run_on_one_worker(world: World) -> None:
    """Asking and encoding take turns where there is room for one worker; the export is that of one machine."""
    exported = {}
    for engine in ("local", "ray"):
        words = ["--outputs", engine, "--engine", engine, "--until", "export"]
        words += ["--set", "ray.workers=1", "--set", "ray.partitions=3"]
        process = world.start_afresh("run", *words)
        said = process.communicate(timeout=1200)
        assert process.returncode == 0, said
        files = snapshot(world.run_folder(engine))
        exported[engine] = {
            name: data for name, data in files.items() if not name.startswith("partitions/")
        }
    assert exported["ray"] == exported["local"]
    assert "dataset/README.md" in exported["ray"]
