"""One key at a time, from a terminal without Enter, and from a pipe."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_ESCAPE = b"\x1b"
_SEQUENCE_BEGINS = (b"[", b"O")
_REST_WITHIN_S = 0.05  # what a special key sends after its escape
_LOOK_S = 0.25  # how often a waiting terminal is looked at for another size
RESIZED = "resized"


class Keys(Protocol):
    """Where keys come from."""

    def read(self) -> str:
        """Wait for a key and return it; "" where there are no more. Special keys, such as arrows, are not told.

        RESIZED comes once where a terminal has had another size since it was last read from.
        """

    def forget(self) -> None:
        """Drop what was pressed before now."""


class _Pipe:
    """Characters of a file or pipe, in their order; line ends and blanks between them say nothing."""

    def read(self) -> str:
        while (key := sys.stdin.read(1)).isspace():
            pass
        return key

    def forget(self) -> None:
        """Keep all: nobody could have waited for a question."""


class _Terminal:
    """A terminal that gives each key at once and does not show it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.get_terminal_size(descriptor)

    def read(self) -> str:
        while True:
            while not select.select([self._descriptor], [], [], _LOOK_S)[0]:
                if self._is_resized():
                    return RESIZED
            key = os.read(self._descriptor, 1)
            if key != _ESCAPE:
                return key.decode("ascii", "replace")
            self._pass_over()

    def _is_resized(self) -> bool:
        before, self._size = self._size, os.get_terminal_size(self._descriptor)
        return self._size != before

    def _pass_over(self) -> None:
        """Read to its end what a special key sends after its escape: an arrow's is `[B`, and B is a key here."""
        begin = self._soon()
        if begin in _SEQUENCE_BEGINS:
            while (byte := self._soon()) and not 0x40 <= byte[0] <= 0x7E:
                pass

    def _soon(self) -> bytes:
        """Return a byte if one comes at once; a press of the escape key sends nothing more."""
        if not select.select([self._descriptor], [], [], _REST_WITHIN_S)[0]:
            return b""
        return os.read(self._descriptor, 1)

    def forget(self) -> None:
        import termios  # noqa: PLC0415 - not on every system

        termios.tcflush(self._descriptor, termios.TCIFLUSH)


@contextmanager
def keys() -> Iterator[Keys]:
    """Give the keys of standard input; a terminal is as it was afterwards, and after Ctrl-Z as it is needed."""
    if not sys.stdin.isatty():
        yield _Pipe()
        return
    import termios  # noqa: PLC0415 - not on every system
    import tty  # noqa: PLC0415 - as above

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def prepare(*_: object) -> None:
        tty.setcbreak(descriptor, termios.TCSANOW)

    prepare()
    shell = signal.signal(signal.SIGCONT, prepare)
    try:
        yield _Terminal(descriptor)
    finally:
        signal.signal(signal.SIGCONT, shell)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
