"""The key of a server, cut out of all that the server says: replies and errors go into files and onto screens."""

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

import orjson

from synthneg.llm.base import Reply

_CUT = "***"


class Secret:
    """A key in the forms in which servers and proxies repeat it: as it is, in an address, in Base64.

    >>> Secret("sk-0123456789abcdef").cut("got Bearer sk-0123456789abcdef.")
    'got Bearer ***.'
    """

    def __init__(self, key: str | None) -> None:
        forms = {key, quote(key, safe=""), *_encoded(key)} if key else set()
        self._forms = sorted(forms, key=len, reverse=True)

    def cut(self, text: str) -> str:
        """Return a text without the key."""
        for form in self._forms:
            text = text.replace(form, _CUT)
        return text

    def cut_bytes(self, data: bytes) -> bytes:
        """Return a body without the key."""
        for form in self._forms:
            data = data.replace(form.encode(), _CUT.encode())
        return data

    def cut_json(self, data: bytes) -> bytes:
        r"""Return a body, JSON or not, without the key; an encoder may have written it with \/ or \u002b."""
        with suppress(orjson.JSONDecodeError):
            data = orjson.dumps(orjson.loads(data))
        return self.cut_bytes(data)

    def cut_reply(self, reply: Reply) -> Reply:
        """Return a reply without the key."""
        said = (reply.text, reply.finish, reply.model, reply.reasoning, *reply.top)
        if not any(form in part for form in self._forms for part in said):
            return reply
        text, finish, model, reasoning, *_ = map(self.cut, said)
        top = {self.cut(token): logprob for token, logprob in reply.top.items()}
        return replace(reply, text=text, finish=finish, model=model, reasoning=reasoning, top=top)


def _encoded(key: str) -> set[str]:
    """Return what the key looks like inside a text in Base64, wherever in it the key begins."""
    found = set()
    for before in range(3):
        whole = b64encode(b"\0" * before + key.encode()).decode()
        found.add(whole[-(-before * 8 // 6) : (before + len(key)) * 8 // 6])
    return {form for form in found if len(form) > len(key)}
