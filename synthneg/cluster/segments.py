"""A partition's ledger on an object store: what was committed together is one object, written once and never changed.

    partitions/007/ledger/0002-000017-1f3c….gz     generation, number, writer

An object is the file of a small ledger, compressed with a checksum; a ledger is all of its objects taken in, one after
the other, in any number of copies. Whoever opens one for writing begins a generation of its own. Where two of them
have a reply to one key, that of the later generation stays: its writer has read the earlier ones, so the earlier
writer was given up, and wrote this reply when nobody waited for it any more.
"""

import gzip
import tempfile
import uuid
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from synthneg.cluster.storage import Storage
from synthneg.errors import RunError
from synthneg.llm.ledger import Ledger

ENDING = ".gz"
_MAGIC = b"SQLite format 3\0"
_LEVEL = 1
_AT_ONCE = 16  # objects that are fetched together: each takes a round trip and hardly any work
# With more objects than this, one that holds them all takes their place.
MOST_OBJECTS = 16


def packed(ledger: Ledger) -> bytes:
    """Return all that a ledger holds, as an object."""
    return gzip.compress(ledger.content(), _LEVEL, mtime=0)


def newest_first(names: Sequence[str]) -> list[str]:
    """Return names of objects with the later generation first, of one writer's the later number."""
    return sorted(names, reverse=True)


class Segments:
    """The objects of one partition's ledger.

    Args:
        storage: where they are.
        folder: name of the folder that has them.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage, self._folder = storage, folder
        self._writer, self._generation, self._number = uuid.uuid4().hex[:12], 0, 0
        self._present: list[str] = []  # whose content the ledger has that is open for writing

    def names(self) -> list[str]:
        """Return the names of all objects, newest first."""
        return newest_first([n for n in self._storage.list(self._folder) if n.endswith(ENDING)])

    def begin(self, ledger: Ledger) -> None:
        """Take all objects into an empty ledger, which a generation of its own writes from now on.

        Its first object has nothing in it, but tells whoever wrote before that this has begun.
        """
        self._present = take_new(self._storage, self.names, ledger)
        self._generation = 1 + max(map(_generation, self._present), default=0)
        nothing = Ledger(Path(":memory:"))
        self.add(packed(nothing))
        nothing.close()

    def add(self, data: bytes) -> None:
        """Write an object; when this returns, it is safe."""
        name = self._next()
        self._storage.write_whole(name, data)
        self._present.append(name)

    def fold(self, ledger: Ledger) -> None:
        """Put one object in the place of all that `ledger` was taken from, where these are many.

        It is written before the others are deleted, and what is in both counts once: a kill between the two, and a
        writer of an earlier generation that goes on meanwhile, do no harm.
        """
        if len(self._present) > MOST_OBJECTS:
            old, self._present = self._present, []
            self.add(packed(ledger))
            self._storage.delete(old)

    def is_superseded(self) -> bool:
        """Whether a later writer has begun."""
        return any(_generation(name) > self._generation for name in self.names())

    def _next(self) -> str:
        self._number += 1
        name = f"{self._generation:06d}-{self._number:06d}-{self._writer}{ENDING}"
        return f"{self._folder}/{name}"


def take_new(storage: Storage, listed: Callable[[], list[str]], ledger: Ledger) -> list[str]:
    """Take into a ledger what it has not yet of some objects; return the names of all of them.

    Args:
        storage: where they are.
        listed: names them, newest first. It is asked again where one has gone: it has been folded into another.
        ledger: that takes them in; it remembers which it has.

    Raises:
        RunError: one of them is damaged, or the storage cannot be read.
    """
    while True:
        names = listed()
        new = [name for name in names if not ledger.has_taken(name)]
        some = (new[start : start + _AT_ONCE] for start in range(0, len(new), _AT_ONCE))
        if all(_take(storage, few, ledger) for few in some):
            return names


def _take(storage: Storage, names: Sequence[str], ledger: Ledger) -> bool:
    """Take objects in; return False where one is not there any more."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            fetched = list(pool.map(storage.read_bytes, names))
        except FileNotFoundError:
            return False
    for name, data in zip(names, fetched, strict=True):
        with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
            file.write(_unpacked(storage, name, data))
            file.flush()
            ledger.take_in(Path(file.name), name)
    return True


def _unpacked(storage: Storage, name: str, data: bytes) -> bytes:
    try:
        content = gzip.decompress(data)
        if not content.startswith(_MAGIC):
            raise EOFError("no ledger")
        return content
    except (OSError, EOFError, zlib.error) as error:
        raise RunError(
            f"{storage.place}/{name}: this piece of a ledger is damaged ({error}); restore it from a version that the"
            " storage keeps, or delete it: the replies in it are then asked for again"
        ) from error


def _generation(name: str) -> int:
    return int(name.rpartition("/")[2].partition("-")[0])
