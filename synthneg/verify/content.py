"""What a model says of itself or of its task, where a query or a passage was asked for.

A reply that is nothing but a refusal, or has a preamble, is dealt with when it is read (`llm.peel`); here it is found
inside a text that looks like one. English, but for the refusals that begin a text. What is sought must begin a
sentence and speak in the first person, or of "this passage": a text about refusals, which quotes them, passes.
"""

import re

from synthneg.llm.peel import refuses
from synthneg.verify.refusal import Refusal

# Where a sentence may begin; a quotation mark before it makes it somebody else's.
_BEGIN = r"(?:\A|(?<=[.!?:\n])[ \t]*|\n\s*)"
_MODEL = r"(?:an? (?:ai|artificial intelligence|large language model|language model)\b[\w -]{0,30})"
_MAKE = r"(?:provide|fulfil|fulfill|generate|write|create|produce|compose|assist|help|complete|comply|answer|engage)"
# Each pattern with words of which a text must hold one, in lower case: looking for these takes a fraction of the time.
_REFUSALS = (
    (rf"{_BEGIN}as {_MODEL}, (?:i\b|my\b|it is not (?:appropriate|possible) for me)", ("as a",)),
    (
        rf"{_BEGIN}(?:i['’]?m|i am) (?:just |only |sorry, (?:but )?as )?{_MODEL}(?:,| and | so |\.)",
        (" ai", "intelligence", "language model"),
    ),
    (
        rf"{_BEGIN}(?:i['’]?m|i am) (?:very |truly )?sorry,? (?:but |however,? )?"
        r"i(?:['’]m| am| can(?:not|['’]t)| do(?:n['’]t| not))\b",
        ("sorry",),
    ),
    (
        rf"{_BEGIN}i apologi[sz]e,? (?:but |for (?:any|the) (?:confusion|inconvenience))",
        ("apologi",),
    ),
    (
        rf"{_BEGIN}(?:unfortunately,? |however,? )?i (?:can(?:not|['’]t)|am (?:not able|unable) to|won['’]t|will not"
        rf"|must decline to) {_MAKE} (?:this|that|the|a|an|any|you|your|such|with|content|in)\b",
        ("i can", "i am ", "i wo", "i wi", "i must"),
    ),
    (
        rf"{_BEGIN}(?:thank you for (?:your|the) \w+, but |however,? )?i(?:['’]m| am) "
        rf"(?:afraid i (?:can(?:not|['’]t)|am)|not able to {_MAKE})\b",
        ("afraid", "not able"),
    ),
    (
        rf"{_BEGIN}i (?:won['’]t|will not) be able to {_MAKE}\b",
        ("be able to",),
    ),
    (
        rf"{_BEGIN}i (?:do not|don['’]t) (?:feel comfortable \w+ing\b|have (?:enough information|the ability) to"
        rf" {_MAKE})",
        ("feel comfortable", "enough information", "the ability"),
    ),
    (
        rf"{_BEGIN}(?:it (?:is not|isn['’]t|would (?:not )?be) (?:un)?(?:appropriate|ethical) for me to"
        r"|my guidelines prevent me|this request (?:goes against|violates) my"
        r"|i would (?:prefer|rather) not (?:to )?(?:write|answer|generate))\b",
        ("for me to", "guidelines", "this request", "i would"),
    ),
    (
        rf"{_BEGIN}i can(?:not|['’]t) (?:browse|access) (?:the )?(?:internet|web)\b",
        ("browse", "access"),
    ),
    (
        rf"{_BEGIN}(?:my|the) (?:training data|knowledge cut-?off|programming) (?:does|do|only|is|are|prevents?|goes)\b"
        r"[^.\n]{0,60}(?:\bi\b|20\d\d)",
        ("training data", "cutoff", "cut-off", "programming"),
    ),
    (
        rf"{_BEGIN}(?:(?:could you )?(?:please )?(?:provide|give) me (?:with )?(?:the|a|more)"
        r"|could you (?:please )?(?:provide|share) the) (?:passage|text|query|context|document)",
        ("provide me", "give me", "could you"),
    ),
)
_TEXT = r"(?:passage|document|text|article|abstract|paragraph|answer|query|question|claim|negative|example)"
_META = (
    (
        r"\A(?:sure|certainly|of course|absolutely)(?:!|[,.] (?:here|i['’]?(?:ll| can| will)|let me)\b)",
        ("sure", "certainly", "of course", "absolutely"),
    ),
    (
        rf"\A(?:here(?:['’]s| is| are)|below (?:is|are)) (?:an?|the|my|your|one|two|another)\s(?:[\w-]+\s){{0,4}}?"
        rf"{_TEXT}s?\b\s*(?::|that (?:answers?|does not|doesn['’]t|do not|is|are|could|would|might|meets?|matches)\b"
        r"|(?:for|based on|about|to) (?:the|your|this)\b|you (?:asked|requested)|as requested|with (?:the )?grade"
        r"|written)",
        ("here", "below"),
    ),
    (
        rf"(?:\A|(?<=\s))[\[<{{](?:(?:(?:hard[- ])?negative|positive|relevant|irrelevant|generated|your)\s{_TEXT}"
        rf"|insert [^\]>}}\n]{{0,40}}(?:here|{_TEXT})|grade:? ?\d)[^\]>}}\n]{{0,20}}[\]>}}]",
        ("[", "<", "{"),
    ),
    (
        rf"(?:\A|(?<=\s))[\[<{{]{_TEXT}(?: (?:text|here|title|body|\d{{1,2}}))?[\]>}}]",
        ("[", "<", "{"),
    ),
    (
        rf"{_BEGIN}(?:\(?note:? )?(?:this|the (?:above|given|following)) {_TEXT} (?:is (?:intentionally|deliberately)"
        r"|(?:does not|doesn['’]t) (?:directly |fully |actually )?(?:answer|address|satisfy|respond to)"
        r" (?:the|your|this) (?:\w+ )?(?:query|question))",
        ("intentionally", "deliberately", "query", "question"),
    ),
    (rf"\b(?:this|a) hard[- ]negative {_TEXT}\b", ("hard",)),
    (
        r"(?:\A|\n)\W{0,4}(?:word count|number of words|relevance grade|grade)\W{0,4}: ?\d{1,4}\b",
        ("count", "number of words", "grade"),
    ),
    (
        r"(?:\A|\n)\W{0,4}(?:let me know if|i hope this helps|would you like me to|feel free to ask)\b",
        ("let me", "i hope", "would you", "feel free"),
    ),
)
_CHECKS = tuple(
    (reason, re.compile(pattern, re.IGNORECASE), needles)
    for reason, patterns in (("refusal", _REFUSALS), ("meta", _META))
    for pattern, needles in patterns
)


def talks(text: str) -> Refusal | None:
    """Return `refusal` where the model refuses or speaks of itself, `meta` where it speaks of its task, else None.

    >>> talks("Green tea is steeped. As an AI language model, I cannot taste it.")
    Refusal(reason='refusal', detail='says "As an AI language model, I"')
    >>> talks('The bot said "I am sorry, but I cannot help" and stopped.')
    """
    if refuses(text.strip()):
        return Refusal("refusal", f'begins "{text.strip()[:60]}"')
    plain = text.lower()
    for reason, pattern, needles in _CHECKS:
        if any(needle in plain for needle in needles) and (found := pattern.search(text)):
            return Refusal(reason, f'says "{found.group().strip()[:80]}"')
    return None
