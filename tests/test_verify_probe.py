"""The shortcut probe: chance on documents of one source, nearly certain on a planted marker, and which trait."""

import random

import numpy as np
import pytest
from examples import example, run_of
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from synthneg.records import Example, Judged, Origin
from synthneg.verify.probe import Probe, auc, interval, probes
from synthneg.verify.probed import write_probes
from synthneg.verify.traits import characters, lengths, styles

ORIGIN = Origin("negative/from-query@00000000", "planted", {}, 1, "key")
STOCK = [
    f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("a", "e", "io", "u") for c in ("n", "rk", "sta")
]


def prose(draw, words):
    """Return sentences of words drawn from one stock."""
    return " ".join(
        " ".join(draw.choice(STOCK) for _ in range(draw.randint(6, 12))).capitalize() + "."
        for _ in range(words // 9)
    )


def planted(change, examples=60, seed=1):
    """Return examples whose corpus and written documents come from one source, the written ones changed."""
    draw = random.Random(seed)

    def judged(id, grade, written):
        text = prose(draw, draw.randint(60, 120))
        source = "negative" if written else "corpus"
        text = change(text) if written else text
        return Judged(id, text, "", grade, source, {}, ORIGIN if written else None)

    return [
        Example(
            f"q{i}",
            "?",
            f"p{i}",
            "train",
            ORIGIN,
            tuple(judged(f"{i}.{n}", 3 if n == 0 else 1, n > 0) for n in range(3)),
        )
        for i in range(examples)
    ]


def found(examples, warn_above=0.8):
    """Return the AUC of each set of features for the question of the source."""
    made = probes(examples, warn_above, seed=7)
    return {probe.features: probe for probe in made if probe.question == "source"}


def test_documents_of_one_source_cannot_be_told_apart():
    """On 60 examples of one source every interval holds .5, or comes within .05 of it, and nothing is warned of."""
    for probe in found(planted(lambda text: text)).values():
        assert probe.low - 0.05 < 0.5 < probe.high + 0.05
        assert not probe.warning


@pytest.mark.parametrize(
    ("change", "features"),
    [
        (lambda text: text[: len(text) // 2], "length"),
        (lambda text: text.replace(". ", " - ").rstrip("."), "style"),
        (lambda text: f"Notably, {text}", "characters"),
    ],
)
def test_a_planted_marker_is_told_by_its_trait(change, features):
    """Half the length, other punctuation, an opening word: the trait that is meant finds it with an AUC above .9."""
    probe = found(planted(change))[features]
    assert probe.auc > 0.9
    assert probe.low > 0.85
    assert probe.warning


def test_a_passage_is_never_both_learnt_and_asked():
    """Where each passage's documents share a word that labels repeat by passage, the probe stays at chance."""
    draw = random.Random(2)
    examples = []
    for i in range(60):
        own = f"zq{i}x " * 30
        relevant = draw.random() < 0.5
        documents = tuple(
            Judged(
                f"{i}.{n}",
                f"{own} {prose(draw, 60)}",
                "",
                3 if relevant else 1,
                "graded",
                {},
                ORIGIN,
            )
            for n in range(4)
        )
        examples.append(Example(f"q{i}", "?", f"p{i}", "train", ORIGIN, documents))
    grade = {p.features: p for p in probes(examples, 0.8, 7) if p.question == "grade"}
    assert grade["characters"].low < 0.5 < grade["characters"].high + 0.1


def test_the_grade_is_asked_of_generated_documents_alone_too():
    """With relevant documents written as well, the same trait is told within the generated ones."""
    draw = random.Random(3)
    examples = [
        Example(
            f"q{i}",
            "?",
            f"p{i}",
            "train",
            ORIGIN,
            (
                Judged(f"p{i}", prose(draw, 90), "", 3, "corpus", {}, None),
                Judged(f"{i}.3", prose(draw, 90), "", 3, "graded", {}, ORIGIN),
                Judged(f"{i}.0", prose(draw, 27), "", 0, "graded", {}, ORIGIN),
            ),
        )
        for i in range(50)
    ]
    made = {(p.question, p.features): p for p in probes(examples, 0.8, 7)}
    assert made["grade of generated", "length"].auc > 0.9
    assert made["grade of generated", "length"].documents == 100
    assert made["grade", "length"].documents == 150


def test_too_little_is_said_to_be_too_little():
    """Fewer than 20 documents of a class give no figure but the counts."""
    (probe,) = {
        p.note
        for p in probes(planted(lambda text: text, examples=5), 0.8, 7)
        if p.question == "source"
    }
    assert probe == "10 against 5 documents of 5 passages, at least 20 of each"


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 4)), min_size=2, max_size=40
    )
)
def test_the_auc_is_scikit_learns(rows):
    """With ties and whole weights, the AUC equals roc_auc_score."""
    labels = np.array([label for label, _, _ in rows])
    scores = np.array([float(score) for _, score, _ in rows])
    weights = np.array([weight for _, _, weight in rows])
    if weights[labels].sum() == 0 or weights[~labels].sum() == 0:
        return
    wanted = roc_auc_score(labels, scores, sample_weight=weights)
    assert auc(labels, scores, weights) == pytest.approx(wanted)


def test_the_interval_resamples_passages():
    """Copies of each document within its passage make nothing surer: the interval stays as wide."""
    draw = np.random.default_rng(5)
    labels = np.arange(80) % 2 == 0
    scores = draw.normal(size=80) + labels * 0.7
    groups = np.arange(80) // 2
    once = interval(labels, scores, groups, 7)
    copied = interval(np.tile(labels, 5), np.tile(scores, 5), np.tile(groups, 5), 7)
    assert copied == pytest.approx(once)
    assert once[1] < once[0] < once[2]


@given(st.lists(st.text(), max_size=5))
def test_traits_are_finite_whatever_the_text(texts):
    """Empty texts, lone surrogates and marks alone give finite numbers, one row each."""
    for trait in (lengths, styles, characters):
        matrix = (
            trait([text.encode("utf-8", "replace").decode() for text in texts]) if texts else None
        )
        if matrix is not None:
            dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
            assert dense.shape[0] == len(texts)
            assert np.isfinite(dense).all()


def test_a_run_keeps_its_probe_and_looks_again_only_at_other_examples(tmp_path, monkeypatch):
    """probe.jsonl stands while examples and settings do; it is made of the examples that the seed draws."""
    run = run_of([example(topic) for topic in ("tea", "bread", "moon")], tmp_path)
    write_probes(run)
    rows = list(run.read("probe.jsonl", Probe))
    assert {row.note for row in rows if row.question == "source"} == {
        "15 against 3 documents of 3 passages, at least 20 of each"
    }
    with monkeypatch.context() as patch:
        patch.setattr("synthneg.verify.probed.probes", None)
        write_probes(run)
    assert list(run.read("probe.jsonl", Probe)) == rows
    run.close()
