"""What would be sent, for a person."""

from collections.abc import Iterator

from synthneg.publish.planned import CARD, Plan, Upload


def describe(plan: Plan) -> str:
    """Return targets, visibility, files with sizes and cards of all that would be sent."""
    lines = [line for upload in plan.uploads for line in _repository(upload)]
    if plan.collection is not None:
        lines.append(f"Both go into the Hub's collection {plan.collection!r}.")
    return "\n".join(lines)


def _repository(upload: Upload) -> Iterator[str]:
    files = sorted(upload.files, key=lambda file: file.path)
    count = f"{len(files)} files"
    width = max(len(count), *(len(file.path) for file in files))
    yield (
        f"{upload.folder} -> {upload.kind} {upload.repo} ({visibility(upload.private)}), as one commit:"
        f" {upload.message}"
    )
    yield from (f"  {file.path:<{width}}  {size(file.size):>9}" for file in files)
    yield f"  {count:<{width}}  {size(upload.size):>9}"
    yield from ("", f"The card, {CARD}:", "", upload.card.rstrip(), "")


def visibility(private: bool) -> str:
    """Return the Hub's word for who may see a repository."""
    return "private" if private else "public"


def size(count: int) -> str:
    """Return a number of bytes as people read it, in powers of 1000 as the Hub does.

    >>> size(999), size(1_200), size(34_500_000)
    ('999 B', '1.2 kB', '34.5 MB')
    """
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
