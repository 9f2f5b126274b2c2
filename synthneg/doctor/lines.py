"""A report as lines of text, at most 100 columns wide."""

from collections.abc import Iterator
from textwrap import wrap

from synthneg.doctor.examine import Report
from synthneg.doctor.finding import Finding

_WIDTH = 98
_MARGIN = 13


def lines(report: Report) -> Iterator[tuple[str, str]]:
    """Yield each line with a style for terminals."""
    yield f"{report.run}: {_summary(report)}", "bold"
    for one in report.compared:
        kind = " (synthetic queries)" if one.synthetic else ""
        words = (
            f"tuned and base are {one.verdict}"
            if one.verdict.startswith("not")
            else f"tuned is {one.verdict} than base"
        )
        yield (
            (
                f"  {one.collection}{kind}: {words}, {one.measure} {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
                f"  p = {one.p:.4f}"
            ),
            "",
        )
    for finding in report.findings:
        yield "", ""
        yield from _finding(finding)


def _summary(report: Report) -> str:
    bad = [finding.name for finding in report.findings if finding.word == "bad"]
    suspect = [finding.name for finding in report.findings if finding.word == "suspect"]
    if not bad and not suspect:
        return "nothing is wrong that can be measured here"
    return "; ".join(
        f"{word}: {', '.join(names)}"
        for word, names in (("bad", bad), ("suspect", suspect))
        if names
    )


def _finding(finding: Finding) -> Iterator[tuple[str, str]]:
    style = {"bad": "bold red", "suspect": "yellow", "well": "green"}.get(finding.word, "")
    yield f"  {finding.word:<{_MARGIN - 4}}  {finding.name}", style
    yield from _wrapped(finding.seen)
    if finding.word in ("bad", "suspect"):
        yield from _wrapped(finding.why)
        yield from _wrapped(f"→ {finding.remedy}", hang=2)
    elif finding.word == "not known" and finding.remedy:
        yield from _wrapped(f"→ {finding.remedy}", hang=2)


def _wrapped(text: str, hang: int = 0) -> Iterator[tuple[str, str]]:
    indent = " " * _MARGIN
    for line in wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + " " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        yield line, ""
