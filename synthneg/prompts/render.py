"""Fill a prompt in for one record: draws, exemplars, and the messages that are sent."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, meta

from synthneg.errors import PromptError
from synthneg.prompts.file import Prompt
from synthneg.prompts.head import Between
from synthneg.prompts.sections import Role
from synthneg.prompts.template import ENVIRONMENT

Draws = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `content` is None for a turn that the model is to answer."""

    role: Role
    content: str | None


def seed_of(*parts: object) -> int:
    """Return a seed in [0, 2**31) that depends on the parts alone, never on the order of arrival.

    >>> seed_of(7, "passage", 0) == seed_of(7, "passage", 0) != seed_of(7, "passage", 1)
    True
    """
    text = "\x1f".join(str(part) for part in parts)
    return (
        int.from_bytes(
            hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        )
        >> 33
    )


def draw(prompt: Prompt, seed: int) -> Draws:
    """Return the attributes drawn for one record: name → value, or grade → name → value where the prompt has grades.

    Each grade draws on its own, so that no attribute tells the grade (METHODS: otherwise length predicts the label).
    """
    grades = () if prompt.grades_apart else prompt.head.grades
    if not prompt.head.draws:
        return {str(grade): {} for grade in grades}
    generator = random.Random(seed)
    if grades:
        return {str(grade): _draw_once(prompt, generator) for grade in grades}
    return _draw_once(prompt, generator)


def _draw_once(prompt: Prompt, generator: random.Random) -> Draws:
    return {
        name: generator.randint(among.low, among.high)
        if isinstance(among, Between)
        else generator.choice(among)
        for name, among in prompt.head.draws.items()
    }


def render(
    prompt: Prompt, values: Mapping[str, Any], draws: Draws, seed: int
) -> tuple[Message, ...]:
    """Return the conversation for one record; a turn with content None is for the model to answer.

    Args:
        prompt: the prompt.
        values: exactly the variables of `needs`, each as FIELDS says.
        draws: what `draw` gave for this record.
        seed: chooses the exemplars.

    Raises:
        PromptError: other variables than the prompt needs; all are listed.
    """
    if set(values) != set(prompt.head.needs):
        missing, surplus = (
            sorted(set(prompt.head.needs) - set(values)),
            sorted(set(values) - set(prompt.head.needs)),
        )
        raise PromptError(f"{prompt.name}: missing variables {missing}, surplus {surplus}")
    number = _set_of(prompt, seed)
    fixed = _fixed(prompt, number)
    names: dict[str, Any] = {**values, **_exemplars(prompt, number)}
    if prompt.head.draws:
        names["draws"] = draws
    return tuple(
        message or Message(turn.role, _text(prompt, turn.source, names))
        for message, turn in zip(fixed, prompt.turns, strict=True)
    )


def open_turns(prompt: Prompt, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield each turn that the model is to answer: its name, and whether what leads to it is the same for all."""
    shared = True
    for message, turn in zip(_fixed(prompt, _set_of(prompt, seed)), prompt.turns, strict=True):
        shared = shared and message is not None
        if not turn.source:
            yield turn.name, shared


def _set_of(prompt: Prompt, seed: int) -> int:
    return seed % prompt.head.examples.sets if prompt.head.examples else 0


@lru_cache(maxsize=1024)
def _exemplars(prompt: Prompt, number: int) -> dict[str, Any]:
    """Return the exemplars of one set, as the templates name them."""
    if prompt.head.examples is None:
        return {}
    pool = prompt.head.examples
    return {"examples": random.Random(f"{prompt.tag} {number}").sample(pool.pool, pool.draw)}


@lru_cache(maxsize=1024)
def _fixed(prompt: Prompt, number: int) -> tuple[Message | None, ...]:
    """Return the turns that are the same for all records with one set of exemplars; None for the others."""
    names = _exemplars(prompt, number)
    return tuple(
        Message(turn.role, _text(prompt, turn.source, names))
        if meta.find_undeclared_variables(ENVIRONMENT.parse(turn.source)) <= names.keys()
        else None
        for turn in prompt.turns
    )


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    template = ENVIRONMENT.from_string(text)
    # Jinja copies it at each rendering, and its own chain of mappings takes ten times as long as one.
    template.globals = dict(template.globals)
    return template


def _text(prompt: Prompt, text: str, names: dict[str, Any]) -> str | None:
    if not text:
        return None
    try:
        return _template(text).render(names)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise PromptError(f"{prompt.name} cannot be filled in: {error}") from error
