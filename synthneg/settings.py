"""Read a settings file: YAML and `--set` changes to checked settings, each mistake in one line that names the key."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from synthneg.config import FILL_IN, RunConfig
from synthneg.errors import SettingsError

S = TypeVar("S", bound=BaseModel)


def load(path: Path, changes: Sequence[str] = ()) -> RunConfig:
    """Return the settings of the YAML file `path`, with each `section.key=value` of `changes` applied.

    Raises:
        SettingsError: no such file, not YAML, an unknown key, or a value out of bounds.
    """
    values = read_mapping(path, "corpus and llm", "`synthneg init` writes one")
    # A section whose every line is commented out is one with its defaults.
    values = {
        key: {} if value is None and key in RunConfig.model_fields else value
        for key, value in values.items()
    }
    return with_changes(values, changes, str(path))


def read_mapping(path: Path, such_as: str, remedy: str) -> dict[str, Any]:
    """Return the mapping that the YAML file `path` holds; the other two are for the words of an error.

    Raises:
        SettingsError: no such file, not YAML, or no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: no settings file can be read there ({error.strerror}); {remedy}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: expected YAML, but {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise SettingsError(
            f"{path}: expected a mapping with sections such as {such_as}, got {type(values).__name__}"
        )
    return values


def with_changes(values: dict[str, Any], changes: Sequence[str], where: str) -> RunConfig:
    """Return the checked settings with each `section.key=value` of `changes` applied; `where` is as in `resolve`."""
    apply(values, changes)
    return resolve(values, where)


def apply(values: dict[str, Any], changes: Sequence[str]) -> None:
    """Put each `section.key=value` of `changes` into the values.

    Raises:
        SettingsError: a change is not of this form, or its key lies in no section.
    """
    for change in changes:
        _apply(values, change)


def resolve(values: dict[str, Any], where: str) -> RunConfig:
    """Return the checked settings of a run; `where` names their origin in an error.

    Raises:
        SettingsError: a key or value is wrong, or what was of another machine is not filled in.
    """
    config = resolve_as(RunConfig, values, where)
    if left := list(unfilled(values)):
        raise SettingsError(
            f"{where}: still to be filled in: {'; '.join(f'{key} ({what})' for key, what in left)};"
            " edit the file, or give --set KEY=VALUE"
        )
    return config


def unfilled(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key of each value that is to be filled in, and with what.

    >>> list(unfilled({"corpus": {"path": "queries:<fill in a file>"}}))
    [('corpus.path', 'a file')]
    """
    if isinstance(value, (dict, list)):
        inside = value.items() if isinstance(value, dict) else ((None, inner) for inner in value)
        for key, inner in inside:
            yield from unfilled(inner, ".".join(filter(None, (name, key))))
    elif isinstance(value, str) and FILL_IN in value:
        yield name, value.partition(FILL_IN)[2].strip().removesuffix(">")


def resolve_as(model: type[S], values: dict[str, Any], where: str) -> S:
    """Return the checked settings of this class; `where` is as in `resolve`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise SettingsError(
            f"{where}: " + "; ".join(_explain(model, e) for e in error.errors())
        ) from error


def _apply(values: dict[str, Any], change: str) -> None:
    name, equals, value = change.partition("=")
    if not equals or not name.strip():
        raise SettingsError(
            f"--set {change!r}: expected section.key=value, such as llm.concurrency=64"
        )
    *sections, last = name.strip().split(".")
    for section in sections:
        if values.get(section) is None:
            values[section] = {}
        values = values[section]
        if not isinstance(values, dict):
            raise SettingsError(f"--set {change!r}: {section} is a value, not a section")
    try:
        values[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {change!r}: the value is not YAML; quote it") from error


def _explain(model: type[BaseModel], error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, error["loc"][:-1])
        nearest = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known here: {', '.join(known)}"
        return f"unknown setting {place}; {hint}"
    if error["type"] == "missing":
        return f"{place} is missing"
    if place == "llm.api_key_env":
        return (
            f"{place}: expected the name of an environment variable in capitals, such as OPENAI_API_KEY;"
            " the key itself goes into that variable"
        )
    if error["type"] == "value_error":  # our own words, which say what is seen as far as it may be
        return f"{place}: {error['ctx']['error']}" if place else str(error["ctx"]["error"])
    return f"{place}: {error['msg'][0].lower()}{error['msg'][1:]}, got {error['input']!r:.80}"


def _known_keys(model: type[BaseModel], sections: Sequence[str | int]) -> list[str]:
    kind: Any = model
    for section in sections:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            continue
        field = kind.model_fields.get(str(section)) if _is_section(kind) else None
        kind = field and field.annotation
        if get_origin(kind) is not dict:  # a section that may be left out is one
            kind = next(filter(_is_section, get_args(kind)), kind)
    return list(kind.model_fields) if _is_section(kind) else []


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
