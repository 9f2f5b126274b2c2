"""Fill a prompt in for one record: draws, exemplars, and the messages that are sent."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError

from synthneg.errors import PromptError
from synthneg.prompts.file import ENVIRONMENT, Between, Prompt, Role

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
    generator = random.Random(seed)
    if prompt.head.grades:
        return {str(grade): _draw_once(prompt, generator) for grade in prompt.head.grades}
    return _draw_once(prompt, generator)


def _draw_once(prompt: Prompt, generator: random.Random) -> Draws:
    return {
        name: generator.randint(among.low, among.high)
        if isinstance(among, Between)
        else generator.choice(among)
        for name, among in prompt.head.draws.items()
    }


def render(
    prompt: Prompt, values: Mapping[str, Mapping[str, str]], draws: Draws, seed: int
) -> tuple[Message, ...]:
    """Return the conversation for one record; a turn with content None is for the model to answer.

    Args:
        prompt: the prompt.
        values: exactly the variables of `needs`, each with the fields of FIELDS.
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
    names: dict[str, Any] = dict(values)
    if prompt.head.draws:
        names["draws"] = draws
    if prompt.head.examples:
        pool = prompt.head.examples
        drawn = random.Random(f"{prompt.tag} {seed % pool.sets}")
        names["examples"] = drawn.sample(pool.pool, pool.draw)
    return tuple(Message(role, _text(prompt, text, names)) for role, text in prompt.turns)


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    return ENVIRONMENT.from_string(text)


def _text(prompt: Prompt, text: str, names: dict[str, Any]) -> str | None:
    if not text:
        return None
    try:
        return _template(text).render(names)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise PromptError(f"{prompt.name} cannot be filled in: {error}") from error
