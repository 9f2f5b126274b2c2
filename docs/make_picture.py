"""Draw what `synthneg demo` writes into a terminal: docs/images/demo.svg.

    python docs/make_picture.py         # where the runs lie under outputs/; a demo that was stopped is taken up there

The command runs in a terminal of its own, so that the picture shows what a person sees; of each line of progress what
it came to. The picture needs no font and nothing else from anywhere.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "demo.svg"
_COLUMNS, _ROWS = 116, 60
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


def main() -> None:
    """Run the demo and write the picture."""
    written = capture(["synthneg", "demo"])
    PICTURE.write_text(draw("synthneg demo", seen(written)), encoding="utf-8")


def capture(command: list[str]) -> str:
    """Return what a command writes into a terminal of its own; its exit status must be 0."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    with subprocess.Popen(command, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        pieces = []
        while piece := _read(ours):
            pieces.append(piece)
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return b"".join(pieces).decode()


def _read(terminal: int) -> bytes:
    """Return some bytes; none at the end, which Linux tells by an error."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def seen(written: str) -> str:
    r"""Return what is left on the screen: of what was written over, the last.

    >>> seen("queries  1/2\r\x1b[2Kqueries  2/2\r\ndone\r\n")
    'queries  2/2\ndone\n'
    """
    lines = written.replace("\r\n", "\n").split("\n")
    return "\n".join(re.sub(r"^\x1b\[2K", "", line.rpartition("\r")[2]) for line in lines)


def draw(command: str, text: str) -> str:
    """Return the picture of a command and what it wrote, its lines broken where the terminal breaks them."""
    console = Console(record=True, file=StringIO(), width=_COLUMNS, force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(text.rstrip()), highlight=False)
    return console.export_svg(
        title=command, theme=_THEME, code_format=_FORMAT, unique_id="demo", clear=True
    )


if __name__ == "__main__":
    main()
