"""Passages from documents: a folder (or one file) of text, Markdown, HTML, PDF and DOCX, cut into pieces."""

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from synthneg.config import CorpusConfig
from synthneg.corpus.chunk import chunker
from synthneg.corpus.raw import Raw, bad, id_of
from synthneg.corpus.tables import decode
from synthneg.errors import require
from synthneg.files import files_under
from synthneg.progress import say

PLAIN = (".txt", ".md", ".markdown")
CONVERTED = (".pdf", ".docx", ".html", ".htm")

Convert = Callable[[Path], tuple[str, str]]


def read_documents(path: Path, config: CorpusConfig) -> Iterator[Raw]:
    """Yield the pieces of a document, or of all documents in a folder in the order of their paths.

    A piece's id is the document's path in the folder, `#`, and its number from 1; a document without text yields one
    empty piece, so that it is counted. Files of other types are named on standard error; hidden ones are passed over.

    Raises:
        CorpusError: no document, or one that cannot be read.
        MissingExtra: a PDF, DOCX or HTML file without the packages that read it.
    """
    base, files = (path, _documents(path)) if path.is_dir() else (path.parent, [path])
    convert = _converter() if any(f.suffix.lower() in CONVERTED for f in files) else _plain
    cut = chunker(config)
    for file in files:
        title, text = _plain(file) if file.suffix.lower() in PLAIN else convert(file)
        name = file.relative_to(base).as_posix()
        for number, piece in enumerate(cut(text) or [""], start=1):
            where = f"{file}, piece {number}"
            yield Raw(id_of(f"{name}#{number}", where, "path"), title, piece, where)


def _documents(folder: Path) -> list[Path]:
    """Return the documents of a folder, sorted by their paths in it."""
    inside = [(file.relative_to(folder), file) for file in files_under(folder)]
    shown = sorted((p.as_posix(), f) for p, f in inside if not any(n[0] == "." for n in p.parts))
    found = [file for _, file in shown if file.suffix.lower() in PLAIN + CONVERTED]
    others = Counter(f.suffix.lower() or "no suffix" for _, f in shown if f not in set(found))
    passed_over = ", ".join(f"{suffix} ({n})" for suffix, n in sorted(others.items()))
    if not found:
        raise bad(
            str(folder),
            f"expected corpus.jsonl, a saved dataset, or documents ({', '.join(PLAIN + CONVERTED)}),"
            f" found {passed_over or 'an empty folder'}",
        )
    if others:
        say(f"{folder}: {others.total()} files of other types are not read: {passed_over}")
    return found


def _plain(file: Path) -> tuple[str, str]:
    """Return (title, text) of a text or Markdown file."""
    try:
        text = decode(file.read_bytes(), str(file)).removeprefix("\ufeff")
    except OSError as error:
        raise bad(str(file), f"expected a readable file, but {error.strerror}") from error
    first = text.lstrip().partition("\n")[0]
    is_titled = file.suffix.lower() != ".txt" and first.startswith("# ")
    return first[2:].strip() if is_titled else "", text


def _converter() -> Convert:
    require("markitdown", "documents", "reading PDF, DOCX and HTML")
    from markitdown import (  # noqa: PLC0415 - heavy: only for PDF, DOCX and HTML
        MarkItDown,
        MarkItDownException,
    )

    tool = MarkItDown(enable_plugins=False)

    def convert(file: Path) -> tuple[str, str]:
        logger = logging.getLogger("pdfminer")
        level = logger.level
        logger.setLevel(logging.ERROR)  # it reports each odd font of each page
        try:
            with warnings.catch_warnings(action="ignore"):
                found = tool.convert_local(file)
        except (MarkItDownException, OSError, ValueError, UnicodeError) as error:
            raise bad(
                str(file),
                f"expected a whole {file.suffix[1:].upper()} file, but {str(error)[-300:]}",
            ) from error
        finally:
            logger.setLevel(level)
        return (found.title or "").strip(), found.markdown

    return convert
