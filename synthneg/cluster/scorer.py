"""An actor of a cluster that encodes and reranks: each of its models is loaded once, when it is first needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from synthneg.config import VerifyConfig
from synthneg.errors import RunError
from synthneg.scoring import encoder, reranker
from synthneg.scoring.base import Encoder, Pairs, Reranker, Role
from synthneg.scoring.vectors import Known

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Answer(NamedTuple):
    """What an actor has computed, and the identity of the model that it has done it with."""

    identity: str
    rows: "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a run as every machine of the cluster finds them."""

    encoder: str
    reranker: str | None
    verify: VerifyConfig  # how they read

    @classmethod
    def of(cls, verify: VerifyConfig) -> "Models":
        """Return the models of the settings; folders by their whole path, which has to be the same everywhere."""
        return cls(_whole(verify.encoder), verify.reranker and _whole(verify.reranker), verify)


def _whole(name: str) -> str:
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


class Scorer:
    """Encodes and reranks for whoever sends texts."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def kept_as(self) -> tuple[str, Known | None]:
        """Return under what the encoder's vectors are kept; see `scoring.encoder.Identified`."""
        return self._encoder[1]

    def scores_kept_as(self) -> str:
        """Return under what the reranker's scores are kept."""
        return self._reranker[1]

    def encode(self, texts: Sequence[str], role: Role) -> Answer:
        """Return the vectors of a chunk of texts, and the encoder's identity."""
        found, (identity, _) = self._encoder
        return Answer(identity, found.encode(texts, role))

    def score(self, pairs: Pairs) -> Answer:
        """Return the scores of a chunk of pairs, and the reranker's identity."""
        found, identity = self._reranker
        return Answer(identity, found.score(pairs))

    @cached_property
    def _encoder(self) -> "tuple[Encoder, tuple[str, Known | None]]":
        read = self._models.verify
        found = encoder.load_identified(
            self._models.encoder, batch_size=read.encode_batch, encoding=read.encoding
        )
        return found.encoder, found.identity()

    @cached_property
    def _reranker(self) -> "tuple[Reranker, str]":
        name = self._models.reranker
        if name is None:
            raise RunError("no reranker is set; set verify.reranker")
        found = reranker.load_identified(name, batch_size=self._models.verify.encode_batch)
        return found.reranker, found.identity()
