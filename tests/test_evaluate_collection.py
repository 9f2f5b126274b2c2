"""Reading test collections: what is right is kept, what is wrong is named by file and line."""

import json
from pathlib import Path

import pytest

from synthneg.errors import CollectionError
from synthneg.evaluate.collection import Collection, read_collection
from synthneg.records import Passage

CORPUS = '{"_id": "d1", "title": "Tea", "text": "Green."}\n{"_id": "d2", "text": "Rock\\u2028"}\n'
QUERIES = '{"_id": "q1", "text": "tea?"}\n{"_id": "q2", "text": "unjudged"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"


def write(folder: Path, **changes: bytes | None) -> Path:
    """Write the small collection, with the content of some files changed or the file left out."""
    files = {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS}
    named = {"corpus": "corpus.jsonl", "queries": "queries.jsonl", "qrels": "qrels/test.tsv"}
    (folder / "qrels").mkdir(parents=True)
    for short, name in named.items():
        data = changes.get(short, files[name].encode())
        if data is not None:
            (folder / name).write_bytes(data)
    return folder


def test_a_collection_is_read_as_written(tmp_path):
    """Ids, title and text joined, grades, and only the queries that the split judges."""
    collection = read_collection(write(tmp_path / "small"), "test")
    assert collection == Collection(
        name="small",
        split="test",
        document_ids=("d1", "d2"),
        document_texts=("Tea Green.", "Rock"),
        queries={"q1": "tea?"},
        qrels={"q1": {"d1": 2, "d2": 0}},
        synthetic=False,
    )


def test_variants_of_the_format_are_read_too(tmp_path):
    """Numbers as ids, Windows line ends, a byte order mark, no header, empty lines, no title."""
    folder = write(
        tmp_path / "odd",
        corpus=b'\xef\xbb\xbf{"_id": 7, "title": null, "text": "Tea"}\r\n\r\n',
        queries=b'{"_id": 1, "text": "tea?", "metadata": {}}',
        qrels=b"1\t7\t1\r\n1\tnowhere\t1\r\n",
    )
    collection = read_collection(folder, "test")
    assert collection.document_ids == ("7",)
    assert collection.document_texts == ("Tea",)
    assert collection.qrels == {"1": {"7": 1, "nowhere": 1}}


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"corpus": None}, "corpus.jsonl: ", "holds qrels, queries.jsonl"),
        ({"qrels": None}, "qrels/test.tsv: ", "holds nothing"),
        ({"corpus": b"{}\n"}, "corpus.jsonl:1: ", "_id .* None"),
        ({"corpus": b'{"_id": "a"}\n'}, "corpus.jsonl:1: ", "text"),
        (
            {"corpus": b'{"_id": "a", "text": "t", "title": 3}\n'},
            "corpus.jsonl:1: ",
            "title, got 3",
        ),
        ({"corpus": CORPUS.encode() + b"{oh\n"}, "corpus.jsonl:3: ", "JSON object"),
        ({"corpus": CORPUS.encode() + b"[1]\n"}, "corpus.jsonl:3: ", r"JSON object, got '\[1\]'"),
        ({"corpus": b"[" * 100_000}, "corpus.jsonl:1: ", "JSON object"),
        ({"corpus": CORPUS.encode() * 2}, "corpus.jsonl:3: ", "'d1' stands in an earlier line"),
        (
            {"queries": b'{"_id": "q1", "text": "\xff"}'},
            "queries.jsonl:1: ",
            "UTF-8, but byte 24 is 0xff",
        ),
        ({"queries": b'{"_id": "q2", "text": "t"}'}, "", "judges the query 'q1', but no query"),
        ({"qrels": b"query-id\tcorpus-id\tscore\n"}, "", "expected judgements in the split test"),
        ({"qrels": QRELS.encode() + b"q1\td1\t1\n"}, "qrels/test.tsv:4: ", "judged in an earlier"),
        ({"qrels": b"q1 0 d1 1\n"}, "qrels/test.tsv:1: ", "separated by tabs"),
        ({"qrels": QRELS.encode() + b"q1 0 d1 1\n"}, "qrels/test.tsv:4: ", "separated by tabs"),
        ({"qrels": QRELS.encode() + b"q1\td1\thigh\n"}, "qrels/test.tsv:4: ", "whole-number"),
        ({"qrels": QRELS.encode() + b"q1\t0\t1\t1\n"}, "qrels/test.tsv:4: ", "separated by tabs"),
        ({"qrels": b"query-id\tcorpus-id\tscore\nq1\tx\t1\n"}, "", "none of the 2 documents"),
    ],
)
def test_each_mistake_is_one_line_that_names_its_place(tmp_path, changes, place, words):
    """A missing file, a bad line, and judgements that fit nothing: file, line, expected and seen."""
    folder = write(tmp_path / "wrong", **changes)
    with pytest.raises(CollectionError, match=words) as error:
        read_collection(folder, "test")
    assert str(error.value).startswith(str(folder / place) if place else "wrong: ")
    assert "\n" not in str(error.value)


def test_a_folder_or_split_that_is_not_there_is_said(tmp_path):
    """A wrong path names the folder, a wrong split lists those there are."""
    with pytest.raises(CollectionError, match="there is no folder"):
        read_collection(tmp_path / "none", "test")
    with pytest.raises(CollectionError, match=r"dev\.tsv: .* holds test\.tsv"):
        read_collection(write(tmp_path / "small"), "dev")


def test_a_runs_own_queries_make_a_synthetic_collection():
    """Passages and written queries make a collection that says it is synthetic."""
    passages = [Passage("p1", "green", "Tea"), Passage("p2", "rock")]
    collection = Collection.of_records(
        "held-out", passages, {"a": "tea?", "b": "unjudged"}, {"a": {"p1": 1}}
    )
    assert collection.synthetic
    assert collection.split == "held_out"
    assert collection.document_texts == ("Tea green", "rock")
    assert collection.queries == {"a": "tea?"}
    with pytest.raises(CollectionError, match="held-out: expected judgements"):
        Collection.of_records("held-out", passages, {}, {})


def test_a_lone_surrogate_in_json_is_read(tmp_path):
    """An escape that is no character goes through to the encoders, which know what to do with it."""
    line = json.dumps({"_id": "d1", "text": "tea \ud800"}) + "\n"
    collection = read_collection(write(tmp_path / "odd", corpus=line.encode()), "test")
    assert collection.document_texts == ("tea \ud800",)
