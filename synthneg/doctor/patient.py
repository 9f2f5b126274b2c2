"""The run that is looked at: what its stages have written, and its base and tuned model, each read once when asked for.

Nothing is written but vectors into the run's cache, and the run is not locked.
"""

import random
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import orjson

from synthneg.config import RunConfig
from synthneg.errors import ModelError, RunError
from synthneg.evaluate.compare import Evaluation
from synthneg.evaluate.significance import Difference, verdict
from synthneg.evaluate.stored import from_json
from synthneg.records import Example, Judged, Passage
from synthneg.run.books import read_records
from synthneg.scoring.base import Encoder
from synthneg.scoring.encoder import load_encoder, load_model
from synthneg.scoring.kind import is_static, kind_of
from synthneg.train.lists import in_turn
from synthneg.train.losses import LOSSES
from synthneg.train.students import student_kind

T = TypeVar("T")

BASE, TUNED = "base", "tuned"  # as an evaluation calls them
_MOST = 300  # texts that are encoded or cut into tokens: a share is then known to some .05


class Patient:
    """One run, for the diagnoses."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        """Take in the run's folder and settings.

        Raises:
            RunError: the run has no examples.
        """
        self.folder, self.config = folder, config
        read = read_records(folder / "examples.jsonl", Example)
        self.examples = [example for example in read if example.split == "train"]
        if not self.examples:
            raise RunError(
                f"{folder}: expected examples to be trained on, but there are none; `synthneg status` says where they"
                " were lost"
            )

    @property
    def takes_pairs(self) -> bool:
        """Whether training takes a positive and negatives, not lists with grades or with a teacher's scores."""
        return LOSSES[self.config.train.loss] in ("pairs", "sources")

    @property
    def is_taught(self) -> bool:
        """Whether a teacher's scores say what answers."""
        return LOSSES[self.config.train.loss] == "scores"

    def negatives(self, example: Example) -> tuple[Judged, ...]:
        """Return the documents that training takes for no answers to a query; borrowed ones are not among them."""
        if self.is_taught:
            return ()
        if self.takes_pairs:
            return example.negatives[: self.config.train.negatives]
        listed = in_turn(example.documents)[: self.config.train.lists.length]
        return tuple(document for document in listed[1:] if document.grade <= 1)

    @cached_property
    def curve(self) -> list[float]:
        """The loss curve: the mean loss of each span of steps; empty where nothing was trained."""
        file = self.folder / "train_log.jsonl"
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [float(orjson.loads(line)["loss"]) for line in lines]

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """What was measured, collections of people's queries first."""
        files = sorted((self.folder / "evaluation").glob("*.json"))
        found = [from_json(orjson.loads(file.read_bytes())) for file in files]
        return sorted(found, key=lambda evaluation: evaluation.synthetic)

    @property
    def differences(self) -> list[tuple[Evaluation, Difference]]:
        """Tuned against base by the first measure, of each evaluation that has both."""
        measures = self.config.evaluate.measures
        return [
            (evaluation, found)
            for evaluation in self.evaluations
            for found in evaluation.differences
            if (found.a, found.b, found.measure) == (TUNED, BASE, measures[0])
        ]

    @property
    def has_lost(self) -> bool:
        """Whether the tuned model is nowhere seen to be better, on queries of people where there are any."""
        real = [d for evaluation, d in self.differences if not evaluation.synthetic]
        return not any(verdict(d) == "better" for d in real or [d for _, d in self.differences])

    @property
    def has_vectors(self) -> bool:
        """Whether what was trained is a bi-encoder, whose vectors can be looked at."""
        return student_kind(self.config.train) == "bi-encoder"

    @cached_property
    def checker(self) -> Encoder:
        """The encoder of verification."""
        config = self.config.verify
        return load_encoder(
            config.encoder,
            batch_size=config.encode_batch,
            vectors=self.folder / "vectors",
            encoding=config.encoding,
        )

    @cached_property
    def base(self) -> Encoder:
        """The base model as the evaluation reads with it; a ModelError where it is no bi-encoder."""
        return self._encoder(self.config.train.base_model)

    @cached_property
    def tuned(self) -> Encoder:
        """The tuned model, likewise."""
        return self._encoder(self._model_folder())

    @cached_property
    def student(self) -> Any:
        """The base model as training has it: the SentenceTransformer itself."""
        return self._loaded(self.config.train.base_model)

    @cached_property
    def graduate(self) -> Any:
        """The tuned model, likewise."""
        return self._loaded(self._model_folder())

    @property
    def is_table(self) -> bool:
        """Whether the base is a static table of word vectors."""
        return is_static(self.config.train.base_model)

    @cached_property
    def passages(self) -> list[str]:
        """Passages of the corpus, drawn by the run's seed."""
        file = self.folder / "passages.jsonl"
        count = sum(1 for _ in read_records(file, Passage))
        wanted = set(self.sample(range(count)))
        read = enumerate(read_records(file, Passage))
        return [passage.full_text for place, passage in read if place in wanted]

    def sample(self, items: Sequence[T]) -> list[T]:
        """Return at most 300 of the items, drawn by the run's seed, in their order."""
        drawn = random.Random(self.config.seed)
        places = drawn.sample(range(len(items)), min(_MOST, len(items)))
        return [items[place] for place in sorted(places)]

    def _model_folder(self) -> str:
        folder = self.folder / "model"
        if not folder.is_dir():
            raise RunError(f"{self.folder}: nothing was trained yet; run `synthneg train`")
        return str(folder)

    def _loaded(self, name: str) -> Any:
        self._check_vectors(name)
        return load_model(name, self.config.train.max_length)

    def _check_vectors(self, name: str) -> None:
        kinds = {student_kind(self.config.train), kind_of(name)} - {"bi-encoder"}
        if kinds:
            raise ModelError(
                f"{name}: looked at are the vectors of a bi-encoder, and this is a {kinds.pop()} model"
            )

    def _encoder(self, name: str) -> Encoder:
        self._check_vectors(name)
        return load_encoder(
            name,
            batch_size=self.config.verify.encode_batch,
            max_length=self.config.train.max_length,
            vectors=self.folder / "vectors",
        )
