"""Invented outcomes of a prompt: passages of unlike difficulty, texts from templates, and checks that hang together."""

import numpy as np

from synthneg.trial.rows import Outcome

TEMPLATES = (
    "what is the effect of {} on {}",
    "how does {} change {}",
    "does {} reduce {} in {}",
    "why is {} linked to {}",
    "which {} helps against {} and {}",
    "is {} a cause of {}",
    "when should {} be given with {}",
    "{} and {} compared",
)
WORDS = 400
DIMENSIONS = 24


def draw(
    units: int,
    seed: int,
    *,
    rate: float = 0.6,
    parsed: float = 0.95,
    likeness: float = 0.5,
    world: int = 0,
) -> list[Outcome]:
    """Return one record for each of `units` passages.

    Args:
        units: passages; those of one `world` are the same for every prompt, with their topics and their difficulty.
        seed: of what this prompt makes of them.
        rate: how many of the records that parse pass the checks.
        parsed: how many records parse.
        likeness: correlation between two prompts in what decides whether a passage's record passes.
        world: seed of the passages.
    """
    passages, chance = np.random.default_rng([world, 0]), np.random.default_rng([seed, 1])
    difficulty = passages.normal(size=units)
    topics = passages.integers(0, WORDS, size=(units, 5))
    centres = passages.normal(size=(units, DIMENSIONS)) + 1
    limit = np.quantile(passages.normal(size=100_000), rate)
    return [
        _record(
            f"p{u}",
            np.sqrt(likeness) * difficulty[u] + np.sqrt(1 - likeness) * chance.normal() < limit,
            float(np.exp(difficulty[u] / 4)),
            topics[u],
            centres[u],
            parsed,
            chance,
        )
        for u in range(units)
    ]


def _record(unit, passes, length, topic, centre, parsed, chance):
    values = {"tokens": float(round(80 * length + chance.exponential(20)))}
    values["money"] = values["tokens"] / 1e6
    if chance.random() > parsed:
        return Outcome(unit, unit, None, "not_json", values)
    template = TEMPLATES[int(len(TEMPLATES) * chance.beta(1, 2))]
    common = (WORDS * chance.beta(1, 6, size=6)).astype(int)
    named = [f"w{w}" for w in np.where(chance.random(6) < 0.6, chance.choice(topic, 6), common)]
    text = f"{template.format(*named)} {' '.join(f'w{w}' for w in common[: chance.poisson(2 * length)])}"
    if chance.random() < 0.04:
        text = TEMPLATES[0].format("it", "this")  # what a small model says again and again
    reason = (
        None
        if passes
        else str(chance.choice(["copied", "round_trip", "too_short"], p=(0.6, 0.35, 0.05)))
    )
    copied = reason == "copied"
    values["copied_share"] = float(chance.beta(6, 2) if copied else chance.beta(2, 6))
    values["rank"] = float(
        20 + chance.geometric(0.02) if reason == "round_trip" else chance.geometric(0.4)
    )
    vector = centre + chance.normal(size=DIMENSIONS)
    return Outcome(unit, unit, text.strip(), reason, values, vector / np.linalg.norm(vector))
