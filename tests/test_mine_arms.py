"""Arms: the same queries and positives byte for byte, as many negatives, and nothing else that is lost unsaid."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from mining import opened, query

from synthneg import stages
from synthneg.cli.app import app
from synthneg.errors import RunError, SettingsError, SynthnegError
from synthneg.mine.arms import arms_of
from synthneg.records import Example, Judged, Passage, Query
from synthneg.run import Run
from synthneg.testing import HashingEncoder, OverlapReranker

WORDS = [f"word{n}" for n in range(60)]
LIST = "random,bm25,dense,reranked,bm25:1+dense:2"
SAME = ("query", "positive", "query_id", "passage_id", "query_prompt", "query_model", "query_seed")


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stages open models that need no weights."""
    monkeypatch.setattr(stages, "open_encoder", lambda _: HashingEncoder())
    monkeypatch.setattr(stages, "open_reranker", lambda _: OverlapReranker())


def corpus() -> tuple[list[Passage], list[Query]]:
    """Return 80 passages and 40 queries, of which two share no word with any passage but their own."""
    chance = np.random.default_rng(2)
    passages, queries = [], []
    for n in range(80):
        text = " ".join(chance.choice(WORDS, 14))
        if n < 2:
            text = " ".join(f"lonely{n}{i}" for i in range(14))
        passages.append(Passage(f"p{n}", text, "", "held_out" if n % 5 == 4 else "train"))
        if n < 40:
            asked = query(f"q{n}", " ".join(text.split()[:8]), f"p{n}")
            queries.append(
                Query(
                    **{f: getattr(asked, f) for f in ("id", "text", "passage_id")},
                    split=passages[-1].split,
                    origin=asked.origin,
                )
            )
    return passages, queries


def written(folder: Path, text: str = LIST, **sections: object) -> list[str]:
    """Write the arms of a run, three negatives a query, into `folder`/arms; return what was said."""
    passages, queries = corpus()
    with closing(opened(folder, passages, queries, **sections)) as run:
        return stages.write_arms(run, arms_of(text, 3), 3, folder / "arms")


def tables(folder: Path, split: str = "train") -> dict[str, pq.ParquetFile]:
    """Return each arm's table by the arm's name."""
    facts = json.loads((folder / "arms" / "arms.json").read_bytes())
    return {
        name: pq.read_table(folder / "arms" / place / f"{split}.parquet")
        for name, place in facts["arms"].items()
    }


def test_arms_differ_in_their_negatives_alone(tmp_path: Path) -> None:
    """Queries, positives and their provenance are equal to the byte in all arms and both splits; negatives are not."""
    written(tmp_path)
    for split in ("train", "validation"):
        found = tables(tmp_path, split)
        assert len(found) == 5
        first, *others = (
            {name: table.column(name).combine_chunks() for name in SAME} for table in found.values()
        )
        for other in others:
            for name in SAME:
                sides = zip(first[name].buffers(), other[name].buffers(), strict=True)
                assert all((a is None and b is None) or a.equals(b) for a, b in sides), name
        negatives = [table.column("negative_ids").to_pylist() for table in found.values()]
        assert all(a != b for i, a in enumerate(negatives) for b in negatives[:i])


def test_every_arm_has_what_it_says(tmp_path: Path) -> None:
    """Each row has three negatives of the arm's sources, none its own passage, none twice; the queries are counted."""
    (line, *_) = written(tmp_path)
    about = json.loads((tmp_path / "arms" / "arms.json").read_bytes())
    found = tables(tmp_path)
    kept = len(found["dense"]) + len(tables(tmp_path, "validation")["dense"])
    for name, table in found.items():
        sources = {frozenset(s) for s in table.column("negative_sources").to_pylist()}
        assert sources <= ({frozenset({"bm25", "dense"})} if "+" in name else {frozenset({name})})
        for row in table.to_pylist():
            assert len({row["passage_id"], *row["negative_ids"]}) == 4
            assert None not in (row["negative_1"], row["negative_2"], row["negative_3"])
    # The two queries whose words are theirs alone have no candidate of BM25's.
    assert about["queries"]["too_few"]["bm25"] >= 2
    assert about["queries"]["in"] == 40
    assert about["queries"]["kept"] == kept
    assert line.startswith(f"40 queries, {kept} with 3 negatives in every arm")
    assert not {"q0", "q1"} & {
        id for t in found.values() for id in t.column("query_id").to_pylist()
    }


def test_an_arm_is_mined_by_itself(tmp_path: Path) -> None:
    """An arm holds the same negatives for a query whatever other arms there are."""
    written(tmp_path / "a")
    written(tmp_path / "b", "dense,random")
    many, few = tables(tmp_path / "a"), tables(tmp_path / "b")
    for name in ("dense", "random"):
        of_few, of_many = (
            {
                row["query_id"]: (row["negative_ids"], row["negative_1"])
                for row in t[name].to_pylist()
            }
            for t in (few, many)
        )
        assert of_many
        assert of_many.items() <= of_few.items()


def test_a_trainer_reads_an_arm_as_it_is(tmp_path: Path) -> None:
    """`load_dataset` of an arm's folder gives the columns that a trainer takes; with -full, ids and scores too."""
    written(tmp_path)
    folder, cache = str(tmp_path / "arms" / "bm25-1+dense-2"), str(tmp_path / "cache")
    plain = load_dataset(folder, cache_dir=cache)
    assert set(plain) == {"train", "validation"}
    names = ["query", "positive", "negative_1", "negative_2", "negative_3"]
    assert plain["train"].column_names == names
    full = load_dataset(folder, "n-tuple-full", split="train", cache_dir=cache)
    scores = full[0]["negative_scores"]
    assert [bool(s["bm25_rank"]) for s in scores] == [
        s == "bm25" for s in full[0]["negative_sources"]
    ]


def test_written_negatives_are_an_arm(tmp_path: Path) -> None:
    """The arm `negative` has the verified negatives that the model wrote; without verification it is a sentence."""
    passages, queries = corpus()
    with closing(opened(tmp_path, passages, queries)) as run:
        with pytest.raises(RunError, match=r"verify.documents has not been run"):
            stages.write_arms(run, arms_of("negative,dense", 1), 1, tmp_path / "arms")
        _verify(run, passages, queries)
        stages.write_arms(run, arms_of("negative,dense", 1), 1, tmp_path / "arms")
    found = tables(tmp_path)
    assert found["negative"].column("query_id").equals(found["dense"].column("query_id"))
    rows = found["negative"].to_pylist()
    assert [row["negative_1"] for row in rows] == [f"not for {row['query_id']}" for row in rows]
    assert {row["negative_prompts"][0] for row in rows} == {"query/question@1b9d6bcd"}
    assert all(int(row["query_id"][1:]) % 3 for row in rows)


def _verify(run: Run, passages: list[Passage], queries: list[Query]) -> None:
    """Write examples of which two in three have a written negative, and all a mined one."""
    with run.stage("verify.documents", "examples.jsonl") as stage:
        for n, one in enumerate(queries):
            positive = Judged(one.passage_id, passages[n].text, "", 3, "corpus", {}, None)
            mined = Judged("p70", passages[70].text, "", 1, "bm25", {}, None)
            own = Judged(f"{one.id}:n", f"not for {one.id}", "", 1, "negative", {}, one.origin)
            documents = (positive, *([own] if n % 3 else []), mined)
            stage.take()
            stage.keep(Example(one.id, one.text, one.passage_id, one.split, one.origin, documents))


def test_arms_replace_arms_and_nothing_else(tmp_path: Path) -> None:
    """A folder of arms is written anew as a whole; a folder with anything else in it is left as it is."""
    written(tmp_path)
    (tmp_path / "arms" / "leftover").write_text("x")
    written(tmp_path, "dense,bm25")
    assert {p.name for p in (tmp_path / "arms").iterdir()} == {"arms.json", "bm25", "dense"}
    (tmp_path / "arms" / "arms.json").unlink()
    before = sorted((tmp_path / "arms").rglob("*"))
    with pytest.raises(RunError, match="name another with --to"):
        written(tmp_path)
    assert sorted((tmp_path / "arms").rglob("*")) == before


def test_arms_that_nobody_fills_are_a_sentence(tmp_path: Path) -> None:
    """Where no query has enough negatives in every arm, nothing is written and the arm is named."""
    with pytest.raises(RunError, match=r"40 queries, 0 with 3 negatives in every arm .*dense 40"):
        written(tmp_path, mine={"max_cosine": -1})
    assert not (tmp_path / "arms").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bm25,dance", "got 'dance'"),
        ("bm25,corpus", "got 'corpus'"),
        ("bm25:2+dense", "come to 3, .* got 5"),
        ("bm25:0+dense:3", "above 0"),
        ("bm25:1+bm25:2", "got 'bm25:1"),
        ("dense,dense:3", "comes twice"),
        ("", "got ''"),
    ],
)
def test_arms_that_make_no_sense_are_refused(text: str, words: str) -> None:
    """Unknown sources, counts that do not come to --per-query, and an arm named twice: one line each."""
    with pytest.raises(SettingsError, match=words) as caught:
        arms_of(text, 3)
    assert "\n" not in str(caught.value)


def test_the_command_writes_arms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`synthneg mine RUN --arms` writes them into the run's folder, without changing the run; --to alone is refused."""
    passages, queries = corpus()
    with closing(opened(tmp_path, passages, queries)) as run:
        books = run.books()
    arguments = ["mine", str(tmp_path / "small"), "--arms", "dense,bm25", "--per-query", "2"]
    app(arguments, standalone_mode=False)
    assert "with 2 negatives in every arm" in capsys.readouterr().out
    assert (tmp_path / "small" / "arms" / "dense" / "train.parquet").exists()
    assert json.loads((tmp_path / "small" / "books.json").read_bytes()) == books
    with pytest.raises(SynthnegError, match="--to goes with --arms"):
        app([*arguments[:2], "--to", str(tmp_path / "x")], standalone_mode=False)
