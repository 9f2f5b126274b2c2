"""The reference says what the program says: generated pages are up to date, and pages by hand name what there is."""

import html
import re
import sys
from pathlib import Path

import make_picture
import make_reference
import pytest

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


@pytest.mark.parametrize("name", ["settings.md", "commands.md"])
def test_generated_pages_are_the_programs(name: str) -> None:
    """The page is what `make docs` would write now."""
    written = (REFERENCE / name).read_text(encoding="utf-8")

    assert written == make_reference.pages()[name], "run `make docs`"


def test_each_setting_has_its_row() -> None:
    """A default, a bound and a description of the model stand in the row of their key."""
    page = make_reference.settings_page()

    assert (
        "| `concurrency` | whole number, 1 to 4096 | `16` | most requests in flight; fewer while the server"
        in page
    )
    assert "| `learning_rate` | number, above 0 | `2.0e-5` |" in page
    assert "### verify.documents" in page
    assert "### generate.replace.NAME" in page
    assert "### arms.NAME" in page


def test_each_option_has_its_row() -> None:
    """A command's argument, option and default stand in its table, and a flag has no value."""
    page = make_reference.commands_page()

    assert (
        "| `--pilot N` | `12` | Passages that are asked about; more give narrower intervals. |"
        in page
    )
    assert "| `--json` |  | Print the findings as JSON. |" in page
    assert "    synthneg show [OPTIONS] RUN ID\n" in page
    assert "    synthneg prompts lint [NAME|FILE|FOLDER...]\n" in page
    assert "    synthneg prompts show [OPTIONS] NAME\n" in page


def test_the_picture_needs_nothing_from_anywhere() -> None:
    """The picture in the README names no address but SVG's own, is light, and has the words of the demo's end."""
    picture = (REFERENCE.parent / "images" / "demo.svg").read_text(encoding="utf-8")
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", picture)).split())

    assert set(re.findall(r"https?://[^\"' )]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert len(picture) < 100_000
    for said in ("$ synthneg demo", "verify.queries", "held-out", "not distinguishable"):
        assert said in words


def test_a_picture_shows_what_a_terminal_shows() -> None:
    """A command in a terminal of its own is drawn as a person sees it: progress as it ended, colours as they came."""
    code = "import sys; sys.stdout.write('one\\rtwo\\n\\x1b[31mred\\x1b[0m ' + str(sys.stdout.isatty()))"

    picture = make_picture.draw(
        "try", make_picture.seen(make_picture.capture([sys.executable, "-c", code]))
    )

    words = html.unescape(re.sub(r"<[^>]+>", " ", picture))
    assert "two" in words
    assert "one" not in words
    assert "True" in words
    assert "#e06c75" in picture
