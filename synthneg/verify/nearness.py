"""Documents that stand too near the positive, or too near the query for a negative."""

from synthneg.verify.refusal import Refusal


def near_positive(cosine_to_positive: float, limit: float) -> Refusal | None:
    """Return `near_positive` if the document is a near copy of the positive: it would answer as well."""
    if cosine_to_positive < limit:
        return None
    return Refusal(
        "near_positive", f"cosine {cosine_to_positive:.3f} to the positive, must be below {limit:g}"
    )


def negative_bound(positive: float, share: float, margin: float) -> float:
    """Return the score that a negative must stay below.

    TopK-PercPos and TopK-MarginPos of NV-Retriever (arXiv:2407.15831), both demanded. A share of a score means
    something only when that score is above 0: 0.95 of -0.2 lies above -0.2 and would let a negative pass that beats
    the positive, 2 times -0.2 lies below it and would refuse what the margin allows. So from 0 downwards the margin
    decides alone.

    Args:
        positive: cosine of the query and its positive, in [-1, 1].
        share: largest share of it, 0.95 in the paper.
        margin: smallest difference from it, 0.05 in the paper.

    >>> negative_bound(0.8, 0.95, 0.05), negative_bound(-0.2, 0.95, 0.05)
    (0.75, -0.25)
    """
    bound = positive - margin
    return min(bound, share * positive) if positive > 0 else bound


def answers(cosine: float, positive: float, share: float, margin: float) -> Refusal | None:
    """Return `answers` if a negative scores so near the positive that it may well be another answer."""
    bound = negative_bound(positive, share, margin)
    if cosine < bound:
        return None
    return Refusal(
        "answers",
        f"cosine {cosine:.3f}, must be below {bound:.3f}"
        f" (positive {positive:.3f}, share {share:g}, margin {margin:g})",
    )
