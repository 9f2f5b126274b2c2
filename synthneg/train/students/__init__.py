"""The kinds of students, and which losses train them; `train.student` names one.

`docs/reference/students.md` says when to take which, what each costs, and how it is loaded. What imports torch is
imported where training begins; `check_student` reads a model's settings files alone.
"""

from synthneg.config import TrainConfig
from synthneg.config.losses import Loss
from synthneg.config.students import Kind
from synthneg.errors import SettingsError, require
from synthneg.scoring.kind import is_static, kind_of
from synthneg.train.losses import LOSSES

# Losses of which each query's own list is enough: for students to which every further document costs a pass.
_OF_LISTS: tuple[Loss, ...] = ("infonce", "margin-mse", "kl", "ar2", "listnet", "lambda")
FITS: dict[Kind, tuple[Loss, ...]] = {
    "bi-encoder": tuple(loss for loss in LOSSES if loss != "bce"),
    "cross-encoder": (*_OF_LISTS, "bce"),
    "sparse": tuple(loss for loss in LOSSES if loss not in ("bce", "gist")),
    "multi-vector": _OF_LISTS,
}


def student_kind(settings: TrainConfig) -> Kind:
    """Return what the base model is to become.

    Raises:
        ModelError: the base model is a folder without a model.
    """
    return kind_of(settings.base_model) if settings.student == "auto" else settings.student


def check_student(settings: TrainConfig) -> None:
    """Refuse what does not go together, before anything is loaded.

    Raises:
        SettingsError: the loss, or vectors cut to lengths, are not for this kind of student, or its base has no layers.
        MissingExtra: adapters are asked for, and peft is not installed.
        ModelError: the base model is a folder without a model.
    """
    kind = student_kind(settings)
    if settings.loss not in FITS[kind]:
        raise SettingsError(
            f"train.loss: expected one of {', '.join(FITS[kind])} for a student of the kind {kind}, got {settings.loss}"
        )
    if settings.matryoshka.dimensions and kind != "bi-encoder":
        raise SettingsError(
            f"train.matryoshka: expected a bi-encoder, whose vectors can be cut, got the student {kind}; leave it out"
        )
    alone = not settings.negatives and settings.sampling.negatives == "own"
    if kind == "cross-encoder" and LOSSES[settings.loss] == "pairs" and alone:
        raise SettingsError(
            "train.negatives: expected at least 1 for a cross-encoder, to which other queries' documents are no"
            " negatives, got 0"
        )
    if settings.lists.among == "batch" and kind not in ("bi-encoder", "sparse"):
        raise SettingsError(
            f"train.lists.among: expected own for a student of the kind {kind}, which scores a query's own list alone,"
            " got batch"
        )
    sampling = settings.sampling
    needs = {"tas": "batches", "ngame": "batches", "star": "negatives", "adore": "negatives"}
    for value in (sampling.batches, sampling.negatives):
        if kind != "bi-encoder" and value in needs:
            raise SettingsError(
                f"train.sampling.{needs[value]}: {value} goes by one vector of each text, which a student of the kind"
                f" {kind} does not have; choose another"
            )
    plain = kind == "bi-encoder" and settings.lora is None
    if not plain and is_static(settings.base_model):
        raise SettingsError(
            f"train.base_model: expected a transformer for {'train.lora' if settings.lora else kind}, but"
            f" {settings.base_model} is a static table of word vectors"
        )
    if settings.documents == "frozen" and not (
        plain and settings.loss != "gist" and not is_static(settings.base_model)
    ):
        raise SettingsError(
            "train.documents: expected trained with train.lora, the loss gist, static tables of word vectors and all"
            f" students but bi-encoders, got frozen for {settings.base_model}, {kind}, {settings.loss}"
        )
    if settings.lora is not None:
        require("peft", "lora", "train.lora")
