"""A run's examples as a dataset on disk: read back by the libraries that people use."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from datasets import DatasetDict, disable_progress_bars, load_dataset
from examples import TOPICS, example, rewrite, run_of, settings
from huggingface_hub import DatasetCard

from synthneg.dataset.export import Exported, export
from synthneg.dataset.shapes import labeled_lists, n_tuples, trained_columns, triplets
from synthneg.errors import RunError
from synthneg.files import fingerprint
from synthneg.records import Example, from_row
from synthneg.run import Run
from synthneg.run.books import read_records

disable_progress_bars()

EXAMPLES = [
    example("tea", 0, negatives=2),
    example("tea", 1, negatives=1),
    example("bread", 0, negatives=1),
    example("moon", 0, negatives=0),
    example("iron", 0, negatives=2, split="held_out"),
]
TRAIN, VALIDATION = EXAMPLES[:4], EXAMPLES[4:]
N = 3  # negatives a row: 3, 3 and 4 of the training queries


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return a run that has been exported."""
    run = run_of(EXAMPLES, tmp_path_factory.mktemp("exported"))
    export(run)
    yield run
    run.close()


def load(run: Run, config: str) -> DatasetDict:
    """Return a configuration as a user loads it."""
    cache = run.folder.parent / "cache"
    return load_dataset(str(run.file("dataset")), config, cache_dir=str(cache))


def lines(file: Path) -> list[dict[str, object]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def plain(value: object) -> object:
    """Return what was read without the scorers that an example lacks."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v is not None}
    return [plain(v) for v in value] if isinstance(value, list) else value


def rows_of(shape: str, examples: list[Example]) -> list[dict[str, object]]:
    """Return the rows that the shape's function makes."""
    make = {
        "triplet": triplets,
        "n-tuple": lambda e: n_tuples(e, N),
        "labeled-list": labeled_lists,
    }[shape]
    return [row for e in examples for row in make(e)]


@pytest.mark.parametrize("shape", ["triplet", "n-tuple", "labeled-list"])
def test_rows_read_back_are_the_examples(exported: Run, shape: str):
    """Each value of each column that `load_dataset` reads is that of the examples, in both splits."""
    dataset = load(exported, f"{shape}-full")
    assert [plain(r) for r in dataset["train"]] == [plain(r) for r in rows_of(shape, TRAIN)]
    read = [plain(r) for r in dataset["validation"]]
    assert read == [plain(r) for r in rows_of(shape, VALIDATION)]


@pytest.mark.parametrize("shape", ["triplet", "n-tuple", "labeled-list"])
def test_a_trainer_gets_its_columns_alone(exported: Run, shape: str):
    """The configuration named as the shape holds the trained columns in their order, and the same rows."""
    names = trained_columns(shape, N)
    dataset = load(exported, shape)
    assert dataset["train"].column_names == names
    assert list(dataset["train"]) == [{c: r[c] for c in names} for r in rows_of(shape, TRAIN)]


def test_beir_is_read_as_such_a_folder(exported: Run):
    """Corpus, queries and graded qrels follow BEIR: all passages and written documents, each judged once."""
    folder = exported.file("dataset") / "beir"
    corpus, queries = lines(folder / "corpus.jsonl"), lines(folder / "queries.jsonl")
    assert [d["_id"] for d in corpus][: len(TOPICS)] == list(TOPICS)
    assert len({d["_id"] for d in corpus}) == len(corpus) == len(TOPICS) + 6 + 5 + 5 + 0 + 6
    assert {q["_id"]: q["text"] for q in queries} == {e.query_id: e.query for e in EXAMPLES}
    for split, examples in (("train", TRAIN), ("validation", VALIDATION)):
        with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8", newline="") as stream:
            head, *qrels = csv.reader(stream, delimiter="\t")
        assert head == ["query-id", "corpus-id", "score"]
        judged = [(e.query_id, d.id, str(d.grade)) for e in examples for d in e.documents]
        assert [tuple(row) for row in qrels] == judged
    assert {row[1] for row in qrels} <= {d["_id"] for d in corpus}


def test_beir_is_loaded_by_configuration_too(exported: Run):
    """`load_dataset` gives the corpus, queries and qrels that the BEIR files hold."""
    corpus = lines(exported.file("dataset") / "beir" / "corpus.jsonl")
    assert list(load(exported, "beir-corpus")["corpus"]) == corpus
    queries = load(exported, "beir-queries")["queries"]
    assert [q["query_prompt"] for q in queries] == [e.origin.prompt for e in EXAMPLES]
    qrels = load(exported, "beir-qrels")
    assert qrels.num_rows == {"train": 20, "validation": 7}
    assert qrels["train"][0] == {"query-id": "tea.q0", "corpus-id": "tea", "score": 3}


def test_odd_ids_and_texts_survive(tmp_path: Path):
    """Ids that look like numbers or hold tabs and quotes, and texts with line separators, read back as written."""
    odd = ["007", "NA", 'a\tb"c', "2020-01-01"]
    text = 'a\u2028b\n"c"\t\0 ‮d {{ x }} <b> ---\nconfigs: []'
    examples = [
        replace(e, query_id=f"{id}.q", query=text) for e, id in zip(EXAMPLES, odd, strict=False)
    ]
    run = run_of(examples, tmp_path)
    export(run)
    assert [r["query-id"] for r in load(run, "beir-qrels")["train"]][0] == "007.q"
    assert {r["query_id"] for r in load(run, "labeled-list-full")["train"]} == {
        f"{i}.q" for i in odd[:3]
    }
    assert set(load(run, "triplet")["train"]["query"]) == {text}
    with (run.file("dataset") / "beir/qrels/train.tsv").open(newline="") as stream:
        assert {row[0] for row in csv.reader(stream, delimiter="\t")} == {
            "query-id",
            *(f"{i}.q" for i in odd),
        }
    run.close()


def test_two_exports_are_equal_to_the_byte(exported: Run, tmp_path: Path):
    """The same examples give the same files in another folder at another time."""
    again = run_of(EXAMPLES, tmp_path)
    export(again)
    first, second = exported.file("dataset"), again.file("dataset")
    files = {p.relative_to(first) for p in first.rglob("*") if p.is_file()}
    assert len(files) == 7 + 1 + 6 + 1 + 1 + 5
    assert {p: fingerprint(first / p) for p in files} == {p: fingerprint(second / p) for p in files}
    again.close()


def test_the_books_say_what_each_query_became(exported: Run):
    """All examples are kept, with the number of rows of each shape."""
    assert exported.books()["export"] == {"in": 5, "kept": 5, "rejected": {}, "failed": {}}
    rows = {e.query_id: e.rows for e in read_records(exported.file("exported.jsonl"), Exported)}
    assert rows["tea.q0"] == {"triplet": 4, "n-tuple": 1, "labeled-list": 1, "beir": 7}
    assert rows["moon.q0"] == {"triplet": 0, "n-tuple": 0, "labeled-list": 0, "beir": 1}


def test_another_shape_voids_no_model(tmp_path: Path):
    """Training is made of the examples: a dataset of other shapes leaves it standing, and the measures too."""
    run = run_of(EXAMPLES, tmp_path)
    export(run)
    run.mark_done("train", "of these examples")
    run.file("evaluation").mkdir()
    run.close()
    run = run_again(tmp_path, ["pair", "msmarco"])
    export(run)
    folders = sorted(p.name for p in run.file("dataset").iterdir() if p.is_dir())
    assert folders == ["msmarco", "pair", "prompts"]
    assert run.is_done("train", "of these examples")
    assert run.has("evaluation")
    run.close()


def run_again(folder: Path, shapes: list[str]) -> Run:
    """Return the run that is there, under settings with other shapes."""
    return Run(folder, settings(export={"shapes": shapes}))


def test_an_example_of_no_shape_is_rejected_with_its_numbers(tmp_path: Path):
    """With n-tuples alone, a query without negatives and one with too few are rejects of their own reasons."""
    few = replace(EXAMPLES[1], documents=EXAMPLES[1].documents[:1] + EXAMPLES[1].documents[-1:])
    examples = [EXAMPLES[0], few, EXAMPLES[2], EXAMPLES[3]]
    run = run_of(examples, tmp_path, export={"shapes": ["n-tuple"]})
    export(run)
    rejected = {"no_negative": 1, "too_few_negatives": 1}
    assert run.books()["export"] == {"in": 4, "kept": 2, "rejected": rejected, "failed": {}}
    rejects = lines(run.file("rejects.jsonl"))
    details = {r["id"]: r["detail"] for r in rejects if r["stage"] == "export"}
    assert details["tea.q1"] == "1 negatives, 3 wanted by n-tuple"
    run.close()


def test_a_shape_that_no_query_fits_is_said_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Without any negative there are BEIR files only, and a line for each shape that is missing."""
    run = run_of([example("moon", negatives=0)], tmp_path)
    export(run)
    assert sorted(p.name for p in run.file("dataset").iterdir()) == [
        "README.md",
        "beir",
        "prompts",
        "synthneg.yaml",
    ]
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[6] for line in said] == ["triplet", "n-tuple", "labeled-list"], said
    run.close()


def test_a_run_without_scores_is_exported(tmp_path: Path):
    """Examples that no scorer has seen make rows without columns of scores."""
    bare = [
        replace(e, documents=tuple(replace(d, scores={}) for d in e.documents)) for e in EXAMPLES
    ]
    run = run_of(bare, tmp_path)
    export(run)
    columns = load(run, "triplet-full")["train"].column_names
    assert "negative_id" in columns
    assert "negative_scores" not in columns
    run.close()


def test_nothing_to_train_on_is_an_error_with_the_reasons(tmp_path: Path):
    """Where only held-out queries are left, the error counts what was dropped before, and no dataset is written."""
    run = run_of(VALIDATION, tmp_path)
    with pytest.raises(
        RunError, match=r"found none \(1 are held out; .*verify.documents: copied 2"
    ) as seen:
        export(run)
    assert "no_reply 1" in str(seen.value)
    assert "\n" not in str(seen.value)
    assert not run.has("dataset")
    run.close()


def test_a_run_without_examples_is_told_what_to_do(tmp_path: Path):
    """Before verification there is nothing to export, and the error says which file is missing."""
    run = Run(tmp_path, settings())
    with pytest.raises(RunError, match=r"examples.jsonl: not written yet"):
        export(run)
    run.close()


def test_a_failed_export_leaves_the_old_dataset_whole(tmp_path: Path):
    """An export that breaks after the first shapes were written changes no file of the dataset before it."""
    run = run_of(EXAMPLES, tmp_path)
    export(run)
    before, books = fingerprint(run.file("dataset")), run.books()["export"]
    rewrite(run, "passages.jsonl", b'{"id": "half a li')
    with pytest.raises(ValueError, match="EOF|unexpected end"):
        export(run)
    assert fingerprint(run.file("dataset")) == before
    assert run.books()["export"] == books
    assert not run.file("dataset.part").exists()
    run.close()


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from examples import settings
from synthneg.dataset.export import export
from synthneg.run import Run
import datasets
run = Run(Path(sys.argv[1]), settings())
print("ready", flush=True)
export(run)
"""


@pytest.mark.slow
def test_a_killed_export_leaves_a_whole_dataset(tmp_path: Path):
    """After kill -9 at any moment of an export, the folder is that before it or that after it, to the byte."""
    many = [example(t, i) for t in TOPICS for i in range(60)]
    run = run_of(EXAMPLES, tmp_path)
    export(run)
    run.close()
    dataset, state = tmp_path / "small" / "dataset", tmp_path / "state"
    old = fingerprint(dataset)
    run = run_of(many, tmp_path)
    shutil.copytree(run.folder, state)
    export(run)
    new = fingerprint(dataset)
    run.close()
    for wait_s in (0.0, 0.05, 0.15, 0.3):
        shutil.rmtree(tmp_path / "small")
        shutil.copytree(state, tmp_path / "small")
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait_s)
            os.kill(process.pid, signal.SIGKILL)
        assert fingerprint(dataset) in (old, new)
    run = Run(tmp_path, settings())
    export(run)
    assert fingerprint(dataset) == new
    assert not list(run.folder.glob("dataset.*"))
    run.close()


def test_a_kill_between_the_two_moves_is_undone(tmp_path: Path):
    """Where the old folder was moved aside and no new one put in its place, even a failing export restores it."""
    run = run_of(EXAMPLES, tmp_path)
    export(run)
    before = fingerprint(run.file("dataset"))
    run.file("dataset").rename(run.file("dataset.old"))
    rewrite(run, "passages.jsonl", b"{")
    with pytest.raises(ValueError, match="EOF|unexpected end"):
        export(run)
    assert fingerprint(run.file("dataset")) == before
    run.close()


def test_the_card_is_one_that_the_hub_takes(exported: Run):
    """The card's metadata name the task, the size, the language and each configuration."""
    card = DatasetCard.load(exported.file("dataset") / "README.md")
    data = card.data.to_dict()
    assert data["task_categories"] == ["text-retrieval"]
    assert data["size_categories"] == ["n<1K"]
    assert "synthetic" in data["tags"]
    assert "license" not in data
    assert data["language"] == ["en"]
    assert "&id" not in (exported.file("dataset") / "README.md").read_text(encoding="utf-8")
    names = [config["config_name"] for config in data["configs"]]
    assert len(names) == len(set(names)) == 9
    assert [c["config_name"] for c in data["configs"] if c.get("default")] == ["triplet"]
    paths = [f["path"] for config in data["configs"] for f in config["data_files"]]
    assert all((exported.file("dataset") / path).is_file() for path in paths)


def test_the_card_counts_what_the_books_count(exported: Run):
    """The tables of the card hold the books of each stage, the rows of each shape and the thresholds."""
    text = (exported.file("dataset") / "README.md").read_text(encoding="utf-8")
    assert "| verify.documents | 8 | 5 | copied 2 | no_reply 1 |" in text
    assert "| export | 5 | 5 | 0 | 0 |" in text
    assert "| n-tuple | 3 | 1 | 1 | 2 |" in text
    assert "| triplet | 10 | 4 | 1 | 0 |" in text
    assert "| documents.max_negative_share | 0.95 |" in text
    assert '| query | `query/question@1b9d6bcd` | tiny-llm | `{"temperature":0.9}` | 5 |' in text


def test_the_card_names_the_thresholds_that_were_used(tmp_path: Path):
    """Where verification has calibrated, the table has what was found, and what was set where nothing was found."""
    run = run_of(EXAMPLES, tmp_path, verify={"calibrate": True})
    found = {"thresholds": {"documents.min_negative_margin": {"set": 0.05, "found": 0.1234}}}
    run.file("calibration.json").write_bytes(orjson.dumps(found))
    export(run)
    text = (run.file("dataset") / "README.md").read_text(encoding="utf-8")
    assert "| documents.min_negative_margin | 0.1234 |" in text
    assert "| documents.min_words | 15 |" in text
    run.close()


def test_the_card_tells_nothing_of_the_machine(tmp_path: Path):
    """Models and encoders that were read from a folder are named without it; a licence is said where given."""
    local = "/home/ada/models/tiny.gguf"
    examples = [replace(e, origin=replace(e.origin, model=local)) for e in EXAMPLES]
    given = {"verify": {"encoder": "/home/ada/minilm"}, "publish": {"license": "cc-by-4.0"}}
    run = run_of(examples, tmp_path, **given)
    export(run)
    for file in run.file("dataset").rglob("*"):
        if file.is_file():
            assert b"/home/ada" not in file.read_bytes()
            assert str(tmp_path).encode() not in file.read_bytes()
    card = DatasetCard.load(run.file("dataset") / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert "| tiny.gguf |" in card.text
    run.close()


def test_exported_queries_are_records(exported: Run):
    """A line of `exported.jsonl` is a record that reads back as it was written."""
    line = json.loads(exported.file("exported.jsonl").read_text().splitlines()[0])
    assert from_row(Exported, line).split == "train"
