"""What a model folder says of its documents: that they have the vectors of the base that it was trained from.

Read when the model is measured, so that no document is encoded anew; believed as long as the files of the document's
side are those that were written with it.
"""

from pathlib import Path

import orjson

from synthneg.files import fingerprint
from synthneg.scoring.vectors import Known

_FILE = "frozen_documents.json"
_SETTINGS = ("config_sentence_transformers.json", "modules.json", "router_config.json")


def write_frozen(folder: Path, base: Known) -> None:
    """Write into a model's folder that its documents are encoded as the base encodes them."""
    said = {"name": base.name, "identity": base.identity, "files": _files(folder)}
    (folder / _FILE).write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))


def read_frozen(folder: Path) -> Known | None:
    """Return under what the vectors of its documents are kept; None where nothing is said, or it is no longer true."""
    try:
        said = orjson.loads((folder / _FILE).read_bytes())
        known = Known(str(said["name"]), str(said["identity"]))
        return known if said["files"] == _files(folder) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(folder: Path) -> str:
    """Return a hash of the modules that make a document's vector, as the library's Router writes them."""
    return fingerprint(*(folder / name for name in _SETTINGS), *sorted(folder.glob("document_*")))
