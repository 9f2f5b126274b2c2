"""Known faults, planted by rule: pure functions of texts and judgements, the same for the same `random.Random`.

No language model writes here. A paraphrase is sentences in another order, sentences left out, and words exchanged for
words of like meaning (`synonyms.json`); what a model writes lies further from its source than these do.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from synthneg.words import words

_HERE = Path(__file__).parent
SYNONYMS: dict[str, str] = json.loads((_HERE / "synonyms.json").read_text())
_KNOWN = re.compile(
    r"\b(" + "|".join(map(re.escape, sorted(SYNONYMS, key=len, reverse=True))) + r")\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9(])")

SPEAKING = (
    "According to the passage, {}",
    "{} according to the text",
    "As stated in the passage, {}",
    "Based on the passage, {}",
    "{} as described in this article",
    "What does the passage say: {}",
    "In the given text, {}",
    "Does the study mentioned above show that {}",
    "In the passage, {}",
    "{} as mentioned in the passage",
    "According to this study, {}",
    "What does the author of the passage say about {}",
    "What does the author say about {}",
)


def sentences(text: str) -> list[str]:
    """Return the sentences of English prose, by their marks.

    >>> sentences("Tea is green. Is it? Steep it at 80 degrees.")
    ['Tea is green.', 'Is it?', 'Steep it at 80 degrees.']
    """
    return _SENTENCE_END.split(text.strip())


def same_words(text: str, chance: random.Random) -> str:
    """Return the text in another case, with other blanks, and other marks between and behind its words."""
    case = chance.choice((str.upper, str.lower, str.title))
    marks = chance.choice((", ", " - ", "  "))
    return case(text.rstrip(".!? ")).replace(", ", " ").replace(" ", marks, 1) + chance.choice(
        ("!", " ?", "...", "")
    )


def one_word_changed(text: str, chance: random.Random, stock: Sequence[str]) -> str:
    """Return the text with one of its words, wherever it stands, replaced by another of `stock`."""
    parts = text.split()
    place = chance.randrange(len(parts))
    parts[place] = chance.choice([word for word in stock if word != parts[place].lower()])
    return " ".join(parts)


def reordered(text: str, chance: random.Random) -> str:
    """Return the text's sentences in another order; of a single sentence the second half comes first."""
    parts = sentences(text)
    if len(parts) > 1:
        before = parts[:]
        while parts == before and len(set(parts)) > 1:
            chance.shuffle(parts)
        return " ".join(parts)
    parts = text.split()
    half = len(parts) // 2
    return " ".join(parts[half:] + parts[:half])


def shortened(text: str, chance: random.Random) -> str:
    """Return the text without a third of its sentences, at least one; a single sentence stays as it is."""
    parts = sentences(text)
    gone = set(chance.sample(range(len(parts)), max(1, len(parts) // 3)))
    return text if len(parts) == 1 else " ".join(p for i, p in enumerate(parts) if i not in gone)


def with_synonyms(text: str) -> str:
    """Return the text with each word of the table exchanged, an initial capital kept.

    >>> with_synonyms("Results showed that cardiovascular disease is common.")
    'Findings revealed that CVD is frequent.'
    """

    def other(found: re.Match[str]) -> str:
        word = SYNONYMS[found[0].lower()]
        return word[0].upper() + word[1:] if found[0][0].isupper() else word

    return _KNOWN.sub(other, text)


def paraphrases(text: str, chance: random.Random) -> dict[str, str]:
    """Return the text said again, by each rule alone and by all three; what came out the same is left out."""
    made = {
        "reordered": reordered(text, chance),
        "shortened": shortened(text, chance),
        "synonyms": with_synonyms(text),
    }
    made["all three"] = with_synonyms(reordered(shortened(text, chance), chance))
    return {kind: said for kind, said in made.items() if words(said) != words(text)}


def buried(positive: str, other: str, chance: random.Random) -> str:
    """Return half of the positive's sentences, in one piece, behind up to three sentences of another document.

    Deeper in, an encoder that reads 256 tokens would not come to them.
    """
    mine, theirs = sentences(positive), sentences(other)
    half = max(1, len(mine) // 2)
    start = chance.randrange(len(mine) - half + 1)
    place = chance.randrange(min(3, len(theirs)) + 1)
    return " ".join(theirs[:place] + mine[start : start + half] + theirs[place:])


def copied_from(passage: str, count: int, chance: random.Random) -> str:
    """Return `count` words that stand in a row in the passage; all of a shorter one."""
    parts = passage.split()
    start = chance.randrange(max(1, len(parts) - count + 1))
    return " ".join(parts[start : start + count])


def swapped(
    passages: Mapping[str, str], judged: Mapping[str, Mapping[str, int]], chance: random.Random
) -> dict[str, str]:
    """Return for each query the passage of another one, which nobody has judged relevant to it.

    Args:
        passages: each query's own passage, by query id; at least one other must be unjudged.
        judged: the judgements, by query id.
        chance: draws.
    """
    pool = sorted(set(passages.values()))
    found = {}
    for query in passages:
        others = [p for p in pool if p not in judged[query] and p != passages[query]]
        found[query] = chance.choice(others)
    return found


def shuffled(grades: Sequence[int], chance: random.Random) -> list[int]:
    """Return the grades dealt out anew; every order is equally likely, the old one included."""
    return chance.sample(list(grades), len(grades))
