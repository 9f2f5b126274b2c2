"""The settings of a run as others can use them: nothing of this machine, and prompts by their files in the dataset.

What was a path or an address here stands there in angle brackets, `<fill in …>`, and reading such settings says what
is to be filled in (`synthneg.settings`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

import yaml

from synthneg.config import FILL_IN, GenerateConfig, RunConfig
from synthneg.corpus.hub import is_hub_name
from synthneg.records import Row

FILE = "synthneg.yaml"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_AS_THEY_ARE = ("docstrings:", "tasks:", "score:")  # before what names no path
_MODELS = (
    ("verify", "encoder"),
    ("verify", "reranker"),
    ("train", "base_model"),
    ("train", "lists", "teacher"),
    ("train", "guide", "model"),
    ("evaluate", "rerank", "first_stage"),
)
_COLLECTIONS = (
    ("evaluate", "collections"),
    ("verify", "leaks", "collections"),
    ("train", "mix", "collection"),
)


def is_here(name: str) -> bool:
    """Whether something of this name lies on this machine, seen from the working folder."""
    return Path(name).expanduser().exists()


def portable(
    config: RunConfig, named: Mapping[str, str], is_here: Callable[[str], bool]
) -> dict[str, Any]:
    """Return the values of the settings without paths and addresses of a machine, and without `publish` and `ray`.

    A licence stays, for it is part of the dataset.

    Args:
        config: the settings.
        named: reference of a prompt -> what names it from now on; `generate.replace` is in these files.
        is_here: whether a relative name is that of a file or folder of this machine.
    """
    values = config.model_dump(mode="json", exclude={"ray"})
    values["publish"] = {"license": config.publish.license} if config.publish.license else {}
    rename_prompts(values, config, named)
    values["corpus"]["path"] = _corpus(config.corpus.path, is_here)
    llm = values["llm"]
    llm["model"] = _language_model(llm["backend"], llm["model"], is_here)
    llm["base_url"] = _address(llm["base_url"])
    for place in _MODELS:
        _change(values, place, lambda name: _model(name, is_here))
    for place in _COLLECTIONS:
        _change(values, place, lambda name: _collection(name, is_here))
    changed = _without_paths(values)
    return {key: value for key, value in changed.items() if value != {}}


def text(values: Mapping[str, Any], head: str) -> str:
    """Return a settings file; each line of `head` becomes a comment before it."""
    said = "".join(f"# {line}\n" for line in head.splitlines())
    body: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1000)
    return said + body


def rename_prompts(values: Row, config: RunConfig, named: Mapping[str, str]) -> None:
    """Name the prompts in the values of these settings otherwise; those that no run asks become what everybody has.

    Args:
        values: changed in place.
        config: the settings.
        named: reference of a prompt -> what names it from now on.
    """
    generate, usual = values["generate"], GenerateConfig().model_dump(mode="json")
    generate["replace"] = {}
    for stage in ("queries", "documents", "negatives"):
        names = generate[stage]["prompts"]
        used = [named[name] for name in names if name in named]
        generate[stage]["prompts"] = used if len(used) == len(names) else usual[stage]["prompts"]
    for kind, name in generate["passages"].items():
        generate["passages"][kind] = named.get(name, usual["passages"][kind])
    if config.verify.judge is not None:
        values["verify"]["judge"] = named.get(config.verify.judge, config.verify.judge)


def _change(values: Row, place: tuple[str, ...], change: Callable[[str], str]) -> None:
    """Change the string, or each of the strings, that stands at a place of nested values."""
    *sections, last = place
    for section in sections:
        values = values[section]
    found = values[last]
    if isinstance(found, list):
        values[last] = [change(name) for name in found]
    elif found is not None:
        values[last] = change(found)


def _corpus(path: str, is_here: Callable[[str], bool]) -> str:
    if path.startswith(_AS_THEY_ARE) or FILL_IN in path:
        return path
    if path.startswith("queries:"):
        return f"queries:{FILL_IN} a file with the queries that this was made for>"
    if not is_hub_name(path) or is_here(path):
        return f"{FILL_IN} the documents that this was made from: a file or a folder>"
    return path


def _language_model(backend: str, name: str | None, is_here: Callable[[str], bool]) -> str | None:
    if name is None or FILL_IN in name:
        return name
    if backend == "openai" and not _of_a_machine(name):
        return name  # as a server calls it
    if backend == "vllm" and not (_of_a_machine(name) or is_here(name)):
        return name
    what = "a GGUF file" if backend == "local" else "a folder of weights, or a name"
    return f"{FILL_IN} the language model {_last(name)}: {what}>"


def _address(url: str | None) -> str | None:
    if url is None or FILL_IN in url or urlsplit(url).hostname in _LOOPBACK:
        return url
    return f"{FILL_IN} the address of a server that has the model, up to /v1>"


def _model(name: str, is_here: Callable[[str], bool]) -> str:
    if name.startswith(_AS_THEY_ARE) or FILL_IN in name:
        return name
    if _of_a_machine(name) or is_here(name):
        return f"{FILL_IN} the model {_last(name)}: a folder or a Hub name>"
    return name


def _collection(name: str, is_here: Callable[[str], bool]) -> str:
    if FILL_IN in name:
        return name
    folder, colon, split = name.rpartition(":")
    last = f"{_last(folder)}, and its split {split}" if colon and not is_here(name) else _last(name)
    return f"{FILL_IN} the test collection {last}: a BEIR folder; or remove this line>"


def _last(name: str) -> str:
    windows = _of_a_machine(name) and "\\" in name
    return (PureWindowsPath(name) if windows else PurePath(name)).name


def _of_a_machine(name: str) -> bool:
    r"""Whether a name is a path, wherever it leads.

    >>> [_of_a_machine(name) for name in ("/data/x", "~/x", "./x", "C:\\x", "file:///x", "org/x", "x:7b")]
    [True, True, True, True, True, False, False]
    """
    return _is_absolute(name) or name.startswith(("~", ".", "file:"))


def _is_absolute(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()


def _without_paths(value: Any) -> Any:
    """Return nested values in which every other path, such as one of `llm.engine`, is to be filled in."""
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value]
    if isinstance(value, str) and (value.startswith("~/") or _is_absolute(value)):
        return f"{FILL_IN} a path>"
    return value
