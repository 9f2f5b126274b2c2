"""What the loss curve says: whether the loss fell, rose again, or was still falling when training ended."""

from collections.abc import Sequence
from statistics import fmean

from synthneg.doctor.finding import Diagnosis, Finding, Word
from synthneg.doctor.patient import Patient

DIAGNOSIS = Diagnosis(
    "loss curve",
    why="A loss that does not fall has taught nothing, one that rises has lost what was there, and one that falls to"
    " the end was stopped too early.",
    remedy="train.learning_rate",
    suspect=0.5,
    bad=1.0,
)
_HARDER = (
    "adore",
    "progressive",
)  # negatives that grow harder, so that a loss may rise while a model learns
_LEAST_POINTS = 10
_PART = 5  # the curve is read at the means of its fifths: single points are noise
_FALLS = 0.03  # share of the first loss by which a training that learns falls at least
_RISES = 0.25  # share of the lowest loss by which it may lie above it at the end
_UNFINISHED = 0.15  # share of the first loss by which the last fifth may lie below the one before


def examine(patient: Patient) -> Finding:
    """Return how far the curve is from one that has fallen and come to rest; 1 where it never fell, or rose again."""
    curve = patient.curve
    if not curve:
        return DIAGNOSIS.unknown(
            "there is no loss curve; nothing was trained yet", "`synthneg train`"
        )
    if len(curve) < _LEAST_POINTS:
        return DIAGNOSIS.of(
            DIAGNOSIS.suspect,
            f"only {len(curve)} steps were made, too few to learn or to see a loss fall",
            remedy="corpus.limit higher, train.epochs higher, or train.batch_size lower",
        )
    settings = patient.config.train
    grows = settings.sampling.batches == "ngame" or settings.sampling.negatives in _HARDER
    return _judge(_fifths(curve), settings.learning_rate, "suspect" if grows else "bad")


def _judge(fifths: Sequence[float], rate: float, most: Word) -> Finding:
    """Return what the means of the fifths say; `most` is the worst word of one that does not fall."""
    first, last, lowest = fifths[0], fifths[-1], min(fifths)
    scale = max(abs(first), 1e-9)
    shown = " → ".join(f"{mean:.3f}" for mean in fifths)
    seen = f"mean loss of the fifths of training: {shown}"
    risen, fell = (last - lowest) / max(abs(lowest), 1e-9), (first - last) / scale
    falling = (fifths[-2] - last) / scale
    if risen > _RISES and last - lowest > _FALLS * scale:
        return DIAGNOSIS.of(
            max(1.0, risen),
            f"{seen}: it rises again, {risen:.0%} above its lowest",
            most=most,
            remedy=f"train.learning_rate: {rate / 10:g}, and train.warmup: 0.1",
        )
    if fell < _FALLS:
        return DIAGNOSIS.of(
            1.0,
            f"{seen}: it does not fall",
            most=most,
            remedy=f"train.learning_rate, which is {rate:g}, ten times higher or lower; or data with something to"
            " learn: see shortcut, false negatives and duplicates",
        )
    if falling > _UNFINISHED:
        return DIAGNOSIS.of(
            DIAGNOSIS.suspect,
            f"{seen}: it was still falling when training ended",
            remedy="train.epochs twice as many",
        )
    return DIAGNOSIS.of(0.0, f"{seen}: it falls and comes to rest")


def _fifths(curve: Sequence[float]) -> list[float]:
    bounds = [round(part * len(curve) / _PART) for part in range(_PART + 1)]
    return [fmean(curve[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
