"""What a model puts around a text, taken off: preambles, fences, labels, numbers, quotes, offers of more."""

import re

_ASKED_FOR = (
    r"(?:questions?|query|queries|claims?|keywords?|titles?|passages?|answers?|negatives?|documents?"
    r"|texts?|json)"
)
# A preamble is agreement ("Sure!", "Certainly, I can help."), an announcement ("Here is the passage:"), or both. A
# text may begin with the same words, so they must announce what a prompt asks for, or have a line of their own.
_PREAMBLE = re.compile(
    r"\A(?:(?:sure|certainly|of course|absolutely|okay|ok|yes)\b[!.:,]?\s+(?=here\b))?"
    r"(?:(?:sure|certainly|of course|absolutely|okay)\b"
    r"(?:!\s*|,? (?:i can|i will|i['’]ll|let me)\b[^\n.!:]{0,80}[.!:]\s+|[^\n]{0,80}[!.:][ \t]*\n\s*))?"
    r"(?:here(?:['’]s| is| are| you are| you go)\b[^\n:]{0,120}"
    rf"(?:\b{_ASKED_FOR}\b[^\n:]{{0,120}}:\s*|:[ \t]*\n\s*))?",
    re.IGNORECASE,
)
# The same in a few other languages; there it must have a line of its own.
_PREAMBLE_ABROAD = re.compile(
    r"\A[^\n:：]{0,60}\b(?:voici|hier (?:ist|sind)|aquí (?:tienes|está|están|hay)|ecco|aqui (?:está|estão))\b"
    r"[^\n:：]{0,120}[:：][ \t]*\n\s*|\A(?:好的|当然)?[^\n:：]{0,10}以下是[^\n:：]{0,60}[:：][ \t]*\n\s*",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"\A(?:\*\*)?(?:question|query|claim|keywords?|title|passage|answer|hard negative)(?: \d{1,3})?"
    r"(?:\*\*)?\s{0,9}:\s{0,9}(?:\*\*\s{0,9})?",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\A\W{0,9}(?:(?:i['’]?m|i am) sorry\b(?! to hear)|sorry,|i apologi[sz]e"
    r"|unfortunately, i (?:can|am)|i (?:must|have to) decline"
    r"|i (?:can(?:not|['’]t)|won['’]t) (?:help|assist|fulfil|provide|comply|do|write|create|generate)"
    r"|(?:i['’]?m|i am) (?:not |un)able to|as an ai\b"
    r"|(?:je suis )?désolée?, (?:mais )?je ne peux|es tut mir leid, aber ich kann|lo siento, (?:pero )?no puedo"
    r"|mi dispiace, (?:ma )?non posso|(?:desculpe|sinto muito), (?:mas )?não posso"
    r"|(?:很)?(?:抱歉|对不起)，我(?:不能|无法)|申し訳(?:ありません|ございません)が|извините, (?:но )?я не могу)",
    re.IGNORECASE,
)
# A refusal is short; a long text that begins like one is a text.
_LONGEST_REFUSAL_CHARS = 600
_OFFER = re.compile(
    r"\W{0,4}(?:(?:please )?let me know|(?:i )?hope (?:this|that|these|it) helps|(?:please )?feel free"
    r"|is there anything|would you like me to|if you (?:need|have|want|would like|['’]d like)\b[^\n]{0,120}"
    r"(?:let me know|feel free|ask|help))",
    re.IGNORECASE,
)
_LONGEST_OFFER_CHARS = 240
# How a reply begins around which there may be something; any other is clean, and costs this one look.
_MAYBE_WRAPPED = re.compile(
    r"\A(?:[^a-z0-9]|1[.)]|sure|certainly|of course|absolutely|ok|yes|here|question|query|claim|keyword|title"
    r"|passage|answer|hard neg|voici|hier |aqu|ecco|bien|natürlich|claro|certo)",
    re.IGNORECASE,
)
_QUOTES = {('"', '"'), ("'", "'"), ("“", "”"), ("«", "»"), ("`", "`")}
_OPENING = "*" + "".join(opening for opening, _ in _QUOTES)
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_MOST_LAYERS = 8
_BULLETS = ("1. ", "1) ", "- ", "* ", "• ")
_NUMBER = re.compile(
    r"\A(?:#{1,6}\s+)?(?:\*\*)?(?:\(?\d{1,3}[.)]|[-*•–—‣·]|q(?:uestion)?\s?\d{0,3}[.:)])(?:\*\*)?\s+|"
    r"\A(?:\*\*)?(?:question|query)(?: \d{1,3})?(?:\*\*)?\s?:(?:\*\*)?\s{0,9}",
    re.IGNORECASE,
)
_NO_ITEM = re.compile(
    r"\A(?:#{1,6}\s|-{3,}|\*{3,}|={3,}|```|(?:\*\*)?(?:a|answer|explanation|note|reasoning)\s?\d{0,3}(?:\*\*)?:)",
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether a text is a refusal to answer."""
    return len(text) <= _LONGEST_REFUSAL_CHARS and _REFUSAL.match(text) is not None


def peel(text: str) -> str:
    """Return the text without what a model puts around it; it must come stripped.

    >>> peel('Sure! Here is the question: "how hot is tea"')
    'how hot is tea'
    """
    if "\n" in text:
        text = _without_offer(text)
    for _ in range(_MOST_LAYERS):
        if not _MAYBE_WRAPPED.match(text):
            break
        before, text = text, _peeled(text)
        if text == before:
            break
    return text


def _without_offer(text: str) -> str:
    """Return the text without a last line that offers more, unless it is all that there is."""
    head, _, last = text.rpartition("\n")
    offers = len(last) <= _LONGEST_OFFER_CHARS and _OFFER.match(last)
    return head.rstrip() if offers and head.strip() else text


def _peeled(text: str) -> str:
    """Return the text without one layer of each kind."""
    text = _without(_PREAMBLE, text)
    if "\n" in text:
        text = _without(_PREAMBLE_ABROAD, text)
    elif text.startswith(_BULLETS):
        text = text.partition(" ")[2].lstrip()
    text = _unfenced(text)
    return _unquoted(_without(_LABEL, text))


def _without(beginning: re.Pattern[str], text: str) -> str:
    found = beginning.match(text)
    return text[found.end() :].lstrip() if found and found.end() else text


def _unfenced(text: str) -> str:
    """Return what stands in a fence that is around the whole text."""
    if not (text.startswith("```") and text.endswith("```") and len(text) >= 6):
        return text
    inner = text[3:-3]
    first, line_end, rest = inner.partition("\n")
    is_language = len(first) <= 20 and first.strip().replace("-", "").replace("_", "").isalnum()
    return (rest if line_end and (is_language or not first.strip()) else inner).strip()


def _unquoted(text: str) -> str:
    """Return what stands in quotes, or in stars, that are around the whole text."""
    if not text or text[0] not in _OPENING:
        return text
    inner = text[1:-1]
    if text.startswith("**") and text.endswith("**") and "*" not in text[2:-2]:
        return text[2:-2].strip()
    # Quotes that stand inside as well are not around the whole: "green tea" or "black tea"
    if (text[:1], text[-1:]) in _QUOTES and not {text[0], text[-1]} & set(
        _APOSTROPHE.sub("", inner)
    ):
        return inner.strip()
    return text


def items(text: str, whole: bool) -> list[str]:
    r"""Return the items of a list, one on each line, without numbers, bullets, labels, and without repetition.

    Where lines are numbered, the others are not items: introductions, answers, offers of more.

    Args:
        text: the reply, stripped.
        whole: False where the reply was cut off: its last line counts only if a sentence ends there.

    >>> items("Here are two questions:\n1. How hot is tea?\n2. Who drinks it?", whole=True)
    ['How hot is tea?', 'Who drinks it?']
    """
    text = _without(_PREAMBLE_ABROAD, _without(_PREAMBLE, text))
    lines = _unfenced(text).split("\n")
    if not whole and not lines[-1].rstrip().endswith((".", "?", "!", "。", "？", "！")):
        lines.pop()
    numbered = [line for line in lines if _NUMBER.match(line)]
    kept: dict[str, str] = {}
    for line in numbered or [line for line in lines if not _is_around(line.strip())]:
        item = _item(line.strip())
        if item:
            kept.setdefault(" ".join(item.casefold().split()).rstrip(".?!"), item)
    return list(kept.values())


def _item(line: str) -> str:
    """Return a line without its number and what else stands around it; "" where it is no item."""
    line = _NUMBER.sub("", line, count=1).strip()
    if _NO_ITEM.match(line) or line.endswith((":", "：")):
        return ""
    return peel(line) if not _OFFER.match(line) else ""


def _is_around(line: str) -> bool:
    """Whether a line without a number is not an item but about the items."""
    return bool(
        line.endswith((":", "：")) or _NO_ITEM.match(line) or _OFFER.match(line) or refuses(line)
    )
