"""A real browser for tests of pages: the system's Chromium, without a download, and all that goes wrong in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str:
    """Return the browser's program, or skip the test that needs it."""
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no browser is installed ({', '.join(_NAMES)}); `apt install chromium` has one")


@contextmanager
def browser() -> Iterator[Browser]:
    """Give a browser that is closed at the end."""
    program = find_browser()
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page that was opened from a file, and what the browser said of it."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.said: list[str] = []  # on the console, errors of scripts, and dialogs
        self.asked: list[str] = []  # addresses
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(dialog.message))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(file.resolve().as_uri())
        page.wait_for_selector("html[data-ready]")

    def count(self) -> str:
        """Return how many records the page says it shows."""
        return self.page.inner_text("#count")

    def rows(self) -> list[str]:
        """Return the texts of the table's rows."""
        return self.page.locator("#rows tr").all_inner_texts()


@contextmanager
def opened(
    within: Browser, file: Path, width: int = 1200, height: int = 900, dark: bool = False
) -> Iterator[Opened]:
    """Open a page in a window of this size, with nothing kept from others."""
    context = within.new_context(
        viewport=ViewportSize(width=width, height=height), color_scheme="dark" if dark else "light"
    )
    yield Opened(context.new_page(), file)
    context.close()
