"""Draw how `synthneg demo` ends, from what it has written: docs/images/demo.svg.

    synthneg demo 2>&1 | tee demo.log
    python docs/make_picture.py demo.log

The picture begins with the books and ends with the last figure. It needs no font and nothing else from anywhere.
"""

import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "demo.svg"
_COLUMNS = 108
_END = re.compile(r"^  stage +in\b.*passed its checks\.$", re.MULTILINE | re.DOTALL)
_WORDS = {  # styles of what a reader looks for
    r"^\$ .*|^  (?:stage|model) .*|^held-out.*": "bold",
    r"not distinguishable": "yellow",
    r"a shortcut: .*": "yellow",
    r"(?m)^  outputs/\S+": "cyan",
}
_THEME = TerminalTheme(
    (24, 27, 33),
    (222, 226, 232),
    [(40, 44, 52), (224, 108, 117), (126, 191, 112), (229, 192, 123)]
    + [(97, 175, 239), (198, 120, 221), (86, 182, 194), (171, 178, 191)],
)
# What the library draws, without the font that it would fetch.
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="the end of synthneg demo">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main(written: str) -> None:
    """Write the picture of what the demo has written."""
    PICTURE.write_text(draw(end_of(written)), encoding="utf-8")


def end_of(written: str) -> str:
    """Return the part of the demo's output that is drawn.

    Raises:
        SystemExit: the output has no end.
    """
    found = _END.search(written)
    if found is None:
        raise SystemExit("expected the output of a demo that has come to its end, found no books")
    return found[0]


def draw(text: str) -> str:
    """Return the picture; lines are broken where a terminal of this width breaks them."""
    console = Console(record=True, file=StringIO(), width=_COLUMNS, force_terminal=True)
    for line in f"$ synthneg demo\n…\n{text}".split("\n"):
        styled = Text(line)
        for words, style in _WORDS.items():
            styled.highlight_regex(words, style)
        console.print(styled, highlight=False)
    return console.export_svg(
        title="synthneg demo", theme=_THEME, code_format=_FORMAT, unique_id="demo"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"))
