"""A finished run, small and made without a language model, and `synthneg publish` in a process of its own."""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import hub
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from examples import example, run_of
from tiny_model import save_tiny_model

from synthneg.dataset.export import export
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.compare import summarise
from synthneg.evaluate.stored import write
from synthneg.llm.base import Reply, Request
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message
from synthneg.records import Passage

RUN = "small"
EXAMPLES = [
    example("tea", 0, negatives=2),
    example("tea", 1, negatives=1),
    example("bread", 0, negatives=1),
    example("iron", 0, negatives=2, split="held_out"),
]
LARGE = ("triplet/part-1.parquet", "triplet/part-2.parquet", "triplet/part-3.parquet")
LARGE_BYTES = 2_000_000


def build(outputs: Path, origin_model: str = "tiny-llm", **sections: object) -> Path:
    """Make the run and return its folder: dataset, model, measures, ledger, and the mark of its end.

    Args:
        outputs: folder of runs.
        origin_model: what the language model called itself.
        sections: of the settings.
    """
    examples = [replace(e, origin=replace(e.origin, model=origin_model)) for e in EXAMPLES]
    run = run_of(examples, outputs, **sections)
    export(run)
    folder = run.folder
    for place, name in enumerate(LARGE):
        text = [random.Random(place).randbytes(LARGE_BYTES // 2).hex()]
        pq.write_table(pa.table({"query": text}), folder / "dataset" / name, compression="none")
    save_tiny_model(folder / "model")
    shutil.rmtree(folder / "model-bert")
    run.mark_done("train", "inputs")
    _measure(folder / "evaluation")
    _ask(folder / "ledger.sqlite")
    facts = {"finished": "2026-01-02T03:04:05Z", "versions": {"synthneg": version("synthneg")}}
    (folder / "run.json").write_bytes(orjson.dumps(facts | {"inputs": ""}))
    run.close()
    return folder


def _measure(folder: Path) -> None:
    """Write measures of two collections: in one the tuned model is better, in the other nobody can tell."""
    queries = {f"q{i}": "what?" for i in range(40)}
    passages = [Passage("p", "tea")]
    qrels = {id: {"p": 1} for id in queries}
    scores = []
    for gap in (0.3, 0.0):
        base = {"nDCG@10": {id: 0.4 + (i % 5) / 20 for i, id in enumerate(queries)}}
        tuned = {"nDCG@10": {id: v + gap for id, v in base["nDCG@10"].items()}}
        scores.append({"base": base, "tuned": tuned, "bm25": base})
    collections = [
        Collection.of_records("people|x", passages, queries, qrels),
        Collection.of_records("others", passages, queries, qrels),
    ]
    for collection in collections:
        object.__setattr__(collection, "synthetic", False)
    for evaluation in summarise(collections, scores, seed=7, resamples=200):
        write(evaluation, folder)


def _ask(file: Path) -> None:
    ledger = Ledger(file)
    for number in range(3):
        request = Request((Message("user", f"tea {number}"),), {}, 7, None)
        ledger.put(f"{number:032x}", "server model", request, Reply("a", "stop", 10, 5, "m"), 2.0)
    ledger.close()


def command(run_folder: Path, *arguments: str) -> list[str]:
    """Return `synthneg publish` of the run, with its repositories named."""
    code = "import sys; from synthneg.cli import main; sys.argv[0] = 'synthneg'; main()"
    named = ["--set", "publish.repo=ann/tea", "--set", "publish.model_repo=ann/tea-model"]
    return [sys.executable, "-c", code, "publish", str(run_folder), *named, *arguments]


def environment(run_folder: Path, endpoint: str, **env: str) -> dict[str, str]:
    """Return the environment of a process that knows the Hub at `endpoint` and its token, and no other one."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    given = {"HF_ENDPOINT": endpoint, "HF_TOKEN": hub.TOKEN, "HF_HOME": f"{run_folder}-hf"}
    return clean | given | env


def publish(
    run_folder: Path, endpoint: str, *arguments: str, **env: str
) -> "subprocess.CompletedProcess[str]":
    """Publish in a process of its own: the client reads its address and ways when it is imported."""
    return subprocess.run(
        command(run_folder, *arguments),
        env=environment(run_folder, endpoint, **env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
