"""What partitions were answered, taken into the ledger of the run.

So one file holds every reply of a run, whatever engine asked for it and however many partitions there were, and what
reads a ledger knows nothing of clusters. The partitions' ledgers are only ever added to, so each is read from where it
was left.
"""

from pathlib import PurePosixPath

from synthneg.cluster.partitions import FOLDER, is_ledger, is_segment, storage_of
from synthneg.cluster.segments import Segments, take_new
from synthneg.llm.ledger import Ledger
from synthneg.progress import track
from synthneg.run import Run


def collect(run: Run, ledger: Ledger) -> int:
    """Take what partitions were answered since the last time into the run's ledger; return how many replies it was.

    Raises:
        RunError: a partition's ledger is damaged, or another driver's worker has it open.
    """
    storage = storage_of(run)
    names = storage.list(FOLDER)
    before = ledger.totals().replies
    files = [name for name in names if is_ledger(name)]
    for name in track(files, "ledgers of partitions", "partitions", len(files)):
        file = storage.local(name)
        if file is not None:
            ledger.take_in(file, str(PurePosixPath(name).parent))
    folders = sorted({str(PurePosixPath(name).parent) for name in names if is_segment(name)})
    for folder in track(folders, "ledgers of partitions", "partitions", len(folders)):
        take_new(storage, Segments(storage, folder).names, ledger)
    return ledger.totals().replies - before
