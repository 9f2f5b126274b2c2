"""What the settings name, made for a run: a batch sampler, the rows that it deals in, and what the trainer tells it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from synthneg.config import EncodingConfig, RunConfig
from synthneg.progress import say
from synthneg.records import Example
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.corpus import encode_corpus
from synthneg.scoring.encoder import load_encoder
from synthneg.train.data import Pair
from synthneg.train.losses import LOSSES
from synthneg.train.rows import (
    label_scale,
    open_base,
    open_lexical,
    open_teacher,
    teacher_of,
    unlisted,
)
from synthneg.train.sampling.adore import Adore
from synthneg.train.sampling.among import BatchScores, with_scores
from synthneg.train.sampling.base import Batches
from synthneg.train.sampling.candidates import NONE, Candidates
from synthneg.train.sampling.distinct import DistinctBatches
from synthneg.train.sampling.margins import Balanced, Progressive, by_hardness
from synthneg.train.sampling.mix import MixedBatches
from synthneg.train.sampling.negatives import Negatives, WithNegatives
from synthneg.train.sampling.ngame import GrowingClusters
from synthneg.train.sampling.part import Part
from synthneg.train.sampling.star import Star
from synthneg.train.sampling.table import labels_of, table, with_drawn
from synthneg.train.sampling.tas import TopicBatches, topics_of
from synthneg.train.teacher import Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a training is fed with."""

    batches: Batches | WithNegatives
    dataset: Any  # a datasets.Dataset
    drawn: int = 0  # negatives of a row beyond its own
    parts: list[Part] = field(default_factory=list)  # what depends on the live model
    candidates: Candidates | None = None

    def close(self) -> None:
        """Let go of the passages; rows that draw negatives cannot be read after that."""
        if self.candidates is not None:
            self.candidates.close()

    def callback(self, config: RunConfig, model: Any, pairs: Sequence[Pair]) -> Any:
        """Return the trainer's callback that lets the parts see the live model."""
        from synthneg.train.sampling.live import Live  # noqa: PLC0415 - heavy: imports transformers

        queries = [pair.query for pair in pairs]
        return Live(self.parts, model, queries, config.verify.encode_batch, len(self.batches))


def build_sampling(
    run: Run, examples: Sequence[Example], pairs: Sequence[Pair], labelled: Sequence[int]
) -> Sampling:
    """Return what the run's settings name.

    Args:
        run: its corpus has been read.
        examples: the training queries.
        pairs: a row for each of them, in the same order.
        labelled: numbers of the rows that people have labelled.

    Raises:
        ModelError: a model that samples cannot be loaded.
    """
    from datasets import Dataset  # noqa: PLC0415 - heavy: only when training

    settings = run.config.train
    kind = LOSSES[settings.loss]
    batches = _batches(run, unlisted(pairs, kind), labelled)
    if settings.lists.among == "batch":
        scale = label_scale(run, list(examples))
        scores = BatchScores(pairs, open_teacher(run), scale, open_lexical(run))
        return Sampling(batches, with_scores(pairs, scores), parts=_parts(batches))
    if settings.sampling.negatives == "own":
        rows = table(pairs, kind != "pairs")
        return Sampling(batches, Dataset.from_list(rows), parts=_parts(batches))
    candidates, negatives = _negatives(run, examples, pairs, len(batches))
    fed = WithNegatives(batches, negatives)
    labels = labels_of(kind, _Score(run, examples, candidates))
    dataset = with_drawn(pairs, fed, candidates, labels)
    return Sampling(
        fed, dataset, negatives.hard + negatives.randoms, _parts(batches, negatives), candidates
    )


def _parts(*samplers: object) -> list[Part]:
    return [sampler for sampler in samplers if isinstance(sampler, Part)]


def _batches(run: Run, pairs: Sequence[Pair], labelled: Sequence[int]) -> Batches:
    """Return the sampler that says which queries come in one batch."""
    settings, seed = run.config.train, run.config.seed
    sampling, common = settings.sampling, (pairs, settings.batch_size, seed)
    if settings.mix.collection is not None:
        return MixedBatches(*common, labelled, settings.mix.shares, settings.epochs)
    if sampling.batches == "tas":
        queries = open_base(run).encode([pair.query for pair in pairs], "query")
        topics = topics_of(queries, pairs, sampling.clusters, settings.batch_size, seed)
        say(f"train: {len(pairs)} queries in {len(set(topics.tolist()))} clusters")
        return TopicBatches(*common, topics)
    if sampling.batches == "ngame":
        schedule = (sampling.refresh_epochs, sampling.double_at, settings.epochs)
        return GrowingClusters(*common, *schedule)
    return DistinctBatches(*common)


def _negatives(
    run: Run, examples: Sequence[Example], pairs: Sequence[Pair], length: int
) -> tuple[Candidates, Negatives]:
    """Return the way to draw negatives, and what they are drawn from; `length` are the batches of an epoch."""
    settings, seed = run.config.train.sampling, run.config.seed
    guard = _open_guard(run)
    candidates = Candidates(run, examples, pairs, guard, encode_corpus(run, guard))
    counts = (settings.hard, settings.randoms, seed)
    if settings.negatives in ("star", "adore"):
        student = open_base(run)
        documents = encode_corpus(run, student).vectors
        if settings.negatives == "adore":
            return candidates, Adore(
                candidates, documents, settings.depth, settings.refresh_steps, *counts
            )
        queries = student.encode([pair.query for pair in pairs], "query")
        nearest = candidates.nearest(queries, documents, settings.depth)
        _say_how_many_lack(nearest, settings.hard)
        return candidates, Star(candidates, nearest, *counts)
    found = by_hardness(candidates, settings.depth, seed)
    _say_how_many_lack(found, settings.hard)
    if settings.negatives == "balanced":
        return candidates, Balanced(candidates, found, settings.bins, *counts)
    steps = math.ceil(run.config.train.epochs * length)
    return candidates, Progressive(candidates, found, settings.window, steps, *counts)


def _say_how_many_lack(found: "NDArray[np.int64]", wanted: int) -> None:
    short = int(((found != NONE).sum(axis=1) < wanted).sum())
    if short:
        say(
            f"train: {short} of {len(found)} queries have fewer than {wanted} passages that may be their negatives;"
            " random ones take their place"
        )


def _open_guard(run: Run) -> Encoder:
    """Return the model that says what stands too near to a query."""
    settings = run.config.verify
    return load_encoder(
        settings.encoder,
        batch_size=settings.encode_batch,
        vectors=run.vectors,
        encoding=settings.encoding,
        processes=settings.encode_processes,
    )


class _Score:
    """The teacher's score of a query and a passage, on the scale of the lists' labels; made when it is first asked."""

    def __init__(self, run: Run, examples: Sequence[Example], candidates: Candidates) -> None:
        self._run, self._examples, self._candidates = run, examples, candidates

    def __call__(self, query: int, row: int) -> float:
        queries, passages, scale = self._seen
        return scale(float(queries[query] @ passages[row]))

    @cached_property
    def _seen(self) -> "tuple[NDArray[np.float32], Rows, Scale]":
        """Return the teacher's vectors of queries and passages, and the scale."""
        verify, examples = self._run.config.verify, list(self._examples)
        scale = label_scale(self._run, examples)
        if teacher_of(self._run) == verify.encoder and verify.encoding == EncodingConfig():
            return self._candidates.queries, self._candidates.vectors, scale
        teacher = open_teacher(self._run)
        queries = teacher.encode([example.query for example in examples], "query")
        return queries, encode_corpus(self._run, teacher).vectors, scale
