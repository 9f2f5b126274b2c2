"""A made corpus of any size: English words in sentences, a few passages to a subject, no two nearly the same.

The words are those of a static encoder's vocabulary; the texts say nothing, and were nowhere before.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from synthneg.progress import track

PER_SUBJECT = 5  # passages, however many there are: so a passage has as many neighbours in any size
_SUBJECT_WORDS, _OTHER_WORDS = 10, 26
_LEAST_LETTERS = 4
_FRAMES = (
    "The {} of the {} was {} by a {} in {} and {}.",
    "In {} the {} and the {} are {} with {}.",
    "A {} of {} has {} and {}, but not {}.",
    "When the {} had been {}, the {} was {} to {} for {}.",
    "There is {} at the {}, and {} is the {} of its {}.",
    "It was {} that {} would be {} from the {} to the {}.",
    "For {} and {}, the {} is {} than {}.",
)


def vocabulary(model: Path) -> list[str]:
    """Return the whole words of a tokenizer of word pieces, sorted."""
    pieces = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    return sorted(p for p in pieces if p.isascii() and p.isalpha() and len(p) >= _LEAST_LETTERS)


def passages(words: list[str], count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield `count` passages of 50 to 90 words, each of a subject that others have, too."""
    for number in range(count):
        chance = random.Random(f"{seed} passage {number}")
        topic = chance.randrange(max(1, count // PER_SUBJECT))
        subject = random.Random(f"{seed} subject {topic}").sample(words, _SUBJECT_WORDS)
        told = subject + chance.sample(words, _OTHER_WORDS)
        chance.shuffle(told)
        yield {"_id": f"p{number:07}", "title": " ".join(subject[:2]), "text": _text(told, chance)}


def _text(told: list[str], chance: random.Random) -> str:
    sentences = []
    while told:
        frame = chance.choice(_FRAMES)
        gaps = frame.count("{}")
        some, told = told[:gaps], told[gaps:]
        some += chance.choices(some, k=gaps - len(some))  # the last sentence says a word again
        sentence = frame.format(*some)
        sentences.append(sentence[0].upper() + sentence[1:])
    return " ".join(sentences)


def write(file: Path, words: list[str], count: int, seed: int) -> None:
    """Write the passages as JSON lines."""
    with file.open("w") as out:
        for passage in track(passages(words, count, seed), "corpus", "passages", count):
            out.write(json.dumps(passage) + "\n")
