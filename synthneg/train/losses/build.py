"""The loss that the settings name, for a student."""

import math
from typing import Any

from synthneg.config import TrainConfig
from synthneg.config.losses import Loss
from synthneg.config.students import Kind
from synthneg.errors import ModelError
from synthneg.progress import say
from synthneg.scoring.encoder import load_model
from synthneg.train.losses import LOSSES


def build_loss(model: Any, settings: TrainConfig, guide: str, kind: Kind = "bi-encoder") -> Any:
    """Return the loss, its gradients cached (GradCache, arXiv:2101.06983): the result is that of a whole batch.

    A static table of word vectors takes a batch whole: it has next to no activations to save, and no mini-batches.

    Args:
        model: the student.
        settings: of training.
        guide: name of the model that guides the loss gist.
        kind: of student.

    Raises:
        ModelError: the loss gist for a student whose tokens cannot be read back, or a length that vectors do not have.
    """
    if kind in ("cross-encoder", "multi-vector"):
        return _of_lists(model, settings, kind)
    if kind == "sparse":
        return _sparse(model, settings)
    loss = (
        _gist(model, settings, guide) if settings.loss == "gist" else _column(model, settings, kind)
    )
    return _matryoshka(model, loss, settings)


def _of_lists(model: Any, settings: TrainConfig, kind: Kind) -> Any:
    """Return the loss of a student that scores lists; InfoNCE of a multi-vector one is the library's."""
    from synthneg.train.losses.bce import BinaryCrossEntropy  # noqa: PLC0415 - heavy: imports torch
    from synthneg.train.losses.local import LocalInfoNCE  # noqa: PLC0415 - as above
    from synthneg.train.losses.scored import LateScores, PairScores  # noqa: PLC0415 - as above
    from synthneg.train.losses.shared import LateInfoNCE  # noqa: PLC0415 - as above

    temperature = settings.softmax_temperature(kind)
    if settings.loss == "infonce" and kind == "multi-vector":
        return LateInfoNCE(model, scale=1 / temperature, mini_batch_size=settings.mini_batch_size)
    if settings.loss == "infonce":
        listwise: Any = LocalInfoNCE(None, temperature=temperature)
    elif settings.loss == "bce":
        listwise = BinaryCrossEntropy(None)
    else:
        listwise = _listwise(None, settings, temperature, {})
    scored = PairScores if kind == "cross-encoder" else LateScores
    return scored(model, listwise, settings.mini_batch_size)


def _sparse(model: Any, settings: TrainConfig) -> Any:
    from synthneg.train.losses.splade import SparseOf  # noqa: PLC0415 - heavy: imports torch

    return SparseOf(
        model,
        _column(model, settings, "sparse"),
        query_regularizer_weight=settings.sparse.query_weight or None,
        document_regularizer_weight=settings.sparse.document_weight,
        mini_batch_size=settings.mini_batch_size,
    )


def _column(model: Any, settings: TrainConfig, kind: Kind) -> Any:
    from synthneg.train.losses.combined import WithInfoNCE  # noqa: PLC0415 - heavy: imports torch
    from synthneg.train.losses.source_share import SourceShare  # noqa: PLC0415 - as above

    temperature = settings.softmax_temperature(kind)
    whole = is_static(model) or settings.documents == "frozen"  # next to nothing to save memory of
    common: dict[str, Any] = {
        "mini_batch_size": None if whole else settings.mini_batch_size,
        "cosine": kind == "bi-encoder" and model.similarity_fn_name != "dot",
    }
    if settings.loss == "infonce":
        return _infonce(model, settings, temperature, common)
    if settings.loss == "source-share":
        infonce = _infonce(model, settings, temperature, common)
        return SourceShare(model, infonce, weight=settings.infonce.source_share, **common)
    listwise = _listwise(model, settings, temperature, common)
    weight = settings.infonce.weight
    if not weight:
        if settings.loss == "ws2":
            say(
                "train: ws2 alone does not tie a query to its own documents, it only asks for as many good rankings;"
                " add train.infonce.weight"
            )
        return listwise
    beside = settings.infonce.temperature if kind == "bi-encoder" else temperature
    return WithInfoNCE(listwise, _infonce(model, settings, beside, common), weight)


def _infonce(model: Any, settings: TrainConfig, temperature: float, common: dict[str, Any]) -> Any:
    from synthneg.train.losses.infonce import InfoNCE  # noqa: PLC0415 - heavy: imports torch
    from synthneg.train.losses.mixing import Mixing  # noqa: PLC0415 - as above

    chosen = settings.infonce
    return InfoNCE(
        model,
        temperature=temperature,
        # Of cosines; a dot product may lie this far above another by its vector's length alone.
        mask_margin=chosen.mask_margin if common["cosine"] else None,
        mask_share=chosen.mask_share,
        focal=chosen.focal,
        mixing=Mixing(chosen.mixed, chosen.mixed_from) if chosen.mixed else None,
        **common,
    )


def _listwise(model: Any, settings: TrainConfig, temperature: float, common: dict[str, Any]) -> Any:
    from synthneg.train.losses.ar2 import AR2  # noqa: PLC0415 - heavy: imports torch
    from synthneg.train.losses.kl import BatchKL, ListKL  # noqa: PLC0415 - as above
    from synthneg.train.losses.listnet import ListNet  # noqa: PLC0415 - as above
    from synthneg.train.losses.margin_mse import MarginMSE  # noqa: PLC0415 - as above
    from synthneg.train.losses.rank_lambda import LambdaLoss  # noqa: PLC0415 - as above
    from synthneg.train.losses.rank_pairs import RankPairs  # noqa: PLC0415 - as above
    from synthneg.train.losses.ws2 import WS2  # noqa: PLC0415 - as above

    lists = settings.lists
    teacher, scale = (
        {"teacher_temperature": lists.teacher_temperature},
        {"label_scale": lists.label_scale},
    )
    if settings.loss == "margin-mse":
        return MarginMSE(model, **common)
    kinds: dict[Loss, tuple[Any, dict[str, Any]]] = {
        "kl": (
            BatchKL if lists.among == "batch" else ListKL,
            teacher | {"both_ways": lists.both_ways},
        ),
        "ar2": (AR2, teacher),
        "listnet": (ListNet, scale),
        "ws2": (WS2, scale),
        "rank-pairs": (RankPairs, {}),
        "lambda": (LambdaLoss, {}),
    }
    made, own = kinds[settings.loss]
    return made(model, temperature=temperature, **own, **common)


def _gist(model: Any, settings: TrainConfig, guide: str) -> Any:
    """Return sentence-transformers' own GISTEmbed, its candidates those of infonce."""
    from synthneg.train.losses.shared import GIST  # noqa: PLC0415 - heavy: imports torch

    if is_static(model):
        raise ModelError(
            f"{settings.base_model}: expected a transformer as the student of train.loss gist, whose guide reads the"
            " student's tokens back, but this is a static table of word vectors; use kl, with the guide as"
            " train.lists.teacher"
        )
    return GIST(
        model,
        load_model(guide, settings.max_length),
        temperature=settings.softmax_temperature("bi-encoder"),
        mini_batch_size=settings.mini_batch_size,
        margin_strategy=settings.guide.margin_strategy,
        margin=settings.guide.margin,
        contrast_anchors=False,
        contrast_positives=False,
    )


def _matryoshka(model: Any, loss: Any, settings: TrainConfig) -> Any:
    from sentence_transformers.sentence_transformer import losses  # noqa: PLC0415 - heavy

    lengths, weights = settings.matryoshka.dimensions, settings.matryoshka.weights
    if not lengths:
        return loss
    whole = model.get_embedding_dimension() or math.inf
    if max(lengths) != whole:
        raise ModelError(
            f"{settings.base_model}: expected its own {whole} as the largest of train.matryoshka.dimensions, got"
            f" {max(lengths)}"
        )
    if whole == settings.lists.length and LOSSES[settings.loss] in ("grades", "scores"):
        # MatryoshkaLoss takes labels of that shape for vectors, and cuts them as well.
        raise ModelError(
            f"{settings.base_model}: expected lists of another length than its vectors with train.matryoshka, got"
            f" {whole}; change train.lists.length"
        )
    return losses.MatryoshkaLoss(model, loss, list(lengths), list(weights) or None)


def is_static(model: Any) -> bool:
    """Whether the model is a static table of word vectors."""
    from sentence_transformers.sentence_transformer.modules import (  # noqa: PLC0415 - heavy
        StaticEmbedding,
    )

    return isinstance(model[0], StaticEmbedding)
