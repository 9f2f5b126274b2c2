"""Stand-ins that obey the contracts of the two seams, for tests and dry runs; never a default."""

import asyncio
import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import orjson

from synthneg.llm.base import Reply, Request

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STOCK = (
    "after almost along already although among another around because before behind below beside between beyond"
    " both bring broad brought build called came carry centre change clear close coast cold common cover days deep"
    " differ during early earth eight either enough even every fairly family farm field find first five follow form"
    " found four garden gather gives glass grain green ground grow half hand hard harbour heavy hill hold house hundred"
    " iron island keep kind lake large late later leaf least leave less light line little local long lower make many"
    " market middle mild mill month more most mountain move much narrow nearly never north often older only open other"
    " part people place plain plant quarter quite rain rather reach ready river road rock room round salt sand seed"
    " seldom seven several shape shore short side silver simple since slow small soft soil some south spread spring"
    " stand steady stone store storm stream street summer table ten thin third thousand three timber today together"
    " town trade tree turn twelve twice under until upper usual valley village wall warm water weather week well west"
    " wheel while wide wind winter without wood work worn year yellow young"
).split()
_QUERIES = (
    "how does {} {} affect the {} of {} and {}",
    "what is known of {} and {} with {} {} {}",
    "why are {} {} found together with {} or {} {}",
    "role of {} in {} {}, {} and {}",
)


class HashingEncoder:
    """An encoder that needs no model: a bag of words, each hashed to a signed bucket.

    Texts that share words are near, all others nearly orthogonal. For tests and dry runs.
    """

    def __init__(self, dimension: int = 256) -> None:
        self.name = f"hashing-{dimension}"
        self._dimension = dimension

    def encode(
        self, texts: Sequence[str], role: Literal["query", "document"]
    ) -> "NDArray[np.float32]":
        """Return (n, d) unit rows; both roles give the same ones."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        rows = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
                value = int.from_bytes(digest, "big")
                row[(value >> 1) % self._dimension] += 1.0 if value & 1 else -1.0
            if not row.any():
                row[0] = 1.0  # no words, or words that cancel out: still a unit row
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


class OverlapReranker:
    """A reranker that needs no model: the more of the query's words stand in the document, the better it is.

    Scores are a line from -4, no word, to 4, every word: on a scale of their own and below 0 at times, as logits are.
    """

    def __init__(self) -> None:
        self.name = "overlap"

    def score(self, pairs: Sequence[tuple[str, str]]) -> "NDArray[np.float32]":
        """Return (n,) scores; a query without a word gets -4."""
        import numpy as np  # noqa: PLC0415 - heavy: only when scoring

        scores = np.full(len(pairs), -4.0, dtype=np.float32)
        for i, (query, document) in enumerate(pairs):
            wanted = set(re.findall(r"\w+", query.lower()))
            found = wanted.intersection(re.findall(r"\w+", document.lower()))
            if wanted:
                scores[i] += 8.0 * len(found) / len(wanted)
        return scores


def invented(request: Request) -> str:
    """Return a reply that depends on messages, seed and schema alone, made of words of the prompt and of a small stock.

    JSON that fits where there is a schema, yes or no or one line where the prompt asks for that, else some 60 words of
    prose. The later a key stands in a schema, the fewer of its words are the prompt's own: graded documents have
    falling grades.
    """
    said = [message.content or "" for message in request.messages]
    line = re.search(r"^Query: *(.+)$", said[-1], re.MULTILINE)
    found = re.findall(r"[^\W\d_]{4,}", line[1] if line else said[-1])
    own = list(dict.fromkeys(word for word in found if word != "Passage")) or ["nothing"]
    chance = random.Random(orjson.dumps([said, request.seed, request.schema]))
    if request.schema is not None:
        return orjson.dumps(_fitting(request.schema, own, 0.4, chance)).decode()
    if "yes or no" in said[-1]:
        return chance.choice(("yes", "no"))
    if "on one line" in said[0]:
        picked = chance.sample(own, 5) if len(own) >= 5 else chance.choices(own, k=5)
        return chance.choice(_QUERIES).format(*(word.lower() for word in picked))
    return _prose(own, 0.2, 60, chance)


def alternatives(text: str, count: int) -> dict[str, float]:
    """Return what the first token of an invented reply could have been: a token is a word, each half as likely."""
    first = text.split()[0] if text.split() else ""
    words = list(dict.fromkeys((first, "yes", "no", *_STOCK)))[:count]
    return {word: -math.log(2) * (place + 1) for place, word in enumerate(words)}


def _fitting(schema: dict[str, Any], own: list[str], share: float, chance: random.Random) -> Any:
    """Return a value that fits a JSON schema of objects, lists, strings, whole numbers and truth values."""
    if "enum" in schema:
        return chance.choice(schema["enum"])
    kind = schema.get("type", "object" if "required" in schema else "string")
    if kind == "object":
        inner = schema.get("properties") or {key: {} for key in schema.get("required", ())}
        shares = {key: share * (len(inner) - i) / len(inner) for i, key in enumerate(inner)}
        return {key: _fitting(inner[key], own, shares[key], chance) for key in inner}
    if kind == "array":
        items = schema.get("items", {})
        return [_fitting(items, own, share, chance) for _ in range(schema.get("minItems", 2))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    if kind == "boolean":
        return chance.random() < 0.5
    most = schema.get("maxLength", 1200)
    return _prose(own, share, max(1, min(45, most // 10)), chance)[:most]


def _prose(own: list[str], share: float, words: int, chance: random.Random) -> str:
    """Return sentences of `words` words, of which about `share` are the prompt's own."""
    drawn = [
        chance.choice(own if chance.random() < share else _STOCK).lower() for _ in range(words)
    ]
    sentences, start = [], 0
    while start < words:
        length = chance.randint(8, 13)
        sentences.append(" ".join(drawn[start : start + length]).capitalize() + ".")
        start += length
    return " ".join(sentences)


def _no_trouble(request: Request, attempt: int) -> None:
    return None


def _at_once(request: Request) -> float:
    return 0.0


class ScriptedBackend:
    """A language model that needs none, for tests and dry runs. It keeps what it was asked.

    Args:
        answer: gives the text of the reply to a request.
        trouble: gives the error that a request meets at an attempt (they count from 1), or None.
        delay_s: gives the seconds before the reply to a request.
    """

    def __init__(
        self,
        answer: Callable[[Request], str] = invented,
        trouble: Callable[[Request, int], Exception | None] = _no_trouble,
        delay_s: Callable[[Request], float] = _at_once,
    ) -> None:
        self.identity = "scripted"
        self.asked: list[Request] = []
        self.most_in_flight = 0
        self._answer, self._trouble, self._delay_s = answer, trouble, delay_s
        self._attempts: Counter[bytes] = Counter()
        self._in_flight = 0

    async def complete(self, request: Request) -> Reply:
        """Return the reply; see `Backend`."""
        self.asked.append(request)
        key = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
        self._attempts[key] += 1
        attempt = self._attempts[key]
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(self._delay_s(request))
        finally:
            self._in_flight -= 1
        error = self._trouble(request, attempt)
        if error is not None:
            raise error
        text = self._answer(request)
        said = sum(len((message.content or "").split()) for message in request.messages)
        top = alternatives(text, request.sampling.get("top_logprobs", 0))
        sure = -0.25 if request.sampling.get("logprobs") else None
        return Reply(text, "stop", said, len(text.split()), self.identity, top=top, logprob=sure)

    def waits_for(self) -> str:
        """Return ""; see `Backend`."""
        return ""

    async def close(self) -> None:
        """Do nothing; see `Backend`."""
