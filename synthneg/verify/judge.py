"""What a judge's reply says of a document: grade, probability of a yes, verbatim span, verdicts on a list.

Pure readers of replies to the prompts in `prompts/judge`; a reply that says nothing of use reads as None, or as an
outcome that tells why, and never raises, whatever the model wrote.

Sources: grades as UMBRELA's; P(yes) as UniME-V2's; span or NO_ANSWER as ARHN's (arXiv 2604.11092), with
list-wise verdicts after it, as in RLHN (arXiv 2505.16967). Wording and shapes are our own.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from synthneg.llm.base import Reply
from synthneg.llm.thought import without_reasoning

_GRADES = range(4)
# A tokenizer's own marks of a blank, which some servers show.
_BLANKS = " \t\r\n\u0120\u010a\u2581"
_FIRST_WORD = re.compile(r"[^\W\d_]+")

ListVerdict = Literal["answers", "partly", "none", "unjudged"]
_CREDITED = ("answers", "partly", "none")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A grade with its reasons: 3 answers fully, 2 partly or buried, 1 on topic but no answer, 0 unrelated."""

    grade: int
    reasons: str


def grade_of(value: Any) -> Judgement | None:
    """Return the judgement in a reply to `judge/relevance`; None where it holds no grade from 0 to 3.

    >>> grade_of({"reasons": "It names the dose.", "grade": "2"})
    Judgement(grade=2, reasons='It names the dose.')
    """
    if not isinstance(value, Mapping):
        return None
    grade = _whole(value.get("grade"))
    if grade is None or grade not in _GRADES:
        return None
    return Judgement(grade, _reasons(value))


class Yes(NamedTuple):
    """How likely a judge says yes."""

    probability: float  # of yes against no, in [0, 1]
    by_text: bool  # read from the word alone, for want of probabilities: 1 or 0


def yes_probability(reply: Reply) -> Yes | None:
    """Return P(yes) / (P(yes) + P(no)) over what the reply's first token could have been; None where it says neither.

    Variants in case, blanks and marks count together: "Yes", " yes" and "YES." are yes, "Not" and "None" are not no.
    Pieces of the words ("y", "n") count only where no whole word is among the alternatives, as with a tokenizer that
    cuts them: beside a whole "no", an "n" begins something else, such as "n/a". Pieces of characters, which servers
    show as a blank, as nothing or as escapes, count for neither, for both words are ASCII. Where only one of both is
    among the alternatives, the other one is taken to have no probability: it has less than all that are.

    The text decides where the backend gives no probabilities, or the first token was of something else: of
    reasoning, or of a mark of layout.
    """
    whole, pieces = [0.0, 0.0], [0.0, 0.0]
    for token, logprob in {} if reply.reasoning else reply.top.items():
        said = _bare(token)
        for place, word in enumerate(("yes", "no")):
            if said == word:
                whole[place] += math.exp(min(logprob, 0.0))
            elif said and word.startswith(said):
                pieces[place] += math.exp(min(logprob, 0.0))
    yes, no = whole if sum(whole) > 0 else pieces
    if yes + no > 0:
        return Yes(yes / (yes + no), by_text=False)
    first = _FIRST_WORD.search(without_reasoning(reply.text)[0].casefold())
    if first is None or first[0] not in ("yes", "no"):
        return None
    return Yes(float(first[0] == "yes"), by_text=True)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a reply says of n candidates.

    Partial credit: candidates that it does not judge, or judges against itself, are `unjudged`; the others count.
    """

    of: tuple[ListVerdict, ...]  # n, in the order of the candidates
    order: tuple[
        int, ...
    ]  # places from 0 of those that answer, then those that answer partly, each the best first
    reasons: str
    strays: int  # entries of no candidate, of no known verdict, that say a thing twice, or that contradict another


def verdicts_of(value: Any, n: int) -> Verdicts:
    """Return the verdicts in a reply to `judge/listwise` on `n` candidates, which it numbers from 1.

    Of a candidate with both `answers` and `partly`, the latter is taken, on which the two agree; one with `none` and
    another verdict is unjudged. `best` decides the order among candidates of one verdict alone; those that it leaves
    out come last, in the order in which they were shown.

    >>> entries = [{"passage": 2, "verdict": "answers"}, {"passage": 9, "verdict": "none"}]
    >>> verdicts_of({"verdicts": entries, "best": [2]}, 3)
    Verdicts(of=('unjudged', 'answers', 'unjudged'), order=(1,), reasons='', strays=1)
    """
    held = value if isinstance(value, Mapping) else {}
    entries = _items(held.get("verdicts"))
    named: list[set[ListVerdict]] = [set() for _ in range(n)]
    for entry in entries:
        number = _whole(entry.get("passage")) if isinstance(entry, Mapping) else None
        if number is not None and 1 <= number <= n and entry.get("verdict") in _CREDITED:
            named[number - 1].add(entry["verdict"])
    verdicts = tuple(map(_agreed, named))
    best = list(map(_whole, _items(held.get("best"))))
    found = [place for place in range(n) if verdicts[place] in ("answers", "partly")]
    ranks = {p: best.index(p + 1) if p + 1 in best else len(best) for p in found}
    order = sorted(found, key=lambda place: (verdicts[place], ranks[place]))  # "answers" < "partly"
    strays = len(entries) - sum(verdict != "unjudged" for verdict in verdicts)
    return Verdicts(verdicts, tuple(order), _reasons(held), strays)


def _agreed(named: set[ListVerdict]) -> ListVerdict:
    """Return the verdict on which all that was said of one candidate agrees."""
    if len(named) == 1:
        return next(iter(named))
    return "partly" if named == {"answers", "partly"} else "unjudged"


def _bare(token: str) -> str:
    """Return a token in lower case, without blanks and marks around it."""
    said = token.strip(_BLANKS).casefold()
    return said.strip("\"'`*_.,:;!?()[]{}<>\u201c\u201d\u2018\u2019").strip(_BLANKS)


def _reasons(value: Mapping[Any, Any]) -> str:
    reasons = value.get("reasons")
    return reasons.strip() if isinstance(reasons, str) else ""


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    """Return a whole number, also one that is written as a text or as 2.0."""
    if isinstance(value, str):
        digits = value.strip(" []().#")
        return int(digits) if digits.isdecimal() and len(digits) < 4 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None
