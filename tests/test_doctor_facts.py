"""What the doctor reads of facts that the stages have written, without a training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from examples import TOPICS, example, run_of
from tiny_model import save_tiny_model, save_tiny_reranker

from synthneg.doctor import (
    borrowed,
    false_negatives,
    kinds,
    loss_curve,
    new_layer,
    positives,
    shortcut,
)
from synthneg.doctor.examine import examine
from synthneg.doctor.patient import Patient
from synthneg.errors import RunError
from synthneg.records import Example
from synthneg.settings import load

EXAMPLES = [example(topic, i) for topic in TOPICS for i in range(2)]


def patient_of(folder: Path, examples: list[Example], **train: object) -> Patient:
    """Return a run with these examples, as the doctor sees it."""
    run = run_of(examples, folder, train={"base_model": str(folder / "tiny"), **train})
    run.close()
    return Patient(run.folder, load(run.folder / "run.yaml"))


@pytest.mark.parametrize(
    ("curve", "word", "words"),
    [
        ([3, 2, 1.5, 1.2, 1.1, 1.0, 0.98, 0.97, 0.96, 0.96], "well", "comes to rest"),
        ([2.0, 1.99, 2.01, 2.0, 1.98, 2.0, 2.0, 1.99, 2.0, 2.0], "bad", "does not fall"),
        ([3, 2, 1, 0.8, 0.7, 0.7, 0.9, 1.2, 1.5, 1.9], "bad", "rises again"),
        ([3, 3, 2.6, 2.6, 2.1, 2.1, 1.6, 1.6, 1.0, 1.0], "suspect", "still falling"),
        ([3, 1, 0.5], "suspect", "only 3 steps"),
        ([], "not known", "no loss curve"),
    ],
)
def test_a_loss_curve_is_read(curve: list[float], word: str, words: str, tmp_path: Path):
    """A curve that rests, does not fall, rises again, falls to the end, or is too short is told as that."""
    patient = patient_of(tmp_path, EXAMPLES)
    rows = [json.dumps({"step": step, "loss": loss}) for step, loss in enumerate(curve, 1)]
    if rows:
        (patient.folder / "train_log.jsonl").write_text("\n".join(rows) + "\n")

    found = loss_curve.examine(patient)
    assert found.word == word
    assert words in found.seen


def test_batches_that_grow_harder_excuse_a_rising_loss(tmp_path: Path):
    """A loss that rises is suspect, not bad, where negatives are mined anew with the live model; none is borrowed."""
    patient = patient_of(tmp_path, EXAMPLES, sampling={"negatives": "adore"})
    rows = [json.dumps({"step": step, "loss": 1 + step / 10}) for step in range(10)]
    (patient.folder / "train_log.jsonl").write_text("\n".join(rows))

    assert loss_curve.examine(patient).word == "suspect"
    assert "adore" in borrowed.examine(patient).seen


@pytest.mark.slow
@pytest.mark.parametrize(("scorer", "witness"), [("rerank", "reranker"), ("judge_grade", "judge")])
def test_a_stronger_witness_is_heard(scorer: str, witness: str, tmp_path: Path):
    """Negatives that the encoder passes and a reranker or judge takes for answers are false, with the witness named."""
    save_tiny_model(tmp_path / "tiny")
    near = {"cosine": 0.68, "cosine_to_positive": 0.25, scorer: 3.0}
    said = [
        replace(
            e,
            documents=tuple(
                replace(d, scores=near if d.grade <= 1 else {**d.scores, scorer: 2.0})
                for d in e.documents
            ),
        )
        for e in EXAMPLES
    ]

    found = false_negatives.examine(patient_of(tmp_path, said))
    assert found.word == "bad"
    assert f"({witness})" in found.seen


def test_lists_with_a_teachers_scores_hold_no_false_negative(tmp_path: Path):
    """Where a teacher says how well a document answers, none is called a negative, and none is borrowed."""
    patient = patient_of(tmp_path, EXAMPLES, loss="kl")

    assert false_negatives.examine(patient).value == 0
    assert borrowed.examine(patient).value == 0
    assert shortcut.examine(patient).value == 0


@pytest.mark.slow
def test_a_reranker_is_looked_at_without_vectors(tmp_path: Path):
    """Of a cross-encoder what needs vectors is not known, and says so; what does not is measured."""
    save_tiny_model(tmp_path / "checker")
    save_tiny_reranker(tmp_path / "tiny")
    run = run_of(
        EXAMPLES,
        tmp_path,
        train={"base_model": str(tmp_path / "tiny")},
        verify={"encoder": str(tmp_path / "checker")},
    )
    run.close()
    found = {
        f.name: f for f in examine(Patient(run.folder, load(run.folder / "run.yaml"))).findings
    }

    for name in ("reading", "truncation", "forgetting"):
        assert found[name].word == "not known"
    assert "cross-encoder" in found["reading"].seen
    assert found["false negatives"].value is not None
    assert found["duplicates"].value is not None


def test_a_shortcut_needs_a_probe(tmp_path: Path):
    """With written negatives and no probe, a shortcut is not known, and the remedy is to probe."""
    found = shortcut.examine(patient_of(tmp_path, EXAMPLES))

    assert found.word == "not known"
    assert "verify.probe.examples" in found.remedy


@pytest.mark.slow
def test_positives_of_one_passage_tell_nothing(tmp_path: Path):
    """Where all queries are of one passage there is no other to compare with, and the diagnosis is not known."""
    save_tiny_model(tmp_path / "tiny")
    run = run_of(EXAMPLES[:2], tmp_path, verify={"encoder": str(tmp_path / "tiny")})
    run.close()

    assert positives.examine(Patient(run.folder, load(run.folder / "run.yaml"))).value is None


def test_one_kind_is_suspect_without_queries_of_people(tmp_path: Path):
    """Where nothing is known of people's queries, a set that is of one kind is suspect, and a mixed one not known."""
    mixed = [replace(e, query=e.passage_id if i % 2 else e.query) for i, e in enumerate(EXAMPLES)]

    assert kinds.examine(patient_of(tmp_path / "one", EXAMPLES)).word == "suspect"
    assert kinds.examine(patient_of(tmp_path / "mixed", mixed)).word == "not known"


def test_queries_of_a_test_split_say_nothing_of_how_to_train(tmp_path: Path):
    """Where train is measured, the queries that only test judges are not looked at, and those that dev judges are."""
    folder = tmp_path / "people"
    (folder / "qrels").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        rows = "".join(f"{split}{i}\td0\t1\n" for i in range(30))
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    texts = [
        (f"{split}{i}", f"{split} wisdom {i}")
        for split in ("dev", "test", "train")
        for i in range(30)
    ]
    lines = [json.dumps({"_id": id, "text": text}) for id, text in texts]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    (folder / "corpus.jsonl").write_text(
        json.dumps({"_id": "d0", "title": "", "text": "green tea"})
    )
    evaluate = {"collections": [str(folder)], "split": "train"}
    run = run_of(
        EXAMPLES, tmp_path, evaluate=evaluate, train={"base_model": str(tmp_path / "tiny")}
    )
    run.close()
    found, places = kinds._people(Patient(run.folder, load(run.folder / "run.yaml")))

    assert places == "people/dev"
    assert len(found) == 30
    assert all(text.startswith("dev") for text in found)


def test_without_examples_nothing_can_be_said(tmp_path: Path):
    """A run without examples to be trained on is refused with one line that says where they were lost."""
    with pytest.raises(RunError, match="synthneg status"):
        patient_of(tmp_path, [])


@pytest.mark.parametrize(
    ("student", "head", "epochs", "word"),
    [
        ("sparse", "BertModel", 1, "bad"),
        ("sparse", "BertModel", 700, "well"),
        ("sparse", "BertForMaskedLM", 1, "well"),
        ("cross-encoder", "BertModel", 1, "bad"),
        ("cross-encoder", "BertForSequenceClassification", 1, "well"),
        ("multi-vector", "BertModel", 1, "well"),
        ("auto", "BertModel", 1, "well"),
    ],
)
def test_a_layer_that_began_at_random_needs_many_queries(
    student: str, head: str, epochs: int, word: str, tmp_path: Path
):
    """It is bad for few queries where the student is not seen to be better; what the base brings is no new layer."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps({"architectures": [head]}))
    patient = patient_of(tmp_path, EXAMPLES, student=student, epochs=epochs, negatives=1)

    found = new_layer.examine(patient)
    assert found.word == word
    assert ("began at random; it has seen" in found.seen) == (
        student in ("sparse", "cross-encoder") and (head == "BertModel")
    )
