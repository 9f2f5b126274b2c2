"""All diagnoses of a run, the worst first."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from synthneg.doctor import (
    borrowed,
    duplicates,
    false_negatives,
    kinds,
    loss_curve,
    moved,
    new_layer,
    overlap,
    positives,
    reading,
    shortcut,
    truncation,
    visible,
)
from synthneg.doctor.finding import WORDS, Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.errors import SynthnegError
from synthneg.evaluate.significance import verdict
from synthneg.progress import track

# The likelier a fault explains a loss, the earlier, and what makes others appear before these: texts that are read
# wrongly or cut off look like false negatives, and both keep a loss from falling.
_DIAGNOSES: tuple[tuple[Diagnosis, Callable[[Patient], Finding]], ...] = (
    (reading.DIAGNOSIS, reading.examine),
    (truncation.DIAGNOSIS, truncation.examine),
    (new_layer.DIAGNOSIS, new_layer.examine),
    (positives.DIAGNOSIS, positives.examine),
    (false_negatives.DIAGNOSIS, false_negatives.examine),
    (loss_curve.DIAGNOSIS, loss_curve.examine),
    (moved.DIAGNOSIS, moved.examine),
    (duplicates.DIAGNOSIS, duplicates.examine),
    (shortcut.DIAGNOSIS, shortcut.examine),
    (kinds.DIAGNOSIS, kinds.examine),
    (borrowed.DIAGNOSIS, borrowed.examine),
    (overlap.DIAGNOSIS, overlap.examine),
    (visible.DIAGNOSIS, visible.examine),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What was said of tuned against base on one collection."""

    collection: str
    synthetic: bool
    measure: str
    mean: float
    low: float
    high: float
    p: float  # corrected
    verdict: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong with a run, the worst and likeliest first, and how its models compare."""

    run: str
    compared: tuple[Compared, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def examine(patient: Patient) -> Report:
    """Return all findings of a run.

    A diagnosis that meets what a user can put right, such as a base model that is gone, is not known.
    """
    found = [
        _finding(patient, diagnosis, look)
        for diagnosis, look in track(_DIAGNOSES, "doctor", "diagnoses", len(_DIAGNOSES))
    ]
    found.sort(key=lambda finding: WORDS.index(finding.word))  # stable: of one word, the likelier
    compared = tuple(
        Compared(e.collection, e.synthetic, d.measure, d.mean, d.low, d.high, d.p_holm, verdict(d))
        for e, d in patient.differences
    )
    return Report(patient.config.run, compared, tuple(found))


def _finding(patient: Patient, diagnosis: Diagnosis, look: Callable[[Patient], Finding]) -> Finding:
    try:
        return look(patient)
    except SynthnegError as error:
        return diagnosis.unknown(str(error))
