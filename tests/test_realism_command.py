"""`synthneg prompts realism`: real queries from files, and a small run beside them."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_realism_compare import written
from tiny_model import save_tiny_model

from synthneg.cli import main
from synthneg.config import RunConfig, dump
from synthneg.errors import CorpusError, RunError
from synthneg.realism.read import generated_queries, one_per_passage, real_queries
from synthneg.records import Origin, Query, to_line

Command = tuple[int, str, str]
FIVE = ["green tea", "what is tea", "tea, water", "Tea is hot.", "old  tea"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("real.txt", "\ufeff" + "\n".join([*FIVE, "", "Green tea!"]) + "\n"),
        ("real.jsonl", "\n".join(json.dumps({"_id": "1", "text": text}) for text in FIVE)),
        ("real.jsonl", "\n".join(json.dumps({"query": text}) for text in FIVE) + "\n\n"),
        ("real.csv", "id,Query\n" + "\n".join(f'1,"{text}"' for text in FIVE)),
        ("real.tsv", "text\tn\r\n" + "\r\n".join(f"{text}\t2" for text in FIVE)),
    ],
)
def test_real_queries_are_read(name: str, text: str, tmp_path: Path) -> None:
    """Every form gives the same queries in order; byte order marks, empty lines and repetitions are left out."""
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")

    assert real_queries(tmp_path / name) == [" ".join(text.split()) for text in FIVE]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("real.txt", b"tea\n\xff\n", ("line 2", "UTF-8")),
        ("real.txt", b"tea\nbread\nTea\n", ("at least 5", "found 2")),
        ("real.jsonl", b'{"text": "a"}\n{"text"\n', ("line 2", "JSON object")),
        ("real.jsonl", b'{"text": "a"}\n\n["a"]\n', ("line 3", "JSON object")),
        ("real.jsonl", b'{"question": "a"}\n', ("line 1", "'text' or 'query'", "'question'")),
        ("real.jsonl", b'{"text": 3}\n', ("line 1", "string")),
        ("real.csv", b"id,question\n1,a\n", ("line 1", "'text' or 'query'")),
        ("real.csv", b"id,query\n1,a\n2\n", ("line 3", "expected 2 values")),
        ("real.csv", b'query\n"a\n', ("line 2", "expected a table")),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(
    name: str, data: bytes, words: tuple[str, ...], tmp_path: Path
) -> None:
    """The error names file and line, what was expected and what was found."""
    (tmp_path / name).write_bytes(data)

    with pytest.raises(CorpusError) as error:
        real_queries(tmp_path / name)

    for word in (name, *words):
        assert word in str(error.value)


def queries_of(
    texts: list[str], prompt: str = "query/claim@1b9d6bcd", passages: int = 999
) -> list[Query]:
    """Return generated queries, dealt to passages in turn."""
    origin = Origin(prompt, "m", {}, 0, "k")
    return [
        Query(f"{prompt} {i}", text, f"p{i % passages}", "train", origin)
        for i, text in enumerate(texts)
    ]


def test_queries_of_one_passage_count_once() -> None:
    """Of each passage one query is drawn, by the seed; with fewer than twenty passages all queries are taken."""
    many = queries_of([f"query {i}" for i in range(100)], passages=30)
    drawn = one_per_passage(many, 1)

    assert sorted(q.passage_id for q in drawn) == sorted({q.passage_id for q in many})
    assert drawn == one_per_passage(many, 1)
    assert drawn != one_per_passage(many, 2)
    assert len(one_per_passage(queries_of(FIVE * 4, passages=4), 1)) == 20


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run's folder by hand, with some queries and a tiny encoder."""
    encoder = save_tiny_model(tmp_path / "tiny")

    def make(verified: list[Query] | None, queries: list[Query]) -> Path:
        folder = tmp_path / "outputs" / "small"
        folder.mkdir(parents=True)
        settings = {"run": "small", "corpus": {"path": "x"}, "verify": {"encoder": str(encoder)}}
        (folder / "run.yaml").write_text(dump(RunConfig.model_validate(settings)))
        for name, records in (("verified_queries.jsonl", verified), ("queries.jsonl", queries)):
            if records is not None:
                (folder / name).write_bytes(b"".join(map(to_line, records)))
        return folder

    return make


def realism(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> Command:
    """Run the command in this process; return status, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["synthneg", "prompts", "realism", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.slow
def test_a_run_beside_real_queries(
    run: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The report has each prompt, says which file it used, finds the planted difference, and fits 100 columns."""
    chance = random.Random(1)
    claims = queries_of(written(60, chance, {"claim": 1}))
    keywords = queries_of(written(30, chance, {"keywords": 1}), "query/keywords@00000000")
    folder = run(claims, [*claims, *keywords])
    real = tmp_path / "real.txt"
    real.write_text("\n".join(written(40, chance, {"keywords": 1})))
    figures = tmp_path / "figures.json"

    status, said, _ = realism(
        capsys, monkeypatch, str(folder), "--queries", str(real), "--json", str(figures)
    )

    assert status == 0
    assert "60 generated queries (verified_queries.jsonl)" in " ".join(said.split())
    assert "query/claim@1b9d6bcd: drop it" in said
    assert "query/keywords: add it" in said
    assert "query/keywords@00000000" not in said
    assert max(map(len, said.splitlines())) <= 100
    rows = {row["name"]: row for row in json.loads(figures.read_text())["comparison"]["rows"]}
    assert rows["kinds"]["word"] == "unlike"

    status, said, _ = realism(capsys, monkeypatch, str(folder), "--queries", str(real), "--all")

    assert status == 0
    assert "(queries.jsonl" in said
    assert "query/keywords@00000000: ask" in said
    assert "query/keywords: add it" not in said


@pytest.mark.slow
def test_few_real_queries_get_a_warning(
    run: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With five real queries the report comes with a warning in words, and nothing is called like."""
    folder = run(None, queries_of(written(30, random.Random(2))))
    real = tmp_path / "real.txt"
    real.write_text("\n".join(FIVE))

    status, said, _ = realism(capsys, monkeypatch, str(folder), "--queries", str(real))

    assert status == 0
    assert "Only 5 real queries" in said
    assert not any(line.endswith(" like") for line in said.splitlines())


def test_a_run_without_enough_queries_is_refused(run: Callable[..., Path]) -> None:
    """A run with no queries yet, or with too few, is refused in a sentence that says what to do."""
    folder = run([], queries_of(FIVE))

    with pytest.raises(RunError, match="at least 5 queries, found 0"):
        generated_queries(folder, rejected_too=False)
    assert generated_queries(folder, rejected_too=True).file == "queries.jsonl"
    for file in folder.glob("*.jsonl"):
        file.unlink()
    with pytest.raises(RunError, match="synthneg generate"):
        generated_queries(folder, rejected_too=False)


def test_a_missing_file_of_queries_is_refused(
    run: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any model is loaded, one line says that the file is not there; so it is with a place for --json."""
    folder = run(None, queries_of(FIVE))

    status, _, said = realism(capsys, monkeypatch, str(folder), "--queries", "nowhere.txt")
    assert (status, said.count("\n")) == (2, 1)
    assert "nowhere.txt" in said

    json_file = ("--json", "nowhere/figures.json")
    status, _, said = realism(
        capsys, monkeypatch, str(folder), "--queries", "nowhere.txt", *json_file
    )
    assert (status, said.count("\n")) == (2, 1)
    assert "--json nowhere/figures.json" in said
