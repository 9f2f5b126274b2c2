"""Rerankers: pairs of query and document to scores, by sentence-transformers' cross-encoders."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synthneg.config.encoding import Precision
from synthneg.errors import ModelError
from synthneg.files import fingerprint
from synthneg.progress import Progress
from synthneg.scoring.base import Pairs, Reranker, score_each
from synthneg.scoring.models import content, cut_at, load, readable, set_precision
from synthneg.scoring.store import CHUNK, RowStore, key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEADS = ("ForSequenceClassification", "ForCausalLM", "ForConditionalGeneration")


def load_reranker(
    name: str,
    *,
    batch_size: int,
    max_length: int | None = None,
    precision: Precision = "auto",
    scores: Path | None = None,
) -> Reranker:
    """Return the cross-encoder `name`. What it gives is on its own scale: of its own activation, or of none.

    Args:
        name: a model's folder, or a name on the Hub.
        batch_size: pairs per forward pass.
        max_length: tokens kept of a pair, at most what the model can read; None: what the model itself keeps.
        precision: of the weights; the scores are made in float32, for in bfloat16 near ones would be equal.
        scores: folder of the cache of scores; None: every pair is scored each time.

    Raises:
        ModelError: there is no such model, its folder is broken, the Hub cannot be reached, or the model gives no
            score for a pair: an encoder, or a classifier of several labels.
    """
    found = load_identified(name, batch_size=batch_size, max_length=max_length, precision=precision)
    if scores is None:
        return found.reranker
    return CachedReranker(found.reranker, scores, found.identity())


class Identified(NamedTuple):
    """A reranker, and what gives a text that changes whenever its scores do."""

    reranker: Reranker
    identity: Callable[[], str]


def load_identified(
    name: str, *, batch_size: int, max_length: int | None = None, precision: Precision = "auto"
) -> Identified:
    """Return the cross-encoder as it is, for whoever keeps its scores; arguments and errors are those above."""
    model = load("CrossEncoder", name)
    _must_score(model, name)
    if max_length is not None:
        cut_at(model, max_length)
    used = set_precision(model, precision)
    _score_in_float32(model)

    def identity() -> str:
        shaping = (str(model.activation_fn), str(model.max_seq_length), used)
        return fingerprint("reranker", content(model, name), *shaping)

    return Identified(CrossReranker(name, model, batch_size), identity)


class CrossReranker:
    """A loaded cross-encoder as a Reranker; pairs of like length share a forward pass."""

    def __init__(self, name: str, model: Any, batch_size: int) -> None:
        self.name = name
        self._model, self._batch_size = model, batch_size

    def score(self, pairs: Pairs) -> "NDArray[np.float32]":
        """Return (n,) scores, the higher the better.

        Raises:
            ModelError: the model gives scores that are not finite numbers, as a broken training run leaves it.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when scoring

        if len(pairs) <= CHUNK:
            return self._score_chunk(pairs)
        parts: list[NDArray[np.float32]] = []
        with Progress(f"rerank ({Path(self.name).name})", len(pairs), "pairs") as progress:
            for start in range(0, len(pairs), CHUNK):
                parts.append(self._score_chunk(pairs[start : start + CHUNK]))
                progress.advance(len(parts[-1]))
        return np.concatenate(parts)

    def _score_chunk(self, pairs: Pairs) -> "NDArray[np.float32]":
        import numpy as np  # noqa: PLC0415 - heavy: only when scoring

        scores: NDArray[np.float32] = self._model.predict(
            [(readable(query), readable(document)) for query, document in pairs],
            batch_size=self._batch_size,
            show_progress_bar=False,
        ).astype(np.float32)
        if not np.isfinite(scores).all():
            raise ModelError(
                f"{self.name}: expected finite numbers, but it gives scores with NaN or infinity;"
                " its weights are broken, train it again with a lower learning rate"
            )
        return scores


class CachedReranker:
    """A reranker that keeps what it has scored; the same pair is scored once."""

    def __init__(self, reranker: Reranker, folder: Path, identity: str) -> None:
        """Open the cache of one model.

        Args:
            reranker: asked for the pairs that are not in the cache.
            folder: where the files of all models lie; made when missing.
            identity: changes whenever the reranker's scores do.
        """
        self.name = reranker.name
        self._reranker = reranker
        self._store = RowStore(folder, reranker.name, identity, "f32")

    def score(self, pairs: Pairs) -> "NDArray[np.float32]":
        """Return (n,) scores in the order of `pairs`; only those not in the cache are computed."""
        if not len(pairs):
            return self._reranker.score(pairs)
        rows = self._store.keep(
            [pairs],
            # The length says where the query ends, whatever it consists of.
            lambda pair: key(f"{len(pair[0])}\0{pair[0]}\0{pair[1]}"),
            lambda chunks: (found[:, None] for found in score_each(self._reranker, chunks)),
            f"rerank ({Path(self.name).name})",
            "pairs",
        )
        return rows[:][:, 0]


def _must_score(model: Any, name: str) -> None:
    """Refuse what gives no score for a pair, or one of random weights."""
    made_for = (getattr(model.config, "architectures", None) or ["nothing that it names"])[0]
    # The library puts a head of random weights on whatever has none.
    if len(model) == 1 and not made_for.endswith(_HEADS):
        raise ModelError(
            f"{name}: expected a cross-encoder such as cross-encoder/ms-marco-MiniLM-L6-v2, which reads query and"
            f" document together, but its weights are of {made_for}; an encoder goes to verify.encoder"
        )
    if model.num_labels != 1:
        raise ModelError(
            f"{name}: expected a cross-encoder with one label, the score, but it has {model.num_labels};"
            " choose one that was trained to rank"
        )


def _score_in_float32(model: Any) -> None:
    """Let the layer that makes the score work in float32: of bfloat16's 8 bits, near scores would be equal."""
    import torch  # noqa: PLC0415 - heavy: only when a model is loaded

    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 1]
    if layers:
        layers[-1].float()
        layers[-1].register_forward_pre_hook(lambda _, given: (given[0].float(), *given[1:]))
