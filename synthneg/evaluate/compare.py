"""Models side by side on test collections: the measures of each, and what can be said of their differences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.measure import PerQuery, bm25_rank, dense_rank, depth_for, measure
from synthneg.evaluate.significance import Difference, Interval, compare, interval, verdict
from synthneg.files import write_whole
from synthneg.scoring.base import Encoder
from synthneg.scoring.encoder import load_encoder

BM25 = "bm25"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured on one collection. `models` starts with the base that the others are compared with."""

    collection: str
    split: str
    queries: int
    synthetic: bool
    seed: int
    resamples: int
    models: Mapping[str, Mapping[str, Interval]]  # model -> measure
    differences: tuple[Difference, ...]
    per_query: Mapping[str, PerQuery]  # model -> measure -> query id


def evaluate(
    models: Mapping[str, str | Encoder],
    collections: Sequence[Collection],
    *,
    measures: Sequence[str],
    seed: int,
    resamples: int,
    bm25: bool,
    batch_size: int,
    max_length: int | None = None,
    vectors: Path | None = None,
) -> list[Evaluation]:
    """Measure every model on every collection, one evaluation per collection.

    Each model is compared with the first one, and all of them with BM25 where it is asked for.

    Args:
        models: what a model is called in the results -> its folder or Hub name, or an encoder.
        collections: at least one query each.
        measures: names of ir-measures.
        seed: of the resampling; the rest has no chance in it.
        resamples: bootstrap samples, and random flips of signs.
        bm25: whether BM25 is measured too.
        batch_size: texts per forward pass of the encoders.
        max_length: tokens kept of a text; None: what each model itself keeps.
        vectors: folder of the vector cache; None: no cache.

    Raises:
        SettingsError: an unknown measure, a name that is taken, or collections with the same name.
        ModelError: a model cannot be loaded.
    """
    _check_names(models, collections, bm25)
    depth = depth_for(measures)
    scores: list[dict[str, PerQuery]] = [{} for _ in collections]
    for name, model in models.items():
        encoder = (
            load_encoder(model, batch_size=batch_size, max_length=max_length, vectors=vectors)
            if isinstance(model, str)
            else model
        )
        for collection, found in zip(collections, scores, strict=True):
            found[name] = measure(collection, dense_rank(collection, encoder, depth), measures)
    for collection, found in zip(collections, scores, strict=True):
        if bm25:
            found[BM25] = measure(collection, bm25_rank(collection, depth), measures)
    return [
        _summary(c, found, seed, resamples) for c, found in zip(collections, scores, strict=True)
    ]


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the content of evaluation/<collection>.json: everything but the values per query."""
    row = asdict(evaluation)
    del row["per_query"]
    row["differences"] = [asdict(d) | {"verdict": verdict(d)} for d in evaluation.differences]
    return row


def from_json(row: dict[str, Any]) -> Evaluation:
    """Return what `to_json` gave, without the values per query."""
    models = {
        model: {name: Interval(**value) for name, value in measures.items()}
        for model, measures in row["models"].items()
    }
    differences = tuple(
        Difference(**{key: value for key, value in d.items() if key != "verdict"})
        for d in row["differences"]
    )
    return Evaluation(**row | {"models": models, "differences": differences, "per_query": {}})


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Write <collection>.json and, beside it, <collection>.per-query.jsonl; return the path of the first.

    A line of the second is {"query_id", "model", "measure", "value"}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"query_id": id, "model": model, "measure": name, "value": value}
        for model, measures in evaluation.per_query.items()
        for name, values in measures.items()
        for id, value in values.items()
    ]
    details = folder / f"{evaluation.collection}.per-query.jsonl"
    write_whole(details, b"".join(orjson.dumps(x, option=orjson.OPT_APPEND_NEWLINE) for x in lines))
    file = folder / f"{evaluation.collection}.json"
    write_whole(file, orjson.dumps(to_json(evaluation), option=orjson.OPT_INDENT_2))
    return file


def _check_names(
    models: Mapping[str, object], collections: Sequence[Collection], bm25: bool
) -> None:
    if bm25 and BM25 in models:
        raise SettingsError(f"a model is called {BM25}, as BM25's own row is; give it another name")
    check_names_differ([collection.name for collection in collections])


def check_names_differ(names: Sequence[str]) -> None:
    """Raise SettingsError where two collections have one name."""
    if taken := next((name for name in names if names.count(name) > 1), None):
        raise SettingsError(
            f"two collections are called {taken}; their results would go to one file, so rename a folder"
        )


def _summary(
    collection: Collection, scores: dict[str, PerQuery], seed: int, resamples: int
) -> Evaluation:
    return Evaluation(
        collection=collection.name,
        split=collection.split,
        queries=len(collection.queries),
        synthetic=collection.synthetic,
        seed=seed,
        resamples=resamples,
        models={
            model: {
                name: interval(list(values.values()), seed, resamples)
                for name, values in found.items()
            }
            for model, found in scores.items()
        },
        differences=tuple(
            compare(a, b, name, _paired(values, scores[b][name]), seed, resamples)
            for a, b in _pairs(list(scores))
            for name, values in scores[a].items()
        ),
        per_query=scores,
    )


def _pairs(models: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each model with the first, then each with BM25; BM25 alone is compared with nothing."""
    dense = [model for model in models if model != BM25]
    yield from ((model, dense[0]) for model in dense[1:])
    if BM25 in models:
        yield from ((model, BM25) for model in dense)


def _paired(a: dict[str, float], b: dict[str, float]) -> list[float]:
    return [value - b[id] for id, value in a.items()]
