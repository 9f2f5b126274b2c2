"""What kind of query a text is, told by rules that a person can follow.

The rules look at marks, capitals, commas, the number of sentences and of words: that much holds in most languages.
Question words are known of English, German, French, Spanish, Portuguese, Italian, Dutch, Chinese and Japanese; verbs
and small words of English alone. So in other languages a statement is known by its full stop, and a title by its
capitals. A text of which no letter is a capital is no title.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from synthneg.words import words

Kind = Literal["question", "claim", "keywords", "title", "request", "scenario"]
KINDS: tuple[Kind, ...] = ("question", "claim", "keywords", "title", "request", "scenario")

_LONG = 45  # words: nobody types a longer sentence into a search box
_SCENARIO_WORDS = 25  # in several sentences
_FEW = 3  # words without a small one: terms, whatever their capitals
_TERMS = 6  # words without a small one, in small letters
_TERM_WORDS = 4  # of a term between commas
_TITLE_SHARE = 0.75  # of the longer words that begin with a capital
_LONGER = 4  # letters
_RELATIVE_REACH = 3  # words from "that" to its verb

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(¿¡]?[^\W_])|(?<=[。！？])")
_ABBREVIATION = re.compile(r"\b(?:vs|dr|mr|mrs|st|etc|e\.g|i\.e|al|no|fig|[a-z])\.$", re.IGNORECASE)
_WORD = re.compile(r"[^\W_][\w'-]*")
_ASKED_WITHIN = re.compile(r"什么|什麼|如何|怎么|怎麼|为什么|哪|吗|嗎|なぜ|どう|何|ですか|ますか")

_ASKS = frozenset(
    "what which who whose whom wie warum wer wen wem wo wann welche welcher welches woher wohin wieso weshalb pourquoi"
    " quel quelle quels quelles combien quoi qui qué cómo cuál cuáles cuándo dónde quién cuánto cuántos perché quale"
    " quali dove quando porque quais onde quem wat waarom waar hoe wanneer welk".split()
)
_ASKS_WITH_A_VERB = frozenset("how why when where".split())  # else they may head a title
_HOW = frozenset(
    "to many much long often far old fast big large high deep likely common safe effective risky dangerous well bad"
    " good important quickly come about".split()
)
_AUXILIARIES = frozenset(
    "is are was were am have has had do does did can could may might must shall should will would cannot isn't aren't"
    " wasn't weren't hasn't haven't hadn't don't doesn't didn't can't couldn't won't wouldn't shouldn't".split()
)
_NAMES = frozenset(
    ("may", "will", "must")
)  # a month, a man, a must: as a first word, not sure to ask
_VERBS = _AUXILIARIES | frozenset(
    "accelerates activates affects allows alters appears applies arises attenuates becomes begins belongs bought brings"
    " came carries comes consists contains contributes correlates creates deactivates depends describes determines"
    " differs diminishes disrupts eliminates enables encodes encourages enhances ensures exacerbates exceeds exhibits"
    " exists explains facilitates fails follows gives goes grows happens impairs improves includes induces inhibits"
    " interacts interferes involves lacks lasts made maintains mediates metabolizes occurs participates permits"
    " predicts prevents produces prolongs promotes protects provides raises reaches receives reduces regulates relies"
    " remains requires resides restores resulted reverses seems serves showed slows sold stabilizes stays stimulates"
    " strengthens suppresses tends triggers undergoes upregulates varies weakens".split()
)
_VERBS_OR_NOUNS = frozenset(
    "acts blocks causes controls decreases delays drives forms helps holds increases influences keeps leads leaves lies"
    " lowers makes means moves needs offers plays recruits removes results saves shows stops takes tells turns uses"
    " works".split()
)
_VERB_PHRASE = re.compile(
    r"\b(?:results? in|leads? to|acts? as|aids? in|plays? an?|ranges? (?:from|between)|rises? with)\b"
)
_AFTER_A_NOUN = frozenset(
    "of in and or for on with at by from to as among between is are was were".split()
)
_RELATIVE = frozenset("that which who whose where when how why what".split())
_SMALL = frozenset(
    "a an the of in on for with without to from by at as and or nor but between among against into onto over under"
    " after before during through about than then that this these those it its their your my our his her near per vs"
    " how why when where what which who is are was were be can does do not no using versus via".split()
)
_ASKED_FOR = re.compile(
    r"(?:please )?(?:find|show|give|list|recommend|suggest|search|explain|describe|compare|tell me|look(?:ing)? for"
    r"|searching for|need(?:ing)?|want(?:ed)?|help|i(?:'m|'d| am)?|we|any (?:info|advice|papers|studies|tips)"
    r"|(?:best|easiest|fastest|cheapest|good) (?:way|ways|method|methods)|(?:papers?|articles?|studies|info|information"
    r"|advice|tips|research|evidence|documents|literature) (?:on|about|for|that|which|describing))\b",
    re.IGNORECASE,
)


class _Text(NamedTuple):
    """A query as the rules see it."""

    plain: str  # blanks made one
    sentences: int
    words: list[str]  # in small letters
    written: list[str]  # the same with their capitals
    length: int  # in words as they are counted elsewhere: of scripts without blanks, in characters

    @property
    def ends_in_stop(self) -> bool:
        return self.plain.rstrip("\"'”)").endswith((".", "。", "!", "！", "।"))

    @property
    def begins_small(self) -> bool:
        # Scripts without capitals begin small: nothing in them looks like a title.
        first = next((letter for letter in self.plain if letter.isalpha()), "")
        return not first.isupper()

    @property
    def has_verb(self) -> bool:
        """Whether a word after the first is a verb, and not that of a relative clause."""
        return _VERB_PHRASE.search(self.plain) is not None or any(
            _is_verb(word, self.words[place + 1 : place + 2])
            and _RELATIVE.isdisjoint(self.words[max(0, place - _RELATIVE_REACH) : place])
            for place, word in enumerate(self.words)
            if place
        )

    @property
    def may_have_verb(self) -> bool:
        """Whether a word ends as English verbs or their plural subjects do, and nothing follows that follows nouns."""
        return any(
            word.endswith(("s", "ed")) and len(word) > _FEW and following not in _AFTER_A_NOUN
            for word, following in zip(self.words[:-1], self.words[1:], strict=True)
        )

    @property
    def has_small_words(self) -> bool:
        # Not the A of vitamin A.
        return any(
            word in _SMALL and not (place and written.isupper())
            for place, (word, written) in enumerate(zip(self.words, self.written, strict=True))
        )


def kind_of(text: str) -> Kind:
    """Return the kind of a query: that of the first of RULES that holds, else a request.

    >>> kind_of("why does tea turn bitter?"), kind_of("Boiling water makes green tea bitter.")
    ('question', 'claim')
    >>> kind_of("green tea, bitterness, temperature"), kind_of("Green Tea and the Temperature of Water")
    ('keywords', 'title')
    >>> kind_of("water temperature for steeping green tea")
    'request'
    """
    seen = _read(text)
    return next((kind for kind, holds in RULES if holds(seen)), "request")


def _read(text: str) -> _Text:
    plain = " ".join(text.replace("’", "'").split())
    written = _WORD.findall(plain)
    *ended, last = _SENTENCE_END.split(plain)
    sentences = sum(1 for part in ended if not _ABBREVIATION.search(part)) + bool(last)
    return _Text(plain, sentences, [word.lower() for word in written], written, len(words(text)))


def _is_verb(word: str, following: list[str]) -> bool:
    if word in _VERBS_OR_NOUNS:
        return bool(following) and following[0] not in _AFTER_A_NOUN
    return word in _VERBS


def _scenario(text: _Text) -> bool:
    """Several sentences of some length, or one that is very long."""
    return text.length >= _LONG or (text.sentences > 1 and text.length >= _SCENARIO_WORDS)


def _marked_question(text: _Text) -> bool:
    """A question mark at the end."""
    return text.plain.rstrip("\"'”)").endswith(("?", "？", "؟"))


def _title_case(text: _Text) -> bool:
    """Most of the longer words with a capital, and no full stop."""
    longer = [word for word in text.written if len(word) >= _LONGER and not word.isupper()]
    capitals = sum(word[0].isupper() for word in longer)
    cased = len(longer) > 1 and capitals >= _TITLE_SHARE * len(longer)
    begins = len(text.words) > _FEW and not text.written[0][0].islower()
    return begins and cased and not text.ends_in_stop


def _separated_terms(text: _Text) -> bool:
    """Short terms between commas, semicolons or bars."""
    terms = [term for term in re.split(r"[,;|、，；]", text.plain) if term.strip()]
    return (
        len(terms) > 1
        and (len(terms) > 2 or len(text.words) <= _TERMS)
        and max(len(_WORD.findall(term)) for term in terms) <= _TERM_WORDS
        and not (text.ends_in_stop or text.words[:1] == ["i"])
        and _VERBS.isdisjoint(text.words)
        and not re.search(r" (?:and|or) ", text.plain)
    )


def _asks(text: _Text) -> bool:
    """Begins as questions do: a question word, or a verb that stands before its subject."""
    if _ASKED_WITHIN.search(text.plain):
        return True
    if len(text.words) <= 1 or text.ends_in_stop:
        return False
    first, second = text.words[:2]
    if first in _ASKS_WITH_A_VERB:
        return text.begins_small or second in _AUXILIARIES or second in _HOW
    if first in _NAMES:
        return second in _SMALL
    return first in _ASKS or first in _AUXILIARIES


def _asked_for(text: _Text) -> bool:
    """Begins as somebody does who asks for something."""
    return _ASKED_FOR.match(text.plain) is not None and len(text.words) >= _FEW


def _states(text: _Text) -> bool:
    """A full stop after more than a few words, one of which may be a verb; or a verb that is nothing else."""
    enough = len(text.words) > _FEW or text.length > 2 * _FEW
    if text.ends_in_stop:
        foreign = not text.has_small_words
        return text.has_verb or (enough and (text.may_have_verb or foreign))
    return enough and text.has_verb and text.words[0] not in _ASKS_WITH_A_VERB


def _terms(text: _Text) -> bool:
    """A few words, none of which is small."""
    few = len(text.words) <= _FEW or (len(text.words) <= _TERMS and text.begins_small)
    return few and not text.has_small_words


def _title(text: _Text) -> bool:
    """Begins with a capital; all that are sentences or a few terms are told by the rules before."""
    return not text.begins_small


RULES: tuple[tuple[Kind, Callable[[_Text], bool]], ...] = (
    ("scenario", _scenario),
    ("question", _marked_question),
    ("title", _title_case),
    ("keywords", _separated_terms),
    ("question", _asks),
    ("request", _asked_for),
    ("claim", _states),
    ("keywords", _terms),
    ("title", _title),
)
