"""What a Hub must understand of the Xet storage, the way in that huggingface_hub takes where hf_xet is installed.

A file arrives as chunks, packed into "xorbs", and a "shard" that says which chunks of which xorbs make which file.
The layouts are those of the Xet protocol specification, in the documentation of the Hub: little-endian, entries of
48 bytes.
"""

import struct
from collections.abc import Iterator

import pyarrow as pa

_ENTRY_BYTES = 48
_SHARD_HEADER_BYTES = 48
_END = b"\xff" * 32
_HAS_VERIFICATION, _HAS_SHA256 = 1 << 31, 1 << 30


def hex_hash(raw: bytes) -> str:
    """Return a hash as Xet writes it: four little-endian numbers of 64 bits, in hexadecimal."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def chunks(xorb: bytes) -> Iterator[bytes]:
    """Yield the chunks of a xorb, unpacked: each has a header of 8 bytes, with both lengths and the packing."""
    at = 0
    while (
        at < len(xorb) and xorb[at] == 0
    ):  # the version; a footer that may follow starts otherwise
        packed, scheme = int.from_bytes(xorb[at + 1 : at + 4], "little"), xorb[at + 4]
        size = int.from_bytes(xorb[at + 5 : at + 8], "little")
        yield _unpack(xorb[at + 8 : at + 8 + packed], scheme, size)
        at += 8 + packed


def _unpack(data: bytes, scheme: int, size: int) -> bytes:
    if scheme == 0:
        return data
    plain = bytes(pa.decompress(data, decompressed_size=size, codec="lz4"))
    if scheme == 1:
        return plain
    ungrouped, at = (
        bytearray(size),
        0,
    )  # scheme 2: the first bytes of each four, then the second ones, ...
    for offset in range(4):
        count = len(range(offset, size, 4))
        ungrouped[offset::4] = plain[at : at + count]
        at += count
    return bytes(ungrouped)


def files(shard: bytes, xorbs: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the SHA-256 (hexadecimal) that the shard states for each of its files, and the bytes put together."""
    at = _SHARD_HEADER_BYTES
    while shard[at : at + 32] != _END:
        flags, count = struct.unpack_from("<II", shard, at + 32)
        at += _ENTRY_BYTES
        data = b""
        for _ in range(count):
            _, _, first, last = struct.unpack_from("<4I", shard, at + 32)
            data += b"".join(list(chunks(xorbs[hex_hash(shard[at : at + 32])]))[first:last])
            at += _ENTRY_BYTES
        at += _ENTRY_BYTES * count * bool(flags & _HAS_VERIFICATION)
        sha256 = hex_hash(shard[at : at + 32]) if flags & _HAS_SHA256 else ""
        at += _ENTRY_BYTES * bool(flags & _HAS_SHA256)
        yield sha256, data
