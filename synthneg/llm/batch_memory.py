"""What the ledger remembers of open batches, so that a batch outlives the process that submitted it.

A batch is written down before its file is uploaded, again when the server has named the file, and again when it has
named the batch. Each of its requests has a fact of its own, which is forgotten when its outcome is safe: what is left
is what the batch still owes. The requests are kept here, and not fetched back from the server's copy of the file:
servers delete theirs, and a body does not tell the reply schema where it went out in another dialect.
"""

import secrets
import time
from dataclasses import asdict, dataclass, replace

import orjson

from synthneg.llm.base import Request
from synthneg.llm.keys import digest_of, shared_part
from synthneg.llm.ledger import Ledger
from synthneg.llm.wire import Dialect
from synthneg.prompts.render import Message

_SHARED = "shared "


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch whose replies are not all in the ledger yet."""

    name: str  # ours, for the ledger
    at: float  # when it was begun, in seconds since 1970
    dialect: Dialect  # in which its requests were written
    file: str | None = None  # the server's name of the input file, once it is uploaded
    id: str | None = None  # the server's name of the batch, once it is created

    @property
    def subject(self) -> str:
        """Under which the ledger has its requests."""
        return f"batch {self.name}"


class OpenBatches:
    """The open batches of one backend.

    Args:
        ledger: the run's memory.
        identity: of the backend.
    """

    def __init__(self, ledger: Ledger, identity: str) -> None:
        self._ledger, self._identity = ledger, identity
        self._shared: dict[str, bytes] = {}  # the last one read, by its place
        self._batches = {
            name: _batch(name, fact) for name, fact in ledger.facts(self._subject).items()
        }

    @property
    def _subject(self) -> str:
        return f"batches of {self._identity}"

    def all(self) -> list[OpenBatch]:
        """Return the open batches, the oldest first."""
        return sorted(self._batches.values(), key=lambda batch: batch.at)

    def begin(self, dialect: Dialect) -> OpenBatch:
        """Return a new batch, of which nothing is at the server."""
        return self.note(OpenBatch(secrets.token_hex(8), time.time(), dialect))

    def note(self, batch: OpenBatch, file: str | None = None, id: str | None = None) -> OpenBatch:
        """Remember how far a batch has come; return it."""
        batch = replace(batch, file=file or batch.file, id=id or batch.id)
        self._batches[batch.name] = batch
        self._ledger.learn(self._subject, batch.name, orjson.dumps(asdict(batch)).decode())
        return batch

    def add(self, batch: OpenBatch, key: str, request: Request) -> None:
        """Remember a request of a batch; what many requests share is kept once."""
        shared = shared_part(self._identity, request)
        digest = digest_of(shared).hex()
        place = f"{batch.name} {digest}"
        if self._shared.get(place) != shared:
            self._shared = {place: shared}
            self._ledger.learn(batch.subject, _SHARED + digest, shared.decode())
        row = orjson.dumps([digest, request.messages[-1], request.seed])
        self._ledger.learn(batch.subject, key, row.decode())

    def holding(self, key: str) -> OpenBatch | None:
        """Return the open batch that owes the reply to the request of this key."""
        for batch in self._batches.values():
            if self._ledger.fact(batch.subject, key) is not None:
                return batch
        return None

    def request(self, batch: OpenBatch, key: str) -> Request | None:
        """Return a request whose reply the batch owes; None where it owes none to this key."""
        row = self._ledger.fact(batch.subject, key)
        if row is None:
            return None
        digest, said, seed = orjson.loads(row)
        place = f"{batch.name} {digest}"
        if place not in self._shared:
            shared = self._ledger.fact(batch.subject, _SHARED + digest) or ""
            self._shared = {place: shared.encode()}
        _, before, sampling, schema = orjson.loads(self._shared[place])
        messages = tuple(Message(**message) for message in (*before, said))
        return Request(messages, sampling, seed, schema)

    def owed(self, batch: OpenBatch) -> list[str]:
        """Return the keys of the requests whose replies the batch owes."""
        return [name for name in self._ledger.facts(batch.subject) if not name.startswith(_SHARED)]

    def settle(self, batch: OpenBatch, key: str) -> None:
        """Forget a request of a batch: its outcome is safe."""
        self._ledger.learn(batch.subject, key, None)

    def drop(self, batch: OpenBatch) -> None:
        """Forget a batch, with what it still owes."""
        del self._batches[batch.name]
        # The batch last: where a kill comes in between, the next start drops it once more.
        for name in self._ledger.facts(batch.subject):
            self._ledger.learn(batch.subject, name, None)
        self._ledger.learn(self._subject, batch.name, None)


def _batch(name: str, fact: str) -> OpenBatch:
    values = orjson.loads(fact)
    return OpenBatch(**{**values, "name": name, "dialect": Dialect(**values["dialect"])})
