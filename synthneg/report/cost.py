"""What a run has used of its language model: replies, tokens, money and time, by stage where records tell."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from synthneg.generate.asking import LEDGER
from synthneg.llm.budget import cost_usd, money
from synthneg.llm.history import History
from synthneg.llm.used import Spent
from synthneg.progress import track
from synthneg.report.rows import read_json, rows
from synthneg.run import Run

# Of the replies from which no record came: refused, cut off, asked again, or of another prompt than is asked now.
NO_RECORD = "no record came of it"


@dataclass(frozen=True, slots=True)
class StageCost:
    """What the replies of one stage have used."""

    stage: str
    replies: int
    tokens_in: int
    tokens_out: int
    money: str
    seconds: float  # of the replies, one after the other


@dataclass(frozen=True, slots=True)
class Cost:
    """What all starts of a run have used."""

    replies: int
    from_ledger: int | None  # of the last start; None where the run is not finished
    tokens_in: int
    tokens_out: int
    money: str
    failed: tuple[tuple[str, int], ...]  # tries without a reply, by reason
    busy_s: float  # seconds in which any reply was waited for
    models: tuple[str, ...]  # that have answered
    stages: tuple[StageCost, ...]
    priced: bool  # whether the settings say what a token costs


def read_cost(run: Run) -> Cost | None:
    """Return what the run has used; None where it has asked nothing."""
    if not run.has(LEDGER):
        return None
    price = run.config.llm.price
    history = History(run.file(LEDGER))
    try:
        totals = history.totals()
        by_stage = history.spent_by(track(_keys(run), "report", "replies counted"))
        whole = history.spent_in_all()
        rest = _less(whole, by_stage.values())
        spent = {**by_stage, NO_RECORD: rest} if rest.requests else by_stage
        finished = read_json(run.file("run.json"))
        return Cost(
            totals.replies,
            finished and finished["llm"]["from_ledger"],
            totals.tokens_in,
            totals.tokens_out,
            money(cost_usd(price, totals.tokens_in, totals.tokens_out)),
            tuple(history.reasons().items()),
            history.asked_s(),
            tuple(history.models()),
            tuple(
                StageCost(
                    stage,
                    of.requests,
                    of.tokens_in,
                    of.tokens_out,
                    money(cost_usd(price, of.tokens_in, of.tokens_out)),
                    of.seconds,
                )
                for stage, of in spent.items()
            ),
            cost_usd(price, 0, 0) is not None,
        )
    finally:
        history.close()


def _less(whole: Spent, parts: Iterable[Spent]) -> Spent:
    requests, tokens_in, tokens_out, seconds = whole
    for part in parts:
        requests -= part.requests
        tokens_in -= part.tokens_in
        tokens_out -= part.tokens_out
        seconds -= part.seconds
    return Spent(requests, tokens_in, tokens_out, seconds)


def _keys(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the stage and the key of each reply that a record came of; of neighbours with one reply, once."""
    before = ""
    for stage, key in _all_keys(run):
        if key and key != before:
            yield stage, key
        before = key


def _all_keys(run: Run) -> Iterator[tuple[str, str]]:
    if run.config.corpus.is_written:
        for row in rows(run.file("passages.jsonl")):
            yield "corpus", row["made"]["origin"]["key"] if row["made"] else ""
    for row in rows(run.file("queries.jsonl")):
        yield "generate.queries", row["origin"]["key"]
    for stage in ("generate.documents", "generate.negatives"):
        for row in rows(run.part("documents.jsonl", stage)):
            yield stage, row["origin"]["key"] if row["origin"] else ""
    for row in rows(run.part("scores.jsonl", "verify.judge")):
        yield "verify.judge", row["key"]
