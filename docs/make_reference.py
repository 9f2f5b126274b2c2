"""Write the reference of settings and of commands, from the settings models and the commands themselves.

    python docs/make_reference.py          # docs/reference/settings.md and docs/reference/commands.md

`make docs` runs it, and a test fails when one of the pages says something else than the program.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from pydantic import BaseModel

from synthneg.cli.app import app
from synthneg.config import CompareConfig, RunConfig

REFERENCE = Path(__file__).parent / "reference"
_MADE = "<!-- made by docs/make_reference.py; change the program, then `make docs` -->"
_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true, false",
    "object": "mapping",
    "null": "null",
}
_SETTINGS = """\
# Settings

Every key of a settings file. `synthneg init` writes a file with the usual ones. A key that is left out has its
default; an unknown key, or a value out of bounds, is an error that names the nearest key or the bound. Any key may also
be given on the command line:

```sh
synthneg run synthneg.yaml --set corpus.limit=50 --set llm.concurrency=8
```

Shares are from 0 to 1, cosines from -1 to 1; times are in seconds where the name ends in `_s`, and in minutes where it
says so; money is in USD. `null` means that the key has no value. What a run was made with stands in its `run.yaml`,
defaults filled in.
"""
_COMPARE = """\
## A file of arms

What `synthneg compare FILE` reads; [compare.md](compare.md) has an example. `evaluate` and an arm's `train` are
sections of a run, of which only what differs is written. `settings` has the keys of an arm, and holds for every arm
that does not say otherwise.
"""
_COMMANDS = """\
# Commands

Every command with its arguments and options, as `--help` has them. A mistake of the user's is one line on standard
error and exit status 2; Ctrl-C ends with 130, after what is in flight has come in.

`FILE|RUN` is a settings file, or the name or folder of a run that was begun. Runs lie under `outputs/`, or where
`--outputs` says.
"""


def main() -> None:
    """Write both pages."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return each page by its file's name."""
    return {"settings.md": settings_page(), "commands.md": commands_page()}


def settings_page() -> str:
    """Return the page of all settings: a table for each section, and those of a comparison."""
    parts = [_MADE, _SETTINGS, _contents(RunConfig), *_sections(RunConfig, "")]
    parts += [_COMPARE, *_sections(CompareConfig, "", inside="compare")]
    return "\n".join(parts)


def _contents(model: type[BaseModel]) -> str:
    tops = [name for name, field in model.model_fields.items() if _model_of(field.annotation)]
    links = ", ".join(f"[{name}](#{name})" for name in tops)
    return f"Sections: {links}, and [a file of arms](#a-file-of-arms).\n"


def _sections(model: type[BaseModel], name: str, inside: str = "") -> Iterator[str]:
    """Yield a heading, the section's own words and a table, then the same for the sections in it.

    Args:
        model: the settings model.
        name: its dotted name; "" for the file as a whole.
        inside: what the file is about, where it is not a run's.
    """
    title = name or ("The whole file" if inside else "The run")
    yield f"{'###' if inside or '.' in name else '##'} {title}\n"
    yield f"{' '.join(inspect.cleandoc(model.__doc__ or '').split())}\n"
    schema = model.model_json_schema()
    rows = [
        _row(key, value, schema, key in schema.get("required", ()))
        for key, value in schema["properties"].items()
        if _plain(model, key)
    ]
    if rows:
        yield "\n".join(
            ["| key | values | default | what it says |", "|---|---|---|---|", *rows, ""]
        )
    for key, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is not None and key != "settings":  # an arm's keys, for all arms
            per = "" if get_origin(field.annotation) is not dict else ".NAME"
            yield from _sections(inner, f"{name}.{key}{per}".lstrip("."), inside)


def _plain(model: type[BaseModel], key: str) -> bool:
    """Whether a key is a value; a section of one's own that may be left out is one as well, for it has a default."""
    annotation = model.model_fields[key].annotation
    return _model_of(annotation) is None or annotation is not _model_of(annotation)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation is, may be, or maps names to."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for a in get_args(annotation) if (found := _model_of(a))), None)


def _row(key: str, field: dict[str, Any], schema: dict[str, Any], required: bool) -> str:
    default = "required" if required else f"`{_value(field.get('default'))}`"
    about = field.get("description") or "a section of its own, below"
    return f"| `{key}` | {_values(field, schema)} | {default} | {_cell(about)} |"


def _values(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what a field takes, in words.

    >>> _values({"type": "integer", "minimum": 1}, {})
    'whole number, at least 1'
    >>> _values({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}, {})
    '`a`, `b`; or null'
    """
    if "anyOf" in field:
        kinds = [_values(kind, schema) for kind in field["anyOf"]]
        return "; or ".join(kinds)
    if "$ref" in field:
        kind = schema["$defs"][field["$ref"].rpartition("/")[2]]
        return "a section" if "properties" in kind else _values(kind, schema)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of: {_values(field.get('items', {}), schema)}{_length(field)}"
    if isinstance(inner := field.get("additionalProperties"), dict):
        return f"mapping of names to: {_values(inner, schema)}"
    return ", ".join([_TYPES[field["type"]] if "type" in field else "any", *_bounds(field)])


def _bounds(field: dict[str, Any]) -> Iterator[str]:
    if {"minimum", "maximum"} <= set(field):
        yield f"{field['minimum']} to {field['maximum']}"
    else:
        words = {"minimum": "at least", "exclusiveMinimum": "above"}
        words |= {"maximum": "at most", "exclusiveMaximum": "below"}
        yield from (f"{word} {field[key]}" for key, word in words.items() if key in field)
    if "maxLength" in field:
        yield f"at most {field['maxLength']} characters"
    if "pattern" in field:
        yield f"of the form `{_cell(field['pattern'])}`"


def _length(field: dict[str, Any]) -> str:
    return f"; {field['minItems']} or more" if field.get("minItems") else ""


def _value(value: Any) -> str:
    """Return a default as one writes it in YAML.

    >>> _value(None), _value(True), _value(["a", "b"]), _value(2e-05)
    ('null', 'true', '[a, b]', '2.0e-5')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float) and 0 < value < 1e-3:
        figure, exponent = f"{value:e}".split("e")
        return f"{float(figure)}e{int(exponent)}"
    return "{}" if value == {} else str(value)


def _cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table."""
    return text.replace("|", r"\|")


def commands_page() -> str:
    """Return the page of all commands."""
    found = dict(_commands(typer.main.get_command(app), "synthneg"))
    links = ", ".join(f"[{name.removeprefix('synthneg ')}](#{_anchor(name)})" for name in found)
    parts = [_MADE, _COMMANDS, f"{links}.\n"]
    parts += [part for name, command in found.items() for part in _command(name, command)]
    return "\n".join(parts)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each command by its full name."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
    for word, inner in (below or {}).items():
        yield from _commands(inner, f"{name} {word}")


def _anchor(heading: str) -> str:
    return heading.replace(" ", "-")


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = [name, "[OPTIONS]" if options else ""]
    usage += [_spelt(p) if p.required else f"[{_spelt(p)}]" for p in arguments]
    yield f"## {name}\n"
    yield f"    {' '.join(filter(None, usage))}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    rows = [
        f"| `{_cell(_spelt(p))}` | {_default(p)} | {_cell(p.help)} |" for p in arguments + options
    ]
    if rows:
        head = ["| argument or option | default | what it says |", "|---|---|---|"]
        yield "\n".join([*head, *rows, ""])


def _spelt(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper()).replace("[", "").replace("]", "")
    names = ", ".join(parameter.opts)
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar or 'N'}"  # what has no name of its own is a number


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    none = parameter.default is None or getattr(parameter, "is_flag", False)
    return "" if none else f"`{parameter.default}`"


if __name__ == "__main__":
    main()
