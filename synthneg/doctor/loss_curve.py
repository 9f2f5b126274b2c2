"""What the loss curve says: whether the loss fell, rose again, or was still falling when training ended."""

from synthneg.doctor.finding import Diagnosis, Finding, Word
from synthneg.doctor.patient import Patient
from synthneg.train.curve import FAULT, UNSURE, may_rise, read_curve

DIAGNOSIS = Diagnosis(
    "loss curve",
    why="A loss that does not fall has taught nothing, one that rises has lost what was there, and one that falls to"
    " the end was stopped too early.",
    remedy="train.learning_rate",
    suspect=UNSURE,
    bad=FAULT,
)


def examine(patient: Patient) -> Finding:
    """Return how far the curve is from one that has fallen and come to rest; 1 where it never fell, or rose again."""
    if not patient.curve:
        return DIAGNOSIS.unknown(
            "there is no loss curve; nothing was trained yet", "`synthneg train`"
        )
    settings = patient.config.train
    value, seen, remedy = read_curve(patient.curve, settings)
    most: Word = "suspect" if may_rise(settings) else "bad"
    return DIAGNOSIS.of(value, seen, most=most, remedy=remedy)
