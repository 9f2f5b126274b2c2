"""Which passages of a run get queries: by the draws of their ids, or by the clusters of their vectors."""

from collections.abc import Callable, Iterator
from itertools import starmap

from synthneg.corpus.sample import choose
from synthneg.errors import RunError
from synthneg.files import fingerprint
from synthneg.records import Chosen, Failed, Passage
from synthneg.run import Run
from synthneg.run.books import read_records
from synthneg.scoring.base import Encoder
from synthneg.scoring.cluster import clusters_for, sample
from synthneg.scoring.corpus import encode_corpus

FAILED = "failed.jsonl"  # what the tuned model fails, and what the next round asks because of it


def chosen(run: Run, limit: int | None) -> Iterator[Passage]:
    """Yield the passages that get queries if there are to be `limit`, in the order of the corpus.

    Fewer than `corpus.limit`, as a pilot asks or a budget affords, are drawn at random from those of `corpus.limit`:
    so what was asked for them is of use when more are asked. A random part of a choice by clusters keeps their shares.

    Raises:
        SettingsError: a limit, and yet all passages.
        RunError: the corpus has not been read, or the choice by clusters has not been made.
    """
    config = run.config.corpus
    how = config.sample if limit == config.limit else "random"
    passages: Callable[[], Iterator[Passage]] = lambda: run.read("passages.jsonl", Passage)  # noqa: E731
    if run.earlier is not None:
        passages = lambda: _of_failed(run)  # noqa: E731
    if config.sample == "cluster":
        passages = lambda: _of_clusters(run)  # noqa: E731
    if how == "cluster":
        return passages()
    return choose(passages, limit, how, run.config.seed)


def _of_failed(run: Run) -> Iterator[Passage]:
    """Yield the passages that the failures of the round before ask about."""
    if run.earlier is None:
        raise AssertionError("a first round has no failures of an earlier one")
    wanted = {id for failed in read_records(run.earlier / FAILED, Failed) for id in failed.ask}
    return (passage for passage in run.read("passages.jsonl", Passage) if passage.id in wanted)


def write_chosen(run: Run, encoder: Callable[[], Encoder], model: str) -> None:
    """Write chosen.jsonl, the choice by clusters in the order of the corpus, unless it stands.

    Args:
        run: its corpus has been read.
        encoder: loads it.
        model: a fingerprint of it.
    """
    config = run.config.corpus
    decisive = (config.limit, config.clusters, run.config.seed, model)
    inputs = fingerprint(*decisive, run.file("passages.jsonl"))
    run.view("chosen.jsonl", inputs, lambda: _by_clusters(run, encoder()))


def _by_clusters(run: Run, encoder: Encoder) -> Iterator[Chosen]:
    config = run.config.corpus
    if config.limit is None:
        raise AssertionError("the settings refuse a choice by clusters without a limit")
    corpus = encode_corpus(run, encoder)
    clusters = config.clusters or clusters_for(config.limit)
    rows, labels = sample(corpus.vectors[:], config.limit, clusters, run.config.seed)
    return starmap(
        Chosen,
        (
            (corpus.ids[row], label)
            for row, label in zip(rows.tolist(), labels.tolist(), strict=True)
        ),
    )


def _of_clusters(run: Run) -> Iterator[Passage]:
    """Yield the passages of chosen.jsonl, going along both files."""
    wanted = run.read("chosen.jsonl", Chosen)
    next_one = next(wanted, None)
    for passage in run.read("passages.jsonl", Passage):
        if next_one is not None and passage.id == next_one.id:
            yield passage
            next_one = next(wanted, None)
    if next_one is not None:
        raise RunError(
            f"{run.folder}: expected in chosen.jsonl passages of this corpus in their order, but {next_one.id} is"
            " none; give `synthneg generate` again"
        )
