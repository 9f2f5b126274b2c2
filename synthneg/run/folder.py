"""A run's folder: whole-or-nothing writes, the books of each stage, and what is finished.

A stage's file is a view: it is written to a `.part` and renamed when complete, so a killed run leaves either the old
file or the new one. A stage is used as a context:

    with run.stage("generate.queries", "queries.jsonl") as stage:
        stage.take()
        stage.keep(query)            # or stage.reject(...), or stage.fail(id, reason, detail)

On a clean exit the stage checks that `in = kept + rejected + failed`, then publishes its file, its rejects and books.
Where the file differs from the one before, the books of later stages and the measures are taken away; where it is the
same, byte for byte, they stand.
Several stages may write to one file (`documents.jsonl`, `scores.jsonl`, `rejects.jsonl`): each has its part under
`parts/`, and the visible file is the parts in the order of STAGES.
"""

import fcntl
import filecmp
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson

from synthneg.config import RunConfig, dump
from synthneg.errors import RunError
from synthneg.files import beside, disk_errors, fingerprint, unpublished, write_whole
from synthneg.records import to_line
from synthneg.run.books import STAGES, Counts, Stage, read_books, read_records

R = TypeVar("R")

SHARED_FILES = ("documents.jsonl", "scores.jsonl", "rejects.jsonl")
TRIALS = (
    ".trials"  # in the folder of runs: runs of prompts on trial; the lists of runs leave it out
)
COMPARED = "compared"  # in that: what was said of two prompts, one file each
REPORT = "report.html"


class Run:
    """The folder of one run, locked for this process.

    Args:
        outputs: folder of runs.
        config: the settings.
        engine: where what is heavy is done, `local` or `ray`. No setting, for it shapes no byte of the data.

    Raises:
        RunError: the folder cannot be written, or another process is at work in it.
    """

    def __init__(
        self, outputs: Path, config: RunConfig, engine: str = "local", *, joins: bool = False
    ) -> None:
        """Open the folder.

        Args:
            outputs: the folder of runs.
            config: of the run.
            engine: what does the heavy work: this machine, or a cluster.
            joins: whether this process works for one that has locked the folder, and so finds it as that needs it.
        """
        self.config, self.engine = config, engine
        self.from_ledger = 0  # replies that this start did not have to ask for
        self.asked_s = 0.0  # seconds that this start has asked for replies
        self.limit = config.corpus.limit  # passages that get queries; a budget may afford fewer
        self._closing = ExitStack()
        self.folder = outputs / config.run
        self.vectors = self.folder / "vectors"  # trials of one corpus share theirs
        if not joins:
            self._lock_folder()

    def _lock_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / ".lock").open("a+")
        except OSError as error:
            raise RunError(
                f"{self.folder}: a run's folder must be writable, but {error.strerror}; choose another with --outputs"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise RunError(
                f"{self.folder}: another synthneg process is at work in this run; wait for it or stop it"
            ) from error
        settings = self.folder / "run.yaml"
        text = dump(self.config).encode()
        if not settings.exists() or settings.read_bytes() != text:
            with disk_errors(self.folder):
                write_whole(settings, text)

    def at_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the run is closed, while its folder is still locked."""
        self._closing.callback(callback)

    def close(self) -> None:
        """Give the folder free for another process."""
        try:
            self._closing.close()
        finally:
            self._lock.close()

    @property
    def earlier(self) -> Path | None:
        """The folder of the round before this one; None where this is the first."""
        after = self.config.rounds.after
        return None if after is None else self.folder.parent / after

    def file(self, name: str) -> Path:
        """Return the path of a file or folder of this run."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether a file of this run has been written to its end."""
        return self.file(name).exists()

    def read(self, name: str, kind: type[R]) -> Iterator[R]:
        """Yield the records of a stage's file.

        Raises:
            RunError: no stage has written the file yet.
        """
        return read_records(self.file(name), kind)

    @contextmanager
    def stage(self, name: str, file: str) -> Iterator[Stage]:
        """Open the stage `name`, whose kept records make `file`; where something is raised, the old file stays."""
        with disk_errors(self.folder):
            out_path, rejects_path = self.part(file, name), self.part("rejects.jsonl", name)
            with unpublished(out_path) as out, unpublished(rejects_path) as rejects:
                stage = Stage(name, out, rejects)
                yield stage
                stage.balance()
            self._mark(name).unlink(missing_ok=True)  # it was of the files that go now
            self._publish(name, out_path)
            os.replace(beside(rejects_path), rejects_path)
            for shared in {file, "rejects.jsonl"} & set(SHARED_FILES):
                self._join(shared)
            self._write_books(self.books() | {name: stage.counts()})

    def write_part(self, stage: str, file: str, records: Iterator[object]) -> None:
        """Write the records that `stage` adds to a shared file, such as its scores, without counting them."""
        with disk_errors(self.folder):
            path = self.part(file, stage)
            with unpublished(path) as out:
                out.writelines(map(to_line, records))
            self._publish(stage, path)
            self._join(file)

    def _publish(self, stage: str, path: Path) -> None:
        """Put a complete file in its place; where it differs from the old one, all that was made of that is void."""
        part = beside(path)
        if not (path.exists() and filecmp.cmp(part, path, shallow=False)):
            # Before the file changes, so that a kill in between leaves no books of what is gone.
            self._forget(stage)
        os.replace(part, path)

    def part(self, file: str, stage: str) -> Path:
        """Return where `stage` writes what it adds to `file`; the file itself, where it is no shared one."""
        if file not in SHARED_FILES:
            return self.file(file)
        path = self.file("parts") / file / f"{stage}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _join(self, file: str) -> None:
        joined = self.file(file)
        with unpublished(joined) as out:
            for stage in STAGES:
                path = self.part(file, stage)
                if path.exists():
                    with path.open("rb") as stream:
                        shutil.copyfileobj(stream, out)
        os.replace(beside(joined), joined)

    def books(self) -> dict[str, Counts]:
        """Return the counts of each stage that has ended, in the order of STAGES."""
        return read_books(self.folder)

    def need(self, stage: str) -> None:
        """Raise RunError unless `stage` has ended and nothing before it has come out otherwise since."""
        if stage not in self.books():
            raise RunError(
                f"{self.folder}: the stage {stage} has not been run on these files; run it, or `synthneg run`"
            )

    def _forget(self, stage: str) -> None:
        """Discount `stage` and all later ones made of it, with their marks and the measures of what they made."""
        earlier = STAGES[: STAGES.index(stage)]
        stands = {*earlier, *(self._came_with_queries() if stage == "verify.queries" else ())}
        self._write_books({s: c for s, c in self.books().items() if s in stands})
        if stage == "export":  # training and measures are made of the examples, not of the dataset
            self._mark(stage).unlink(missing_ok=True)
            return
        for later in STAGES[len(earlier) :]:
            self._mark(later).unlink(missing_ok=True)
        shutil.rmtree(self.file("evaluation"), ignore_errors=True)

    def _came_with_queries(self) -> tuple[str, ...]:
        """Return the stages whose documents an imported dataset brought, for whatever queries pass their checks."""
        if self.config.corpus.dataset is None:
            return ()
        asked = self.config.generate.negatives.prompts
        return ("generate.documents",) if asked else ("generate.documents", "generate.negatives")

    def _write_books(self, books: dict[str, Counts]) -> None:
        if books != self.books():
            self.unfinish()
            ordered = {s: books[s] for s in STAGES if s in books}
            write_whole(self.file("books.json"), orjson.dumps(ordered, option=orjson.OPT_INDENT_2))

    def unfinish(self) -> None:
        """Take away the mark that the run is complete, and the page that shows it as it was."""
        self.file("run.json").unlink(missing_ok=True)
        self.file(REPORT).unlink(missing_ok=True)

    def is_done(self, stage: str, inputs: str | None = None) -> bool:
        """Whether `stage` was completed on these files, and for `inputs` if given."""
        mark = self._mark(stage)
        return mark.exists() and inputs in (None, mark.read_text())

    def mark_done(self, stage: str, inputs: str) -> None:
        """Remember that `stage`, which keeps no books, is complete for these inputs; written last of all."""
        self.unfinish()
        self._forget(stage)
        write_whole(self._mark(stage), inputs.encode())

    def stands(self, stage: str, file: str, inputs: str) -> bool:
        """Whether `stage` has made `file` of inputs with this fingerprint, and the file is as it was then."""
        return (
            stage in self.books()
            and self.has(file)
            and self.is_done(stage, fingerprint(inputs, self.file(file)))
        )

    def mark_made(self, stage: str, file: str, inputs: str) -> None:
        """Remember of which inputs `stage`, which keeps books, has made `file`; written last of all."""
        with disk_errors(self.folder):
            write_whole(self._mark(stage), fingerprint(inputs, self.file(file)).encode())

    def rows(self, stage: str, file: str) -> Iterator[Any]:
        """Yield the rows that `stage` has added to a shared file; none where it has added nothing."""
        path = self.part(file, stage)
        if path.exists():
            with path.open("rb") as stream:
                yield from map(orjson.loads, stream)

    def view(self, file: str, inputs: str, records: Callable[[], Iterable[object]]) -> None:
        """Write `file`, of which no stage keeps books, unless it stands as it was made of these inputs."""
        path = self.file(file)
        if not (self.has(file) and self.is_done(file, fingerprint(inputs, path))):
            with disk_errors(self.folder), unpublished(path) as out:
                out.writelines(map(to_line, records()))
            os.replace(beside(path), path)
            self.mark_made(file, file, inputs)

    def _mark(self, stage: str) -> Path:
        mark = self.file("parts") / f"{stage}.done"
        mark.parent.mkdir(parents=True, exist_ok=True)
        return mark
