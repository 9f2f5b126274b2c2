"""What faults are planted into: queries of a collection, and for each of them who is who.

A query's own passage is drawn from its judged documents. Its other judged documents stand for false negatives. True
negatives are taken from the documents without a judgement, for neither collection judges any document as irrelevant:
`random` ones; `deep` ones at rank 50 to 100 of BM25 or of the encoder, `middle` ones at rank 11 to 49; `top` ones
among the encoder's best 10. The nearer to the query, the more of them do answer it: alarms on these are upper bounds.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthneg.evaluate.collection import Collection, read_collection
from synthneg.scoring.base import Encoder
from synthneg.scoring.lexical import Bm25
from synthneg.scoring.search import best_first

OTHER = "other positive"
NEGATIVES = ("random", "deep", "middle", "top")
_DEEP = slice(49, 100)  # ranks 50 to 100
_MIDDLE = slice(10, 49)
_TOP = slice(0, 10)
_NARROW = 20  # judged documents; a query with more is linked to a topic
_MOST_OTHERS = 4  # of a query


class Pair(NamedTuple):
    """A document that is presented as a negative of a query, and what it really is."""

    query: str
    positive: str
    document: str
    kind: str  # OTHER, or one of NEGATIVES


@dataclass(frozen=True)
class Material:
    """Queries with their own passages among all documents, and what is presented as their negatives."""

    name: str
    texts: Mapping[str, str]  # by document id
    queries: Mapping[str, str]
    judged: Mapping[str, Mapping[str, int]]
    own: Mapping[str, str]  # by query id
    pairs: Sequence[Pair]


def read_material(
    folder: Path, split: str, encoder: Encoder, queries: int, documents: int | None, seed: int
) -> Material:
    """Return queries of a split with their passages and pairs, all drawn with the seed.

    Args:
        folder: in BEIR format.
        split: train or dev.
        encoder: ranks the corpus; its vectors should be cached.
        queries: the most that are drawn; those with more than 20 judged documents come last.
        documents: those judged for the drawn queries and others up to this number; None: all.
        seed: of all that is drawn.
    """
    collection = read_collection(folder, split)
    chance = random.Random(f"{seed} {collection.name}")
    order = chance.sample(sorted(collection.queries), len(collection.queries))
    order.sort(key=lambda id: len(collection.qrels[id]) > _NARROW)
    return draw_material(collection, order[:queries], encoder, documents, chance)


def draw_material(
    collection: Collection,
    chosen: Sequence[str],
    encoder: Encoder,
    documents: int | None,
    chance: random.Random,
) -> Material:
    """Return the chosen queries with their passages and pairs; the other arguments are those of `read_material`."""
    texts = _corpus(collection, chosen, documents, chance)
    judged = {
        id: {d: grade for d, grade in collection.qrels[id].items() if d in texts} for id in chosen
    }
    judged = {id: found for id, found in judged.items() if found}
    asked = {id: collection.queries[id] for id in judged}
    own = {id: chance.choice(sorted(found)) for id, found in judged.items()}
    pairs = _pairs(texts, asked, judged, own, encoder, chance)
    return Material(collection.name, texts, asked, judged, own, pairs)


def _corpus(
    collection: Collection, chosen: Sequence[str], documents: int | None, chance: random.Random
) -> dict[str, str]:
    texts = dict(zip(collection.document_ids, collection.document_texts, strict=True))
    if documents is None:
        return texts
    needed = {id for query in chosen for id in collection.qrels[query] if id in texts}
    others = [id for id in texts if id not in needed]
    needed |= set(chance.sample(others, min(len(others), max(0, documents - len(needed)))))
    return {id: text for id, text in texts.items() if id in needed}


def _pairs(
    texts: Mapping[str, str],
    asked: Mapping[str, str],
    judged: Mapping[str, Mapping[str, int]],
    own: Mapping[str, str],
    encoder: Encoder,
    chance: random.Random,
) -> list[Pair]:
    ids = list(texts)
    vectors = encoder.encode(list(texts.values()), "document")
    similarity = encoder.encode(list(asked.values()), "query") @ vectors.T
    lexical = Bm25(list(texts.values())).search(list(asked.values()), _DEEP.stop)
    pairs = []
    for row, (query, (by_words, _)) in enumerate(zip(asked, lexical, strict=True)):
        others = [id for id in sorted(judged[query]) if id != own[query]]
        near = best_first(similarity[row], min(_DEEP.stop, len(ids)))
        pools = {
            "random": ids,
            "deep": _ids_at(ids, near[_DEEP], by_words[_DEEP]),
            "middle": _ids_at(ids, near[_MIDDLE], by_words[_MIDDLE]),
            "top": _ids_at(ids, near[_TOP]),
        }
        drawn = [(id, OTHER) for id in chance.sample(others, min(_MOST_OTHERS, len(others)))]
        for kind, pool in pools.items():
            clean = [id for id in pool if id not in judged[query]]
            drawn += [(chance.choice(clean), kind)] if clean else []
        pairs += [Pair(query, own[query], id, kind) for id, kind in drawn]
    return pairs


def _ids_at(ids: Sequence[str], *places: NDArray[np.int64]) -> list[str]:
    """Return the ids at all of the places, each once, in a fixed order."""
    return sorted({ids[place] for some in places for place in some})
