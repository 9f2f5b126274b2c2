"""Consistency: a query must find the passages it was written from (Promptagator's round trip)."""

from collections.abc import Mapping

from synthneg.verify.refusal import Refusal


def round_trip(ranks: Mapping[str, int], most: int) -> Refusal | None:
    """Return `round_trip` if a passage that the query was written from is not among its `most` nearest of the corpus.

    Args:
        ranks: by the passage's id; 1 is the nearest.
        most: worst rank that passes.

    >>> round_trip({"tea": 21}, 20)
    Refusal(reason='round_trip', detail='its passage is at rank 21, at most 20')
    >>> round_trip({"tea": 2, "pot": 30, "cup": 40}, 20)
    Refusal(reason='round_trip', detail='of its passages, pot is at rank 30, cup is at rank 40, at most 20')
    """
    far = {id: rank for id, rank in ranks.items() if rank > most}
    if not far:
        return None
    if len(ranks) == 1:
        [rank] = far.values()
        return Refusal("round_trip", f"its passage is at rank {rank}, at most {most}")
    places = ", ".join(f"{id} is at rank {rank}" for id, rank in far.items())
    return Refusal("round_trip", f"of its passages, {places}, at most {most}")


def not_first(reranked: Mapping[str, int], depth: int) -> Refusal | None:
    """Return `not_first` if a reranker prefers another of the query's nearest passages to one it was written from.

    Args:
        reranked: rank by the passage's id, as the reranker orders the nearest; empty where none was asked.
        depth: how many were read; 0: no such check.

    >>> not_first({"tea": 3}, 20)
    Refusal(reason='not_first', detail='reranked, tea is at rank 3 of its 20 nearest, must be first')
    """
    if not depth:
        return None
    for id, rank in reranked.items():
        if rank > 1:
            return Refusal(
                "not_first",
                f"reranked, {id} is at rank {rank} of its {depth} nearest, must be first",
            )
    return None
