"""Texts that a page holds once each, fit to be shown, and the JSON that it holds them in."""

from typing import Any

import orjson

from synthneg.printable import capped, visible

# So that nothing in it ends the element, opens a comment, or is a line's end to JavaScript.
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029\u0085"})


def embedded(value: Any) -> str:
    r"""Return plain values as JSON that may stand within an element `script`; every text in it is made visible.

    >>> embedded({"a": "</script><!--\0"})
    '{"a":"\\u003c/script\\u003e\\u003c!--␀"}'
    """
    return orjson.dumps(_shown(value)).decode().translate(_ESCAPES)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): _shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return value


class Strings:
    """Texts by their place, the same text once; a longer one than `most` characters is cut, and says so."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: dict[str, int] = {}
        self.size = 0  # bytes that they take in the page

    def add(self, text: str) -> int:
        """Return the place of a text."""
        shown = visible(capped(text, self._most))
        if shown not in self._places:
            self._places[shown] = len(self._places)
            self.size += len(embedded(shown).encode()) + 1
        return self._places[shown]

    def all(self) -> list[str]:
        """Return the texts in the order of their places."""
        return list(self._places)
