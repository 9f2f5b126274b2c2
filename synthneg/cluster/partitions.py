"""Partitions: which of them a job belongs to, and the files that carry its jobs to a worker and the outcomes back.

    partitions/007/jobs.gz          what is asked, in its order; written by the driver
    partitions/007/outcomes.gz      what came of each, in the same order; written by a worker, whole or not at all
    partitions/007/ledger.sqlite    every request and reply of the workers that had this partition
    partitions/007/ledger/          the same on an object store, in pieces (`synthneg.cluster.segments`)

Jobs and outcomes are lines of JSON, so nothing in them is ever run. The first line of outcomes says of which asking
they are.
"""

import gzip
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import orjson

from synthneg.cluster.storage import Storage, storage_at
from synthneg.llm.ask import Answer, Failure, Job, Open, Outcome
from synthneg.llm.base import Reply
from synthneg.llm.converse import Asked
from synthneg.prompts.render import Message
from synthneg.run import Run

FOLDER = "partitions"
LEDGER = "ledger.sqlite"
SEGMENTS = "ledger"
_JOBS, _OUTCOMES = "jobs.gz", "outcomes.gz"
_LEVEL = 1  # of gzip: texts become a third, and it takes no longer than writing them


class Settled(NamedTuple):
    """What a job has come to, and the keys of the replies that it took."""

    outcome: Outcome
    heard: tuple[str, ...]


def storage_of(run: Run) -> Storage:
    """Return where the partitions of a run lie: in its own folder, or under its name where the settings say."""
    place = run.config.ray.storage
    return storage_at(str(run.folder.resolve()) if place is None else f"{place}/{run.config.run}")


def partition_of(job: Job, partitions: int) -> int:
    """Return the partition of a job, from its texts alone: equal requests meet in one, whatever asks them."""
    texts = "\0".join(message.content or "" for message in job.messages)
    digest = blake2b(texts.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) * partitions >> 64


def jobs_file(partition: int) -> str:
    """Return the name of the file with a partition's jobs."""
    return f"{FOLDER}/{partition:03d}/{_JOBS}"


def outcomes_file(partition: int) -> str:
    """Return the name of the file with a partition's outcomes."""
    return f"{FOLDER}/{partition:03d}/{_OUTCOMES}"


def ledger_file(partition: int) -> str:
    """Return the name of a partition's ledger."""
    return f"{FOLDER}/{partition:03d}/{LEDGER}"


def segments_folder(partition: int) -> str:
    """Return the name of the folder with a partition's ledger on an object store."""
    return f"{FOLDER}/{partition:03d}/{SEGMENTS}"


def is_ledger(name: str) -> bool:
    """Whether this is the name of a partition's ledger."""
    return name.startswith(f"{FOLDER}/") and name.endswith(f"/{LEDGER}")


def is_segment(name: str) -> bool:
    """Whether this is the name of a piece of a partition's ledger."""
    return name.startswith(f"{FOLDER}/") and PurePosixPath(name).parent.name == SEGMENTS


def job_line(job: Job, known: dict[str, Reply]) -> bytes:
    """Return a job as a line, with replies that it may begin with; keys keep their order, in which a model writes."""
    row = (
        job.id,
        job.tag,
        [(message.role, message.content) for message in job.messages],
        job.sampling,
        job.form,
        job.seed,
        [tuple(turn) for turn in job.open],
        known,
    )
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def packed(lines: bytes) -> bytes:
    """Return lines as they are stored; what is stored one behind the other is read as one."""
    return gzip.compress(lines, _LEVEL, mtime=0)


def read_jobs(stream: BinaryIO) -> Iterator[tuple[Job, dict[str, Reply]]]:
    """Yield the jobs of a file as a worker needs them, each with the replies that it may begin with."""
    for line in gzip.GzipFile(fileobj=stream):
        id, tag, messages, sampling, form, seed, turns, known = orjson.loads(line)
        yield (
            Job(
                id,
                tag,
                tuple(Message(role, content) for role, content in messages),
                sampling,
                form,
                seed,
                {},  # what was drawn is in the messages; whoever asked has it still
                tuple(Open(*turn) for turn in turns),
            ),
            {key: Reply(**reply) for key, reply in known.items()},
        )


def outcome_line(settled: Settled) -> bytes:
    """Return an outcome as a line."""
    outcome = settled.outcome
    row: Any
    if isinstance(outcome, Failure):
        row = (settled.heard, "failure", (outcome.reason, outcome.detail, outcome.replied))
    else:
        parts = {name: tuple(asked) for name, asked in outcome.parts.items()}
        row = (
            settled.heard,
            "answer",
            (
                outcome.value,
                outcome.reply,
                tuple(outcome.asked),
                outcome.missing,
                parts,
                outcome.said,
            ),
        )
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def read_outcomes(stream: BinaryIO) -> Iterator[Settled]:
    """Yield the outcomes of a file, behind its first line."""
    lines = gzip.GzipFile(fileobj=stream)
    lines.readline()
    for line in lines:
        heard, kind, row = orjson.loads(line)
        outcome: Outcome
        if kind == "failure":
            outcome = Failure(*row)
        else:
            value, reply, asked, missing, parts, said = row
            outcome = Answer(
                value,
                Reply(**reply),
                Asked(*asked),
                tuple(missing),
                {name: Asked(*one) for name, one in parts.items()},
                said,
            )
        yield Settled(outcome, tuple(heard))


def is_complete(storage: Storage, partition: int, asking: str) -> bool:
    """Whether a partition's outcomes are there, and are those of this asking.

    Those of an earlier one may hold failures, which another try may cure.
    """
    try:
        with storage.reading(outcomes_file(partition)) as stream:
            first = gzip.GzipFile(fileobj=stream).readline()
    except (FileNotFoundError, gzip.BadGzipFile, EOFError):
        return False
    return first == head(asking)


def head(asking: str) -> bytes:
    """Return the line that a file of outcomes begins with: the name of the asking that it is of."""
    return orjson.dumps({"asking": asking}, option=orjson.OPT_APPEND_NEWLINE)
