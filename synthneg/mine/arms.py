"""Arms: datasets with the same queries and positives, byte for byte, that differ in where their negatives come from.

What is trained on them differs by the negatives alone (the comparison of arXiv:2504.21015). Each mined arm is mined by
itself under the rules of the settings, so no arm has what another left over.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from synthneg.errors import SettingsError
from synthneg.grouped import Grouped
from synthneg.mine.miner import Miner, opened
from synthneg.mine.negatives import document_of_pick, scores_of
from synthneg.mine.pick import Pick
from synthneg.records import MINED, WRITTEN, Example, Judged, MinedSource, Query, Source
from synthneg.run import Run
from synthneg.scoring.base import Encoder, Reranker

Mixture = Mapping[Source, int]

_ARM = re.compile(r"[a-z0-9]+(?::\d+)?(?:\+[a-z0-9]+(?::\d+)?)*")
_POSITIVE = 3  # grade
_SOURCES: tuple[Source, ...] = (*MINED, *WRITTEN)


@dataclass(slots=True)
class Arms:
    """The examples of each arm, in the same order and number, each a positive with its negatives."""

    examples: dict[str, list[Example]]
    queries: int = 0  # that were looked at
    left_out: Counter[str] = field(
        default_factory=Counter
    )  # of them, by arm: it had too few negatives

    @property
    def kept(self) -> int:
        """Queries that every arm has."""
        return len(next(iter(self.examples.values())))


def arms_of(text: str, per_query: int) -> dict[str, Mixture]:
    """Return how many negatives of which source each arm has, by its name.

    >>> arms_of("random,bm25:1+dense:3", 4)
    {'random': {'random': 4}, 'bm25:1+dense:3': {'bm25': 1, 'dense': 3}}

    Raises:
        SettingsError: an arm is no list of sources, comes twice, or its counts do not come to `per_query`.
    """
    arms: dict[str, Mixture] = {}
    for name in text.split(","):
        try:
            mixture = mixture_of(name.strip(), per_query)
        except SettingsError as error:
            raise SettingsError(f"--arms: {error}") from error
        if any(mixture == other for other in arms.values()):
            raise SettingsError(f"--arms {text}: {name} comes twice; name each arm once")
        arms[name.strip()] = mixture
    return arms


def count_of(name: str) -> int | None:
    """Return how many negatives a query a mixture names; None where a source goes without a number.

    >>> count_of("bm25:2+dense:2"), count_of("bm25")
    (4, None)
    """
    counts = [part.partition(":")[2] for part in name.split("+")]
    return sum(map(int, counts)) if all(c.isdecimal() for c in counts) else None


def mixture_of(name: str, per_query: int) -> Mixture:
    """Return how many negatives of which source a query gets; a source without a number gives all of them.

    Raises:
        SettingsError: these are no sources, one comes twice, or their counts do not come to `per_query`.
    """
    parts = dict(part.partition(":")[::2] for part in name.split("+"))
    known = [source for source in _SOURCES if source in parts]
    if not _ARM.fullmatch(name) or len(known) != name.count("+") + 1:
        raise SettingsError(
            f"expected sources of {', '.join(_SOURCES)}, alone or as in bm25:2+dense:2, got {name!r}"
        )
    mixture = {source: int(parts[source] or per_query) for source in known}
    if sum(mixture.values()) != per_query or not all(mixture.values()):
        raise SettingsError(
            f"the counts of {name} must be above 0 and come to {per_query}, as many as each arm has, got"
            f" {sum(mixture.values())}"
        )
    return mixture


def mine_arms(
    run: Run,
    arms: Mapping[str, Mixture],
    encoder: Encoder,
    reranker: Reranker | None,
) -> Arms:
    """Return the arms, over the verified queries for which every arm has as many negatives as it wants.

    What was written is taken from examples.jsonl, so it has passed its checks; what is mined has passed the rules of
    mining, which are those of the checks unless the settings say otherwise.

    Args:
        run: its queries have been verified; its documents, where an arm has written ones.
        arms: as `arms_of` gives them.
        encoder: gives the vectors.
        reranker: needed where an arm has negatives of it.

    Raises:
        RunError: a stage before this one has not run.
        SettingsError: an arm has negatives of a reranker, and there is none.
    """
    run.need("verify.queries")
    mined = [_mined_part(mixture) for mixture in arms.values()]
    found = Arms({name: [] for name in arms})
    with (
        opened(run, encoder, reranker, {source for part in mined for source in part}) as miner,
        _written(run, arms) as written,
    ):
        queries = run.read("verified_queries.jsonl", Query)
        for query, picks in miner.mine(queries, mined):
            found.queries += 1
            negatives = {
                name: [*_judged(miner, query, of_arm.picks), *written(query.id, mixture)]
                for (name, mixture), of_arm in zip(arms.items(), picks, strict=True)
            }
            short = [name for name in arms if len(negatives[name]) < sum(arms[name].values())]
            found.left_out.update(short)
            if not short:
                positive = _positive(miner, query)
                for name, of_query in negatives.items():
                    found.examples[name].append(_example(query, positive, of_query))
    return found


def _mined_part(mixture: Mixture) -> dict[MinedSource, int]:
    return {source: mixture[source] for source in MINED if source in mixture}


def _positive(miner: Miner, query: Query) -> Judged:
    passage = miner.positive(query)
    origin = passage.made.origin if passage.made else None
    return Judged(
        passage.id, passage.text, passage.title, _POSITIVE, passage.source, {}, origin=origin
    )


def _judged(miner: Miner, query: Query, picks: list[Pick]) -> Iterator[Judged]:
    for one in picks:
        d = document_of_pick(miner, query, one)
        scores = {score.scorer: score.value for score in scores_of(d, one)}
        yield Judged(
            d.id, d.text, d.title, d.grade, d.source, {"cosine": one.cosine, **scores}, d.origin
        )


def _example(query: Query, positive: Judged, negatives: list[Judged]) -> Example:
    documents = (positive, *negatives)
    return Example(query.id, query.text, query.passage_id, query.split, query.origin, documents)


@contextmanager
def _written(
    run: Run, arms: Mapping[str, Mixture]
) -> Iterator[Callable[[str, Mixture], Iterator[Judged]]]:
    """Give what yields the written negatives of a query that an arm wants, as many as there are."""
    if not any(source in mixture for mixture in arms.values() for source in WRITTEN):
        yield lambda id, mixture: iter(())
        return
    run.need("verify.documents")
    with Grouped(run.file("examples.jsonl"), Example, "query_id") as examples:

        def negatives(id: str, mixture: Mixture) -> Iterator[Judged]:
            for example in examples[id]:
                for source in WRITTEN:
                    of_source = (d for d in example.negatives if d.source == source)
                    yield from islice(of_source, mixture.get(source, 0))

        yield negatives
