"""Rank a collection's documents for its queries, and measure the rankings query by query."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection
from synthneg.progress import Progress
from synthneg.scoring.base import Encoder, vectors_of
from synthneg.scoring.corpus import BLOCK_TEXTS
from synthneg.scoring.lexical import Bm25
from synthneg.scoring.search import top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ranking = tuple[str, NDArray[np.int64], NDArray[np.float32]]

PerQuery = dict[str, dict[str, float]]  # measure -> query id -> value

_DEPTH = 1000  # as trec_eval is run by custom; ties at a cutoff below it are all seen
_BLOCK = 256  # queries measured at a time


def dense_rank(collection: Collection, encoder: Encoder, depth: int) -> "Iterator[Ranking]":
    """Yield each query's id and its best `depth` documents: their indices, best first, and scores."""
    texts = collection.document_texts
    blocks = (texts[start : start + BLOCK_TEXTS] for start in range(0, len(texts), BLOCK_TEXTS))
    documents = vectors_of(encoder, blocks, "document")
    queries = encoder.encode(list(collection.queries.values()), "query")
    ids = list(collection.queries)
    for start in range(0, len(ids), _BLOCK):
        indices, scores = top_k(queries[start : start + _BLOCK], documents, depth)
        yield from zip(ids[start : start + _BLOCK], indices, scores, strict=True)


def bm25_rank(collection: Collection, depth: int) -> "Iterator[Ranking]":
    """Yield each query's id and its best `depth` documents: their indices, best first, and scores above 0."""
    index = Bm25(collection.document_texts)
    ids, texts = list(collection.queries), list(collection.queries.values())
    with Progress("rank (bm25)", len(ids), "queries") as progress:
        for start in range(0, len(ids), _BLOCK):
            found = index.search(texts[start : start + _BLOCK], depth)
            for id, (indices, scores) in zip(ids[start : start + _BLOCK], found, strict=True):
                yield id, indices, scores
            progress.advance(len(found))


def depth_for(measures: Sequence[str]) -> int:
    """Return how many documents must be ranked for these measures, one to spare for the query itself.

    Raises:
        SettingsError: a name is not one of ir-measures, or cannot be computed here.
    """
    return max([_DEPTH, *(_cutoff(measure) for measure in parse(measures))]) + 1


def parse(measures: Sequence[str]) -> list[Any]:
    """Return the measures of ir-measures by these names, such as nDCG@10 or AP(rel=2).

    Raises:
        SettingsError: a name is not one of ir-measures, or cannot be computed here.
    """
    return [_parsed(name) for name in measures]


def _parsed(name: str) -> Any:
    import ir_measures  # noqa: PLC0415 - heavy: only when evaluating

    unfit = (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        NameError,
        RuntimeError,
        TypeError,
        ValueError,
        CalledProcessError,
    )
    try:
        measure = ir_measures.parse_measure(name)
        if _cutoff(measure) < 1:  # trec_eval ends the process on such a one
            raise ValueError("the cutoff must be at least 1")
        ir_measures.calc_aggregate([measure], {"1": {"a": 1, "b": 0}}, {"1": {"a": 2.0, "b": 1.0}})
    except unfit as error:
        raise SettingsError(
            f"cannot measure {name!r}; {_hint(name)}expected a name of ir-measures such as nDCG@10, P@10 or R@100"
        ) from error
    return measure


def _hint(name: str) -> str:
    import ir_measures  # noqa: PLC0415 - heavy: only when evaluating

    word = name.partition("@")[0].partition("(")[0].strip()
    registry = ir_measures.measures.registry
    known = {known.lower(): kind.NAME for known, kind in registry.items()}
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if word in registry or not near:
        return ""
    return f"did you mean {name.replace(word, known[near[0]], 1)}? "


def _cutoff(measure: Any) -> int:
    return int(measure.params.get("cutoff", _DEPTH))


def measure(
    collection: Collection, rankings: "Iterable[Ranking]", measures: Sequence[str]
) -> PerQuery:
    """Return each measure of each query, between 0 and 1 as a rule; a query for which nothing is found gets 0.

    Documents with equal scores are taken in trec_eval's order, ids descending, so equal input gives equal output.
    Where a query has the id of a document, as in ArguAna and Quora, that document is the query itself and is taken
    out of its ranking, as BEIR does, unless it is judged for this query: then the ids merely coincide.

    Raises:
        SettingsError: a name is not one of ir-measures, or cannot be computed here.
    """
    import ir_measures  # noqa: PLC0415 - heavy: only when evaluating

    parsed = dict(zip(measures, parse(measures), strict=True))
    values: PerQuery = {name: dict.fromkeys(collection.queries, 0.0) for name in measures}
    aliases = {m: [name for name in measures if parsed[name] == m] for m in parsed.values()}
    plain = _plain_ids(collection)
    pending = iter(rankings)
    while block := list(islice(pending, _BLOCK)):
        queries = {str(number): id for number, (id, _, _) in enumerate(block, 1)}
        run, qrels = {}, {}
        for number, (id, indices, scores) in zip(queries, block, strict=True):
            run[number] = _scores(collection, plain, id, indices, scores)
            qrels[number] = {plain[doc]: grade for doc, grade in collection.qrels[id].items()}
        for metric in ir_measures.iter_calc(list(aliases), qrels, run):
            for name in aliases[metric.measure]:  # RR@10 and MRR@10 are one measure
                values[name][queries[metric.query_id]] = float(metric.value)
    return values


def _plain_ids(collection: Collection) -> dict[str, str]:
    """Return a number for each document id, in the ids' order: some programs behind ir-measures take ids apart."""
    judged = {doc for judged in collection.qrels.values() for doc in judged}
    ids = sorted(judged.union(collection.document_ids))
    return {id: f"{number:010}" for number, id in enumerate(ids)}


def _scores(
    collection: Collection,
    plain: dict[str, str],
    query: str,
    indices: "NDArray[np.int64]",
    scores: "NDArray[np.float32]",
) -> dict[str, float]:
    ids = collection.document_ids
    found = {plain[ids[i]]: float(score) for i, score in zip(indices.tolist(), scores, strict=True)}
    if query in plain and query not in collection.qrels[query]:
        found.pop(plain[query], None)
    return found
