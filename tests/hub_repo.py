"""What the loopback Hub keeps: repositories and collections; and how it refuses."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
TOKEN = "hf_loopbackLoopbackLoopback"
USER = "ann"  # whose token it is


@dataclass
class Repo:
    """A repository: its files by path, and the messages of its commits."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    lfs_paths: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(repr((self.commits, sorted(self.files))).encode()).hexdigest()

    def oid(self, path: str) -> str:
        data = self.files[path]
        if path in self.lfs_paths:
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def entry(self, path: str) -> Json:
        size = len(self.files[path])
        entry: Json = {"type": "file", "path": path, "size": size, "oid": self.oid(path)}
        if path in self.lfs_paths:
            entry["lfs"] = {"oid": self.oid(path), "size": size, "pointerSize": 130}
        return entry


@dataclass
class Collection:
    """A collection: its items, as (kind, name), in order."""

    slug: str
    title: str
    owner: str
    private: bool
    items: list[tuple[str, str]] = field(default_factory=list)

    def entry(self) -> Json:
        items = [
            {"_id": str(place), "id": name, "type": kind, "position": place, "repoType": kind}
            for place, (kind, name) in enumerate(self.items)
        ]
        return {
            **{"slug": self.slug, "title": self.title, "private": self.private, "items": items},
            **{"owner": {"name": self.owner}, "lastUpdated": "2026-01-01T00:00:00.000Z"},
            **{"position": 0, "theme": "blue", "upvotes": 0},
        }


class Refused(Exception):
    """The answer is an error of HTTP."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
