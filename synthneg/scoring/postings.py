"""The search of an inverted index, compiled by numba: sums along the lists of words, and the best of each query."""

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Scores = NDArray[np.float32]


def search(
    asked: "NDArray[np.int32]", ends: "NDArray[np.int64]", lists: Any, k: int
) -> "tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]":
    """Return the places and scores of each query's k best rows, best first, and how many rows it has found.

    A row's score is the sum of the query's words in the order in which they are asked; rows of score 0 are not found,
    of equal ones the first comes first. Beyond those that are found, places and scores mean nothing.

    Args:
        asked: words, query by query.
        ends: where each query's words begin and end, (queries + 1,).
        lists: csr_matrix of float32 above 0, (words, rows).
        k: most rows of a query, at least 1.
    """
    places = np.empty((len(ends) - 1, k), np.int64)
    scores = np.empty((len(ends) - 1, k), np.float32)
    found = np.zeros(len(ends) - 1, np.int64)
    totals = np.zeros(lists.shape[1], np.float32)
    _search(asked, ends, lists.indptr, lists.indices, lists.data, totals, (places, scores, found))
    for query, count in enumerate(found.tolist()):
        order = np.lexsort((places[query, :count], -scores[query, :count]))
        places[query, :count] = places[query, order]
        scores[query, :count] = scores[query, order]
    return places, scores, found


def _compiled(function: Any) -> Any:
    """Return the function compiled when it is first called, and kept on disk where there is a place for that."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither beside this file nor in the user's cache can be written
        return numba.njit(nogil=True)(function)


@_compiled
def _search(
    asked: "NDArray[np.int32]",
    ends: "NDArray[np.int64]",
    begins: "NDArray[np.int32]",
    places: "NDArray[np.int32]",
    values: "Scores",
    totals: "Scores",
    found: "tuple[Places, Scores, NDArray[np.int64]]",
) -> None:
    """Fill the heaps of the best, (queries, k), and how many rows each holds; `totals` is room for a score a row."""
    best_places, best_scores, counts = found
    for query in range(len(ends) - 1):
        totals[:] = 0
        for word in asked[ends[query] : ends[query + 1]]:
            for entry in range(begins[word], begins[word + 1]):
                totals[places[entry]] += values[entry]
        counts[query] = _keep_best(totals, best_places[query], best_scores[query])


@_compiled
def _keep_best(totals: "Scores", places: "Places", scores: "Scores") -> int:
    """Make a heap of the best rows, the worst of them on top, and return how many; of equal ones the first are kept."""
    k, count, least = len(places), 0, np.float32(0)
    for row in range(len(totals)):
        score = totals[row]
        if score > least:
            if count < k:
                at = count
                count += 1
                while at > 0 and scores[(at - 1) // 2] >= score:
                    up = (at - 1) // 2
                    scores[at], places[at] = scores[up], places[up]
                    at = up
            else:
                at = _hole(places, scores, score)
            scores[at], places[at] = score, row
            if count == k:
                least = scores[0]
    return count


@_compiled
def _hole(places: "Places", scores: "Scores", score: "np.float32") -> int:
    """Take the top off a full heap and return where a row of this score, later than all of them, has its place."""
    k, at = len(places), 0
    while 2 * at + 1 < k:
        down = 2 * at + 1
        other = down + 1
        if other < k and (
            scores[other] < scores[down]
            or (scores[other] == scores[down] and places[other] > places[down])
        ):
            down = other
        if scores[down] >= score:
            break
        scores[at], places[at] = scores[down], places[down]
        at = down
    return at
