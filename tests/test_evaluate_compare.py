"""Models side by side: the files that other programs read, and the words that a person reads."""

import json

import numpy as np
import pytest

from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.compare import evaluate, to_json, write
from synthneg.evaluate.table import table
from synthneg.testing import HashingEncoder

WORDS = [f"word{i}" for i in range(60)]


class Guessing:
    """An encoder that knows nothing: the vector of a text is drawn from its role and length."""

    name = "guessing"

    def encode(self, texts, role):
        """Random unit rows, the same for the same texts."""
        rows = np.random.default_rng(len(role)).normal(size=(len(texts), 16))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(name: str = "planted", synthetic: bool = False) -> Collection:
    """60 documents of one word each, and a query for each of them."""
    return Collection(
        name=name,
        split="test",
        document_ids=tuple(WORDS),
        document_texts=tuple(WORDS),
        queries={f"q{word}": f"about {word}" for word in WORDS},
        qrels={f"q{word}": {word: 1} for word in WORDS},
        synthetic=synthetic,
    )


def measured(collections, **changes):
    """The evaluation of a guessing base and a knowing tuned model."""
    settings = {"measures": ("nDCG@10", "R@5"), "seed": 7, "resamples": 500, "bm25": True}
    models = {"base": Guessing(), "tuned": HashingEncoder(1024)}
    return evaluate(models, collections, batch_size=8, **(settings | changes))


def test_the_file_has_the_fixed_names(tmp_path):
    """evaluation/<collection>.json holds models, measures, intervals and differences under their fixed keys."""
    (evaluation,) = measured([planted()])
    file = write(evaluation, tmp_path / "evaluation")
    assert file == tmp_path / "evaluation" / "planted.json"
    found = json.loads(file.read_bytes())
    assert found == to_json(evaluation)
    assert {k: found[k] for k in ("collection", "split", "queries", "synthetic")} == {
        "collection": "planted",
        "split": "test",
        "queries": 60,
        "synthetic": False,
    }
    assert (found["seed"], found["resamples"]) == (7, 500)
    assert list(found["models"]) == ["base", "tuned", "bm25"]
    assert found["models"]["bm25"]["R@5"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    pairs = [(d["a"], d["b"], d["measure"]) for d in found["differences"]]
    assert pairs == [
        (a, b, name)
        for a, b in (("tuned", "base"), ("base", "bm25"), ("tuned", "bm25"))
        for name in ("nDCG@10", "R@5")
    ]
    first = found["differences"][0]
    assert set(first) == {"a", "b", "measure", "mean", "low", "high", "p", "verdict"}
    assert first["verdict"] == "better"
    assert first["mean"] == pytest.approx(
        found["models"]["tuned"]["nDCG@10"]["mean"] - found["models"]["base"]["nDCG@10"]["mean"]
    )


def test_the_values_per_query_give_the_means(tmp_path):
    """The side file has a line per query, model and measure; their mean is the one reported."""
    (evaluation,) = measured([planted()])
    write(evaluation, tmp_path)
    lines = (tmp_path / "planted.per-query.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 60 * 3 * 2
    of_base = [r["value"] for r in rows if (r["model"], r["measure"]) == ("base", "nDCG@10")]
    assert np.mean(of_base) == pytest.approx(evaluation.models["base"]["nDCG@10"].mean)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """Two evaluations write equal files; another seed changes the intervals, not the means."""
    one, two = measured([planted()])[0], measured([planted()])[0]
    other = measured([planted()], seed=8)[0]
    assert write(one, tmp_path / "1").read_bytes() == write(two, tmp_path / "2").read_bytes()
    assert one.models["base"]["nDCG@10"].mean == other.models["base"]["nDCG@10"].mean
    assert one.models["base"]["nDCG@10"].low != other.models["base"]["nDCG@10"].low


def test_the_table_says_what_can_be_said():
    """A row per model, the verdict of each pair in words, and that the queries are synthetic."""
    (evaluation,) = measured([planted("held-out", synthetic=True)], measures=("R@5",))
    lines = table(evaluation)
    assert lines[0] == "held-out · test · 60 synthetic queries"
    assert [line.split()[0] for line in lines[1:5]] == ["model", "base", "tuned", "bm25"]
    assert "1.000 [1.000, 1.000]" in lines[4]
    assert "tuned is better than base" in lines[6]
    assert "base is worse than bm25" in lines[7]
    assert "tuned and bm25 are not distinguishable" in lines[8]
    assert lines[8].endswith("p = 1.0000")


def test_real_queries_are_not_called_synthetic():
    """The heading of a real collection has plain queries."""
    (evaluation,) = measured([planted()], bm25=False)
    assert table(evaluation)[0] == "planted · test · 60 queries"


def test_bm25_alone_is_a_table_without_comparisons():
    """Without a model there is one row and no difference."""
    (evaluation,) = evaluate(
        {}, [planted()], measures=("R@5",), seed=7, resamples=100, bm25=True, batch_size=8
    )
    assert evaluation.differences == ()
    assert len(table(evaluation)) == 3


def test_each_collection_has_its_own_evaluation():
    """Two collections give two evaluations, in their order."""
    assert [e.collection for e in measured([planted("one"), planted("two")])] == ["one", "two"]


def test_names_that_would_hide_a_result_are_refused():
    """A model called bm25 and two collections of one name are SettingsErrors before anything is encoded."""
    with pytest.raises(SettingsError, match="two collections are called planted"):
        measured([planted(), planted()])
    with pytest.raises(SettingsError, match="called bm25"):
        evaluate(
            {"bm25": Guessing()},
            [planted()],
            measures=("R@5",),
            seed=7,
            resamples=100,
            bm25=True,
            batch_size=8,
        )
