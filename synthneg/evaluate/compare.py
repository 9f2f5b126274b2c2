"""Models side by side on test collections: the measures of each, and what can be said of their differences."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from synthneg.config import RerankConfig
from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.hybrid import SUFFIX, together
from synthneg.evaluate.measure import PerQuery, bm25_rank, dense_rank, depth_for, measure, parse
from synthneg.evaluate.rankers import (
    BM25,
    Ranker,
    Reading,
    first_stage,
    names_a_cross_encoder,
    open_ranker,
)
from synthneg.evaluate.significance import (
    Difference,
    Interval,
    compare_over,
    corrected,
    interval_over,
)
from synthneg.scoring.base import Encoder

if TYPE_CHECKING:
    from synthneg.evaluate.measure import Ranking

FIRST = "first stage"  # what cross-encoders rerank, where that is not BM25
_RERANK = RerankConfig()
MEAN = "mean"  # what the mean over collections is called among them


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured on one collection, or the mean over several.

    `models` starts with the base that the others are compared with.
    """

    collection: str
    split: str
    queries: int
    synthetic: bool
    seed: int
    resamples: int
    models: Mapping[str, Mapping[str, Interval]]  # model -> measure
    differences: tuple[Difference, ...]
    per_query: Mapping[str, PerQuery]  # model -> measure -> query id; empty of a mean
    collections: int = 1  # of which these are the means


def evaluate(
    models: Mapping[str, str | Encoder | Ranker],
    collections: Sequence[Collection],
    *,
    measures: Sequence[str],
    seed: int,
    resamples: int,
    bm25: bool,
    batch_size: int,
    max_length: int | None = None,
    vectors: Path | None = None,
    beside: Sequence[tuple[str, str]] = (),
    rerank: RerankConfig = _RERANK,
) -> list[Evaluation]:
    """Measure every model on every collection: an evaluation each, then one of their mean where two or more are real.

    Each model is compared with the first one, and all of them with BM25 where it is asked for. The comparisons with
    one model, over measures and collections, are corrected together; those of the mean likewise.

    Args:
        models: what a model is called in the results -> its folder or Hub name, an encoder, or how it ranks.
        collections: at least one query each.
        measures: names of ir-measures.
        seed: of the resampling; the rest has no chance in it.
        resamples: bootstrap samples, and random flips of signs.
        bm25: whether BM25 is measured too, and on queries of people each model together with it.
        batch_size: texts per forward pass of the encoders.
        max_length: tokens kept of a text; None: what each model itself keeps.
        vectors: folder of the vector cache; None: no cache.
        beside: further pairs of models that are compared.
        rerank: what cross-encoders rerank; who finds it first gets a row, too.

    Raises:
        SettingsError: an unknown measure, a name that is taken, or collections with the same name.
        ModelError: a model cannot be loaded.
    """
    _check_names(models, collections, bm25)
    parse(measures)  # before anything is encoded
    reading = Reading(batch_size, max_length, vectors)
    rankers: dict[str, Callable[[], Ranker]] = {
        name: partial(_ranker, model, reading, rerank) for name, model in models.items()
    }
    if names_a_cross_encoder(list(models.values())):
        bm25 = bm25 or rerank.first_stage == BM25
        if rerank.first_stage != BM25:
            rankers[FIRST] = partial(first_stage, reading, rerank)
    joined = {name for name in models if bm25 and not names_a_cross_encoder([models[name]])}
    scores = _measure_all(rankers, joined, collections, bm25, measures)
    return summarise(collections, scores, seed, resamples, beside)


def _measure_all(
    rankers: Mapping[str, Callable[[], Ranker]],
    joined: Container[str],
    collections: Sequence[Collection],
    bm25: bool,
    measures: Sequence[str],
) -> list[dict[str, PerQuery]]:
    """Return the rows of each collection: models, BM25, then those of `joined` together with it.

    On queries that a language model wrote nothing is joined: they may be many, and prove nothing.
    """
    depth = depth_for(measures)
    words = [list(bm25_rank(c, depth)) if bm25 else [] for c in collections]
    alone: list[dict[str, PerQuery]] = [{} for _ in collections]
    both: list[dict[str, PerQuery]] = [{} for _ in collections]
    for name, opened in rankers.items():
        ranker = opened()
        for k, collection in enumerate(collections):
            ranked: Iterable[Ranking] = ranker(collection, depth)
            if name in joined and not collection.synthetic:
                ranked = list(ranked)
                joint = together(ranked, words[k])
                both[k][name + SUFFIX] = measure(collection, joint, measures)
            alone[k][name] = measure(collection, ranked, measures)
    of_words = [
        {BM25: measure(c, found, measures)} if bm25 else {}
        for c, found in zip(collections, words, strict=True)
    ]
    return [a | b | c for a, b, c in zip(alone, of_words, both, strict=True)]


def summarise(
    collections: Sequence[Collection],
    scores: Sequence[dict[str, PerQuery]],
    seed: int,
    resamples: int,
    beside: Sequence[tuple[str, str]] = (),
) -> list[Evaluation]:
    """Return what `evaluate` does, of what was measured before: per collection, model -> measures of its queries."""
    found_each = [
        _summary([c], [found], seed, resamples, beside)
        for c, found in zip(collections, scores, strict=True)
    ]
    real = [k for k, collection in enumerate(collections) if not collection.synthetic]
    evaluations = correct_together(found_each)
    if len(real) > 1:
        mean = _summary(
            [collections[k] for k in real], [scores[k] for k in real], seed, resamples, beside
        )
        evaluations += correct_together([mean])
    return evaluations


def _ranker(model: str | Encoder | Ranker, reading: Reading, rerank: RerankConfig) -> Ranker:
    if isinstance(model, str):
        return open_ranker(model, reading, rerank)
    if callable(model):
        return model
    return lambda collection, depth: dense_rank(collection, model, depth)


def correct_together(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the evaluations, the comparisons with each model corrected over all of them (Holm 1979).

    Those over queries that a language model wrote are a family of their own: they are no proof, and cost none.
    """
    families: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    changed = [list(evaluation.differences) for evaluation in evaluations]
    for k, evaluation in enumerate(evaluations):
        for i, difference in enumerate(evaluation.differences):
            families.setdefault((difference.b, evaluation.synthetic), []).append((k, i))
    for places in families.values():
        found = corrected([changed[k][i] for k, i in places])
        for (k, i), difference in zip(places, found, strict=True):
            changed[k][i] = difference
    return [
        replace(evaluation, differences=tuple(differences))
        for evaluation, differences in zip(evaluations, changed, strict=True)
    ]


def _check_names(
    models: Mapping[str, object], collections: Sequence[Collection], bm25: bool
) -> None:
    for row in (BM25, FIRST, *(name + SUFFIX for name in models)):
        if row in models and (bm25 or row == FIRST):
            raise SettingsError(
                f"a model is called {row}, as a row of its own is; give it another name"
            )
    check_names_differ([MEAN, *(collection.name for collection in collections)])


def check_names_differ(names: Sequence[str]) -> None:
    """Raise SettingsError where two collections have one name."""
    if taken := next((name for name in names if names.count(name) > 1), None):
        raise SettingsError(
            f"two collections are called {taken}; their results would go to one file, so rename a folder"
        )


def _summary(
    collections: Sequence[Collection],
    scores: Sequence[dict[str, PerQuery]],
    seed: int,
    resamples: int,
    beside: Sequence[tuple[str, str]],
) -> Evaluation:
    """Return the evaluation of one collection, or the mean of several, in which each weighs the same."""
    first, lone = collections[0], len(collections) == 1
    models, names = list(scores[0]), list(next(iter(scores[0].values()), {}))
    return Evaluation(
        collection=first.name if lone else MEAN,
        split=", ".join(dict.fromkeys(c.split for c in collections)),
        queries=sum(len(c.queries) for c in collections),
        synthetic=first.synthetic,
        seed=seed,
        resamples=resamples,
        models={
            model: {
                name: interval_over(
                    [list(found[model][name].values()) for found in scores], seed, resamples
                )
                for name in names
            }
            for model in models
        },
        differences=tuple(
            compare_over(
                a, b, name, [_paired(f[a][name], f[b][name]) for f in scores], seed, resamples
            )
            for a, b in (*_pairs(models), *beside)
            for name in names
        ),
        per_query=scores[0] if lone else {},
        collections=len(collections),
    )


def _pairs(models: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each model with the first, each with BM25, and each together with BM25 with the first that is so.

    BM25 alone is compared with nothing.
    """
    both = [model + SUFFIX for model in models if model + SUFFIX in models]
    alone = [model for model in models if model not in (BM25, *both)]
    yield from ((model, alone[0]) for model in alone[1:])
    if BM25 in models:
        yield from ((model, BM25) for model in alone)
    yield from ((model, both[0]) for model in both[1:])


def _paired(a: dict[str, float], b: dict[str, float]) -> list[float]:
    return [value - b[id] for id, value in a.items()]
