"""Rows of results: how many of a planted fault a check finds, and how many clean records it refuses."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from curves import Share, share


class Row(NamedTuple):
    """One check on one planted fault; `clean` says what the alarms are counted on."""

    collection: str
    fault: str
    check: str
    found: Share
    clean: str
    alarms: Share


def counted(
    collection: str,
    fault: str,
    check: str,
    found: Iterable[bool],
    clean: str,
    alarms: Iterable[bool],
) -> Row:
    """Return the row of a check that says yes or no, with Wilson's intervals."""
    hits, false = list(found), list(alarms)
    return Row(
        collection, fault, check, share(sum(hits), len(hits)), clean, share(sum(false), len(false))
    )


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown; shares with their 95 % intervals."""
    lines = [
        "| collection | fault | check | n | found | clean records | n | alarms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.collection} | {r.fault} | {r.check} | {r.found.n} | {_said(r.found)} | {r.clean} | {r.alarms.n} |"
        f" {_said(r.alarms)} |"
        for r in rows
    ]
    return "\n".join(lines)


def as_json(rows: Iterable[Row]) -> list[Mapping[str, object]]:
    """Return the rows with shares to four places."""
    return [r._asdict() | {"found": _rounded(r.found), "alarms": _rounded(r.alarms)} for r in rows]


def _said(share: Share) -> str:
    return f"{share.share:.3f} [{share.low:.3f}, {share.high:.3f}]"


def _rounded(share: Share) -> Mapping[str, float]:
    return {name: round(value, 4) for name, value in share._asdict().items()}
