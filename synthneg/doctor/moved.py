"""How far training has moved the model: not at all, or so far that it has forgotten what it knew.

Measured on passages of the corpus drawn at random: the mean cosine of a passage's vector by the base and by the tuned
model; on queries where documents were frozen.
"""

from typing import TYPE_CHECKING

from synthneg.doctor.finding import Diagnosis, Finding, Word
from synthneg.doctor.patient import Patient
from synthneg.scoring.base import Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIAGNOSIS = Diagnosis(
    "forgetting",
    why="A model that has moved far on passages it was not trained on has given up what it knew of all other texts.",
    remedy="",
    suspect=0.2,  # 1 - mean cosine
    bad=0.4,
)
STILL = Diagnosis(
    "no movement",
    why="A model that training has hardly moved is its base: no difference can be seen, whatever the data are worth.",
    remedy="",
    suspect=0.5,
    bad=1.0,
)
_UNMOVED = 0.001  # 1 - mean cosine below which nothing was learnt that a ranking shows


def examine(patient: Patient) -> Finding:
    """Return one less the mean cosine of base and tuned vectors; above the bound, the model has forgotten."""
    rate = patient.config.train.learning_rate
    frozen = patient.config.train.documents == "frozen"
    role: Role = "query" if frozen else "document"
    texts = patient.passages
    if frozen:
        texts = patient.sample(list(dict.fromkeys(e.query for e in patient.examples)))
    base, tuned = (m.encode(texts, role) for m in (patient.base, patient.tuned))
    if base.shape != tuned.shape:
        return DIAGNOSIS.unknown(
            f"the base has {base.shape[1]} dimensions, the tuned model {tuned.shape[1]}"
        )
    moved = 1 - float((base * tuned).sum(axis=1).mean())
    kept = _neighbours_kept(base, tuned)
    seen = (
        f"mean cosine of base and tuned vectors of {len(base)} {'queries' if frozen else 'passages'}: {1 - moved:.3f};"
        f" {kept:.0%} of the ten nearest neighbours are the same"
    )
    # A model that is better has learnt, however far it has moved; a table of word vectors moves far as a rule.
    most: Word = "bad" if patient.has_lost else "suspect"
    if moved < _UNMOVED:
        wanted = "about 0.2" if patient.is_table else f"{10 * rate:g}"
        return STILL.of(
            1.0,
            seen,
            most=most,
            remedy=f"train.learning_rate: {wanted}, it is {rate:g}; or more train.epochs",
        )
    remedy = f"train.learning_rate: {rate / 5:g}, it is {rate:g}; or fewer train.epochs"
    return DIAGNOSIS.of(moved, seen, most=most, remedy=remedy)


def _neighbours_kept(base: "NDArray[np.float32]", tuned: "NDArray[np.float32]") -> float:
    """Return which share of each passage's ten nearest among these are the same by both."""
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    count = min(10, len(base) - 1)

    def nearest(rows: "NDArray[np.float32]") -> "NDArray[np.int64]":
        cosines = rows @ rows.T
        np.fill_diagonal(cosines, -2)
        found: NDArray[np.int64] = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        return found

    if count < 1:
        return 1.0
    pairs = zip(nearest(base), nearest(tuned), strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / count for a, b in pairs]))
