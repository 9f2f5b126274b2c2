"""Counts over all records of a run, in memory that does not grow with them: scores, lengths, ranks, outcomes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from synthneg.report.walk import KEPT, SeenGroup, SeenQuery

SCORE_STEPS = 100  # bins of a cosine from -1 to 1
LENGTH_STEP = 5  # words in a bin of lengths
_LONGEST_BIN = 400  # of longer texts only that they are longer is counted
RANKS = (1, 3, 10, 20, 50, 100)  # upper bounds of the classes of ranks; the last class is beyond
_SOURCES = ("corpus", "written", "graded", "negative", "bm25", "dense", "reranked", "random")

Kind = tuple[str, int]  # source and grade wanted


def score_bin(cosine: float) -> int:
    """Return the bin of a cosine; one of 1 is in the last.

    >>> score_bin(-1.0), score_bin(0.0), score_bin(1.0)
    (0, 50, 99)
    """
    return max(0, min(SCORE_STEPS - 1, int((cosine + 1) / 2 * SCORE_STEPS)))


def middle_of(place: int) -> float:
    """Return the cosine in the middle of a bin."""
    return (place + 0.5) / SCORE_STEPS * 2 - 1


def quantile(counts: Counter[int], share: float) -> int:
    """Return the bin in which this share of what was counted has been reached; at least one was.

    >>> quantile(Counter({3: 1, 5: 2, 9: 1}), 0.5)
    5
    """
    wanted, seen = share * counts.total(), 0
    for place in sorted(counts):
        seen += counts[place]
        if seen >= wanted:
            return place
    return max(counts)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted.

    Attributes:
        queries: all of them.
        documents: all of them, positives included.
        scores: of each source and grade, documents by the bin of their cosine to the query.
        kept: of each source and grade, documents that were kept.
        lengths: of each source, and of "query", texts by the bin of their words.
        ranks: queries by the class of their own passage's rank.
        prompts: of each prompt, records by what became of them.
    """

    queries: Counter[str] = field(default_factory=Counter)  # by verdict
    documents: Counter[str] = field(default_factory=Counter)
    scores: dict[Kind, Counter[int]] = field(default_factory=dict)
    kept: Counter[Kind] = field(default_factory=Counter)
    lengths: dict[str, Counter[int]] = field(default_factory=dict)
    ranks: Counter[int] = field(default_factory=Counter)
    prompts: dict[str, Counter[str]] = field(default_factory=dict)

    def add_query(self, seen: SeenQuery) -> None:
        """Count a query."""
        self.queries[seen.outcome.verdict] += 1
        self._add_prompt(seen.row["origin"]["prompt"], seen.outcome.verdict)
        if seen.facts is not None:
            self._add_length("query", seen.facts.words)
            rank = max(seen.facts.ranks.values(), default=0)
            self.ranks[sum(rank > bound for bound in RANKS)] += bool(rank)

    def add_group(self, seen: SeenGroup) -> None:
        """Count the documents of a query."""
        for facts, outcome, _ in seen.documents:
            kind = (facts.source, facts.grade)
            self.documents[outcome.verdict] += 1
            self._add_length(facts.source, facts.words)
            self.kept[kind] += outcome.verdict == KEPT
            counts = self.scores.setdefault(kind, Counter())
            if "cosine" in facts.scores:
                counts[score_bin(facts.scores["cosine"])] += 1
            if facts.prompt is not None:
                self._add_prompt(facts.prompt, outcome.verdict)

    def kinds(self) -> Iterator[Kind]:
        """Yield the kinds of documents that were scored: by source as an example lists them, then by falling grade."""
        kinds = (kind for kind, counts in self.scores.items() if counts)
        yield from sorted(kinds, key=lambda kind: (_place(kind[0]), -kind[1]))

    def length_kinds(self) -> list[str]:
        """Return what has lengths: queries, then the sources."""
        return sorted(self.lengths, key=lambda name: (name != "query", _place(name)))

    def _add_length(self, name: str, words: int) -> None:
        place = min(words, _LONGEST_BIN) // LENGTH_STEP
        self.lengths.setdefault(name, Counter())[place] += 1

    def _add_prompt(self, tag: str, verdict: str) -> None:
        self.prompts.setdefault(tag, Counter())[verdict] += 1


def _place(source: str) -> int:
    return _SOURCES.index(source) if source in _SOURCES else len(_SOURCES)
