"""The reference says what the program says: generated pages are up to date, and pages by hand name what there is."""

import html
import re
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


def test_a_picture_shows_how_the_demo_ended() -> None:
    """Books to last figure of the output are drawn, verdicts coloured; output without an end is refused."""
    written = (
        "queries  1/2\n\n  stage   in\n  corpus   2\n  tuned and base are not distinguishable\n"
        "1 of 2 passages have a query that passed its checks.\n\nThe language model\n"
    )

    picture = make_picture.draw(make_picture.end_of(written))

    words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", picture)).split())
    assert (
        "$ synthneg demo … stage in corpus 2 tuned and base are not distinguishable 1 of 2" in words
    )
    assert "queries 1/2" not in words
    assert "language model" not in words
    assert "#e5c07b" in picture
    with pytest.raises(SystemExit, match="found no books"):
        make_picture.end_of(written[:40])
