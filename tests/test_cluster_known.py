"""What a run's ledger knows of jobs before a cluster is asked."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from synthneg.cluster.known import Known, Knows, opening_of
from synthneg.config import LLMConfig
from synthneg.llm.ask import Asker, Job, Open, Outcome
from synthneg.llm.base import Request
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message
from synthneg.testing import ScriptedBackend

REASKS = 2
OPEN = Message("assistant", None)


def job(text: str, *before: Message, turns: tuple[Open, ...] = ()) -> Job:
    """Return a job that says `text` behind other turns."""
    return Job(
        text, "n/x@1b9d6bcd", (*before, Message("user", text)), {}, "text", len(text), {}, turns
    )


def answer(request: Request) -> str:
    """Answer of use, never for salt, at the second asking for milk."""
    said = request.messages[-1].content or ""
    if "salt" in said or ("milk" in said and request.seed == len("milk")):
        return ""
    return f"on {said}"


def asked(ledger: Ledger, jobs: list[Job], reasks: int = REASKS) -> list[tuple[Outcome, list[str]]]:
    """Return what jobs come to where a model is asked, and the replies that each took."""
    heard: dict[str, list[str]] = {}

    async def work() -> list[Outcome]:
        asker = Asker(ScriptedBackend(answer), ledger, LLMConfig(reasks=reasks), 7)
        asker.listen(lambda job, key: heard.setdefault(job.id, []).append(key))
        pairs = ((None, one) for one in jobs)
        return [outcome async for *_, outcome in asker.ask(pairs, lambda count=1, note=None: None)]

    return [(o, heard[j.id]) for j, o in zip(jobs, asyncio.run(work()), strict=True)]


def known(ledger: Ledger, jobs: list[Job]) -> list[Known]:
    """Return what is known of the jobs."""
    return asyncio.run(Knows(ledger, ScriptedBackend().identity, 7, REASKS).look_up(jobs))


DEFINED = (Message("user", "define"), OPEN)


def test_what_was_answered_comes_to_what_it_did(tmp_path: Path) -> None:
    """Answers, askings anew, open turns and records without an answer are what they were, with the same replies."""
    jobs = [job("tea"), job("milk"), job("salt"), job("rye", *DEFINED, turns=(Open("d"),))]
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        before = asked(ledger, jobs)
        found = known(ledger, jobs)
    assert [
        (one.settled.outcome, list(one.settled.heard)) for one in found if one.settled
    ] == before


def test_replies_on_the_way_go_with_the_job(tmp_path: Path) -> None:
    """Of a job that only some replies are known of, a worker gets just those, and of an unknown one nothing."""
    half = job("milk")
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        [(_, keys)] = asked(ledger, [half], reasks=0)
        [first, second] = known(ledger, [half, job("tea")])
        assert first.settled is None
        assert first.replies == ledger.get_many(keys)
    assert len(keys) == len(first.replies) == 1
    assert second == Known(None, {})


@pytest.mark.parametrize(
    ("turns", "length"), [((Open("a"),), 1), ((Open("a", "text", False),), 0), ((), 1)]
)
def test_what_all_records_begin_with_is_a_job_of_its_own(
    turns: tuple[Open, ...], length: int
) -> None:
    """An open turn before which all records say the same is asked once for all; one that differs is not."""
    one, other = (opening_of(job(text, *DEFINED, turns=turns), 7) for text in ("tea", "bread"))
    assert (one is not None, other) == (length == 1, one)


def test_the_reply_to_a_beginning_is_that_of_each_job(tmp_path: Path) -> None:
    """Two open turns in a row are asked as one beginning, whose replies are all that jobs of that prompt wait for."""
    turns = (Open("d"), Open("e"))
    jobs = [job(text, *DEFINED, Message("user", "more"), OPEN, turns=turns) for text in ("a", "b")]
    first = opening_of(jobs[0], 7)
    assert first is not None
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        [(_, keys)] = asked(ledger, [first])
        assert len(keys) == 2
        for found in known(ledger, jobs):
            assert found.settled is None
            assert sorted(found.replies) == sorted(keys)
