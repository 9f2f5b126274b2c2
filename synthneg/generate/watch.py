"""What is seen of a whole set of queries while it is written, and which of them are to be asked again for it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Self

from synthneg.generate.worn import LEAST_TEXTS, Frequent, Phrase, phrases_of, surplus
from synthneg.prompts.render import seed_of
from synthneg.records import Query
from synthneg.seen import Seen
from synthneg.words import normalized

_BINS = 4096
_SLACK = 0.1  # of the share: what the first count may lack


class Worn(NamedTuple):
    """A phrase that too many queries of a prompt have, and which of them are asked again: those that draw below."""

    phrase: Phrase
    below: int  # bin


class Watch:
    """Counts what is said again while queries go by, in memory that does not grow with them. Use it as a context.

    Args:
        share: of the queries of a prompt that may have a phrase in common; None: any.
    """

    def __init__(self, share: float | None) -> None:
        self.repeats = 0
        self._share = share
        self._seen = Seen()
        self._of_prompt: dict[str, Frequent] = {}

    def __enter__(self) -> Self:
        self._seen.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._seen.__exit__(*error)

    def note(self, query: Query) -> None:
        """Look at a query that goes by."""
        self.repeats += self._seen.add(normalized(query.text), "") is not None
        if self._share is not None:
            frequent = self._of_prompt.setdefault(
                query.origin.prompt, Frequent(_SLACK * self._share)
            )
            frequent.add(phrases_of(query.text))

    def candidates(self) -> dict[str, set[Phrase]]:
        """Return by prompt what may be worn; a count will tell."""
        share = self._share or 1
        found = {
            tag: frequent.above(share)
            for tag, frequent in self._of_prompt.items()
            if frequent.sets >= LEAST_TEXTS
        }
        return {tag: phrases for tag, phrases in found.items() if phrases}


def worn_of(
    queries: Iterable[Query], candidates: Mapping[str, set[Phrase]], share: float, run_seed: int
) -> dict[str, list[Worn]]:
    """Return by prompt what is worn, the most frequent first, by an exact count of the candidates.

    The queries above the share are those that draw low: which these are depends on the run's seed and their ids alone.
    """
    texts: Counter[str] = Counter()
    drawn: defaultdict[tuple[str, Phrase], Counter[int]] = defaultdict(Counter)
    for query in queries:
        tag = query.origin.prompt
        texts[tag] += 1
        place = _bin(run_seed, query.id)
        for phrase in candidates.get(tag, set()) & phrases_of(query.text):
            drawn[tag, phrase][place] += 1
    worn: defaultdict[str, list[tuple[int, Worn]]] = defaultdict(list)
    for (tag, phrase), bins in drawn.items():
        if too_many := surplus(bins.total(), texts[tag], share):
            worn[tag].append((-bins.total(), Worn(phrase, _lowest(bins, too_many))))
    return {tag: [found for _, found in sorted(some)] for tag, some in worn.items()}


def _bin(run_seed: int, id: str) -> int:
    # The same for all phrases: those that stand together are then put right by asking the same queries again.
    return seed_of(run_seed, id, "worn") % _BINS


def _lowest(bins: Counter[int], count: int) -> int:
    """Return the bin below which at least `count` draws lie."""
    reached = 0
    for number in sorted(bins):
        reached += bins[number]
        if reached >= count:
            return number + 1
    return _BINS


class Fault(NamedTuple):
    """A record that says what others say."""

    id: str  # of its job
    prompt: str
    repeats: str  # its text, where an earlier query has the same; or ""


def faulty(
    queries: Iterable[Query],
    worn: Mapping[str, Sequence[Worn]],
    run_seed: int,
    lines: frozenset[str],
) -> Iterator[Fault]:
    """Yield the records that are to be asked again, in their order.

    A reply of several lines is one record, and asked again only where each of its queries is at fault.

    Args:
        queries: all that were kept, in their order.
        worn: by prompt, what is worn.
        run_seed: seed of the run.
        lines: prompts, by tag, whose replies hold several queries.
    """
    with Seen() as seen:
        for id, group in groupby(queries, key=lambda query: job_id_of(query, lines)):
            faults = [_fault(id, query, worn, run_seed, seen) for query in group]
            whole = [fault for fault in faults if fault is not None]
            if len(whole) == len(faults):
                yield next((fault for fault in whole if fault.repeats), whole[0])


def _fault(
    id: str, query: Query, worn: Mapping[str, Sequence[Worn]], run_seed: int, seen: Seen
) -> Fault | None:
    tag = query.origin.prompt
    again = seen.add(normalized(query.text), "") is not None
    mine = phrases_of(query.text) if tag in worn else set()
    drawn = _bin(run_seed, query.id)
    many = any(found.phrase in mine and drawn < found.below for found in worn.get(tag, ()))
    return Fault(id, tag, query.text if again else "") if again or many else None


def job_id_of(query: Query, lines: frozenset[str]) -> str:
    """Return the id of the job that a query comes from; `lines` are the tags of prompts whose replies hold several."""
    return query.id.rpartition(".")[0] if query.origin.prompt in lines else query.id
