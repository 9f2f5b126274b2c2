"""Consistency: a query must find the passage it was written from (Promptagator's round trip)."""

from synthneg.verify.refusal import Refusal


def round_trip(rank: int, most: int) -> Refusal | None:
    """Return `round_trip` if the query's own passage, at `rank` of the whole corpus, is not among its `most` nearest.

    >>> round_trip(21, 20)
    Refusal(reason='round_trip', detail='its passage is at rank 21, at most 20')
    """
    if rank <= most:
        return None
    return Refusal("round_trip", f"its passage is at rank {rank}, at most {most}")
