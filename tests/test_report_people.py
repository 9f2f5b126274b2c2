"""What people have answered, on the page of a run: planted truth comes out of it as `synthneg review` has it."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import browser, opened
from playwright.sync_api import Browser
from reviewing import Near, Planted, answer_all, planted_run

from synthneg.report.write import write_report
from synthneg.review.answers import FILE, Said
from synthneg.review.items import Item
from synthneg.review.summary import Summary, read
from synthneg.run import Run
from synthneg.settings import load

pytestmark = pytest.mark.slow

TRUE_COSINE = 0.55  # from it on a text answers, if the planted people are right
HOSTILE = "<script>window.harmed = true</script>\u202e eve"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


def report(folder: Path) -> Path:
    """Write the report of the run in a folder."""
    with closing(Run(folder.parent, load(folder / "run.yaml"))) as run:
        return write_report(run)


def honest(item: Item) -> Said:
    """Return what a person says who is always right."""
    if item.question == "answers":
        return "yes"
    if item.question == "grade":
        return "2"
    return "yes" if item.scores["cosine"] > TRUE_COSINE else "no"


def careless(item: Item) -> Said:
    """Return what a person says who calls every fifth negative the other way round."""
    said = honest(item)
    if item.question != "negative" or random.Random(item.document_id).random() > 0.2:
        return said
    return "no" if said == "yes" else "yes"


@pytest.fixture(scope="module")
def unasked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run about which nobody was asked: its margin lets too many negatives pass."""
    chance = random.Random(3)
    wanted = [
        Planted(1, [Near(chance.uniform(0.05, 0.95), "bm25"), Near(0.3), Near(0.6, "graded", 2)])
        for _ in range(80)
    ]
    documents = {"max_negative_share": 2.0}  # so that the margin decides alone
    return planted_run(tmp_path_factory.mktemp("runs"), wanted, "asked", documents=documents)


@pytest.fixture(scope="module")
def without(unasked: Path) -> str:
    """Return its page."""
    return report(unasked).read_text()


@pytest.fixture(scope="module")
def page(unasked: Path, without: str) -> Path:
    """Return its page after two people have answered about all of it; `without` is read before."""
    assert answer_all(unasked, honest, reviewer="ada") == 320
    assert answer_all(unasked, careless, reviewer=HOSTILE) == 320
    return report(unasked)


@pytest.fixture(scope="module")
def summary(unasked: Path, page: Path) -> Summary:
    """Return what the answers say by `synthneg review`."""
    found = read(unasked)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give one browser for all tests of this module."""
    with browser() as found:
        yield found


def test_the_page_says_what_people_say(chromium: Browser, page: Path, summary: Summary) -> None:
    """Under the first question stand the shares by source, prompt and verdict, each as the summary has it."""
    with opened(chromium, page) as found:
        said = found.page.inner_text("#good")
        assert "What people say of it" in said
        (lead,) = (line for line in said.splitlines() if line.startswith("By what people say"))
        for row in summary.headline:
            assert f"{row.name} {row.found.share:.2f} [{row.found.low:.2f}, " in lead
        for title, rows in (
            ("What the dataset holds", summary.headline),
            ("By source", summary.sources),
            ("By prompt", summary.prompts),
            ("By verdict of the checks", summary.verdicts),
        ):
            lines = found.page.get_by_role("region", name=title).locator("tbody tr")
            cells = [line.split("\t") for line in lines.all_inner_texts()]
            assert [(name, share) for name, share, *_ in cells] == [
                (row.name, f"{row.found.share:.2f}") for row in rows
            ]
            assert [interval for _, _, interval, *_ in cells] == [
                f"[{row.found.low:.2f}, {row.found.high:.2f}]" for row in rows
            ]
        assert found.page.locator("#good svg.plot[aria-label*='people call right']").count() == 1
        assert found.said == []
        assert found.asked == [page.resolve().as_uri()]


def test_agreement_and_thresholds_stand_there(
    chromium: Browser, page: Path, summary: Summary
) -> None:
    """Checks beside people, people beside each other, and the command that each suggested threshold comes to."""
    with opened(chromium, page) as found:
        said = found.page.inner_text("#good")
        assert f"kappa {summary.agreement[0].kappa.value:.2f}" in said or "no kappa" in said
        assert "eve and ada on answers or not: the same of" in said
        changes = [change for one in summary.suggestions for change in one.changes]
        assert changes
        for change in changes:
            assert f"synthneg verify asked --set {change}" in said


def test_what_people_call_wrong_is_a_warning(page: Path, summary: Summary) -> None:
    """Where fewer than nine in ten are right for certain, a warning says so, with what the answers suggest."""
    (worst,) = [row for row in summary.headline if row.found.high < 0.9]
    assert worst.name == "negatives that do not answer"
    warning = f"By people&#39;s answers {worst.found.share:.0%} ({worst.found.low:.0%} to "
    before, _, after = page.read_text().partition(warning)
    assert before.endswith('<span class="mark">Warning</span> ')
    assert "synthneg verify asked --set verify.documents." in after[:300]


def test_nobody_asked_nothing_said(without: str, unasked: Path, page: Path) -> None:
    """Without answers there is no such part; answers of a run whose verification is gone make none either."""
    assert "What people say" not in without
    assert "By what people say" not in without
    assert "What people say" in page.read_text()
    books = unasked / "books.json"
    kept = books.read_bytes()
    try:
        books.write_text("{}")
        assert "What people say" not in report(unasked).read_text()
    finally:
        books.write_bytes(kept)
        report(unasked)
    assert (unasked / FILE).exists()


def test_a_reviewers_name_is_a_text(chromium: Browser, page: Path) -> None:
    """A name that is markup and turns writing round runs nothing, and is shown as what it is."""
    with opened(chromium, page) as found:
        assert found.page.evaluate("window.harmed") is None
        assert "<script>window.harmed = true</script>[U+202E] eve" in found.page.inner_text("#good")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_a_phone_and_is_accessible(dark: bool, chromium: Browser, page: Path) -> None:
    """At 320 pixels nothing is wider than the screen, and axe finds no violation of WCAG 2 A and AA."""
    with opened(chromium, page, width=320, height=640, dark=dark) as found:
        assert found.page.evaluate("document.documentElement.scrollWidth") == 320
        result = Axe().run(found.page, options=RULES)
        assert result.violations_count == 0, result.generate_report()
