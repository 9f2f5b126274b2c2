"""Progress: what is shown, when, and that nothing is shown twice."""

import io
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from synthneg import progress
from synthneg.progress import Progress, track


class Clock:
    """A clock that stands until it is moved on."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Screen(io.StringIO):
    """Standard error, as a log file or as a terminal."""

    terminal = False

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that progress reads."""
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Return what progress writes to."""
    made = Screen()
    # Not sys.stderr itself, which pytest puts back in place when the test begins.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))
    return made


@pytest.mark.parametrize(
    ("done", "total", "seconds", "line"),
    [
        (50, 200, 10.0, "train  50/200 steps  300.0/min, 0:30 left"),
        (2_000, 10_000, 100.0, "train  2,000/10,000 steps  20/s, 6:40 left"),
        (1, 100, 120.0, "train  1/100 steps  0.5/min, 3:18:00 left"),
        (0, 100, 12.0, "train  0/100 steps  0.0/min"),
        (100, 100, 50.0, "train  100/100 steps  120.0/min, took 0:50"),
        (30, None, 60.0, "train  30 steps  30.0/min, took 1:00"),
    ],
)
def test_the_line_says_rate_and_time_left(
    clock: Clock, done: int, total: int | None, seconds: float, line: str
) -> None:
    """Done of total, the rate by minute or second, and the time left at that rate, or taken at the end."""
    counter = Progress("train", total, "steps")
    counter.done = done
    assert counter.line(clock.now + seconds) == line


def test_nothing_is_shown_of_what_takes_less_than_a_second(clock: Clock, screen: Screen) -> None:
    """Work that is over within a second leaves no line."""
    with Progress("train", 9, "steps") as counter:
        for _ in range(9):
            clock.now += 0.11
            counter.advance()
    assert screen.getvalue() == ""


def test_a_log_has_a_line_every_ten_seconds_and_the_last_once(clock: Clock, screen: Screen) -> None:
    """A log shows the first second, then every ten, and the end; no count twice."""
    with Progress("train", 25, "steps") as counter:
        for _ in range(25):
            clock.now += 1
            counter.advance()
    shown = [line.split()[1] for line in screen.getvalue().splitlines()]
    assert shown == ["1/25", "11/25", "21/25", "25/25"]


def test_an_end_that_was_shown_is_not_shown_again(clock: Clock, screen: Screen) -> None:
    """Where the last advance was shown, leaving writes nothing."""
    with Progress("train", 2, "steps") as counter:
        clock.now += 11
        counter.advance()
        clock.now += 11
        counter.advance()
        clock.now += 1
    assert [line.split()[1] for line in screen.getvalue().splitlines()] == ["1/2", "2/2"]


def test_a_new_note_at_the_same_count_is_shown(clock: Clock, screen: Screen) -> None:
    """A note that has changed since the last line is shown at the end."""
    with Progress("train", 2, "steps") as counter:
        clock.now += 11
        counter.advance(note="waiting")
        counter.advance(0, note="saved")
    assert [line.rpartition("· ")[2] for line in screen.getvalue().splitlines()] == [
        "waiting",
        "saved",
    ]


def test_a_terminal_has_one_live_line(clock: Clock, screen: Screen) -> None:
    """In a terminal the line is written over itself, at most five times a second, and ends with one line's end."""
    screen.terminal = True
    with Progress("train", 40, "steps") as counter:
        for _ in range(40):
            clock.now += 0.125
            counter.advance()
    text = screen.getvalue()
    # Steps 8, 10, 12 … 40: the first after a second, then every second step, 0.25 s apart.
    assert text.count("\r\x1b[2K") == 17
    assert text.count("\n") == 1
    assert text.endswith("40/40 steps  480.0/min, took 0:05\n")


def test_what_was_done_is_shown_when_an_error_ends_it(clock: Clock, screen: Screen) -> None:
    """An error does not hide how far the work came."""

    def work() -> None:
        with Progress("train", 40, "steps") as counter:
            clock.now += 2
            counter.advance(5)
            clock.now += 2
            counter.advance(5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert screen.getvalue().splitlines()[-1].startswith("train  10/40 steps")


def test_tracked_items_come_through(clock: Clock, screen: Screen) -> None:
    """`track` yields every item in order and counts each when the next is asked for."""

    def slow() -> Iterator[int]:
        for number in range(3):
            clock.now += 11
            yield number

    assert list(track(slow(), "read", "files", 3)) == [0, 1, 2]
    assert [line.split()[1] for line in screen.getvalue().splitlines()] == ["1/3", "2/3", "3/3"]
