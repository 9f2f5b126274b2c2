"""Models side by side on test collections: the measures of each, and what can be said of their differences."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from synthneg.config import RerankConfig
from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.measure import PerQuery, bm25_rank, dense_rank, depth_for, measure
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
    verdict,
)
from synthneg.files import write_whole
from synthneg.scoring.base import Encoder

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
        bm25: whether BM25 is measured too.
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
    depth = depth_for(measures)
    scores: list[dict[str, PerQuery]] = [{} for _ in collections]
    reading = Reading(batch_size, max_length, vectors)
    rankers: dict[str, Callable[[], Ranker]] = {
        name: partial(_ranker, model, reading, rerank) for name, model in models.items()
    }
    if names_a_cross_encoder(list(models.values())):
        bm25 = bm25 or rerank.first_stage == BM25
        if rerank.first_stage != BM25:
            rankers[FIRST] = partial(first_stage, reading, rerank)
    if bm25:
        rankers[BM25] = lambda: bm25_rank
    for name, opened in rankers.items():
        ranker = opened()
        for collection, found in zip(collections, scores, strict=True):
            found[name] = measure(collection, ranker(collection, depth), measures)
    return summarise(collections, scores, seed, resamples, beside)


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


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the content of evaluation/<collection>.json: everything but the values per query."""
    row = asdict(evaluation)
    del row["per_query"]
    row["differences"] = [
        asdict(d)
        | {"smallest": None if math.isnan(d.smallest) else d.smallest, "verdict": verdict(d)}
        for d in evaluation.differences
    ]
    return row


def from_json(row: dict[str, Any]) -> Evaluation:
    """Return what `to_json` gave, without the values per query."""
    models = {
        model: {name: Interval(**value) for name, value in measures.items()}
        for model, measures in row["models"].items()
    }
    differences = tuple(_difference(d) for d in row["differences"])
    return Evaluation(**row | {"models": models, "differences": differences, "per_query": {}})


def _difference(row: dict[str, Any]) -> Difference:
    values = {key: value for key, value in row.items() if key != "verdict"}
    values = {"p_holm": row["p"]} | values  # measures of an older version are uncorrected
    smallest = values.get("smallest")
    return Difference(**values | {"smallest": math.nan if smallest is None else smallest})


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Write <collection>.json and, beside it, <collection>.per-query.jsonl; return the path of the first.

    A line of the second is {"query_id", "model", "measure", "value"}. A mean over collections has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if evaluation.per_query:
        details = folder / f"{evaluation.collection}.per-query.jsonl"
        write_whole(details, b"".join(_lines(evaluation, {})))
    file = folder / f"{evaluation.collection}.json"
    write_whole(file, orjson.dumps(to_json(evaluation), option=orjson.OPT_INDENT_2))
    return file


def read_per_query(file: Path) -> dict[str, PerQuery]:
    """Return what `write` wrote beside <collection>.json: of each model, its measures by query."""
    found: dict[str, PerQuery] = {}
    with file.open("rb") as lines:
        for row in map(orjson.loads, lines):
            of_model = found.setdefault(row["model"], {})
            of_model.setdefault(row["measure"], {})[row["query_id"]] = row["value"]
    return found


def write_all(evaluations: Sequence[Evaluation], file: Path) -> Path:
    """Write all evaluations to `file`, and what each query got beside it; return the path of the second.

    A line of the second is {"collection", "query_id", "model", "measure", "value"}.
    """
    details = file.with_name(f"{file.stem}.per-query.jsonl")
    write_whole(
        details,
        b"".join(line for e in evaluations for line in _lines(e, {"collection": e.collection})),
    )
    write_whole(file, orjson.dumps([to_json(e) for e in evaluations], option=orjson.OPT_INDENT_2))
    return details


def _lines(evaluation: Evaluation, first: dict[str, str]) -> Iterator[bytes]:
    for model, measures in evaluation.per_query.items():
        for name, values in measures.items():
            for id, value in values.items():
                row = first | {"query_id": id, "model": model, "measure": name, "value": value}
                yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _check_names(
    models: Mapping[str, object], collections: Sequence[Collection], bm25: bool
) -> None:
    for row in (BM25, FIRST):
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
    """Yield each model with the first, then each with BM25; BM25 alone is compared with nothing."""
    dense = [model for model in models if model != BM25]
    yield from ((model, dense[0]) for model in dense[1:])
    if BM25 in models:
        yield from ((model, BM25) for model in dense)


def _paired(a: dict[str, float], b: dict[str, float]) -> list[float]:
    return [value - b[id] for id, value in a.items()]
