"""The stage mine: passages of the corpus as hard or random negatives of verified queries."""

from collections.abc import Iterator

from synthneg.mine.miner import Miner, Wanted, opened
from synthneg.mine.pick import DECIMALS, Pick, Picks
from synthneg.progress import track
from synthneg.records import Document, MinedSource, Query, Score
from synthneg.run import Run
from synthneg.run.books import Stage
from synthneg.scoring.base import Encoder, Reranker

NAME = "mine"
_ON_TOPIC, _UNRELATED = 1, 0  # grades


def write_mined_negatives(run: Run, encoder: Encoder, reranker: Reranker | None) -> None:
    """Write to documents.jsonl the mined negatives of all verified queries, and to scores.jsonl where they stood.

    The books count the negatives that the settings want. Where there are not as many, the rest is rejected as
    `too_near` if the rules refused some that were found, else as `no_candidate`. A negative has two scores: one named
    by its source (BM25, cosine, the reranker's own), and its rank there, counted from 1 without what is known to answer
    the query.

    Args:
        run: its queries have been verified.
        encoder: not asked where no negative is wanted.
        reranker: needed where negatives of it are wanted.

    Raises:
        RunError: the queries have not been checked, or were written from another corpus.
    """
    run.need("verify.queries")
    wanted: Wanted = run.config.mine.counts
    with run.stage(NAME, "documents.jsonl") as stage:
        scores = _mined(run, stage, encoder, reranker, wanted) if wanted else iter(())
        run.write_part(NAME, "scores.jsonl", scores)


def _mined(
    run: Run, stage: Stage, encoder: Encoder, reranker: Reranker | None, wanted: Wanted
) -> Iterator[Score]:
    """Keep the negatives, and yield their scores."""
    total = run.books()["verify.queries"]["kept"]
    queries = run.read("verified_queries.jsonl", Query)
    with opened(run, encoder, reranker, set(wanted)) as miner:
        for query, [found] in track(miner.mine(queries, [wanted]), NAME, "queries", total):
            stage.take(sum(wanted.values()))
            for one in found.picks:
                document = document_of_pick(miner, query, one)
                stage.keep(document)
                yield from scores_of(document, one)
            _reject_the_rest(stage, query, found, wanted)


def document_of_pick(miner: Miner, query: Query, one: Pick) -> Document:
    """Return the picked passage as a document of the query."""
    passage = miner.passage(one.row)
    grade = _UNRELATED if one.source == "random" else _ON_TOPIC
    origin = passage.made.origin if passage.made else None
    return Document(passage.id, query.id, passage.text, passage.title, grade, one.source, origin)


def scores_of(document: Document, one: Pick) -> Iterator[Score]:
    """Yield the score and the rank that a pick has from its source; chance gives neither."""
    if one.source != "random":
        score = round(one.score, DECIMALS)
        yield Score(document.query_id, document.id, one.source, score)
        yield Score(document.query_id, document.id, f"{one.source}_rank", one.rank)


def _reject_the_rest(stage: Stage, query: Query, found: Picks, wanted: Wanted) -> None:
    for source, count in wanted.items():
        kept = sum(one.source == source for one in found.picks)
        reason, detail = _shortage(found, source, kept)
        for number in range(kept + 1, count + 1):
            stage.reject(f"{query.id}:{source}:{number}", reason, detail)


def _shortage(found: Picks, source: MinedSource, kept: int) -> tuple[str, str]:
    """Return why a source gave no more."""
    refused = found.refused[source]
    detail = (
        f"{kept} of {found.looked_at[source]} passages: {refused['too_near']} too near,"
        f" {refused['copy']} copies, {refused['taken']} taken by another source"
    )
    return "too_near" if refused["too_near"] else "no_candidate", detail
