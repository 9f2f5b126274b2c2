"""What requests have used: of a whole run, and of some of them."""

from typing import NamedTuple


class Totals(NamedTuple):
    """What a run has used, over all its starts."""

    replies: int
    tokens_in: int
    tokens_out: int
    failures: int  # tries without a reply

    def plus(self, more: "Totals") -> "Totals":
        """Return what this and `more` come to."""
        return Totals(*(a + b for a, b in zip(self, more, strict=True)))

    def less(self, other: "Totals") -> "Totals":
        """Return what is left of this without `other`."""
        return Totals(*(a - b for a, b in zip(self, other, strict=True)))


class Spent(NamedTuple):
    """What some requests have used."""

    requests: int  # failed tries included
    tokens_in: int
    tokens_out: int
    seconds: float  # of the replies, one after the other
