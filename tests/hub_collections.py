"""The pages of the loopback Hub on which collections are made and filled."""

import json
from typing import Any

from hub_repo import USER, Collection, Refused


class CollectionPages:
    """The part of the Hub's handler that knows collections."""

    server: Any
    _answer: Any

    def create_collection(self, body: bytes) -> None:
        wanted = json.loads(body)
        if wanted["namespace"] != USER:
            raise Refused(403, f"You don't have the rights to create a collection under {wanted}")
        if len(wanted["title"]) >= 60:
            raise Refused(400, "title must be shorter than 60 characters")
        slug = f"{USER}/{wanted['title'].replace(' ', '-').lower()}-64f9a55bb3115b4f513ec026"
        if slug in self.server.collections:
            self._answer({"error": "exists", "slug": slug}, 409)
            return
        made = Collection(slug, wanted["title"], USER, wanted["private"])
        self.server.collections[slug] = made
        self._answer(made.entry())

    def collection(self, body: bytes, slug: str) -> None:
        self._answer(self.server.collections[slug].entry())

    def add_item(self, body: bytes, slug: str) -> None:
        found, wanted = self.server.collections[slug], json.loads(body)["item"]
        item = (wanted["type"], wanted["id"])
        if item in found.items:
            raise Refused(409, "already in the collection")
        self.server.repo(item[1] if item[0] == "dataset" else f"models/{item[1]}")
        found.items.append(item)
        self._answer(found.entry())
