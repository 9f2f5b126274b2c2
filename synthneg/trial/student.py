"""A small retriever trained on what each prompt has made, and measured on a collection that is not the test."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection, check_collection, read_collection
from synthneg.evaluate.compare import Evaluation, correct_together, evaluate
from synthneg.evaluate.rankers import Reading, open_ranker
from synthneg.evaluate.significance import compare
from synthneg.generate.documents import write_documents
from synthneg.generate.negatives import write_negatives
from synthneg.llm.ask import Advance, Job, Outcome
from synthneg.progress import say
from synthneg.run import Run
from synthneg.scoring.encoder import check_model
from synthneg.stages import must_keep, open_encoder, open_reranker
from synthneg.train.fit import train
from synthneg.trial.walk import Walked
from synthneg.verify.documents import verify_documents

MEASURE = "nDCG@10"
SPLITS = ("dev", "train")

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Students:
    """Where students are measured."""

    folder: Path  # of a collection
    split: str


def students_of(folder: Path, split: str, base_model: str) -> Students:
    """Return where students are measured, once it is seen that they can be.

    Raises:
        SettingsError: the split is not one to choose prompts on.
        CollectionError: the collection is missing or broken.
        ModelError: there is no such base model.
    """
    if split not in SPLITS:
        raise SettingsError(
            f"--split {split}: expected dev or train; a prompt that is chosen on the test split makes its figures worth"
            " nothing"
        )
    check_collection(folder, split)
    check_model(base_model)
    return Students(folder, split)


def evaluate_students(arms: Sequence[Walked], students: Students) -> Evaluation:
    """Train the settings' student on each arm's records, and measure it beside the model that it started from.

    Raises:
        RunError: too few of an arm's queries have passed their checks.
        ModelError: training has diverged.
    """
    runs = [walked.run for walked in arms]
    for name, run in zip("AB", runs, strict=True):
        say(f"training a student on what {name} has made, in {run.folder}")
        if arms[0].arm.makes == "query":
            _make_examples(run)
        train(run)
    return _measured(runs, read_collection(students.folder, students.split))


def _make_examples(run: Run) -> None:
    """Make examples of the verified queries and their passages; nothing is asked."""
    must_keep(run, "verify.queries", "queries")

    async def write() -> None:
        await write_documents(run, _Nobody())
        await write_negatives(run, _Nobody())

    asyncio.run(write())
    verify_documents(run, open_encoder(run), open_reranker(run))


def _measured(runs: Sequence[Run], collection: Collection) -> Evaluation:
    config = runs[0].config
    models = {"base": (config.train.base_model, runs[0].vectors)}
    # What a student has encoded is its arm's alone.
    models |= {
        name: (str(run.file("model")), run.file("vectors"))
        for name, run in zip("AB", runs, strict=True)
    }
    batch, most = config.verify.encode_batch, config.train.max_length
    rankers = {
        name: open_ranker(model, Reading(batch, most, vectors), config.evaluate.rerank)
        for name, (model, vectors) in models.items()
    }
    resamples = config.evaluate.resamples
    [found] = evaluate(
        rankers,
        [collection],
        measures=[MEASURE],
        seed=config.seed,
        resamples=resamples,
        bm25=False,
        batch_size=batch,
    )
    a, b = (found.per_query[name][MEASURE] for name in "AB")
    gaps = [value - a[id] for id, value in b.items()]
    both = compare("B", "A", MEASURE, gaps, config.seed, resamples)
    [found] = correct_together([replace(found, differences=(*found.differences, both))])
    return found


class _Nobody:
    """Is asked nothing: the arms of queries have no prompts for documents."""

    async def ask(
        self,
        asked: Iterable[tuple[C, Job]],
        ended: Advance,  # noqa: ARG002
    ) -> AsyncIterator[tuple[C, Job, Outcome]]:
        """Yield nothing.

        Raises:
            AssertionError: there was something to ask.
        """
        for _, job in asked:
            raise AssertionError(f"{job.id} is asked for in a stage without prompts")
        return
        yield
