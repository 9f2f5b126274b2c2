"""What people have answered about a run, as a line of its status. Nothing is written."""

from pathlib import Path


def reviewed_lines(folder: Path) -> list[str]:
    """Return how many answers there are, whose they are and when the last came; none where nobody was asked."""
    from synthneg.printable import printable  # noqa: PLC0415  # not needed for help
    from synthneg.review.answers import FILE, read_answers  # noqa: PLC0415  # needs the settings model

    if not (folder / FILE).exists():
        return []
    found = read_answers(folder)
    if not found:
        return []
    by = sorted((name, given) for name, given in found.by.items() if given)
    who = ", ".join(f"{printable(name) or 'unnamed'} {len(given):,}" for name, given in by)
    last = max(answer.at for _, given in by for answer in given.values())
    bad = f"; {found.unreadable:,} lines cannot be read" if found.unreadable else ""
    return [
        f"  review: {len(found.keys):,} records have an answer ({who}), the last of {last}{bad};"
        f" `synthneg review {folder} --summary` says what they mean"
    ]
