"""Labelled data beside what was generated: what is read, what is refused, and what a training makes of both."""

import json
from pathlib import Path

import pytest
from examples import TOPICS, example, run_of
from tiny_model import save_static_model

from synthneg.errors import RunError, SettingsError
from synthneg.run import Run
from synthneg.stages import check_labelled, read_labelled
from synthneg.testing import HashingEncoder
from synthneg.train.fit import train
from synthneg.train.labelled import labelled_examples
from synthneg.train.lists import graded_lists

EXAMPLES = [example(topic) for topic in TOPICS]


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """Return a collection of eight documents, one a topic of the run's, six train queries and two test queries."""
    folder = tmp_path / "people"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": t, "title": t.title(), "text": text} for t, text in TOPICS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [{"_id": f"q-{t}", "text": f"tell me of {text[:20]}"} for t, text in TOPICS.items()]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    head = "query-id\tcorpus-id\tscore\n"
    topics = list(TOPICS)
    judged = "".join(f"q-{t}\t{t}\t1\nq-{t}\t{topics[0]}\t0\n" for t in topics[1:6])
    (folder / "qrels" / "train.tsv").write_text(f"{head}q-tea\ttea\t2\n{judged}")
    (folder / "qrels" / "test.tsv").write_text(
        head + "".join(f"q-{t}\t{t}\t1\n" for t in topics[6:])
    )
    return folder


def mixed(folder: Path, beir: Path, opened: list[Run], **sections: object) -> Run:
    """Return a run that mixes the collection in."""
    learn = {"mix": {"collection": str(beir)}} | dict(sections.pop("train", {}))
    run = run_of(EXAMPLES, folder, train=learn, **sections)
    opened.append(run)
    return run


def test_judged_queries_become_examples(tmp_path: Path, beir: Path, opened: list[Run]):
    """Relevant documents answer, others are of grade 0, and the split is the only one that is read."""
    found = read_labelled(mixed(tmp_path, beir, opened), HashingEncoder())
    assert [e.query_id for e in found] == [f"labelled:q-{t}" for t in list(TOPICS)[:6]]
    assert [(d.id, d.grade) for d in found[1].documents] == [
        ("labelled:bread", 3),
        ("labelled:tea", 0),
    ]
    assert found[0].positive.full_text == f"Tea {TOPICS['tea']}"
    assert {e.split for e in found} == {"train"}


def test_without_a_collection_nothing_is_read(tmp_path: Path, opened: list[Run]):
    """Where the settings name none, there are no labelled examples."""
    run = run_of(EXAMPLES, tmp_path)
    opened.append(run)
    assert read_labelled(run, HashingEncoder()) == []


def test_labelled_queries_that_leak_are_left_out_or_refused(
    tmp_path: Path, beir: Path, opened: list[Run], capfd: pytest.CaptureFixture[str]
):
    """A train query that the test split holds as well is dropped and counted; with action report it is an error."""
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text() + "q-iron\tiron\t1\n")
    declared = {"evaluate": {"collections": [str(beir)]}}
    run = mixed(tmp_path / "a", beir, opened, **declared)
    found = {e.query_id for e in read_labelled(run, HashingEncoder())}
    assert "labelled:q-iron" not in found
    assert "1 of 6 labelled queries" in capfd.readouterr().err
    strict = declared | {"verify": {"leaks": {"action": "report"}}}
    with pytest.raises(RunError, match="q-iron") as refused:
        read_labelled(mixed(tmp_path / "b", beir, opened, **strict), HashingEncoder())
    assert "\n" not in str(refused.value)
    allowed = strict | {"train": {"allow_leaks": True}}
    assert len(read_labelled(mixed(tmp_path / "c", beir, opened, **allowed), HashingEncoder())) == 6


def test_an_evaluation_set_is_never_mixed_in(tmp_path: Path, beir: Path, opened: list[Run]):
    """A split that models are measured on in this run is refused, whatever it is called."""
    run = mixed(tmp_path, beir, opened, verify={"leaks": {"collections": [f"{beir}:train"]}})
    with pytest.raises(SettingsError, match="people/train is an evaluation set"):
        check_labelled(run.config)


def test_half_of_a_graded_list_may_answer():
    """Of a query with ten relevant documents and no other, a list of six has three of them, and no other answer."""
    documents = {f"d{i}": f"text {i}" for i in range(10)}
    (one,) = labelled_examples("people", {"q": "a"}, {"q": dict.fromkeys(documents, 1)}, documents)
    (ranked,), length = graded_lists([one], 6, 100, 7)
    assert length == 6
    assert [d.grade for d in ranked.documents] == [3, 3, 3]
    assert len(ranked.rows) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["infonce", "kl", "listnet", "source-share"])
def test_both_kinds_are_trained_on(loss: str, tmp_path: Path, beir: Path, opened: list[Run]):
    """With a share that grows, the loss falls, and without the labelled examples the weights are others."""
    words = [word for title, text in TOPICS.items() for word in f"{title} {text}".split()]
    base = str(save_static_model(tmp_path / "table", words))
    learn = {"base_model": base, "epochs": 8, "batch_size": 4, "learning_rate": 0.1, "loss": loss}
    learn |= {"lists": {"length": 4, "near": 2, "near_depth": 3, "further": 0, "further_depth": 5}}
    learn |= {"mix": {"collection": str(beir), "share": 0.25, "last_share": 0.75}}
    curves = []
    for place, labelled in (("a", True), ("b", False)):
        run = mixed(tmp_path / place, beir, opened, train=learn, verify={"encoder": base})
        train(run, read_labelled(run, HashingEncoder()) if labelled else ())
        lines = run.file("train_log.jsonl").read_text().splitlines()
        curves.append([json.loads(line)["loss"] for line in lines])
    assert curves[0][-1] < curves[0][0]
    assert len(curves[0]) == 8 * 4  # 14 rows in batches of 4
    assert curves[0] != curves[1]
