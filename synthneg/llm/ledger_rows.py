"""The rows of a ledger on their way into it, and the checksum that each of them has."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from synthneg.llm.base import Reply, Request


class Row(NamedTuple):
    """A reply, as it is stored."""

    key: str
    identity: str
    request: Request
    reply: Reply
    seconds: float
    at: float


class Tried(NamedTuple):
    """A try that failed, as it is stored."""

    key: str
    reason: str
    detail: str
    seconds: float
    at: float


Waiting = tuple[Row, asyncio.Future[None]]


def tell(waiting: Sequence[Waiting], error: Exception | None) -> None:
    """Tell those who wait for their replies to be stored that they are, or why they are not."""
    for _, committed in waiting:
        if committed.done():  # whoever waited was cancelled; the reply is kept all the same
            continue
        if error is None:
            committed.set_result(None)
        else:
            committed.set_exception(error)


def seal_of(key: bytes, reply: Reply, top: str) -> int:
    """Return a checksum of a reply: SQLite has none, and would hand out a flipped bit as it stands."""
    head = f"{reply.finish}\0{reply.tokens_in}\0{reply.tokens_out}\0{reply.model}\0"
    said = f"{head}{reply.reasoning}\0{top}\0{reply.text}"
    return zlib.crc32(said.encode("utf-8", "surrogatepass"), zlib.crc32(key))
