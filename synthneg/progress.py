"""Progress of anything that takes longer than two seconds: stage, done/total, rate, time left, on standard error.

In a terminal it is one live line; in a log file, a line every ten seconds. Results go to standard output, so a
pipe never sees progress.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

T = TypeVar("T")

_FIRST_AFTER_S = 1.0
_TERMINAL_EVERY_S = 0.2
_LOG_EVERY_S = 10.0


def clock(seconds: float) -> str:
    """Return a length of time as people read it.

    >>> clock(3671), clock(71), clock(9)
    ('1:01:11', '1:11', '0:09')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """A counter that shows itself. Use it as a context and call `advance` for each unit of work done.

    `done` units were done before it began; the rate is that of the others.
    """

    def __init__(self, stage: str, total: int | None, unit: str, done: int = 0) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self.done = self._before = done
        self.note = ""
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown_at = (
            self._start + _FIRST_AFTER_S - (_TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S)
        )
        self._shown: tuple[int, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown is not None:
            if self._shown != (self.done, self.note):
                self._show(time.monotonic())
            if self._terminal:
                sys.stderr.write("\n")

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Count `count` units as done; `note` says what is waited for or has happened, until the next note."""
        self.done += count
        if note is not None:
            self.note = note
        now = time.monotonic()
        if now - self._shown_at >= (_TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S):
            self._show(now)

    def line(self, now: float) -> str:
        """Return what is shown at the monotonic time `now`."""
        seconds = max(now - self._start, 1e-9)
        rate = (self.done - self._before) / seconds
        of = f"/{self.total:,}" if self.total is not None else ""
        speed = f"{rate:,.0f}/s" if rate >= 10 else f"{rate * 60:,.1f}/min"
        left = ""
        if self.total is not None and self._before < self.done < self.total:
            left = f", {clock((self.total - self.done) / rate)} left"
        elif self.total is None or self.done >= self.total:
            left = f", took {clock(seconds)}"
        note = f" · {self.note}" if self.note else ""
        return f"{self.stage}  {self.done:,}{of} {self.unit}  {speed}{left}{note}"

    def _show(self, now: float) -> None:
        self._shown_at, self._shown = now, (self.done, self.note)
        text = self.line(now)
        sys.stderr.write(f"\r\x1b[2K{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()


def track(items: Iterable[T], stage: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, counting each as done when the next is asked for."""
    with Progress(stage, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()


def say(text: str) -> None:
    """Write one line for a person to standard error, where progress goes."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
