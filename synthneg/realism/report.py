"""A run's queries beside real ones: measured, and as JSON."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from synthneg.realism.advice import Weight, advise, weights
from synthneg.realism.compare import Comparison, compare
from synthneg.realism.cover import coverage, distances, sample_size
from synthneg.realism.kinds import kind_of
from synthneg.realism.lengths import lengths_of
from synthneg.realism.mix import Share, shares
from synthneg.realism.read import Generated, one_per_passage, sample
from synthneg.records import Query
from synthneg.scoring.base import Encoder
from synthneg.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_COVERING = 10  # queries of a prompt, for its coverage


@dataclass(frozen=True, slots=True)
class OfPrompt:
    """The queries of one prompt; `covered` is the share of real queries that as many of its own cover."""

    prompt: str
    queries: int
    kinds: tuple[Share, ...]
    median_words: float
    covered: float | None  # None: it has too few


@dataclass(frozen=True, slots=True)
class Realism:
    """What was compared, and what came out."""

    real_file: str
    real: int  # different queries in the file
    generated_file: str
    generated: int  # queries in the file
    covered_at: int  # queries of each prompt and of the real ones that `covered` is told at
    comparison: Comparison
    prompts: tuple[OfPrompt, ...]
    weights: tuple[Weight, ...]
    advice: tuple[str, ...]


def measure(
    real_file: str, found: Sequence[str], made: Generated, encoder: Encoder, seed: int
) -> Realism:
    """Return how a run's queries compare with real ones.

    Args:
        real_file: where the real ones come from, for a person.
        found: the real queries.
        made: those of the run.
        encoder: gives the vectors.
        seed: of what is drawn.
    """
    real = sample(found, seed)
    drawn = one_per_passage(made.queries, seed)
    by_prompt = _by_prompt(made.queries)
    generated = [query.text for query in drawn]
    real_vectors = encoder.encode(real, "query")
    comparison = compare(
        real, generated, real_vectors, encoder.encode(generated, "query"), seed=seed
    )
    prompts, size = _of_prompts(by_prompt, real_vectors, encoder, seed)
    kinds = {prompt: [kind_of(q.text) for q in queries] for prompt, queries in by_prompt.items()}
    mix = weights([kind_of(text) for text in real], kinds, seed)
    return Realism(
        real_file=real_file,
        real=len(found),
        generated_file=made.file,
        generated=len(made.queries),
        covered_at=size,
        comparison=comparison,
        prompts=tuple(prompts),
        weights=tuple(mix),
        advice=tuple(advise(comparison, mix)),
    )


def to_json(realism: Realism) -> dict[str, Any]:
    """Return all figures, each row with its word."""
    found = asdict(realism)
    rows = realism.comparison.rows
    found["comparison"]["rows"] = [asdict(row) | {"word": row.word} for row in rows]
    return found


def _by_prompt(queries: Sequence[Query]) -> dict[str, list[Query]]:
    found: dict[str, list[Query]] = defaultdict(list)
    for query in queries:
        found[query.origin.prompt].append(query)
    return dict(sorted(found.items()))


def _of_prompts(
    by_prompt: dict[str, list[Query]],
    real: "NDArray[np.float32]",
    encoder: Encoder,
    seed: int,
) -> tuple[list[OfPrompt], int]:
    """Return each prompt's figures, and the one sample size at which coverage can be told of all that have enough."""
    texts = {
        prompt: sample([query.text for query in queries], seed)
        for prompt, queries in by_prompt.items()
    }
    enough = [len(own) for own in texts.values() if len(own) >= _LEAST_COVERING]
    size = sample_size(len(real), min(enough, default=0))
    found = []
    for prompt, own in texts.items():
        covers = len(own) >= _LEAST_COVERING
        covered = _covered(real, encoder.encode(own, "query"), size, seed) if covers else None
        median = lengths_of([len(words(text)) for text in own]).median
        kinds = tuple(shares([kind_of(text) for text in own]))
        found.append(OfPrompt(prompt, len(by_prompt[prompt]), kinds, median, covered))
    return found, size


def _covered(
    real: "NDArray[np.float32]", generated: "NDArray[np.float32]", size: int, seed: int
) -> float:
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    pooled = np.concatenate([real, generated])
    own = np.arange(len(pooled)) < len(real)
    return float(coverage(distances(pooled), own[None], size, seed)[0][0])
