"""How what is asked is cut into partitions, goes to the workers of a cluster, and comes back in its order."""

import io
import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.cluster.partitions import (
    Settled,
    head,
    is_complete,
    job_line,
    outcome_line,
    outcomes_file,
    packed,
    partition_of,
    read_jobs,
    read_outcomes,
)
from synthneg.cluster.spill import Spill
from synthneg.cluster.storage import storage_at
from synthneg.errors import SettingsError
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.base import Reply, Request
from synthneg.llm.converse import Asked
from synthneg.llm.jobs import job_for
from synthneg.llm.keys import key_of
from synthneg.prompts.render import Message
from synthneg.prompts.shelf import load

REPLY = Reply("is it", "stop", 7, 2, "m", "hm", {"is": -0.1, "was": -2.5}, -0.75)
ANSWER = Answer(
    {"3": "full", "plan": ["a", {"b": None}]},
    REPLY,
    Asked("0f" * 16, 11, {"max_tokens": 50, "stop": ["\n"]}),
    ("2",),
    {"3": Asked("1f" * 16, 12, {})},
    {"definition": "what seems to answer"},
)
FAILURE = Failure("http_500", "the server was down", replied=False)
VALUES = {
    "query/question": {"passage": {"text": "The mill turns.", "title": "Mill"}},
    "document/graded": {
        "query": {"text": "who turns the mill"},
        "passage": {"text": "x", "title": ""},
    },
    "negative/defined-first": {"query": {"text": "who turns the mill"}},
    "negative/requirement-violation": {"query": {"text": "who turns the mill"}},
}


def job(text: str, id: str = "a") -> Job:
    """Return a job that says `text`."""
    messages = (Message("system", "You write."), Message("user", text))
    return Job(id, "query/question@1b9d6bcd", messages, {"max_tokens": 9}, "text", 5, {"x": 1})


def through(jobs: list[Job]) -> list[Job]:
    """Return the jobs as a worker reads them."""
    lines = b"".join(job_line(one, {}) for one in jobs)
    return [one for one, _ in read_jobs(io.BytesIO(packed(lines)))]


@pytest.mark.parametrize("name", VALUES)
def test_a_worker_asks_for_what_the_driver_would(name: str) -> None:
    """A job of each kind of prompt has the same turns and the same key in the ledger when a worker has read it.

    So have its sampling and its schema, to the order of their keys: a model writes an object in that order.
    """
    prompt = load(name)
    needs = {key: VALUES[name][key] for key in prompt.head.needs}
    asked = job_for(prompt, "q1", needs, 7)

    [read] = through([asked])

    assert (read.messages, read.open, read.id, read.tag) == (
        asked.messages,
        asked.open,
        asked.id,
        asked.tag,
    )
    keys = {key_of("m", Request(j.messages, j.sampling, j.seed, None)) for j in (asked, read)}
    assert len(keys) == 1
    assert json.dumps([read.sampling, read.form]) == json.dumps([asked.sampling, asked.form])
    assert job_line(asked, {}) == job_line(job_for(prompt, "q1", needs, 7), {})


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8))
def test_any_texts_come_through(texts: list[str]) -> None:
    """Whatever characters a passage holds, line breaks of all kinds among them, its job is read as it was."""
    jobs = [job(text, str(n)) for n, text in enumerate(texts)]
    assert [read.messages for read in through(jobs)] == [one.messages for one in jobs]


@pytest.mark.parametrize("outcome", [ANSWER, FAILURE])
def test_outcomes_come_back_as_they_were(outcome: Answer | Failure) -> None:
    """An answer with all that it can hold, and a failure, are equal to themselves behind the file that carries them."""
    settled = Settled(outcome, ("0f" * 16, "1f" * 16))
    stream = io.BytesIO(packed(head("jobs")) + packed(outcome_line(settled)))
    assert list(read_outcomes(stream)) == [settled]


def test_a_partition_follows_from_the_texts_alone() -> None:
    """Jobs of equal texts meet in one partition whatever their ids; others spread evenly over all of them."""
    assert partition_of(job("tea", "a"), 64) == partition_of(job("tea", "b"), 64)
    spread = Counter(partition_of(job(str(n)), 8) for n in range(4000))
    assert sorted(spread) == list(range(8))
    assert all(400 < count < 600 for count in spread.values())
    assert {partition_of(job(str(n)), 1) for n in range(50)} == {0}


def test_twice_the_partitions_halve_each() -> None:
    """With twice as many partitions, a text's new partition lies within its old one."""
    for number in range(200):
        asked = job(str(number))
        assert partition_of(asked, 128) // 2 == partition_of(asked, 64)


def test_half_a_file_of_outcomes_is_none(tmp_path: Path) -> None:
    """Only a file of this asking, begun as it should, counts as a partition's outcomes."""
    storage = storage_at(str(tmp_path))
    assert not is_complete(storage, 3, "this")
    storage.write_whole(outcomes_file(3), packed(head("this")))
    assert is_complete(storage, 3, "this")
    assert not is_complete(storage, 3, "another")
    storage.write_whole(outcomes_file(3), packed(head("this"))[:9])
    assert not is_complete(storage, 3, "this")


def answered(folder: Path, jobs: list[Job], settled: set[int], partitions: int) -> list[tuple]:
    """Return what comes out of a spill of jobs, of which some are settled and the others come to their own texts."""
    storage = storage_at(str(folder))
    prompt = load("query/question")
    with Spill[tuple](folder / "spill", partitions) as spill:
        for number, one in enumerate(jobs):
            known = Settled(Failure("known", str(number), True), ()) if number in settled else None
            spill.put((prompt, number), one, known, {})
        spill.send(storage)
        for partition in spill.jobs:
            lines = [packed(head(""))]
            with storage.reading(f"partitions/{partition:03d}/jobs.gz") as stream:
                for read, _ in read_jobs(stream):
                    said = Failure("said", read.messages[-1].content or "", True)
                    lines.append(packed(outcome_line(Settled(said, ()))))
            storage.write_whole(outcomes_file(partition), b"".join(lines))
        found = list(spill.outcomes(storage))
    assert not (folder / "spill").exists()
    assert all(context[0] is prompt for context, _, _ in found)
    return [(context[1], one, outcome.outcome) for context, one, outcome in found]


@given(st.integers(1, 9), st.integers(0, 700), st.sets(st.integers(0, 699)))
def test_outcomes_come_in_the_order_of_the_jobs(
    tmp_path_factory: pytest.TempPathFactory, partitions: int, count: int, settled: set[int]
) -> None:
    """Through any number of partitions, each job comes back in its turn with its context, itself and its outcome."""
    jobs = [job(f"text {n % 97}", str(n)) for n in range(count)]
    expected = [
        (n, one, Failure("known", str(n), True))
        if n in settled
        else (n, one, Failure("said", f"text {n % 97}", True))
        for n, one in enumerate(jobs)
    ]
    folder = tmp_path_factory.mktemp("spill")
    assert answered(folder, jobs, settled, partitions) == expected


def test_more_partitions_than_files_may_be_open_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the machine does not allow a file for each partition, one line says how many it allows."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (100, 258))
    with pytest.raises(SettingsError, match=r"3 files .* allows a process 258; set fewer than 2"):
        answered(tmp_path, [job(str(n)) for n in range(90)], set(), 3)


def held(folder: Path, count: int) -> int:
    """Return the most bytes that are held while so many jobs are put."""
    text = "of the mill and its river " * 60
    tracemalloc.start()
    with Spill[tuple](folder, 4) as spill:
        for number in range(count):
            spill.put((number, text), job(f"{number} {text}"), None, {})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.slow
def test_memory_does_not_grow_with_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the jobs are put on disk with the same memory."""
    monkeypatch.setattr("synthneg.cluster.spill._MOST_BYTES", 2**20)
    assert held(tmp_path / "many", 12_000) < 1.2 * held(tmp_path / "few", 2_400)
