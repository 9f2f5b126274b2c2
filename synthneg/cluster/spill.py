"""Jobs on their way to a cluster and back, on this machine's disk: what is in memory does not grow with their number.

A file keeps the order: of each job its partition, and what its asker needs back. Beside it lie the jobs of each
partition as the workers get them. Prompts are no data: they stay in memory, and the file refers to them.
"""

import io
import pickle
import resource
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Generic, NamedTuple, Self, TypeVar

from synthneg.cluster.partitions import (
    Settled,
    job_line,
    jobs_file,
    outcomes_file,
    packed,
    partition_of,
    read_outcomes,
)
from synthneg.cluster.storage import Storage
from synthneg.errors import SettingsError
from synthneg.llm.base import Reply
from synthneg.llm.converse import Job
from synthneg.prompts.file import Prompt

C = TypeVar("C")
_BLOCK = 256  # jobs that are written to the file of their order in one go
_MOST_BYTES = 2**25  # of jobs that wait in memory until there is a block for their partition
_OTHER_FILES = 256  # that this process may have open beside one a partition
_LENGTH = 4  # bytes that say how long a block is


class Place(NamedTuple, Generic[C]):
    """A job's place in the order; it is settled, or lies in a partition."""

    context: C
    job: Job
    partition: int
    settled: Settled | None


class Spill(Generic[C]):
    """The jobs of one asking. Use it as a context: its folder is gone behind it.

    Args:
        folder: of its own, on this machine.
        partitions: into which the jobs are cut.
    """

    def __init__(self, folder: Path, partitions: int) -> None:
        self._folder, self._partitions = folder, partitions
        self._prompts: list[Prompt] = []
        self._waiting: list[Place[C]] = []
        self._lines: dict[int, list[bytes]] = {}
        self._bytes: dict[int, int] = {}
        self._order: BinaryIO | None = None
        self.jobs: dict[int, int] = {}  # of each partition that has some

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._order is not None:
            self._order.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def is_empty(self) -> bool:
        """Whether no job was put."""
        return self._order is None

    def put(self, context: C, job: Job, settled: Settled | None, known: dict[str, Reply]) -> None:
        """Put a job: one that is settled into the order alone, another into its partition, too.

        Args:
            context: what its asker needs back.
            job: the job.
            settled: what it has come to, if nothing has to be sent for it.
            known: replies that it may begin with.
        """
        if self._order is None:
            shutil.rmtree(self._folder, ignore_errors=True)  # of a start that was killed
            self._folder.mkdir()
            self._order = (self._folder / "order").open("w+b")
        partition = partition_of(job, self._partitions)
        self._waiting.append(Place(context, job, partition, settled))
        if len(self._waiting) >= _BLOCK:
            self._write_order()
        if settled is None:
            line = job_line(job, known)
            self._lines.setdefault(partition, []).append(line)
            self._bytes[partition] = self._bytes.get(partition, 0) + len(line)
            self.jobs[partition] = self.jobs.get(partition, 0) + 1
            if self._bytes[partition] >= _MOST_BYTES / self._partitions:
                self._write_jobs(partition)

    def send(self, storage: Storage) -> None:
        """Write each partition's jobs to where the workers read them."""
        for partition in self.jobs:
            self._write_jobs(partition)
            file = self._file(partition)
            with file.open("rb") as stream, storage.writing(jobs_file(partition)) as target:
                shutil.copyfileobj(stream, target)
            file.unlink()

    def outcomes(self, storage: Storage) -> Iterator[tuple[C, Job, Settled]]:
        """Yield all jobs in their order with what they have come to; the workers must have ended."""
        with ExitStack() as opened:
            _allow_open(len(self.jobs))
            read = {
                partition: read_outcomes(
                    opened.enter_context(storage.reading(outcomes_file(partition)))
                )
                for partition in self.jobs
            }
            for place in self._places():
                settled = place.settled or next(read[place.partition])
                yield place.context, place.job, settled

    def _places(self) -> Iterator[Place[C]]:
        if self._order is None:
            return
        self._write_order()
        self._order.seek(0)
        while length := self._order.read(_LENGTH):
            block = zlib.decompress(self._order.read(int.from_bytes(length)))
            yield from _Unpickler(io.BytesIO(block), self._prompts).load()

    def _write_order(self) -> None:
        assert self._order is not None
        raw = io.BytesIO()
        _Pickler(raw, self._prompts).dump(self._waiting)
        block = zlib.compress(raw.getbuffer(), 1)
        self._order.write(len(block).to_bytes(_LENGTH) + block)
        self._waiting = []

    def _write_jobs(self, partition: int) -> None:
        lines = self._lines.pop(partition, [])
        self._bytes.pop(partition, None)
        if lines:
            with self._file(partition).open("ab") as stream:
                stream.write(packed(b"".join(lines)))

    def _file(self, partition: int) -> Path:
        return self._folder / f"{partition}.gz"


class _Pickler(pickle.Pickler):
    """Writes a prompt as its place among the prompts."""

    def __init__(self, stream: BinaryIO, prompts: list[Prompt]) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self._prompts = prompts

    def persistent_id(self, obj: Any) -> int | None:
        """Return the place of a prompt; None for all else, which is written itself."""
        if not isinstance(obj, Prompt):
            return None
        if obj not in self._prompts:
            self._prompts.append(obj)
        return self._prompts.index(obj)


class _Unpickler(pickle.Unpickler):
    """Reads what a `_Pickler` of this process has written."""

    def __init__(self, stream: BinaryIO, prompts: list[Prompt]) -> None:
        super().__init__(stream)
        self._prompts = prompts

    def persistent_load(self, pid: int) -> Prompt:
        """Return the prompt at this place."""
        return self._prompts[pid]


def _allow_open(files: int) -> None:
    """Let this process have so many files open beside those that it has.

    Raises:
        SettingsError: this machine does not allow it.
    """
    wanted = files + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise SettingsError(
            f"ray.partitions: {files:,} files have to be open at once, and this machine allows a process {hard:,}; set"
            f" fewer than {max(1, hard - _OTHER_FILES):,}"
        )
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
