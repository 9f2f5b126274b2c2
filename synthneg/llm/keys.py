"""The key of a request in the ledger: a hash of messages, sampling, seed, schema and backend identity."""

from hashlib import blake2b

import orjson

from synthneg.llm.base import Request


def key_of(identity: str, request: Request) -> str:
    """Return the key of a request put to the backend `identity`: 32 hexadecimal digits."""
    own = orjson.dumps([request.messages[-1], request.seed])
    shared = digest_of(shared_part(identity, request))
    return blake2b(shared + own, digest_size=16).hexdigest()


def shared_part(identity: str, request: Request) -> bytes:
    """Return all of a request but its last message and its seed: what the requests of one prompt have in common."""
    parts = [identity, request.messages[:-1], request.sampling, request.schema]
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def digest_of(shared: bytes) -> bytes:
    """Return the 16 bytes that stand for a shared part in each key."""
    return blake2b(shared, digest_size=16).digest()
