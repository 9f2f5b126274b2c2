"""The pages of the loopback Hub that take large files: Git LFS (batch, PUT, verify) and the Xet storage."""

import hashlib
import json
import time
from typing import Any

import xet
from hub_repo import TOKEN, Refused


class StoragePages:
    """The part of the Hub's handler that stores what is too large for a commit."""

    server: Any
    _answer: Any
    _page: Any

    def batch(self, body: bytes, repo: str) -> None:
        self.server.repo(repo)
        objects = []
        for wanted in json.loads(body)["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.server.blobs:
                blob = f"{self.server.url}/blob/{wanted['oid']}"
                verify = f"{self._page(repo)}/verify"
                entry["actions"] = {"upload": {"href": blob}, "verify": {"href": verify}}
            objects.append(entry)
        self._answer({"transfer": "basic", "objects": objects})

    def blob(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise Refused(400, "the bytes are not those of the oid")
        self.server.blobs[oid] = body
        self._answer({})

    def verify(self, body: bytes, repo: str) -> None:
        wanted = json.loads(body)
        if len(self.server.blobs.get(wanted["oid"], b"")) != wanted["size"]:
            raise Refused(422, "the object is not as long as it should be")
        self._answer({})

    def xet_token(self, body: bytes, repo: str) -> None:
        self.server.repo(repo)
        until = int(time.time()) + 3600
        self._answer({"casUrl": f"{self.server.url}/cas", "exp": until, "accessToken": TOKEN})

    def xorb(self, body: bytes, name: str) -> None:
        self.server.xorbs[name] = body
        self._answer({"was_inserted": True})

    def shard(self, body: bytes) -> None:
        for sha256, data in xet.files(body, self.server.xorbs):
            if hashlib.sha256(data).hexdigest() != sha256:
                raise Refused(400, "the bytes are not those of the SHA-256")
            self.server.blobs[sha256] = data
        self._answer({"result": 1})
