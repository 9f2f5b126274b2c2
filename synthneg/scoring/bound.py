"""How near a query a negative may stand, seen from its positive."""


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
