"""What a run says of its set as a whole, as lines of text: leaks, and shortcuts. Nothing is written."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthneg.run.books import Counts


def checks_lines(folder: Path, books: "dict[str, Counts]") -> list[str]:
    """Return overlaps with evaluation sets, and shortcuts, as far as the books stand for them."""
    import orjson  # noqa: PLC0415  # not needed for help

    lines = []
    if "verify.documents" in books and (file := folder / "leaks.json").exists():
        for row in orjson.loads(file.read_bytes())["overlaps"]:
            if row["found"]:
                by = ", ".join(f"{measure} {n:,}" for measure, n in row["by"].items() if n)
                lines.append(
                    f"  overlap with {row['set']}: {row['found']:,} of kind {row['kind']} ({by}),"
                    f" {row['left']:,} left to train on"
                )
    if "export" in books and (file := folder / "probe.jsonl").exists():
        for line in file.read_bytes().splitlines():
            row = orjson.loads(line)
            if row["auc"] is not None:
                told = f"{row['auc']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
                mark = f"; a shortcut: {row['warning']}" if row["warning"] else ""
                lines.append(
                    f"  probe, {row['question']} from {row['features']} alone: AUC {told}{mark}"
                )
    return lines
