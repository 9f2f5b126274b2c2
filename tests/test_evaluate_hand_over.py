"""`synthneg evaluate --mteb`: a task object made here, measured by mteb itself where it is installed."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tiny_model import save_tiny_model

from synthneg.cli import main
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.compare import evaluate
from synthneg.evaluate.hand_over import lines, run_tasks

HERE = find_spec("mteb") is not None
needs_mteb = pytest.mark.skipif(not HERE, reason="mteb is not installed: pip install mteb")
WORDS = "harbour bakery glacier orchard railway beehive foundry library vineyard tannery".split()
DOCUMENTS = {f"d{i}": f"the old {word} of the valley" for i, word in enumerate(WORDS)}
QUERIES = {f"q{i}": f"{word} valley" for i, word in enumerate(WORDS)}


def said_by(arguments: list[str], monkeypatch: Any, capsys: Any) -> tuple[int, str]:
    """Run the command line and return its status and all that it said."""
    monkeypatch.setattr(sys, "argv", ["synthneg", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    written = capsys.readouterr()
    return int(ended.value.code or 0), written.out + written.err


@pytest.mark.skipif(HERE, reason="mteb is installed")
def test_without_mteb_it_is_said_how_to_get_it(monkeypatch, capsys):
    """Where mteb is not installed, the command ends with one line that says how to install it."""
    status, said = said_by(["evaluate", "some/model", "--mteb", "SciFact"], monkeypatch, capsys)

    assert status == 2
    assert "pip install 'synthneg[mteb]'" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "more", [["--collection", "here"], ["--split", "dev"], ["--set", "train.epochs=2"]]
)
def test_what_mteb_has_itself_is_refused(more: list[str], monkeypatch, capsys):
    """Collections, splits and settings of a run do not go with --mteb."""
    status, said = said_by(["evaluate", "m", "--mteb", "SciFact", *more], monkeypatch, capsys)

    assert status == 2
    assert "--collection" in said


def made() -> Any:
    """Return a retrieval task of mteb with ten documents."""
    from mteb import TaskMetadata  # noqa: PLC0415  # mostly not installed
    from mteb.abstasks.retrieval import AbsTaskRetrieval  # noqa: PLC0415  # as above

    class Valley(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Valley",
            description="ten documents",
            type="Retrieval",
            category="t2t",
            reference=None,
            dataset={"path": "none", "revision": "1"},
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            date=("2000-01-01", "2000-01-02"),
            domains=[],
            task_subtypes=[],
            license="not specified",
            annotations_creators="derived",
            dialect=[],
            sample_creation="found",
            bibtex_citation="",
        )

        def load_data(self, **_: Any) -> None:
            rows = [{"id": id, "text": text, "title": ""} for id, text in DOCUMENTS.items()]
            asked = [{"id": id, "text": text} for id, text in QUERIES.items()]
            relevant = {f"q{i}": {f"d{i}": 1} for i in range(len(WORDS))}
            split = {
                "corpus": Dataset.from_list(rows),
                "queries": Dataset.from_list(asked),
                "relevant_docs": relevant,
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Valley()


@needs_mteb
@pytest.mark.filterwarnings("ignore")  # mteb's, of its own functions and of the library's
def test_mtebs_figure_is_ours(tmp_path: Path):
    """On a task made here, mteb gives two models the nDCG@10 that our evaluator gives, with their prefixes."""
    plain = save_tiny_model(tmp_path / "plain")
    prefixed = save_tiny_model(tmp_path / "prefixed", {"query": "zzz ", "document": "qqq "})
    models = {"plain": str(plain), "prefixed": str(prefixed)}
    (row,) = run_tasks(models, [made()], 8)
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(len(WORDS))}
    ours = evaluate(
        models,
        [Collection("valley", "test", tuple(DOCUMENTS), tuple(DOCUMENTS.values()), QUERIES, qrels)],
        measures=["nDCG@10"],
        seed=7,
        resamples=100,
        bm25=False,
        batch_size=8,
    )[0]

    assert (row.task, row.split, row.measure) == ("Valley", "test", "ndcg_at_10")
    assert row.scores == pytest.approx(
        {name: m["nDCG@10"].mean for name, m in ours.models.items()}, abs=1e-4
    )
    assert row.scores["plain"] != row.scores["prefixed"]
    assert any("no interval" in line for line in lines([row]))


@needs_mteb
def test_an_unknown_task_is_refused(monkeypatch, capsys):
    """A name that mteb does not know ends the command with one line and the nearest name."""
    status, said = said_by(["evaluate", "m", "--mteb", "SciFactt"], monkeypatch, capsys)

    assert status == 2
    assert "'SciFact'" in said
