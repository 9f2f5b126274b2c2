"""The round before a further one, on whose files it rests."""

import os
import shutil

from synthneg.errors import RunError
from synthneg.files import beside, disk_errors
from synthneg.run import Run
from synthneg.scoring.choice import FAILED

HANDED_ON = ("examples.jsonl", FAILED, "model")  # what a further round is made of


def check_earlier(run: Run) -> None:
    """Refuse a further round whose round before is not there; of a first round nothing is asked.

    Raises:
        RunError: a file that the round before hands on is missing.
    """
    earlier = run.earlier
    missing = [name for name in HANDED_ON if earlier and not (earlier / name).exists()]
    if missing:
        raise RunError(
            f"{run.folder}: expected the round before it in {earlier}, but {', '.join(missing)} is not there;"
            f" `synthneg run FILE --round {run.config.rounds.number}` makes both"
        )


def take_vectors(run: Run) -> None:
    """Begin a further round with the vectors of the round before, which has encoded the corpus; once, and whole."""
    earlier = run.earlier
    if earlier is None or run.vectors.exists() or not (earlier / run.vectors.name).exists():
        return
    part = beside(run.vectors)
    with disk_errors(run.folder):
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(earlier / run.vectors.name, part)
        os.replace(part, run.vectors)
