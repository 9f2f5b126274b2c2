"""A comparison of generated with real queries as lines of text, at most 100 columns wide where texts allow it."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from synthneg.realism.chance import FEW, Row, percent
from synthneg.realism.compare import Comparison
from synthneg.realism.mix import Share
from synthneg.realism.report import OfPrompt, Realism

_WIDTH = 98
_TEXT = 43
_SHARES = 2


def lines(realism: Realism) -> Iterator[str]:
    """Yield the whole report, for a person to read from top to bottom."""
    found = realism.comparison
    yield from _head(realism)
    yield ""
    yield from aligned(
        [("", "real", "generated", "seen from", "p", "word"), *map(_row, found.rows)]
    )
    yield from _wrapped(
        "seen from: the smallest difference beyond chance that four of five such comparisons would notice."
        " Each row alone is unlike by chance once in twenty. missed: real queries that no generated one is near;"
        " stray: the other way."
    )
    yield ""
    yield from aligned(list(_kinds(found)))
    yield ""
    yield from aligned(list(_prompts(realism)))
    yield from _words(found)
    yield ""
    yield "Real queries furthest from any generated one"
    missing = [(f"{m.cosine:.2f}", _cut(m.real), _cut(m.nearest)) for m in found.missing]
    yield from aligned([("cosine", "real", "nearest generated"), *missing])
    yield ""
    yield "What to ask for"
    for sentence in realism.advice:
        yield from _wrapped(sentence, hang=2)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows with their cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _head(realism: Realism) -> Iterator[str]:
    found = realism.comparison
    of = "" if found.generated.queries == realism.generated else f" of {realism.generated:,}"
    drawn = ", at most one per passage" if of else ""
    beside = "" if found.real.queries == realism.real else f" of {realism.real:,}"
    yield from _wrapped(
        f"{found.generated.queries:,}{of} generated queries ({realism.generated_file}{drawn}) beside"
        f" {found.real.queries:,}{beside} real ones ({realism.real_file})"
    )
    if realism.real < FEW:
        yield from _wrapped(
            f"Only {realism.real} real queries: only large differences can be seen; {FEW} or more say a lot more."
        )


def _row(row: Row) -> tuple[str, ...]:
    other = row.generated or f"by chance {_value(row, row.by_chance)}"
    return row.name, row.real, other, _visible(row), f"{row.p:.3f}", row.word


def _value(row: Row, value: float) -> str:
    return percent(value) if row.unit == "share" else f"{value:.3f}"


def _visible(row: Row) -> str:
    match row.unit:
        case "words":
            return f"{row.visible:.1f} words"
        case "distance":
            return f"{row.visible:.3f}"
    return percent(row.visible)


def _kinds(found: Comparison) -> Iterator[tuple[str, ...]]:
    yield "kind", "real", "", "generated", ""
    for ours, theirs in zip(found.real.kinds, found.generated.kinds, strict=True):
        if ours.count or theirs.count:
            yield (
                ours.kind,
                percent(ours.share),
                _between(ours),
                percent(theirs.share),
                _between(theirs),
            )


def _between(share: Share) -> str:
    return f"[{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _prompts(realism: Realism) -> Iterator[tuple[str, ...]]:
    found = realism.comparison.real
    yield "prompt", "queries", "kinds", "words", f"covers at {realism.covered_at}"
    yield "real", f"{found.queries:,}", _mix(found.kinds), f"{found.lengths.median:.0f}", ""
    for prompt in realism.prompts:
        yield _of_prompt(prompt)


def _of_prompt(prompt: OfPrompt) -> tuple[str, ...]:
    covers = "too few" if prompt.covered is None else percent(prompt.covered)
    return (
        prompt.prompt,
        f"{prompt.queries:,}",
        _mix(prompt.kinds),
        f"{prompt.median_words:.0f}",
        covers,
    )


def _mix(kinds: Sequence[Share]) -> str:
    found = sorted((share for share in kinds if share.count), key=lambda share: -share.count)
    return ", ".join(f"{share.kind} {percent(share.share)}" for share in found[:_SHARES])


def _words(found: Comparison) -> Iterator[str]:
    """Yield the words of which either set has too many; nothing where chance explains all."""
    over = [f"{u.word} {u.generated}:{u.real}" for u in found.over_used if u.z > 0]
    under = [f"{u.word} {u.real}:{u.generated}" for u in found.over_used if u.z < 0]
    if over or under:
        yield ""
    if over:
        yield from _wrapped(f"Words over-used, generated:real  {', '.join(over)}", hang=2)
    if under:
        yield from _wrapped(f"Words under-used, real:generated  {', '.join(under)}", hang=2)


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _TEXT else plain[: _TEXT - 1].rstrip() + "…"


def _wrapped(text: str, hang: int = 0) -> list[str]:
    # Between blanks alone: names and numbers with their unit stay whole.
    whole = text.replace(" %", "\u00a0%")
    found = wrap(
        whole,
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  " + " " * hang,
        break_on_hyphens=False,
    )
    return [line.replace("\u00a0", " ") for line in found]
