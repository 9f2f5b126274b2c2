"""What a training's loss curve says: whether the loss fell, rose again, or was still falling when training ended."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from synthneg.config import TrainConfig

UNSURE, FAULT = 0.5, 1.0  # values from which a curve is doubtful, and from which it is wrong

# Negatives that grow harder, so that a loss may rise while a model learns.
_HARDER = ("adore", "progressive")
_LEAST_POINTS = 10
_PART = 5  # the curve is read at the means of its fifths: single points are noise
_FALLS = 0.03  # share of the first loss by which a training that learns falls at least
_RISES = 0.25  # share of the lowest loss by which it may lie above it at the end
_UNFINISHED = 0.15  # share of the first loss by which the last fifth may lie below the one before


class Reading(NamedTuple):
    """What a curve says."""

    value: float  # how far it is from one that has fallen and come to rest; see UNSURE and FAULT
    seen: str  # with its figures
    remedy: str = ""  # "": there is nothing to change


def read_curve(curve: Sequence[float], config: TrainConfig) -> Reading:
    """Return what the mean losses of a training's spans of steps say; there is at least one."""
    if len(curve) < _LEAST_POINTS:
        return Reading(
            UNSURE,
            f"only {len(curve)} steps were made, too few to learn or to see a loss fall",
            "corpus.limit higher, train.epochs higher, or train.batch_size lower",
        )
    return _judge(_fifths(curve), config.learning_rate)


def may_rise(config: TrainConfig) -> bool:
    """Whether these settings make negatives harder as training goes on, so that a rising loss is no fault by itself."""
    return config.sampling.batches == "ngame" or config.sampling.negatives in _HARDER


def _judge(fifths: Sequence[float], rate: float) -> Reading:
    first, last, lowest = fifths[0], fifths[-1], min(fifths)
    scale = max(abs(first), 1e-9)
    shown = " → ".join(f"{mean:.3f}" for mean in fifths)
    seen = f"mean loss of the fifths of training: {shown}"
    risen, fell = (last - lowest) / max(abs(lowest), 1e-9), (first - last) / scale
    falling = (fifths[-2] - last) / scale
    if risen > _RISES and last - lowest > _FALLS * scale:
        return Reading(
            max(FAULT, risen),
            f"{seen}: it rises again, {risen:.0%} above its lowest",
            f"train.learning_rate: {rate / 10:g}, and train.warmup: 0.1",
        )
    if fell < _FALLS:
        return Reading(
            FAULT,
            f"{seen}: it does not fall",
            f"train.learning_rate, which is {rate:g}, ten times higher or lower; or data with something to learn: see"
            " shortcut, false negatives and duplicates",
        )
    if falling > _UNFINISHED:
        return Reading(
            UNSURE,
            f"{seen}: it was still falling when training ended",
            "train.epochs twice as many",
        )
    return Reading(0.0, f"{seen}: it falls and comes to rest")


def _fifths(curve: Sequence[float]) -> list[float]:
    bounds = [round(part * len(curve) / _PART) for part in range(_PART + 1)]
    return [fmean(curve[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
