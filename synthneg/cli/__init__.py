"""The command line: read arguments, build settings, call one function, print one summary."""

import sys

from synthneg.cli.app import app
from synthneg.errors import SynthnegError

_INTERRUPTED = 130  # what typer makes of Ctrl-C, without a word


def main() -> None:
    """Run the command line; a mistake of the user's is one line on standard error and exit status 2."""
    try:
        app()
    except SynthnegError as error:
        sys.stderr.write(f"synthneg: {' '.join(str(error).split())}\n")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            sys.stderr.write(
                "\nsynthneg: stopped; every reply that came is kept, the same command goes on from there\n"
            )
        raise
