"""The loss that the settings name, for a student."""

import math
from typing import Any

from synthneg.config import TrainConfig
from synthneg.errors import ModelError
from synthneg.progress import say
from synthneg.scoring.encoder import load_model
from synthneg.train.losses import LOSSES


def build_loss(model: Any, settings: TrainConfig, guide: str) -> Any:
    """Return the loss, its gradients cached (GradCache, arXiv:2101.06983): the result is that of a whole batch.

    A static table of word vectors takes a batch whole: it has next to no activations to save, and no mini-batches.

    Args:
        model: the SentenceTransformer that is trained.
        settings: of training.
        guide: name of the model that guides the loss gist.

    Raises:
        ModelError: the loss gist for a student whose tokens cannot be read back, or a length that vectors do not have.
    """
    loss = _gist(model, settings, guide) if settings.loss == "gist" else _column(model, settings)
    return _matryoshka(model, loss, settings)


def _column(model: Any, settings: TrainConfig) -> Any:
    from synthneg.train.losses.combined import WithInfoNCE  # noqa: PLC0415 - heavy: imports torch
    from synthneg.train.losses.source_share import SourceShare  # noqa: PLC0415 - as above

    common: dict[str, Any] = {
        "mini_batch_size": None if is_static(model) else settings.mini_batch_size,
        "cosine": model.similarity_fn_name != "dot",
    }
    if settings.loss == "infonce":
        return _infonce(model, settings, settings.temperature, common)
    if settings.loss == "source-share":
        infonce = _infonce(model, settings, settings.temperature, common)
        return SourceShare(model, infonce, weight=settings.infonce.source_share, **common)
    listwise = _listwise(model, settings, common)
    weight = settings.infonce.weight
    if not weight:
        if settings.loss == "ws2":
            say(
                "train: ws2 alone does not tie a query to its own documents, it only asks for as many good rankings;"
                " add train.infonce.weight"
            )
        return listwise
    return WithInfoNCE(
        listwise, _infonce(model, settings, settings.infonce.temperature, common), weight
    )


def _infonce(model: Any, settings: TrainConfig, temperature: float, common: dict[str, Any]) -> Any:
    from synthneg.train.losses.infonce import InfoNCE  # noqa: PLC0415 - heavy: imports torch
    from synthneg.train.losses.mixing import Mixing  # noqa: PLC0415 - as above

    chosen = settings.infonce
    return InfoNCE(
        model,
        temperature=temperature,
        mask_margin=chosen.mask_margin,
        mask_share=chosen.mask_share,
        focal=chosen.focal,
        mixing=Mixing(chosen.mixed, chosen.mixed_from) if chosen.mixed else None,
        **common,
    )


def _listwise(model: Any, settings: TrainConfig, common: dict[str, Any]) -> Any:
    from synthneg.train.losses.kl import ListKL  # noqa: PLC0415 - heavy: imports torch
    from synthneg.train.losses.listnet import ListNet  # noqa: PLC0415 - as above
    from synthneg.train.losses.margin_mse import MarginMSE  # noqa: PLC0415 - as above
    from synthneg.train.losses.rank_pairs import RankPairs  # noqa: PLC0415 - as above
    from synthneg.train.losses.ws2 import WS2  # noqa: PLC0415 - as above

    common = common | {"model": model}
    if settings.loss == "margin-mse":
        return MarginMSE(**common)
    common["temperature"] = settings.temperature
    if settings.loss == "kl":
        return ListKL(teacher_temperature=settings.lists.teacher_temperature, **common)
    if settings.loss == "rank-pairs":
        return RankPairs(**common)
    kind = WS2 if settings.loss == "ws2" else ListNet
    return kind(label_scale=settings.lists.label_scale, **common)


def _gist(model: Any, settings: TrainConfig, guide: str) -> Any:
    """Return sentence-transformers' own GISTEmbed, its candidates those of infonce."""
    from sentence_transformers.sentence_transformer import losses  # noqa: PLC0415 - heavy

    if is_static(model):
        raise ModelError(
            f"{settings.base_model}: expected a transformer as the student of train.loss gist, whose guide reads the"
            " student's tokens back, but this is a static table of word vectors; use kl, with the guide as"
            " train.lists.teacher"
        )
    return losses.CachedGISTEmbedLoss(
        model,
        load_model(guide, settings.max_length),
        temperature=settings.temperature,
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
