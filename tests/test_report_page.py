"""The report in a real browser: it asks nothing of any network, runs nothing of what it shows, and can be used."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import Opened, browser, opened
from invented import plain, write_run
from playwright.sync_api import Browser, expect

from synthneg.report.write import write_report
from synthneg.run import Run
from synthneg.settings import load

pytestmark = pytest.mark.slow

RUN_NOW = "window.harmed = true"
HOSTILE = (
    f"<script>{RUN_NOW}</script>",
    f"<img src=x onerror='{RUN_NOW}'>",
    f"</script><script>{RUN_NOW}</script><!--",
    "<!-- <script> and no end",
    "<svg><style>* { display: none }</style>",
    f"{{{{ 7 * 7 }}}} ${{{RUN_NOW}}} '\"><b onclick={RUN_NOW}>",
    "\u202eturned round\u202c and \u2066isolated\u2069",
    "a NUL \0, an escape \x1b[31m, a bell \a",
    "lines\u2028of\u2029Unicode\x85and so on",
    "שלום עולם والعربية",
    "half a pair \ud800 alone",
)
FIELDS_OF_JSON_FILES = (
    "name",
    "arm",
    "prompt",
    "remedy",
    "model",
)  # their writers take no half pairs


def hostile(field: str, number: int) -> str:
    """Return a text that would like to be more than a text."""
    text = HOSTILE[(number + len(field)) % len(HOSTILE)]
    if field == "document" and number % 40 == 7:
        return "long" * 25_000
    if field in (*FIELDS_OF_JSON_FILES, "message", "system", "reply"):
        text = text.replace("\ud800", "?")  # nor does the ledger
    return f"{text} {field} {number}"


def report(folder: Path) -> Path:
    """Write the report of the run in a folder."""
    run = Run(folder.parent, load(folder / "run.yaml"))
    try:
        return write_report(run)
    finally:
        run.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give one browser for all tests of this module."""
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a run of 60 queries, whose texts are words."""
    return report(write_run(tmp_path_factory.mktemp("runs") / "calm", 60, plain(30)))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a run that has something hostile in every field."""
    return report(write_run(tmp_path_factory.mktemp("runs") / "planted", 30, hostile))


def assert_quiet(found: Opened, file: Path) -> None:
    """Check that the browser had nothing to say and nothing to ask for but the file itself."""
    assert found.said == []
    assert found.asked == [file.resolve().as_uri()]


def test_the_report_answers_in_its_order_and_asks_for_nothing(
    chromium: Browser, calm: Path
) -> None:
    """Five questions stand as headings in their order; the only request is the file, and the console stays empty."""
    with opened(chromium, calm) as found:
        heads = found.page.locator("main h2").all_inner_texts()
        assert heads == [
            "Is this data good?",
            "What did it cost?",
            "What does it look like?",
            "Where are the limits?",
            "What changed?",
        ]
        said = found.page.inner_text("#good")
        assert "On name 0" in said
        assert "tuned and base are not distinguishable" in said
        assert "→ verify.leaks.action: drop" in said
        assert found.page.locator("svg.plot").count() >= 7
        assert_quiet(found, calm)


def test_what_lies_beside_the_run_is_shown(chromium: Browser, calm: Path) -> None:
    """A comparison of arms and a trial of prompts over the same corpus have their tables."""
    with opened(chromium, calm) as found:
        said = found.page.inner_text("#changed")
        assert "arm 0" in said
        assert "better than (base)" in said
        assert "Prompts: prompt 1" in said


def test_search_and_filters_narrow_the_records(chromium: Browser, calm: Path) -> None:
    """A word of one query leaves that query and its documents; a reason leaves those rejected for it."""
    with opened(chromium, calm) as found:
        page = found.page
        every = found.count()
        page.fill("#search", "passage-20:question:1")
        expect(page.locator("#rows tr")).to_have_count(15)
        assert all("query 41" in row for row in found.rows())
        page.get_by_role("button", name="Clear").click()
        expect(page.locator("#count")).to_have_text(every)
        page.select_option("select[name=reason]", "answers")
        page.select_option("select[name=source]", "dense")
        assert found.rows()
        assert all("rejected" in row and "answers" in row for row in found.rows())
        page.get_by_role("button", name="cosine").click()
        cosines = page.locator("#rows td[data-label=cosine]").all_inner_texts()
        values = [float(value.replace("\u2212", "-")) for value in cosines]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) > 2


def test_a_click_shows_where_a_record_comes_from(chromium: Browser, calm: Path) -> None:
    """Of a graded document: its query, prompt as sent, raw reply, scores, thresholds and verdict."""
    with opened(chromium, calm) as found:
        page = found.page
        page.select_option("select[name=source]", "graded")
        page.select_option("select[name=grade]", "1")
        page.locator("#rows tr").first.click()
        said = page.inner_text("dialog")
        for title in ("Its query", "Prompt as sent", "Raw reply", "Scores", "Checks", "Origin"):
            assert title in said
        for text in ("system 1", "message", "reply", "document/graded@1b9d6bcd", "below"):
            assert text in said
        page.locator("dialog .links button").first.click()
        assert "Its documents" in page.inner_text("dialog")
        assert_quiet(found, calm)


def test_all_of_it_is_done_with_keys(chromium: Browser, calm: Path) -> None:
    """`/` searches, arrows and j and k walk, Enter opens, j goes on within, Esc closes and gives the focus back."""
    with opened(chromium, calm) as found:
        page = found.page
        page.keyboard.press("/")
        page.keyboard.type("passage-1:question:1")
        page.keyboard.press("Enter")
        expect(page.locator("#rows tr")).to_have_count(15)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("Enter")
        assert page.locator("dialog").is_visible()
        second = page.inner_text("#record-head")
        page.keyboard.press("j")
        third = page.inner_text("#record-head")
        assert third != second
        page.keyboard.press("Escape")
        assert not page.locator("dialog").is_visible()
        # The browser gives the focus back a moment after the dialog is gone.
        page.wait_for_function("document.activeElement.closest('tr')?.rowIndex === 3")


def test_nothing_of_what_is_shown_runs(chromium: Browser, planted: Path) -> None:
    """With markup, comments, turning marks, NULs and words of 100 kB in every field, all of it is text on the page."""
    with opened(chromium, planted) as found:
        page = found.page
        for number in range(0, 40, 3):
            page.locator("#rows .open").nth(number).click()
            assert page.locator("dialog script, dialog img, dialog svg, dialog style").count() == 0
            *_, id = page.inner_text("#record-head").split(" ", 1)
            told = shlex.split(page.locator("#record-body .content").last.inner_text())
            assert told[:3] == ["synthneg", "show", "planted"]
            assert " ".join(told[3].split()) == " ".join(id.split())
            page.keyboard.press("Escape")
        assert page.evaluate("window.harmed") is None
        assert page.locator("script").count() == 2
        assert page.locator("main img, main b, style").count() == 1  # the style of the page
        shown = page.content()
        assert "\u202e" not in shown
        assert "[U+202E]" in page.inner_text("main")
        assert_quiet(found, planted)


@pytest.mark.parametrize("which", ["calm", "planted"])
def test_it_fits_a_phone(which: str, chromium: Browser, request: pytest.FixtureRequest) -> None:
    """At 320 pixels nothing makes the page wider than the screen, nor does an open record."""
    file: Path = request.getfixturevalue(which)
    with opened(chromium, file, width=320, height=640) as found:
        width = "document.documentElement.scrollWidth"
        assert found.page.evaluate(width) == 320
        found.page.locator("#rows .open").nth(3).click()
        assert found.page.evaluate(width) == 320
        inside = "(d => d.scrollWidth <= d.clientWidth)(document.querySelector('dialog'))"
        assert found.page.evaluate(inside)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_accessible(dark: bool, chromium: Browser, calm: Path) -> None:
    """No violation of WCAG 2 A and AA is found by axe, with the records and with one of them open."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
    with opened(chromium, calm, dark=dark) as found:
        for step in (None, "#rows .open"):
            if step:
                found.page.locator(step).nth(1).click()
            result = Axe().run(found.page, options=rules)
            assert result.violations_count == 0, result.generate_report()


def test_the_theme_can_be_turned(chromium: Browser, calm: Path) -> None:
    """The button goes from the system's theme to light to dark, and the ground follows."""
    with opened(chromium, calm) as found:
        button = found.page.locator("#theme")
        ground = "getComputedStyle(document.body).backgroundColor"
        light = found.page.evaluate(ground)
        button.click()
        button.click()
        assert "dark" in button.inner_text()
        assert found.page.evaluate(ground) != light


def test_on_paper_nothing_is_cut(chromium: Browser, calm: Path) -> None:
    """Printed, texts of the table stand whole, and what is only for a screen is left out."""
    with opened(chromium, calm) as found:
        found.page.emulate_media(media="print")
        assert not found.page.locator("#filters").is_visible()
        cut = "[...document.querySelectorAll('.open .text')].some(e => e.scrollHeight > e.clientHeight + 1)"
        assert not found.page.evaluate(cut)
