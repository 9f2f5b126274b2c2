"""Thresholds from how this encoder scores this corpus, instead of constants that were found with another model.

Pure functions of the spreads of cosines:

* `min_negative_margin`: a second answer should be as near its query as own passages are to theirs. Of two own cosines
  drawn independently, the second lies at most this far below the first in the wanted share of cases. So about this
  share of second answers is caught: with .6 wanted it was .62 on SciFact and .60 on NFCorpus
  (`benchmarks/verification/calibrate.py`). `max_negative_share` then says nothing more.
* `max_similarity_to_positive` and `near_duplicate`: as far along the way from unrelated texts to equal ones as the
  setting is from 0 to 1. With an encoder that gives unrelated passages a cosine of .7, .95 becomes .985.
* `easy_margin`: from the median own cosine down to that which 95 of 100 random passages stay below. It stays as it was
  set where the median lies below that: with such an encoder no distance says that a negative is easy.

What the margin costs is told: the share of random passages that it would refuse as negatives. Where that is much, as on
NFCorpus (`benchmarks/verification/calibrate.py`), the encoder alone cannot tell what answers.
"""

from collections.abc import Mapping
from typing import Any

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.verify.distribution import Spread

_MEDIAN, _MOST_RANDOM = 0.5, 0.95
_NO_SHARE = 2.0  # the largest allowed, which leaves all to the margin
_DECIMALS = 4


def calibrated_queries(checks: QueryChecks, spreads: Mapping[str, Spread]) -> QueryChecks:
    """Return the checks of queries with bounds on this encoder's scale."""
    limit = _rescaled(checks.near_duplicate, spreads["queries"])
    return checks.model_copy(update={"near_duplicate": limit})


def calibrated_documents(
    checks: DocumentChecks, catch: float, spreads: Mapping[str, Spread]
) -> DocumentChecks:
    """Return the checks of documents with thresholds of this encoder and corpus.

    Args:
        checks: as they were set.
        catch: share of second answers that is to be caught.
        spreads: by what they are of.
    """
    own, random = spreads["own"], spreads["random"]
    easy = own.at(_MEDIAN) - random.at(_MOST_RANDOM)
    found = {
        "max_negative_share": _NO_SHARE,
        "min_negative_margin": round(max(0.0, _margin(own, catch)), _DECIMALS),
        "max_similarity_to_positive": _rescaled(
            checks.max_similarity_to_positive, spreads["passages"]
        ),
        "easy_margin": round(easy, _DECIMALS) if easy > 0 else checks.easy_margin,
    }
    return checks.model_copy(update=found)


def refused(margin: float, own: Spread, others: Spread) -> float:
    """Return which share of other passages a margin would refuse as negatives, if they were drawn independently."""
    pairs = [(o, n) for o in own.quantiles for n in others.quantiles]
    return sum(n >= o - margin for o, n in pairs) / len(pairs)


def report(
    before: Mapping[str, Any], after: Mapping[str, Any], spreads: Mapping[str, Spread]
) -> dict[str, Any]:
    """Return what is written down: each threshold as it was set and as it was found, and the spreads.

    Args:
        before: thresholds by their names, as they were set.
        after: likewise, as they are used.
        spreads: by what they are of.
    """
    margin = after["documents.min_negative_margin"]
    return {
        "thresholds": {
            name: {"set": before[name], "found": value}
            for name, value in after.items()
            if value != before[name]
        },
        "refused": {
            of: round(refused(margin, spreads["own"], spreads[of]), _DECIMALS)
            for of in ("near", "random")
        },
        "cosines": {
            spread.of: {
                "n": spread.n,
                **{f"q{round(100 * share):02}": spread.at(share) for share in (0.05, 0.5, 0.95)},
            }
            for spread in spreads.values()
        },
    }


def _margin(own: Spread, catch: float) -> float:
    """Return how far below an own cosine another one lies at most in this share of cases."""
    falls = sorted(a - b for a in own.quantiles for b in own.quantiles)
    return falls[min(round(catch * len(falls)), len(falls) - 1)]


def _rescaled(limit: float, unrelated: Spread) -> float:
    """Return the cosine that lies between unrelated and equal texts where `limit` lies between 0 and 1."""
    zero = max(0.0, unrelated.at(_MEDIAN))
    return round(zero + limit * (1 - zero), _DECIMALS)
