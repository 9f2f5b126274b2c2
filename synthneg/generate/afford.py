"""What a run will use, by a pilot; and how many passages its budget affords.

A run that asked until its budget is used up would end in queries without documents. So a pilot says first what a
passage takes through all that is asked for, and the run is made of as many passages as the budget affords: those that
a run with this limit would draw, so that a larger budget adds to them.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import orjson

from synthneg.files import fingerprint
from synthneg.generate.asking import LEDGER, Writer, with_asker
from synthneg.generate.jobs import all_prompts
from synthneg.generate.passages import count_wanted
from synthneg.generate.pilot import OverBudget, Pilot, pilot
from synthneg.generate.projection import NOTHING, Projection, project
from synthneg.llm.history import History
from synthneg.llm.jobs import Desk
from synthneg.llm.ledger import Ledger
from synthneg.llm.used import Spent
from synthneg.progress import say
from synthneg.records import Document, Query
from synthneg.run import Run

_FIRST_PILOT, _PILOT = 2, 12  # passages
_RUN = "run"
_MOST_KEYS = 10_000  # of one question to the ledger


class Afforded(NamedTuple):
    """How many passages a budget affords, of how many that get queries without it, by a pilot of how many."""

    passages: int
    of: int
    pilot: int


def ask_within_budget(run: Run, write: Writer) -> None:
    """Let `write` ask for the passages that the budget affords, or for all; see `with_asker`.

    Raises:
        OverBudget: it does not afford a pilot.
    """
    found = recall(run)
    if found is None and _budget(run) and all_prompts(run.config):
        found = _afforded(run)
        with closing(Ledger(run.file(LEDGER))) as ledger:
            ledger.learn(_RUN, _name(run), orjson.dumps(list(found)).decode())
    if found is not None and found.passages < found.of and run.limit != found.passages:
        run.limit = found.passages
        say(
            f"the budget affords {found.passages:,} of {found.of:,} passages, by a pilot of {found.pilot}: they are"
            " drawn at random and taken through all stages; a larger llm.budget and the same command add to them"
        )
    with_asker(run, write)


def recall(run: Run) -> Afforded | None:
    """Return what the budget was found to afford at an earlier start; None where nothing is known of it.

    Another start must not choose otherwise.
    """
    if not _budget(run) or not run.has(LEDGER):
        return None
    with closing(Ledger(run.file(LEDGER), read_only=True)) as ledger:
        known = ledger.fact(_RUN, _name(run))
    return Afforded(*orjson.loads(known)) if known else None


def project_run(run: Run, count: int) -> Projection:
    """Return what the run will use, from a pilot of `count` passages of its corpus; its replies count for the run."""
    found: list[Pilot] = []

    async def work(run: Run, asker: Desk) -> None:
        found.append(await pilot(run, asker, min(count, _wanted(run))))

    with_asker(run, work)
    with closing(History(run.file(LEDGER))) as history:
        measured = replace(found[0], busy_s=history.busy_s(found[0].keys))
    checked = run.books().get("verify.queries")
    rate = checked["kept"] / checked["in"] if checked and checked["in"] else None
    elsewhere = _spent_elsewhere(run, measured) if _budget(run) else NOTHING
    return project(measured, _wanted(run), run.config.llm, rate, elsewhere)


def _afforded(run: Run) -> Afforded:
    """Return how many passages the budget affords, by a pilot that grows as far as it leaves money for more."""
    wanted, count = _wanted(run), _FIRST_PILOT
    found = project_run(run, count)
    while count < min(_PILOT, wanted):
        count = min(2 * count, _PILOT)
        if found.affords is None or found.affords.mean < 2 * count:
            break
        try:
            found = project_run(run, count)
        except OverBudget:
            break
    reach = wanted if found.affords is None else int(found.affords.low)
    return Afforded(max(reach, found.pilot_passages), wanted, found.pilot_passages)


def _spent_elsewhere(run: Run, found: Pilot) -> Spent:
    """Return what of the budget has gone into replies that no record of this run comes from, such as other prompts'.

    Askings anew of stages that are done count as such, too: the budget then affords a little less than it might.
    """
    with closing(Ledger(run.file(LEDGER))) as ledger:
        name = f"elsewhere {_shape(run)}"
        known = ledger.fact(_RUN, name)
        if known:
            return Spent(*orjson.loads(known))
        totals, of_use = ledger.totals(), [0, 0, 0, 0.0]
        keys = iter(found.keys | set(_origins(run)))
        while some := list(islice(keys, _MOST_KEYS)):
            of_use = [a + b for a, b in zip(of_use, ledger.spent(some), strict=True)]
        spent = Spent(
            max(0, totals.replies + totals.failures - int(of_use[0])),
            max(0, totals.tokens_in - int(of_use[1])),
            max(0, totals.tokens_out - int(of_use[2])),
            0.0,
        )
        ledger.learn(_RUN, name, orjson.dumps(list(spent)).decode())
    return spent


def _origins(run: Run) -> Iterator[str]:
    """Yield the ledger keys of the records that the run has."""
    tags = {prompt.tag for prompt in all_prompts(run.config)}
    read: list[tuple[str, type[Query] | type[Document]]] = [
        ("queries.jsonl", Query),
        ("documents.jsonl", Document),
    ]
    for name, kind in read:
        if run.has(name):
            for record in run.read(name, kind):
                if record.origin is not None and record.origin.prompt in tags:
                    yield record.origin.key


def _wanted(run: Run) -> int:
    """Return how many passages get queries without a budget; of passages that are written, how many are asked for."""
    if run.config.corpus.is_written:
        return count_wanted(run.config)
    kept = int(run.books()["corpus"]["kept"])
    return min(run.config.corpus.limit or kept, kept)


def _budget(run: Run) -> dict[str, float]:
    return run.config.llm.budget.model_dump(exclude_none=True)


def _shape(run: Run) -> str:
    """Return a fingerprint of what decides what is asked of a passage."""
    llm, tags = run.config.llm, [prompt.tag for prompt in all_prompts(run.config)]
    backend = (llm.backend, llm.base_url, llm.model)
    return fingerprint(tags, run.config.seed, run.config.generate.model_dump(mode="json"), backend)


def _name(run: Run) -> str:
    llm = run.config.llm
    allowed = (_budget(run), llm.price.model_dump(), llm.concurrency)
    return f"affords {fingerprint(_shape(run), allowed, _wanted(run))}"
