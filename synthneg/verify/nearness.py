"""Documents that stand too near the positive."""

from synthneg.verify.refusal import Refusal


def near_positive(cosine_to_positive: float, limit: float) -> Refusal | None:
    """Return `near_positive` if the document is a near copy of the positive: it would answer as well."""
    if cosine_to_positive < limit:
        return None
    return Refusal(
        "near_positive", f"cosine {cosine_to_positive:.3f} to the positive, must be below {limit:g}"
    )
