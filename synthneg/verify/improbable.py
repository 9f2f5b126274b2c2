"""Whether the model that wrote a query held it for improbable (InPars, arXiv:2202.05144)."""

from synthneg.verify.refusal import Refusal


def improbable(logprob: float | None, least: float | None) -> Refusal | None:
    """Refuse a query whose tokens' mean log-probability is below `least`; not one of which it is not known.

    >>> improbable(-1.25, -1.0), improbable(-1.0, -1.0), improbable(None, -1.0), improbable(-9.0, None)
    (Refusal(reason='improbable', detail='a mean log-probability of -1.25, allowed -1.00'), None, None, None)
    """
    if logprob is None or least is None or logprob >= least:
        return None
    return Refusal("improbable", f"a mean log-probability of {logprob:.2f}, allowed {least:.2f}")
