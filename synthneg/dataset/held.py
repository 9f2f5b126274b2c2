"""Examples that are read anew each time they are gone through, so that none need be held."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synthneg.config import Shape
from synthneg.records import Example, Split
from synthneg.run.books import read_records

RowCounts = Mapping[Shape, int]


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported query, and how many rows of each shape it has become (in BEIR: judged documents)."""

    query_id: str
    split: Split
    rows: RowCounts


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples as often as they are wanted, in their order."""

    read: Callable[[], Iterator[Example]]

    def __iter__(self) -> Iterator[Example]:
        return self.read()

    def where(self, keep: Callable[[Example], bool]) -> "Examples":
        """Return those of them that are to be kept."""
        return Examples(lambda: filter(keep, self.read()))


def read_examples(file: Path) -> Examples:
    """Return the examples of a run's file."""
    return Examples(lambda: read_records(file, Example))


@dataclass(frozen=True, slots=True)
class Kept:
    """The examples that are in a dataset, each with the rows that it makes.

    `exported` gives these in the order of `examples`, of which some may be in no shape.
    """

    examples: Examples
    exported: Callable[[], Iterable[Exported]]

    def __iter__(self) -> Iterator[tuple[Example, RowCounts]]:
        rest = iter(self.exported())
        wanted = next(rest, None)
        for example in self.examples:
            if wanted is not None and example.query_id == wanted.query_id:
                yield example, wanted.rows
                wanted = next(rest, None)

    def of(self, shape: Shape) -> Examples:
        """Return the examples that make a row of this shape."""
        return Examples(lambda: (example for example, rows in self if rows[shape]))
