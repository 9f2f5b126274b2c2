"""Asking a person: shows an item, waits for a key, and has the answer on the disk before the next one is shown."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from synthneg.review.answers import BACK, GRADES, NO, SKIP, YES, Answer, Key, Notes, Said, notes
from synthneg.review.items import Item
from synthneg.review.keys import RESIZED, Keys, keys
from synthneg.review.screen import Size, help_lines, page
from synthneg.review.texts import Shown

_YES_KEYS: Mapping[str, Said] = {"y": YES, "n": NO, "s": SKIP}
_GRADE_KEYS: Mapping[str, Said] = {**{str(grade): grade for grade in GRADES}, "s": SKIP}
_ANY_SIZE = os.terminal_size((80, 24))


class Sitting(NamedTuple):
    """What a person is asked, in order, and which of it they have answered before, the latest last."""

    items: Sequence[Item]
    texts: Mapping[Key, Shown]
    answered: Sequence[Key]
    reviewer: str


def ask(folder: Path, sitting: Sitting) -> int:
    """Ask about all items that were not answered, until there are none or the person stops; return how many were.

    Raises:
        RunError: answers cannot be written.
    """
    console = Console(highlight=False, soft_wrap=True)
    with notes(folder) as file, keys() as source:
        return _Asking(sitting, file, source, console).all()


class _Asking:
    """A sitting at work."""

    def __init__(self, sitting: Sitting, file: Notes, source: Keys, console: Console) -> None:
        self._sitting, self._file, self._source, self._console = sitting, file, source, console
        self._places = {item.key: place for place, item in enumerate(sitting.items)}
        self._past = [self._places[key] for key in sitting.answered]
        self._left = sorted(set(self._places.values()) - set(self._past), reverse=True)
        self._told = ""

    def all(self) -> int:
        count = 0
        while self._left:
            place = self._left.pop()
            item = self._sitting.items[place]
            start = time.monotonic()
            said = self._one(item)
            if said is None:
                break
            if said == BACK:
                self._left.append(place)
                before = self._past.pop()
                self._left.append(before)
                self._note(self._sitting.items[before], BACK, None)
                count -= 1
                continue
            self._note(item, said, round(time.monotonic() - start, 1))
            self._past.append(place)
            count += 1
        return max(0, count)

    def _one(self, item: Item) -> Said | None:
        """Return what the person says of an item, BACK for the one before, None for a stop."""
        known = _GRADE_KEYS if item.question == "grade" else _YES_KEYS
        number = 0
        self._source.forget()
        self._show(item, number)
        while True:
            key = self._source.read()
            if key in known:
                return known[key]
            if key in ("q", ""):
                return None
            if key == "b" and self._past:
                return BACK
            if key == "m":
                number += 1
                self._show(item, number)
            elif key == "?":
                self._help(item, number)
            elif key == RESIZED:
                self._show(item, number)
            else:
                self._tell(
                    "this is the first item" if key == "b" else f"keys: {' '.join(known)} b m ? q"
                )

    def _show(self, item: Item, number: int) -> None:
        done = len(self._past)
        place = f"{done + 1} of {len(self._sitting.items)}"
        found = page(item, self._sitting.texts[item.key], place, self._size(), number)
        self._clear()
        for line in found.lines:
            self._console.print(line)
        self._told = ""

    def _help(self, item: Item, number: int) -> None:
        key = RESIZED
        while key == RESIZED:
            self._clear()
            for line in help_lines(self._size()):
                self._console.print(Text(line))
            self._told = ""
            self._tell("any key: back to the item")
            key = self._source.read()
        self._show(item, number)

    def _tell(self, words: str) -> None:
        """Say something below the item, once: said again and again it would push the text off the screen."""
        if words != self._told:
            self._told = words
            self._console.print(Text(words, "yellow"))

    def _clear(self) -> None:
        if self._console.is_terminal:
            self._console.clear()
        else:
            self._console.print()

    def _size(self) -> Size:
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):  # no terminal
            found = _ANY_SIZE
        return Size(*found)

    def _note(self, item: Item, said: Said, seconds: float | None) -> None:
        self._file.add(
            [
                Answer(
                    *item.key,
                    item.question,
                    said,
                    seconds,
                    self._sitting.reviewer,
                    self._sitting.texts[item.key].mark,
                    datetime.now(UTC).isoformat(timespec="seconds"),
                )
            ]
        )
