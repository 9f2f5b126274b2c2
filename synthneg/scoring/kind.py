"""Which kind of model a folder holds, or the Hub: read from its settings files, nothing is loaded."""

import json
from pathlib import Path
from typing import Any

from synthneg.config.students import Kind
from synthneg.scoring.models import check_model, find_model, model_file

_NAMED: dict[str, Kind] = {
    "SentenceTransformer": "bi-encoder",
    "CrossEncoder": "cross-encoder",
    "SparseEncoder": "sparse",
    "MultiVectorEncoder": "multi-vector",
}
# Modules by which a model that does not name its class is known.
_MODULES: dict[str, Kind] = {"SpladePooling": "sparse", "SparseStaticEmbedding": "sparse"}


def kind_of(name: str) -> Kind:
    """Return what the model `name` is; a bi-encoder where its files say nothing else, as sentence-transformers has it.

    Raises:
        ModelError: there is no such folder, or none with a model.
    """
    check_model(name)
    named = _read(name, "config_sentence_transformers.json", {}).get("model_type")
    if named in _NAMED:
        return _NAMED[named]
    modules = _read(name, "modules.json", [])
    for module in modules:
        last = str(module.get("type", "")).rpartition(".")[2]
        if last in _MODULES:
            return _MODULES[last]
    scores = _made_for(name).endswith("ForSequenceClassification")
    return "cross-encoder" if scores and not modules else "bi-encoder"


def guesses_tokens(name: str) -> bool:
    """Whether the checkpoint `name` brings the head that guesses masked tokens."""
    return _made_for(name).endswith("ForMaskedLM")


def is_static(name: str) -> bool:
    """Whether the model `name` is a static table of word vectors."""
    modules = _read(name, "modules.json", [])
    return bool(modules) and str(modules[0].get("type", "")).endswith("StaticEmbedding")


def _made_for(name: str) -> str:
    """Return the class of transformers that the checkpoint names; empty where it names none."""
    return str((_read(name, "config.json", {}).get("architectures") or [""])[0])


def _read(name: str, file: str, otherwise: Any) -> Any:
    path = Path(find_model(name), file)
    found = path if path.parent.is_dir() else model_file(name, file)
    if found is None or not found.is_file():
        return otherwise
    try:
        return json.loads(found.read_text(encoding="utf-8"))
    except ValueError:
        return otherwise  # who loads the model says what is wrong with it
