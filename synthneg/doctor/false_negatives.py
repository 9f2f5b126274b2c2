"""False negatives: documents that training takes for no answers though they answer.

Two witnesses. The strongest one that the run has heard (`verify.witnesses`), by the margins of verification or its
defaults, whichever is stricter. And the student itself: where the base puts a negative above the positive and the tuned
model still does, having been taught otherwise, the negative often answers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from synthneg.config import DocumentChecks
from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.records import Example, Judged
from synthneg.scoring.base import Encoder
from synthneg.verify.witnesses import bound_of, finding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIAGNOSIS = Diagnosis(
    "false negatives",
    why="The student is pushed away from documents that answer, which teaches it the opposite of relevance.",
    remedy="verify.documents.on_answers: drop with verify.reranker or verify.judge; or train.loss: kl, whose teacher"
    " says how well each document answers; or train.negatives: 0",
    suspect=0.05,
    bad=0.2,
)
_DEFAULTS = DocumentChecks()


class _Negative(NamedTuple):
    """A negative that is trained on, and the example that it belongs to."""

    example: Example
    document: Judged


def examine(patient: Patient) -> Finding:
    """Return the share of negatives trained on that answer, by the witness that finds most."""
    if patient.is_taught:
        seen = f"train.loss {patient.config.train.loss} takes a teacher's scores: no document is called a negative"
        return DIAGNOSIS.of(0.0, seen)
    found = [_Negative(e, d) for e in patient.examples for d in patient.negatives(e)]
    if not found:
        return DIAGNOSIS.of(0.0, "no query was trained on with negatives of its own")
    value, words = _by_scores(found, patient.config.verify.documents)
    drawn = patient.sample(found)
    above = _above(drawn, patient.base)
    words += f"; the base puts {above.mean():.0%} of them above the positive"
    if (patient.folder / "model").is_dir():
        still = float((above & _above(drawn, patient.tuned)).mean())
        value = max(value, still)
        words += f", and the tuned model still {still:.0%}"
    return DIAGNOSIS.of(value, f"of {len(found):,} negatives trained on {words}")


def _by_scores(found: Sequence[_Negative], checks: DocumentChecks) -> tuple[float, str]:
    """Return the share that answers by the scores that the examples hold, and the same in words."""
    strict = checks.model_copy(
        update={
            "max_negative_share": min(checks.max_negative_share, _DEFAULTS.max_negative_share),
            "min_negative_margin": max(checks.min_negative_margin, _DEFAULTS.min_negative_margin),
        }
    )
    scored = [n for n in found if "cosine" in n.document.scores and _scored(n.example)]
    if not scored:
        return 0.0, "none has been scored by verification"
    said = [_finding(negative, strict) for negative in scored]
    by = sorted({witness for witness in said if witness})
    share = sum(map(bool, said)) / len(scored)
    return (
        share,
        f"{share:.0%} answer by the margins of verification ({', '.join(by) or 'encoder'})",
    )


def _scored(example: Example) -> bool:
    return "cosine" in example.positive.scores


def _finding(negative: _Negative, checks: DocumentChecks) -> str:
    positive = negative.example.positive.scores
    said = finding(negative.document.scores, positive, bound_of(positive, checks), checks)
    return said.witness if said else ""


def _above(found: Sequence[_Negative], encoder: Encoder) -> "NDArray[np.bool_]":
    """Return (n,) whether the encoder puts a negative at its positive or above."""
    queries = encoder.encode([n.example.query for n in found], "query")
    positives = encoder.encode([n.example.positive.full_text for n in found], "document")
    negatives = encoder.encode([n.document.full_text for n in found], "document")
    above: NDArray[np.bool_] = (queries * (negatives - positives)).sum(axis=1) >= 0
    return above
