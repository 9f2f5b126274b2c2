"""The git history of a prompt file: its text at a revision, and the text that had a hash.

It is read by the program `git`, without a shell, from the folder of the file. Nothing in the repository is changed.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from synthneg.errors import PromptError
from synthneg.prompts.file import hash_of

_CHANGE = re.compile(rb":\d{6} \d{6} [0-9a-f]+ ([0-9a-f]+) ")
_COMMIT_DIGITS = 10


class Found(NamedTuple):
    """The text of a prompt, and where it was found."""

    source: str
    where: str  # such as prompts/query/question.j2 at commit 20f8aa5


def decoded(data: bytes) -> str:
    r"""Return the text of a prompt file, its line ends those of Unix; UnicodeDecodeError if it is not UTF-8.

    >>> decoded(b"a\r\nb")
    'a\nb'
    """
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def at(file: Path, revision: str) -> str:
    """Return the text that `file` had at a git revision, such as HEAD~3, v1.2 or a commit.

    Raises:
        PromptError: no git, no repository, no such revision, no such file in it, or not UTF-8.
    """
    place = f"{file}@{revision}"
    if not revision or revision.startswith("-") or ":" in revision or not revision.isprintable():
        raise PromptError(
            f"{place}: expected a git revision such as HEAD~3, a tag or a commit after the @, got {revision!r}"
        )
    _check_repository(file, place)
    named = _git(file, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if named.returncode:
        raise PromptError(
            f"{place}: {revision} is neither a git revision here nor the hash of a text that the file had;"
            f" `git log -- {file}` lists the commits that changed it"
        )
    commit = named.stdout.decode().strip()
    blob = _git(file, "cat-file", "blob", f"{commit}:./{file.name}")
    if blob.returncode:
        raise PromptError(
            f"{place}: the file did not exist at that revision; `git log --follow -- {file}` lists those that have it"
        )
    try:
        return decoded(blob.stdout)
    except UnicodeDecodeError as error:
        raise PromptError(f"{place}: expected UTF-8, byte {error.start} is not") from error


def with_hash(file: Path, hash: str) -> Found | None:
    """Return the text of `file` that has this hash: the present one, or the newest of its history; None without one."""
    if file.is_file():
        try:
            source = decoded(file.read_bytes())
        except (UnicodeDecodeError, OSError):
            pass
        else:
            if hash_of(source) == hash:
                return Found(source, str(file))
    return next((found for found in _past(file) if hash_of(found.source) == hash), None)


def _past(file: Path) -> Iterator[Found]:
    """Yield the texts that the file had in any branch, newest first, under earlier names too."""
    if _fault(file) is not None:
        return
    # All blobs are named by one call and read by another: a call for each commit would take seconds.
    log = _git(file, "log", "--all", "-m", "--follow", "--no-abbrev", "--format=%h", "--raw",
               "--", file.name)  # fmt: skip
    commits: dict[bytes, str] = {}
    commit = ""
    for line in log.stdout.splitlines():
        change = _CHANGE.match(line)
        if change is None:
            commit = line.decode(errors="replace").strip()[:_COMMIT_DIGITS] or commit
        elif change[1].strip(b"0"):
            commits.setdefault(change[1], commit)
    for blob, data in _blobs(file, list(commits)):
        try:
            yield Found(decoded(data), f"{file} at commit {commits[blob]}")
        except UnicodeDecodeError:
            continue


def _blobs(file: Path, names: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and content of each blob, from the lines `<name> blob <bytes>` with the content after each."""
    output = _git(file, "cat-file", "--batch", asked=b"".join(n + b"\n" for n in names)).stdout
    place = 0
    while place < len(output):
        end = output.index(b"\n", place)
        head = output[place:end].split()
        if len(head) < 3:  # missing: a shallow clone does not have it
            place = end + 1
            continue
        start, size = end + 1, int(head[2])
        yield head[0], output[start : start + size]
        place = start + size + 1


def _check_repository(file: Path, place: str) -> None:
    fault = _fault(file)
    if fault is not None:
        raise PromptError(f"{place}: {fault}")


def _fault(file: Path) -> str | None:
    """Return why the history of a file cannot be read, or None."""
    if shutil.which("git") is None:
        return "git is not installed, so there is no history to look into; name the file without @"
    if not file.parent.is_dir():
        return f"there is no folder {file.parent}"
    inside = _git(file, "rev-parse", "--is-inside-work-tree")
    if inside.returncode or inside.stdout.strip() != b"true":
        said = inside.stderr.decode(errors="replace").strip().splitlines()[:1]
        return (
            f"{file.parent} is no git repository{f' ({said[0]})' if said else ''}: an installed synthneg has no"
            " history of its prompts; use a checkout, or a file in a repository of your own"
        )
    return None


def _git(file: Path, *arguments: str, asked: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # Literal: a file's name is no pattern.
    return subprocess.run(
        ["git", "--no-pager", "--literal-pathspecs", *arguments],
        cwd=file.parent,
        input=asked,
        capture_output=True,
        check=False,
    )
