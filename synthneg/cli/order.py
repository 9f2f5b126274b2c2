"""How far the scores of graded documents fall as their grades do, as lines of text."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthneg.run.books import Counts


def order_lines(folder: Path, books: "dict[str, Counts]") -> list[str]:
    """Return a line for each prompt that has written graded documents; none before they are verified."""
    import orjson  # noqa: PLC0415  # not needed for help

    file = folder / "graded_order.json"
    if "verify.documents" not in books or not file.exists():
        return []
    return [
        f"  {prompt or 'graded documents'}: scores fall as the grades do in {row['in_order']:,} of {row['pairs']:,}"
        f" pairs ({row['accuracy']:.2f}; chance .50), {row['sets_inverted']:,} of {row['sets']:,} sets inverted"
        for prompt, row in orjson.loads(file.read_bytes()).items()
        if row["pairs"]
    ]
