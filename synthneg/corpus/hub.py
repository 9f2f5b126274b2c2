"""Passages from a Hugging Face dataset: saved to disk, or on the Hub."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthneg.config import CorpusConfig
from synthneg.corpus.raw import Raw, bad, columns_of, from_row

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_REACH_TIMEOUT_S = 10.0


def is_hub_name(path: str) -> bool:
    """Whether `path` is spelt as the Hub spells a dataset, `owner/name`.

    >>> is_hub_name("BeIR/scifact"), is_hub_name("/data/scifact"), is_hub_name("scifact")
    (True, False, False)
    """
    return _NAME.fullmatch(path) is not None


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` of datasets wrote this folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def read_saved(folder: Path, config: CorpusConfig) -> Iterator[Raw]:
    """Yield the passages of a dataset that was saved to disk.

    Raises:
        CorpusError: the folder is damaged, or a column is missing.
    """
    yield from _rows(_load_saved(folder), str(folder), config)


def read_hub(name: str, config: CorpusConfig) -> Iterator[Raw]:
    """Yield the passages of a dataset on the Hub.

    Raises:
        CorpusError: no such dataset, no way to the Hub, or a column is missing.
    """
    yield from _rows(_load_hub(name), name, config)


def splits_of(path: str) -> dict[str, Any]:
    """Return the splits of a dataset that was saved to disk or lies on the Hub; their rows are read as they are used.

    Raises:
        CorpusError: as `read_saved` and `read_hub` say.
    """
    dataset = _load_saved(Path(path)) if Path(path).is_dir() else _load_hub(path)
    return dataset if isinstance(dataset, dict) else {"train": dataset}


def _load_saved(folder: Path) -> Any:
    import datasets  # noqa: PLC0415 - heavy: only for datasets
    import pyarrow  # noqa: PLC0415

    try:
        return datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        raise bad(
            str(folder), f"expected a whole saved dataset, but {error}; save it again"
        ) from error


def _load_hub(name: str) -> Any:
    import datasets  # noqa: PLC0415 - heavy: only for datasets

    _reach(name)
    try:
        return datasets.load_dataset(name)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise bad(name, f"expected a dataset on the Hub, but {error}") from error


def _reach(name: str) -> None:
    """Raise CorpusError unless the Hub has the dataset; where it is set to be offline, ask nothing."""
    import huggingface_hub  # noqa: PLC0415 - heavy: only for the Hub
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return
    # The base of the Hub's own error is that of its HTTP library, which has changed twice.
    http_error: Any = HfHubHTTPError.__bases__[0]
    try:
        # datasets would try a name that leads nowhere six times, for 23 seconds.
        huggingface_hub.HfApi().dataset_info(name, timeout=_REACH_TIMEOUT_S)
    except (OSError, ValueError, http_error) as error:
        raise bad(
            name,
            f"neither a path here nor a dataset that the Hub gives ({str(error)[:200]});"
            " correct corpus.path, or set HF_HUB_OFFLINE=1 to use a copy in the cache",
        ) from error


def _rows(dataset: Any, where: str, config: CorpusConfig) -> Iterator[Raw]:
    table = _split(dataset, where) if isinstance(dataset, dict) else dataset
    columns = columns_of(table.column_names, where, config)
    wanted = [c for c in (columns.id, columns.text, columns.title) if c in table.column_names]
    for row, values in enumerate(table.select_columns(wanted), start=1):
        yield from_row(values, columns, f"{where}, row {row}")


def _split(splits: dict[str, Any], where: str) -> Any:
    if "train" not in splits and len(splits) != 1:
        raise bad(
            where, f"expected a split 'train', found {', '.join(map(repr, splits)) or 'none'}"
        )
    return splits["train"] if "train" in splits else next(iter(splits.values()))
