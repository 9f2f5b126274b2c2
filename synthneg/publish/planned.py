"""What would be sent, and where to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["dataset", "model"]
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to be sent: one that lies on disk, or one whose bytes were made for it."""

    path: str  # in the repository, with forward slashes
    source: Path | bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size


@dataclass(frozen=True, slots=True)
class Upload:
    """One repository, and the files that go there in one commit."""

    kind: Kind
    folder: Path
    repo: str
    private: bool
    files: tuple[UploadFile, ...]
    message: str  # of the commit

    @property
    def card(self) -> str:
        """The text of the card."""
        [card] = (file.source for file in self.files if file.path == CARD)
        return card.decode() if isinstance(card, bytes) else card.read_text(encoding="utf-8")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def page(self) -> str:
        """Where the repository is, below the Hub's address."""
        return f"datasets/{self.repo}" if self.kind == "dataset" else self.repo


@dataclass(frozen=True, slots=True)
class Plan:
    """All that would be sent.

    `collection` is the title of the Hub's collection that is to hold the repositories; None where there is one alone.
    """

    run: str
    uploads: tuple[Upload, ...]
    collection: str | None
    key_variable: str  # environment variable with the language model's key
    paths: tuple[str, ...]  # of this machine, which no card or settings may hold
    names: tuple[
        str, ...
    ]  # settings and names that the cards are made of, in which no user's name may stand
