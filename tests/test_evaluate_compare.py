"""Models side by side: the files that other programs read, and the words that a person reads."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.compare import evaluate
from synthneg.evaluate.significance import holm
from synthneg.evaluate.stored import from_json, to_json, write, write_all
from synthneg.evaluate.table import overview, saved_tables, table
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
    assert list(found["models"]) == ["base", "tuned", "bm25", "base+bm25", "tuned+bm25"]
    assert found["models"]["bm25"]["R@5"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    pairs = [(d["a"], d["b"], d["measure"]) for d in found["differences"]]
    assert pairs == [
        (a, b, name)
        for a, b in (
            *(("tuned", "base"), ("base", "bm25"), ("tuned", "bm25")),
            ("tuned+bm25", "base+bm25"),
        )
        for name in ("nDCG@10", "R@5")
    ]
    first = found["differences"][0]
    fixed = {"a", "b", "measure", "mean", "low", "high", "p", "verdict"}
    assert set(first) == fixed | {"p_holm", "comparisons", "smallest"}
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
    assert len(rows) == 60 * 5 * 2
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
    assert lines[8].endswith(
        "p = 1.0000"
    )  # all differences are 0: no spread tells what could be seen
    assert "p = 0.0020  sees 0." in lines[6]


def test_real_queries_are_not_called_synthetic():
    """The heading of a real collection has plain queries."""
    (evaluation,) = measured([planted()], bm25=False)
    assert table(evaluation)[0] == "planted · test · 60 queries"


def test_a_model_is_measured_together_with_bm25():
    """On queries of people each model has a row with BM25, beside the first one's; on synthetic ones none has."""
    real, synthetic = measured([planted(), planted("held-out", synthetic=True)])
    assert real.models["base+bm25"]["nDCG@10"].mean > real.models["base"]["nDCG@10"].mean
    assert real.models["tuned+bm25"]["R@5"].mean == 1.0
    assert [(d.a, d.b) for d in real.differences if "+" in d.a] == [("tuned+bm25", "base+bm25")] * 2
    assert list(synthetic.models) == ["base", "tuned", "bm25"]
    assert not any("+" in name for name in measured([planted()], bm25=False)[0].models)


def test_bm25_alone_is_a_table_without_comparisons():
    """Without a model there is one row and no difference."""
    (evaluation,) = evaluate(
        {}, [planted()], measures=("R@5",), seed=7, resamples=100, bm25=True, batch_size=8
    )
    assert evaluation.differences == ()
    assert len(table(evaluation)) == 3


def test_each_collection_has_its_own_evaluation():
    """Two collections give two evaluations, in their order, and one of their mean; of a synthetic one there is none."""
    found = measured([planted("one"), planted("two"), planted("held-out", synthetic=True)])
    assert [e.collection for e in found] == ["one", "two", "held-out", "mean"]
    assert [e.collections for e in found] == [1, 1, 1, 2]
    assert len(measured([planted("one"), planted("held-out", synthetic=True)])) == 2


def test_the_mean_weighs_collections_alike():
    """The mean over collections of 60 and 20 queries is half of each mean, and its differences are paired."""
    one, two = planted("one"), planted("two")
    few = dict(list(two.queries.items())[:20])
    two = replace(two, queries=few, qrels={id: two.qrels[id] for id in few})
    first, second, mean = measured([one, two])
    assert (mean.queries, second.queries) == (80, 20)
    for model in ("base", "tuned"):
        halves = [e.models[model]["R@5"].mean for e in (first, second)]
        assert mean.models[model]["R@5"].mean == pytest.approx(sum(halves) / 2)
    gap = mean.models["tuned"]["R@5"].mean - mean.models["base"]["R@5"].mean
    [difference] = [
        d for d in mean.differences if (d.a, d.b, d.measure) == ("tuned", "base", "R@5")
    ]
    assert difference.mean == pytest.approx(gap)
    assert difference.smallest < second.differences[1].smallest


def test_comparisons_are_corrected_over_measures_and_collections():
    """Two measures on two collections are four comparisons with the base, eight with BM25; synthetic ones are apart."""
    found = measured([planted("one"), planted("two"), planted("held-out", synthetic=True)])
    counts = {(e.collection, d.b): d.comparisons for e in found for d in e.differences}
    assert counts == {
        **{("one", "base"): 4, ("two", "base"): 4, ("held-out", "base"): 2, ("mean", "base"): 2},
        **{("one", "bm25"): 8, ("two", "bm25"): 8, ("held-out", "bm25"): 4, ("mean", "bm25"): 4},
        **{(name, "base+bm25"): 4 for name in ("one", "two")},
        ("mean", "base+bm25"): 2,
    }
    family = [d for e in found[:2] for d in e.differences if d.b == "base"]
    assert [d.p_holm for d in family] == holm([d.p for d in family])
    assert all(d.p_holm > d.p for d in family)


def test_several_collections_stand_in_one_table_of_100_columns():
    """A row per collection and one of the mean, a column per model with its sign; nothing is wider than 100 columns."""
    knowing = HashingEncoder(1024)
    long = f"outputs/a-run-with-a-long-name/{'x' * 60}/model"
    models = {"base": Guessing(), "tuned": knowing, long: knowing}
    models |= {f"another-model-of-some-size-{i}": knowing for i in range(4)}
    names = [planted("scifact"), planted("a-collection-with-a-name-that-is-far-too-long-to-print")]
    found = evaluate(
        models,
        names,
        measures=("nDCG@10", "R@5", "P@10", "RR@10", "AP"),
        seed=7,
        resamples=2000,
        bm25=True,
        batch_size=8,
    )
    lines = overview(found)
    assert lines[0].split()[:4] == ["nDCG@10", "queries", "base", "tuned"]
    assert lines[1].split()[:2] == ["scifact", "60"]
    assert lines[1].split()[4:5] == ["↑"]
    assert lines[3].startswith("  mean of 2 collections")
    assert "↑ better" in lines[-1]
    assert max(map(len, lines)) <= 100
    assert overview(found[:1]) == []


def test_measures_of_an_older_version_are_read(tmp_path):
    """A file without corrected p-values is read as uncorrected, and has a table."""
    (evaluation,) = measured([planted()])
    row = to_json(evaluation)
    for difference in row["differences"]:
        for key in ("p_holm", "comparisons", "smallest"):
            del difference[key]
    del row["collections"]
    (tmp_path / "planted.json").write_text(json.dumps(row))
    ((_, *lines),) = saved_tables(tmp_path)
    assert any("tuned is better than base" in line for line in lines)


def test_what_is_written_is_read_again(tmp_path):
    """`from_json` of a written file is the evaluation without its values per query, undefined numbers included."""
    (evaluation,) = measured([planted()])
    read = from_json(json.loads(write(evaluation, tmp_path).read_bytes()))
    assert to_json(read) == to_json(evaluation)
    assert math.isnan(read.differences[-1].smallest)
    assert table(read) == table(evaluation)


def test_one_file_for_all_has_the_queries_beside_it(tmp_path):
    """`evaluate --json` gives the numbers of all collections, and in FILE.per-query.jsonl those of each query."""
    found = measured([planted("one"), planted("two")])
    details = write_all(found, tmp_path / "all.json")
    assert [row["collection"] for row in json.loads((tmp_path / "all.json").read_bytes())] == [
        *("one", "two", "mean")
    ]
    rows = [json.loads(line) for line in details.read_bytes().splitlines()]
    assert details.name == "all.per-query.jsonl"
    assert len(rows) == 2 * 60 * 5 * 2
    assert set(rows[0]) == {"collection", "query_id", "model", "measure", "value"}


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
