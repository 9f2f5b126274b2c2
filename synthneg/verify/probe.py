"""The shortcut probe: can a classifier that never sees the query tell generated from corpus documents, or the grade?

What it can tell, a student can learn instead of relevance. Logistic regression, cross-validated so that no passage's
documents are both learnt from and asked about; the AUC is taken over all documents, its interval by a bootstrap over
passages. .5: nothing can be told; 1: everything. After the hypothesis-only baselines for inference (Gururangan et al.
2018).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from synthneg.records import Example
from synthneg.verify.traits import TRAITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# question -> what is 1 in it, what is 0
QUESTIONS = {
    "source": "generated against corpus documents",
    "grade": "relevant (grade 2, 3) against other documents",
    "grade of generated": "relevant (grade 2, 3) against other documents, among the generated ones",
}
# What to do where a set of features tells too much.
REMEDIES = {
    "length": "have documents written as long as the corpus's: set `words` among the draws of a copy of the prompt, or"
    " take negative/rewrite-mined, which keeps the length of the passage that it rewrites",
    "style": "have negatives made of mined passages, by negative/rewrite-mined, or positives written in the negatives'"
    " style, by document/positive, so that both sides have one",
    "characters": "look for what one side begins with or repeats, and take negative/rewrite-mined, or"
    " negative/from-query-and-positive, which write in the style of the corpus",
}
_RELEVANT = 2
_LEAST = 20  # documents of either class, and passages, below which nothing can be said
_FOLDS = 5
_RESAMPLES = 500
# Inverse strength of the penalty: of shares, which are standardized, and of n-grams, which lie far below 1.
_PENALTY, _PENALTY_SPARSE = 1.0, 10.0


class Seen(NamedTuple):
    """A document as the probe sees it."""

    text: str
    generated: bool
    relevant: bool
    passage: str  # that its query was written from; all its documents are learnt from, or asked about, together


@dataclass(frozen=True, slots=True)
class Probe:
    """What one set of features tells of one question."""

    question: str  # of QUESTIONS
    features: str  # of traits.TRAITS
    auc: float | None  # in [0, 1]; None: there is too little to say, as `note` tells
    low: float | None  # 95 % interval
    high: float | None
    documents: int
    passages: int
    note: str = ""
    warning: str = ""  # what to do, where the AUC is as high as a setting warns of


def probes(examples: Sequence[Example], warn_above: float, seed: int) -> Iterator[Probe]:
    """Yield a probe for each question and each set of features.

    Args:
        examples: those that are looked at; a few hundred tell enough.
        warn_above: AUC from which a probe has a warning.
        seed: of the folds and the bootstrap.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when probing

    seen = _seen(examples)
    matrices = {name: trait([one.text for one in seen]) for name, trait in TRAITS.items()}
    known: dict[
        tuple[bytes, str], Probe
    ] = {}  # often the generated documents are those of no relevance
    for question in QUESTIONS:
        rows = [i for i, s in enumerate(seen) if s.generated or question != "grade of generated"]
        labels = np.array([_label(question, seen[i]) for i in rows], dtype=bool)
        groups = np.unique([seen[i].passage for i in rows], return_inverse=True)[1]
        note = _too_little(labels, groups)
        for name, matrix in matrices.items():
            key = (b"".join((np.packbits(labels).tobytes(), np.array(rows).tobytes())), name)
            if key not in known:
                known[key] = _probe(question, name, matrix[rows], labels, groups, seed, note)
            yield _warned(replace(known[key], question=question), warn_above)


def _probe(
    question: str,
    features: str,
    matrix: Any,
    labels: "NDArray[np.bool_]",
    groups: "NDArray[np.int64]",
    seed: int,
    note: str,
) -> Probe:
    documents, passages = len(labels), len(set(groups.tolist()))
    if note:
        return Probe(question, features, None, None, None, documents, passages, note)
    scores = _predicted(matrix, labels, groups, seed)
    value, low, high = (round(bound, 4) for bound in interval(labels, scores, groups, seed))
    return Probe(question, features, value, low, high, documents, passages)


def _warned(probe: Probe, warn_above: float) -> Probe:
    if probe.auc is None or probe.auc < warn_above:
        return probe
    return replace(probe, warning=REMEDIES[probe.features])


def _seen(examples: Sequence[Example]) -> list[Seen]:
    """Return the documents of the examples, each text once as it was first seen."""
    seen: dict[str, Seen] = {}
    for example in examples:
        for document in example.documents:
            generated = document.origin is not None
            text, relevant = document.full_text, document.grade >= _RELEVANT
            seen.setdefault(text, Seen(text, generated, relevant, example.passage_id))
    return list(seen.values())


def _label(question: str, seen: Seen) -> bool:
    return seen.generated if question == "source" else seen.relevant


def _too_little(labels: "NDArray[np.bool_]", groups: "NDArray[np.int64]") -> str:
    count = {True: int(labels.sum()), False: int((~labels).sum())}
    passages = len(set(groups.tolist()))
    if min(*count.values(), passages) >= _LEAST:
        return ""
    return f"{count[True]} against {count[False]} documents of {passages} passages, at least {_LEAST} of each"


def _predicted(
    matrix: Any, labels: "NDArray[np.bool_]", groups: "NDArray[np.int64]", seed: int
) -> "NDArray[np.float64]":
    """Return for each document the log-odds that a classifier gives which has not seen its passage."""
    import numpy as np  # noqa: PLC0415 - heavy: only when probing
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - heavy
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - heavy
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - heavy

    scores = np.zeros(len(labels))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for learnt, asked in folds.split(np.zeros(len(labels)), labels, groups):
        if len(set(labels[learnt].tolist())) < 2:
            continue  # every document of a class in one fold: nothing to learn from, and 0 says nothing
        penalty = _PENALTY if isinstance(matrix, np.ndarray) else _PENALTY_SPARSE
        model = LogisticRegression(solver="liblinear", class_weight="balanced", C=penalty)
        if isinstance(matrix, np.ndarray):
            model = make_pipeline(StandardScaler(), model)
        model.fit(matrix[learnt], labels[learnt])
        scores[asked] = model.decision_function(matrix[asked])
    return scores


def interval(
    labels: "NDArray[np.bool_]",
    scores: "NDArray[np.float64]",
    groups: "NDArray[np.int64]",
    seed: int,
) -> tuple[float, float, float]:
    """Return the AUC and its 95 % interval, from a bootstrap in which passages are drawn with all their documents."""
    import numpy as np  # noqa: PLC0415 - heavy: only when probing

    draw, count = np.random.default_rng(seed), int(groups.max()) + 1
    drawn = []
    for _ in range(_RESAMPLES):
        weights = np.bincount(draw.integers(count, size=count), minlength=count)[groups]
        if weights[labels].any() and weights[~labels].any():
            drawn.append(auc(labels, scores, weights))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return auc(labels, scores, np.ones(len(labels))), float(low), float(high)


def auc(
    labels: "NDArray[np.bool_]", scores: "NDArray[np.float64]", weights: "NDArray[Any]"
) -> float:
    """Return the chance that a document of class 1 scores above one of class 0, equal scores counting half.

    >>> import numpy as np
    >>> auc(np.array([True, True, False]), np.array([2.0, 1.0, 1.0]), np.ones(3))
    0.75
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when probing

    _, place = np.unique(scores, return_inverse=True)
    ones = np.bincount(place, weights * labels)
    zeros = np.bincount(place, weights * ~labels)
    below = np.cumsum(zeros) - zeros
    return float(ones @ (below + zeros / 2) / (ones.sum() * zeros.sum()))
