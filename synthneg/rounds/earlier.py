"""The round before a further one, on whose files it rests."""

from synthneg.errors import RunError
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
