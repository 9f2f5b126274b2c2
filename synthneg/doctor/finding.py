"""What a diagnosis says."""

from dataclasses import dataclass
from typing import Literal

Word = Literal["bad", "suspect", "not known", "well"]
WORDS: tuple[Word, ...] = ("bad", "suspect", "not known", "well")  # as they are told


@dataclass(frozen=True, slots=True)
class Finding:
    """One diagnosis of one run.

    Attributes:
        name: of the diagnosis.
        word: bad: alone it can make a tuned model worse than its base, or its measures worth nothing; suspect: it may.
        value: the figure that the word goes by; None where there is nothing to measure.
        seen: in a sentence, what was measured, with all its figures.
        why: why it matters, in a sentence.
        remedy: what to change, as settings where they do it.
    """

    name: str
    word: Word
    value: float | None
    seen: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The sentences of a diagnosis that do not depend on the run, and the bounds from which its value is called names.

    A value at `suspect` or above is suspect, one at `bad` or above bad.
    """

    name: str
    why: str
    remedy: str
    suspect: float
    bad: float

    def of(self, value: float, seen: str, *, most: Word = "bad", remedy: str = "") -> Finding:
        """Return the finding of a value.

        Args:
            value: its figure, the higher the worse.
            seen: what was measured.
            most: the worst that may be said, where another fact speaks for the run.
            remedy: where that of this value is another one.
        """
        word: Word = "well"
        if value >= self.suspect:
            word = most if value >= self.bad else "suspect"
        return Finding(self.name, word, value, seen, self.why, remedy or self.remedy)

    def unknown(self, seen: str, remedy: str = "") -> Finding:
        """Return that there is nothing to measure, why, and what would make it known."""
        return Finding(self.name, "not known", None, seen, self.why, remedy)
