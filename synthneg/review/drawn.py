"""A sample of a run, drawn and read, for whoever asks about it: the terminal, or a spreadsheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthneg.errors import RunError
from synthneg.progress import track
from synthneg.review.answers import Answers, Key, notes, read_answers
from synthneg.review.ask import Sitting, ask
from synthneg.review.items import Item, items
from synthneg.review.reviewed import current
from synthneg.review.sample import Frame, framed, sample
from synthneg.review.sheet import Imported, imported, read_sheet
from synthneg.review.texts import Shown, texts_of
from synthneg.settings import load


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample in the order in which it is asked about, its texts, and how many records the run has."""

    items: Sequence[Item]
    texts: Mapping[Key, Shown]
    records: int


def drawn(folder: Path, count: int) -> Drawn:
    """Return `count` items of a run, fewer where it has no more.

    Raises:
        RunError: nothing has been verified, or there is nothing to ask about.
    """
    seed = load(folder / "run.yaml").seed
    frame = _framed(folder, seed, count)
    if not frame.size:
        raise RunError(
            f"{folder}: there is nothing to ask about, for no query was written; `synthneg status` says what was lost"
        )
    chosen = sample(frame, count, seed)
    return Drawn(chosen, texts_of(folder, chosen), frame.size)


def ask_rest(folder: Path, drawn: Drawn, reviewer: str) -> int | None:
    """Ask about what this reviewer has not answered; return how many answers that gave, None where nothing was left.

    Raises:
        RunError: answers cannot be written.
    """
    found = current(read_answers(folder), drawn.texts)[0].get(reviewer, {})
    if len(found) == len(drawn.items):
        return None
    return ask(folder, Sitting(drawn.items, drawn.texts, tuple(found), reviewer))


def import_sheet(folder: Path, file: Path, reviewer: str) -> Imported:
    """Add the answers of a table, all of them or, where one is wrong, none.

    Raises:
        SettingsError: the table cannot be read, or has a row that is no answer about this run.
        RunError: answers cannot be written.
    """
    table = read_sheet(file, reviewer)
    frame = _framed(folder, 0, 0, {row.key for row in table.rows})
    known = {item.key: item for item in frame.others}
    before: Answers = read_answers(folder)
    found = imported(file, table, known, texts_of(folder, known.values()), before)
    with notes(folder) as out:
        out.add(found.answers)
    return found


def _framed(
    folder: Path, seed: int, most: int, keys: frozenset[Key] | set[Key] = frozenset()
) -> Frame:
    return framed(track(items(folder), "review", "records read"), seed, most, keys)
