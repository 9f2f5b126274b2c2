"""A dataset becomes a run: what is kept, what is dropped and why, and how the stages go on from there."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from examples import example, run_of
from judged import examples_of, taken_in

from synthneg.dataset.export import export
from synthneg.dataset.formats.known import guess
from synthneg.errors import CorpusError
from synthneg.records import Document, Passage, Query, Reject
from synthneg.run import Run

CORPUS = {
    "d1": ("Tea", "Green tea is steeped at eighty degrees."),
    "d2": ("", "Sourdough bread rises overnight."),
    "d3": ("Moon", "The moon turns once in each orbit."),
}
QUERIES = {
    "q1": "how hot is tea water?",
    "q2": "why does bread rise?",
    "q3": "how fast is the moon?",
}


def beir(
    folder: Path,
    qrels: Iterable[str],
    corpus: Iterable[str] = (),
    queries: Iterable[str] = (),
    split: str = "train",
) -> Path:
    """Write a small BEIR folder; the lists hold further lines."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    texts = [json.dumps({"_id": id, "title": a, "text": b}) for id, (a, b) in CORPUS.items()]
    asked = [json.dumps({"_id": id, "text": text}) for id, text in QUERIES.items()]
    (folder / "corpus.jsonl").write_text("".join(f"{line}\n" for line in [*texts, *corpus]))
    (folder / "queries.jsonl").write_text("".join(f"{line}\n" for line in [*asked, *queries]))
    lines = ["query-id\tcorpus-id\tscore", *qrels]
    (folder / "qrels" / f"{split}.tsv").write_text("".join(f"{line}\n" for line in lines))
    return folder


def rejects(run: Run) -> set[tuple[str, str, str]]:
    """Return stage, id and reason of all that was dropped."""
    return {(r.stage, r.id, r.reason) for r in run.read("rejects.jsonl", Reject)}


def test_a_judged_collection_becomes_the_files_of_the_stages(
    tmp_path: Path, opened: list[Run]
) -> None:
    """Documents are passages, queries are given ones, labels are graded documents; all flagged as unverified."""
    folder = beir(tmp_path / "b", ["q1\td1\t1", "q1\td2\t0", "q2\td2\t1", "q3\td3\t1"])
    run = taken_in("beir", folder, tmp_path)
    opened.append(run)

    passages = {p.id: (p.title, p.text) for p in run.read("passages.jsonl", Passage)}
    queries = {
        q.id: (q.text, q.passage_id, q.origin.prompt) for q in run.read("queries.jsonl", Query)
    }
    documents = {
        (d.query_id, d.id): (d.grade, d.source) for d in run.read("documents.jsonl", Document)
    }
    assert passages == CORPUS
    assert queries["q1"] == (QUERIES["q1"], "d1", "given")
    assert documents == {
        ("q1", "d1"): (3, "corpus"),
        ("q1", "d2"): (1, "given"),
        ("q2", "d2"): (3, "corpus"),
        ("q3", "d3"): (3, "corpus"),
    }
    books = run.books()
    assert books["verify.documents"]["flagged"] == {"unverified": 4}
    assert books["verify.queries"]["flagged"] == {"unverified": 3}
    assert [e.query_id for e in examples_of(run)] == ["q1", "q2", "q3"]


def test_what_cannot_be_used_is_counted_by_its_reason(tmp_path: Path, opened: list[Run]) -> None:
    """Ids that come twice, texts that differ, labels that contradict or lead nowhere: each is a reject of the books."""
    folder = beir(
        tmp_path / "b",
        [
            "q1\td1\t1",
            "q1\td1\t0",  # contradicts
            "q1\td3\t0",
            "q1\td3\t0",  # says it again
            "q1\tlost\t1",  # there is no such document
            "q2\td2\t0",  # nothing answers q2
            "gone\td1\t1",  # there is no such query
        ],
        corpus=[
            json.dumps({"_id": "d1", "title": "Tea", "text": CORPUS["d1"][1]}),
            json.dumps({"_id": "d2", "title": "", "text": "another text"}),
            json.dumps({"_id": "d4", "title": "", "text": " "}),
            '{"_id": "d5", "text": "half a pair \\ud800"}',
        ],
        queries=[json.dumps({"_id": "q1", "text": "another query"})],
    )
    run = taken_in("beir", folder, tmp_path)
    opened.append(run)

    assert rejects(run) == {
        ("corpus", "d1", "duplicate"),
        ("corpus", "d2", "other_text"),
        ("corpus", "d4", "empty"),
        ("corpus", "d5", "lone_surrogate"),
        ("generate.queries", "q1", "other_text"),
        ("generate.queries", "q2", "no_positive"),
        ("generate.queries", "q3", "no_positive"),
        ("generate.documents", "d1", "contradictory"),
        ("generate.documents", "d1", "no_query"),
        ("generate.documents", "d2", "no_positive"),
        ("generate.documents", "d3", "duplicate"),
        ("generate.documents", "lost", "no_document"),
    }
    counted = {name: (b["in"], b["kept"]) for name, b in run.books().items()}
    assert counted["corpus"] == (7, 3)
    assert counted["generate.queries"] == (4, 1)
    assert counted["generate.documents"] == (7, 2)
    (kept,) = examples_of(run)
    assert [(d.id, d.grade) for d in kept.documents] == [("d1", 3), ("d3", 1)]


@pytest.mark.parametrize(
    ("scores", "grades"),
    [
        ({"d1": 1, "d2": 0}, {"d1": 3, "d2": 1}),
        ({"d1": 2, "d2": 1, "d3": 0}, {"d1": 3, "d2": 2, "d3": 0}),
        ({"d1": 3, "d2": 1, "d3": 0}, {"d1": 3, "d2": 1, "d3": 0}),
    ],
    ids=["binary", "three", "ours"],
)
def test_labels_are_read_on_the_scale_that_they_have(
    scores: dict[str, int], grades: dict[str, int], tmp_path: Path, opened: list[Run]
) -> None:
    """Yes and no, 0 to 2 and 0 to 3 come to the same grades, by the highest label of the dataset."""
    folder = beir(tmp_path / "b", [f"q1\t{id}\t{score}" for id, score in scores.items()])
    run = taken_in("beir", folder, tmp_path)
    opened.append(run)
    (kept,) = examples_of(run)
    assert {d.id: d.grade for d in kept.documents} == grades


def test_a_label_on_no_scale_is_refused(tmp_path: Path, opened: list[Run]) -> None:
    """A label above 3 is an error that says what is expected, and nothing is written."""
    folder = beir(tmp_path / "b", ["q1\td1\t4"])
    with pytest.raises(CorpusError, match=r"labels from 0 .* to 3 .* got 0 to 4|got 4 to 4"):
        taken_in("beir", folder, tmp_path)
    assert not (tmp_path / "imported" / "passages.jsonl").exists()


def test_a_query_of_a_test_split_is_never_trained_on(tmp_path: Path, opened: list[Run]) -> None:
    """A query with labels in test and train alike is held out, and so is what it was asked of."""
    folder = beir(tmp_path / "b", ["q1\td1\t1", "q2\td2\t1"])
    beir(folder, ["q1\td1\t1"], split="test")
    run = taken_in("beir", folder, tmp_path)
    opened.append(run)
    assert {e.query_id: e.split for e in examples_of(run)} == {"q1": "held_out", "q2": "train"}
    splits = {p.id: p.split for p in run.read("passages.jsonl", Passage)}
    assert splits == {"d1": "held_out", "d2": "train", "d3": "train"}


def test_the_card_of_an_import_claims_nothing(tmp_path: Path, opened: list[Run]) -> None:
    """It says that the dataset was imported and not verified, is not tagged as synthetic, and names no folder."""
    run = taken_in("beir", beir(tmp_path / "b", ["q1\td1\t1", "q1\td2\t0"]), tmp_path)
    opened.append(run)
    export(run)
    text = (run.file("dataset") / "README.md").read_text(encoding="utf-8")
    assert "No encoder has verified queries or documents" in text
    assert "of a dataset in the format `beir`" in text
    assert "synthetic" not in text.partition("---\n\n")[0]
    assert str(tmp_path) not in text


def test_a_share_is_held_out_where_the_settings_say_so(tmp_path: Path, opened: list[Run]) -> None:
    """`corpus.held_out: 1` holds out every query of a dataset that has a split for training alone."""
    folder = beir(tmp_path / "b", ["q1\td1\t1", "q2\td2\t1"])
    run = taken_in("beir", folder, tmp_path, held_out=1.0)
    opened.append(run)
    assert {e.split for e in examples_of(run)} == {"held_out"}


def test_a_dataset_that_has_not_changed_is_not_read_again(
    tmp_path: Path, opened: list[Run]
) -> None:
    """Another import of the same files leaves every file of the run as it is; another label makes them anew."""
    folder = beir(tmp_path / "b", ["q1\td1\t1", "q2\td2\t1"])
    run = taken_in("beir", folder, tmp_path)
    run.close()
    marked = tmp_path / "imported" / "examples.jsonl"
    marked.write_bytes(marked.read_bytes() + b"\n")
    taken_in("beir", folder, tmp_path).close()
    assert marked.read_bytes().endswith(b"\n\n")

    beir(folder, ["q1\td1\t1", "q2\td3\t1"])
    run = taken_in("beir", folder, tmp_path)
    opened.append(run)
    assert [e.passage_id for e in examples_of(run)] == ["d1", "d3"]


def test_documents_stand_when_queries_are_verified_anew(tmp_path: Path, opened: list[Run]) -> None:
    """Dropping a query takes no book from the documents that came with the dataset, but all that was made of both."""
    folder = beir(tmp_path / "b", ["q1\td1\t1", "q2\td2\t1"])
    run = taken_in("beir", folder, tmp_path)
    opened.append(run)
    kept, dropped = run.read("queries.jsonl", Query)
    with run.stage("verify.queries", "verified_queries.jsonl") as stage:
        stage.take(2)
        stage.keep(kept)
        stage.reject(dropped.id, "round_trip", "rank 9, at most 1")
    assert list(run.books()) == [
        "corpus",
        "generate.queries",
        "verify.queries",
        "generate.documents",
        "generate.negatives",
    ]


def test_the_formats_of_an_export_are_told_apart(tmp_path: Path, opened: list[Run]) -> None:
    """Every folder that an export writes is guessed to be what it is."""
    from judged import scored  # noqa: PLC0415  # this test alone

    from synthneg.config.shapes import SHAPES  # noqa: PLC0415  # as above

    run = run_of(
        scored([example("tea", 0, negatives=2), example("moon", 0, negatives=2)]),
        tmp_path,
        export={"shapes": SHAPES},
    )
    opened.append(run)
    export(run)
    dataset = run.file("dataset")
    assert {s: guess(str(dataset / s)) for s in SHAPES} == {s: s for s in SHAPES}
    with pytest.raises(CorpusError, match="expected one dataset, found 13; name one of"):
        guess(str(dataset))


@pytest.mark.parametrize(
    ("shape", "line", "said"),
    [
        ("tevatron", '{"query": "a"', "line 1: expected a JSON object"),
        ("tevatron", '{"query": 3}', "line 1: expected a string under 'query', got int 3"),
        ("tevatron", '{"query": "a", "positive_passages": [3]}', "line 1: expected objects with"),
        ("tevatron", '{"query": "a"}', "line 1: expected a list under 'positive_passages'"),
        (
            "flagembedding",
            '{"query": "a", "pos": ["b"], "neg": [], "pos_scores": [1, 2]}',
            "line 1: expected 1 scores under 'pos_scores', got 2",
        ),
        ("triplet", '{"query": "a", "positive": "b"}', "line 1: expected 3 columns of texts"),
        ("labeled-pair", '{"query": "a", "document": "b", "label": 0.5}', "a whole number under"),
        (
            "labeled-list",
            '{"query": "a", "docs": ["b"], "labels": [1, 0]}',
            "as many labels as documents, got 2 and 1",
        ),
        (
            "margin-mse",
            '{"query": "a", "positive": "b", "negative": "c", "scores": [1, 2, 3]}',
            "expected 2 numbers under 'scores', got 3",
        ),
        (
            "margin-mse",
            '{"query": "a", "positive": "b", "negative": "c", "score": "high"}',
            "expected a number under 'score'",
        ),
    ],
)
def test_a_broken_line_is_named(shape: str, line: str, said: str, tmp_path: Path) -> None:
    """An error says file, line, what was expected and what was seen."""
    file = tmp_path / "rows.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(CorpusError) as seen:
        taken_in(shape, file, tmp_path)
    assert str(seen.value).startswith(str(file))
    assert said in str(seen.value)
    assert "\n" not in str(seen.value)


def test_a_broken_tsv_is_named(tmp_path: Path) -> None:
    """A line of the collection with a tab too many is an error with file, line and remedy."""
    (tmp_path / "collection.tsv").write_text("d1\tone\nd2\ttwo\tthree\n")
    (tmp_path / "queries.train.tsv").write_text("q1\ta query\n")
    (tmp_path / "qrels.train.tsv").write_text("q1\t0\td1\t1\n")
    with pytest.raises(CorpusError, match=r"collection.tsv, line 2: expected 2 values .* got 3"):
        taken_in("msmarco", tmp_path, tmp_path)


def test_triples_alone_say_who_answers(tmp_path: Path, opened: list[Run]) -> None:
    """MS MARCO's triples without qrels give positives and negatives."""
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "collection.tsv").write_text("1\tone text\n2\tanother text\n")
    (folder / "queries.train.tsv").write_text("7\ta query\n")
    (folder / "qidpidtriples.train.full.tsv").write_text("7\t1\t2\n")
    run = taken_in("msmarco", folder, tmp_path)
    opened.append(run)
    (kept,) = examples_of(run)
    assert [(d.id, d.grade) for d in kept.documents] == [("1", 3), ("2", 1)]


def test_columns_of_other_names_are_taken_by_their_order(tmp_path: Path, opened: list[Run]) -> None:
    """As in a trainer, the first column is the query and the second its positive, whatever they are called."""
    file = tmp_path / "rows.csv"
    file.write_text("sentence1,sentence2,sentence3\nwhat is tea?,a drink,a planet\n")
    run = taken_in("triplet", file, tmp_path)
    opened.append(run)
    (kept,) = examples_of(run)
    assert (kept.query, kept.positive.text) == ("what is tea?", "a drink")
    assert [d.text for d in kept.negatives] == ["a planet"]
    with pytest.raises(
        CorpusError, match=r"line 2: expected the columns of a known format.*--format: pair, "
    ):
        guess(str(file))


def test_a_saved_dataset_is_a_path_too(tmp_path: Path, opened: list[Run]) -> None:
    """What `save_to_disk` wrote is read with its splits."""
    from datasets import Dataset, DatasetDict  # noqa: PLC0415  # this test alone

    row = {"anchor": ["what is tea?"], "positive": ["a drink"]}
    held = {"anchor": ["what is bread?"], "positive": ["a food"]}
    folder = tmp_path / "saved"
    DatasetDict({"train": Dataset.from_dict(row), "test": Dataset.from_dict(held)}).save_to_disk(
        folder
    )
    assert guess(str(folder)) == "pair"
    run = taken_in("pair", folder, tmp_path)
    opened.append(run)
    assert {e.query: e.split for e in examples_of(run)} == {
        "what is tea?": "train",
        "what is bread?": "held_out",
    }


def test_a_negative_in_one_row_and_positive_in_another_contradicts(
    tmp_path: Path, opened: list[Run]
) -> None:
    """The positive stands, and the books count the other label."""
    file = tmp_path / "rows.jsonl"
    rows = [
        {"query": "what is tea?", "positive": "a drink", "negative": "a leaf"},
        {"query": "what is tea?", "positive": "a leaf", "negative": "a planet"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = taken_in("triplet", file, tmp_path)
    opened.append(run)
    (kept,) = examples_of(run)
    assert [d.text for d in kept.positives] == ["a drink", "a leaf"]
    assert run.books()["generate.documents"]["rejected"] == {"contradictory": 1}
