"""Read the user's corpus, whatever form it has: a stream of passages as found, each with where it was found."""

from collections.abc import Iterator
from pathlib import Path

from synthneg.config import CorpusConfig
from synthneg.corpus.docstrings import read_docstrings
from synthneg.corpus.folder import CONVERTED, PLAIN, read_documents
from synthneg.corpus.hub import is_hub_name, is_saved, read_hub, read_saved
from synthneg.corpus.queries import read_queries
from synthneg.corpus.raw import Raw, bad
from synthneg.corpus.tables import read_csv, read_jsonl, read_parquet
from synthneg.seen import Seen

DOCSTRINGS = "docstrings:"
_TABLES = {
    ".jsonl": read_jsonl,
    ".jsonl.gz": read_jsonl,
    ".parquet": read_parquet,
    ".csv": read_csv,
    ".tsv": read_csv,
}
_BEIR = ("corpus.jsonl", "corpus.jsonl.gz")


def read(config: CorpusConfig) -> Iterator[Raw]:
    """Yield every passage of `config.path`, in an order that is the same each time.

    Raises:
        CorpusError: the input is missing, empty, damaged, or gives two passages one id; the message names where.
        MissingExtra: a document whose packages are not installed.
    """
    with Seen() as ids:
        raw = None
        for raw in _open(config):
            if ids.add(raw.id, "") is not None:
                # Read anew for the error's sake: to keep each place would cost every run.
                first = next(r.where for r in _open(config) if r.id == raw.id)
                raise bad(raw.where, f"expected an id of its own, got {raw.id!r} as at {first}")
            yield raw
        if raw is None:
            raise bad(config.path, "expected passages, found none")


def check_corpus(config: CorpusConfig) -> None:
    """Refuse a corpus that is not there, or in no form that is known; nothing of it is read but a query file's first.

    Raises:
        CorpusError: as `read` and `read_queries` say.
    """
    if config.queries is not None:
        next(read_queries(Path(config.queries), config))
    elif config.dataset is None and not config.is_written:
        _open(config)


def _open(config: CorpusConfig) -> Iterator[Raw]:
    path = Path(config.path)
    if config.path.startswith(DOCSTRINGS):
        return read_docstrings(config.path.removeprefix(DOCSTRINGS).split(","))
    if path.is_dir():
        return _open_folder(path, config)
    if path.exists():
        return _open_file(path, config)
    if is_hub_name(config.path) and _suffix(path) is None:
        return read_hub(config.path, config)
    if config.dataset is not None:
        raise bad(
            config.path,
            "expected documents, got a dataset with queries of its own, which `synthneg import` and `synthneg run` take"
            " in; name its documents alone as corpus.path",
        )
    raise bad(config.path, "expected a file or folder, found nothing there; correct corpus.path")


def _open_folder(folder: Path, config: CorpusConfig) -> Iterator[Raw]:
    for name in _BEIR:
        if (folder / name).is_file():
            return read_jsonl(folder / name, config)
    return read_saved(folder, config) if is_saved(folder) else read_documents(folder, config)


def _open_file(file: Path, config: CorpusConfig) -> Iterator[Raw]:
    suffix = _suffix(file)
    if suffix is None:
        known = ", ".join((*_TABLES, *PLAIN, *CONVERTED))
        raise bad(str(file), f"expected a file that ends in one of {known}")
    return _TABLES[suffix](file, config) if suffix in _TABLES else read_documents(file, config)


def _suffix(file: Path) -> str | None:
    """Return the ending that says how to read the file, or None where none is known."""
    name = file.name.lower()
    return next((s for s in (*_TABLES, *PLAIN, *CONVERTED) if name.endswith(s)), None)
