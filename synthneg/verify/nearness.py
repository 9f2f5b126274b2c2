"""Documents that stand too near the positive, or too near the query for a negative."""

from synthneg.scoring.bound import negative_bound
from synthneg.verify.refusal import Refusal


def near_positive(cosine_to_positive: float, limit: float) -> Refusal | None:
    """Return `near_positive` if the document is a near copy of the positive: it would answer as well."""
    if cosine_to_positive < limit:
        return None
    return Refusal(
        "near_positive", f"cosine {cosine_to_positive:.3f} to the positive, must be below {limit:g}"
    )


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
