"""A Hub on the loopback interface that speaks the commit protocol of huggingface_hub to the unmodified client.

It knows one account and its token, keeps what it received byte for byte, and writes down every request. Files are
committed as on the Hub: small text inside the commit, Parquet and anything above 10 MB ahead of it: through the Xet
storage, which the client prefers where hf_xet is installed, or through Git LFS (batch, PUT, verify) where it is not or
`HF_HUB_DISABLE_XET=1`. Reading works too (info, tree, paths-info, resolve), so `load_dataset` can take a dataset back.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from hub_cards import faults
from hub_collections import CollectionPages
from hub_repo import TOKEN, USER, Collection, Json, Refused, Repo
from hub_storage import StoragePages

LFS_FROM_BYTES = 10 * 1024 * 1024
REPO = r"/(?P<repo>[^/]+/[^/]+)"
KIND = r"(?P<kind>datasets|models)"
PLACE = rf"/(?:(?P<kind>datasets)/)?{REPO[1:]}"  # of a page: models stand at the root


class Hub(ThreadingHTTPServer):
    """The server and all it remembers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos: dict[str, Repo] = {}  # a model's key begins with models/
        self.collections: dict[str, Collection] = {}  # by slug
        self.blobs: dict[str, bytes] = {}  # by SHA-256
        self.xorbs: dict[str, bytes] = {}
        self.requests: list[str] = []  # "METHOD /path"
        self.created: list[Json] = []  # bodies of repos/create
        self.failures: dict[str, tuple[int, str]] = {}  # start of "METHOD /path" -> status, body
        self.lock = threading.Lock()
        self.received = 0  # bytes of all bodies since `count_anew`
        self.epoch = 0
        self.keep_bodies = False
        self.bodies: list[bytes] = []
        self.cut_after: int | None = None  # bytes after which every connection is dropped
        self.stall_after: int | None = None  # bytes after which nothing more is read
        self.stalled = threading.Event()

    def count_anew(self) -> None:
        """Work as ever from now on, and count the bytes of what begins from now on."""
        with self.lock:
            self.epoch, self.received = self.epoch + 1, 0
            self.cut_after = self.stall_after = None

    def sent(self) -> list[str]:
        """Return the names of the LFS blobs and Xet xorbs that arrived, in order."""
        marks = ("PUT /blob/", "POST /cas/v1/xorbs/")
        return [r.rpartition("/")[2] for r in self.requests if r.startswith(marks)]

    def repo(self, name: str) -> Repo:
        if name not in self.repos:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return self.repos[name]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that a client drops."""


class Handler(CollectionPages, StoragePages, BaseHTTPRequestHandler):
    """One request; `ROUTES` says which method answers it."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def do(self) -> None:
        path = unquote(urlsplit(self.path).path)
        with self.server.lock:
            self.server.requests.append(f"{self.command} {path}")
        try:
            body = b"".join(self._body())
        except ConnectionError:
            self.close_connection = True
            return
        if self.server.keep_bodies:
            self.server.bodies.append(body)
        try:
            self._plant(f"{self.command} {path}")
            if not path.startswith("/blob/") and path not in OPEN:
                self._authorize()
            with self.server.lock:
                self._route(path, body)
        except Refused as refused:
            self._answer({"error": refused.message}, refused.status, {"X-Error-Code": refused.code})

    do_GET = do_POST = do_PUT = do_HEAD = do

    def _body(self) -> Iterator[bytes]:
        """Yield the body, counted; drop the connection where the Hub is to."""
        epoch = self.server.epoch
        for size in self._sizes():
            while size:
                data = self.rfile.read(min(size, 1 << 16))
                size -= len(data)
                with self.server.lock:
                    self.server.received += len(data) if epoch == self.server.epoch else 0
                    limit = self.server.cut_after
                    if not data or (limit is not None and self.server.received > limit):
                        raise ConnectionResetError("cut off")
                self._stall(epoch)
                yield data

    def _stall(self, epoch: int) -> None:
        while (limit := self.server.stall_after) is not None and self.server.received > limit:
            self.server.stalled.set()
            time.sleep(0.02)
        if epoch != self.server.epoch:  # what the kernel holds of a body has not arrived
            raise ConnectionResetError("stalled too long")

    def _sizes(self) -> Iterator[int]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield int(self.headers.get("Content-Length") or 0)
            return
        while size := int(self.rfile.readline(), 16):
            yield size
            self.rfile.readline()
        self.rfile.readline()

    def _plant(self, request: str) -> None:
        for start, (status, message) in self.server.failures.items():
            if request.startswith(start):
                raise Refused(status, message)

    def _authorize(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Invalid username or password.")

    def _route(self, path: str, body: bytes) -> None:
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method.split():
                given = found.groupdict()
                if "repo" in given and given.pop("kind", "datasets") != "datasets":
                    given["repo"] = f"models/{given['repo']}"
                getattr(self, answer)(body, **given)
                return
        raise Refused(404, f"no such page: {path}", "EntryNotFound")

    def _answer(
        self, data: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self._send(
            json.dumps(data).encode(),
            status,
            {"Content-Type": "application/json"} | (headers or {}),
        )

    def _send(self, data: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status, HTTPStatus(status).phrase)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: tests read `requests`."""

    def create(self, body: bytes) -> None:
        wanted = json.loads(body)
        self.server.created.append(wanted)
        name = f"{wanted['organization'] or USER}/{wanted['name']}"
        if not name.startswith(f"{USER}/"):
            raise Refused(403, f"You don't have the rights to create a dataset under {name}")
        kind = wanted.get("type", "model")
        key = name if kind == "dataset" else f"models/{name}"
        url = f"{self.server.url}/{f'datasets/{name}' if kind == 'dataset' else name}"
        if key in self.server.repos:
            self._answer({"error": f"You already created this {kind} repo", "url": url}, 409)
            return
        self.server.repos[key] = Repo(private=wanted.get("visibility") == "private")
        self._answer({"name": name, "url": url, "id": "1"})

    def validate_card(self, body: bytes) -> None:
        wanted = json.loads(body)
        found = faults(wanted["content"], wanted["repoType"])
        messages = [{"message": fault} for fault in found]
        self._answer({"errors": messages, "warnings": []}, 400 if found else 200)

    def info(self, body: bytes, repo: str) -> None:
        found = self.server.repo(repo)
        siblings = [{"rfilename": path} for path in sorted(found.files)]
        self._answer(
            {
                "id": repo,
                "sha": found.sha,
                "private": found.private,
                "siblings": siblings,
                "tags": [],
            }
        )

    def preupload(self, body: bytes, repo: str) -> None:
        found = self.server.repo(repo)
        files = []
        for file in json.loads(body)["files"]:
            path = file["path"]
            large = path.endswith((".parquet", ".safetensors")) or file["size"] > LFS_FROM_BYTES
            known = {"oid": found.oid(path)} if path in found.files else {}
            mode = "lfs" if large else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False} | known)
        self._answer({"files": files})

    def _page(self, repo: str) -> str:
        model = repo.removeprefix("models/")
        return f"{self.server.url}/{model if model != repo else f'datasets/{repo}'}"

    def commit(self, body: bytes, repo: str) -> None:
        found = self.server.repo(repo)
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                found.commits.append(value["summary"])
            elif entry["key"] == "file":
                found.files[value["path"]] = base64.b64decode(value["content"])
                found.lfs_paths.discard(value["path"])
            elif entry["key"] == "lfsFile":
                if value["oid"] not in self.server.blobs:
                    raise Refused(
                        400, f"LFS pointer to an object that was not sent: {value['path']}"
                    )
                found.files[value["path"]] = self.server.blobs[value["oid"]]
                found.lfs_paths.add(value["path"])
            else:
                raise Refused(400, f"unknown operation {entry['key']}")
        url = f"{self._page(repo)}/commit/{found.sha}"
        self._answer({"success": True, "commitOid": found.sha, "commitUrl": url})

    def tree(self, body: bytes, repo: str, folder: str) -> None:
        found = self.server.repo(repo)
        prefix = f"{folder}/" if folder else ""
        below = [path for path in sorted(found.files) if path.startswith(prefix)]
        recursive = "recursive=true" in self.path.lower()
        direct = [path for path in below if recursive or "/" not in path[len(prefix) :]]
        folders = {path[: path.index("/", len(prefix))] for path in below if path not in direct}
        if not below:
            raise Refused(404, f"{folder} does not exist", "EntryNotFound")
        entries = [{"type": "directory", "path": f, "oid": "0", "size": 0} for f in sorted(folders)]
        self._answer(entries + [found.entry(path) for path in direct])

    def paths_info(self, body: bytes, repo: str) -> None:
        found = self.server.repo(repo)
        entries = []
        for path in json.loads(body)["paths"]:
            if path in found.files:
                entries.append(found.entry(path))
            elif any(file.startswith(f"{path}/") for file in found.files):
                entries.append({"type": "directory", "path": path, "oid": "0", "size": 0})
        self._answer(entries)

    def resolve(self, body: bytes, repo: str, path: str) -> None:
        found = self.server.repo(repo)
        if path not in found.files:
            raise Refused(404, f"{path} does not exist", "EntryNotFound")
        data, status, headers = found.files[path], 200, {"ETag": f'"{found.oid(path)}"'}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        self._send(data, status, headers | {"X-Repo-Commit": found.sha, "Accept-Ranges": "bytes"})


OPEN = ("/api/agent-harnesses", "/api/validate-yaml")  # asked without a token
ROUTES = (
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate_card"),
    ("POST", r"/api/collections", "create_collection"),
    ("GET", r"/api/collections/(?P<slug>[^/]+/[^/]+)", "collection"),
    ("POST", r"/api/collections/(?P<slug>[^/]+/[^/]+)/items", "add_item"),
    ("GET", rf"/api/{KIND}{REPO}", "info"),
    ("GET", rf"/api/{KIND}{REPO}/revision/[^/]+", "info"),
    ("POST", rf"/api/{KIND}{REPO}/preupload/[^/]+", "preupload"),
    ("POST", rf"/api/{KIND}{REPO}/commit/[^/]+", "commit"),
    ("GET", rf"/api/{KIND}{REPO}/tree/[^/]+/?(?P<folder>.*)", "tree"),
    ("POST", rf"/api/{KIND}{REPO}/paths-info/[^/]+", "paths_info"),
    ("POST", rf"{PLACE}\.git/info/lfs/objects/batch", "batch"),
    ("POST", rf"{PLACE}/verify", "verify"),
    ("GET", rf"/api/{KIND}{REPO}/xet-write-token/[^/]+", "xet_token"),
    ("POST", r"/cas/v1/xorbs/default/(?P<name>[0-9a-f]{64})", "xorb"),
    ("POST", r"/cas/v1/shards", "shard"),
    ("PUT", r"/blob/(?P<oid>[0-9a-f]{64})", "blob"),
    ("GET HEAD", rf"{PLACE}/resolve/[^/]+/(?P<path>.+)", "resolve"),
)


@contextmanager
def running() -> Iterator[Hub]:
    """Run a Hub in a thread for the time of the context."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
