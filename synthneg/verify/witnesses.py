"""Whether a negative answers its query after all: what each witness says, and which of them decides.

The encoder speaks of every pair, by how near the negative comes to the positive. Where that is doubtful, in a band
around the bound, a stronger witness decides: the judge where it has spoken, else the reranker, which reads query and
document together. A judge is shown what is doubtful and, beside a reranker, only that on which encoder and reranker
disagree (cheap to strong, as in RLHN, arXiv 2505.16967).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from synthneg.config import DocumentChecks
from synthneg.scoring.bound import negative_bound

Scores = Mapping[str, float]  # by scorer, such as "cosine"

# What a judge has said, by scorer, and the value from which on it says that the document answers.
JUDGES = {"judge_grade": 2.0, "judge_yes": 0.5, "judge_span": 1.0, "judge_list": 0.5}
JUDGE_ABOVE = (
    "judge_above"  # 1 where a judge that ranks has put the document above the positive, else 0
)
RERANK = "rerank"
_ANSWER_GRADE = 3


class Finding(NamedTuple):
    """A negative that answers, and what a witness makes of it."""

    witness: Literal["encoder", "reranker", "judge"]
    detail: str  # for a person: the value seen and the bound
    grade: (
        int | None
    )  # that it deserves; None where that is not known, or is no better than the positive's


def finding(
    scores: Scores, positive: Scores, bound: float, checks: DocumentChecks
) -> Finding | None:
    """Return that a negative answers its query, by the strongest witness that has spoken; None where it does not.

    The judge that grades gives it its grade. By any other, it answers fully if it stands above the positive, as ARHN
    has it (arXiv 2604.11092): by the judge's own ranking, else by the reranker's score, else by the cosine.

    Args:
        scores: of the negative.
        positive: those of the query's own passage.
        bound: what `bound_of` gives for it.
        checks: bands and margins.
    """
    if not _doubtful(scores, bound, checks):
        return _by_encoder(scores, positive, bound, checks)
    judge = next((name for name in JUDGES if name in scores), None)
    if judge is not None and not _agreed(scores, positive, bound, checks):
        return _by_judge(judge, scores, positive)
    if RERANK in scores and RERANK in positive:
        return _by_reranker(scores, positive, checks)
    return _by_encoder(scores, positive, bound, checks)


def wants_judge(scores: Scores, positive: Scores, checks: DocumentChecks) -> bool:
    """Whether a judge is to be shown the pair: it is doubtful, and no second witness agrees with the encoder."""
    bound = bound_of(positive, checks)
    return _doubtful(scores, bound, checks) and not _agreed(scores, positive, bound, checks)


def bound_of(positive: Scores, checks: DocumentChecks) -> float:
    """Return the cosine that a negative must stay below, seen from the query's own passage."""
    return negative_bound(positive["cosine"], checks.max_negative_share, checks.min_negative_margin)


def _doubtful(scores: Scores, bound: float, checks: DocumentChecks) -> bool:
    return -checks.doubt_below <= scores["cosine"] - bound < checks.doubt_above


def _agreed(scores: Scores, positive: Scores, bound: float, checks: DocumentChecks) -> bool:
    """Whether a reranker says what the encoder says."""
    if RERANK not in scores or RERANK not in positive:
        return False
    by_reranker = scores[RERANK] >= positive[RERANK] - checks.min_rerank_margin
    return by_reranker == (scores["cosine"] >= bound)


def _by_encoder(
    scores: Scores, positive: Scores, bound: float, checks: DocumentChecks
) -> Finding | None:
    if scores["cosine"] < bound:
        return None
    detail = (
        f"cosine {scores['cosine']:.3f}, must be below {bound:.3f}"
        f" (positive {positive['cosine']:.3f}, share {checks.max_negative_share:g},"
        f" margin {checks.min_negative_margin:g})"
    )
    return Finding("encoder", detail, None)


def _by_reranker(scores: Scores, positive: Scores, checks: DocumentChecks) -> Finding | None:
    score, best = scores[RERANK], positive[RERANK]
    if score < best - checks.min_rerank_margin:
        return None
    detail = (
        f"reranker {score:.3f}, must be below {best - checks.min_rerank_margin:.3f}"
        f" (positive {best:.3f}, margin {checks.min_rerank_margin:g})"
    )
    return Finding("reranker", detail, _ANSWER_GRADE if score > best else None)


def _by_judge(judge: str, scores: Scores, positive: Scores) -> Finding | None:
    value = scores[judge]
    if value < JUDGES[judge]:
        return None
    if judge == "judge_grade":
        grade: int | None = int(value)
    elif JUDGE_ABOVE in scores:
        grade = _ANSWER_GRADE if scores[JUDGE_ABOVE] else None
    else:
        nearer = RERANK if RERANK in scores and RERANK in positive else "cosine"
        grade = _ANSWER_GRADE if scores[nearer] > positive[nearer] else None
    return Finding("judge", f"{judge} {value:g}, must be below {JUDGES[judge]:g}", grade)
