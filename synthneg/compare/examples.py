"""What each arm is trained on: the same queries and positives, byte for byte, unless an arm asks for fewer."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from synthneg.compare.plan import Arm, Plan
from synthneg.errors import RunError, SettingsError
from synthneg.mine.arms import Mixture, mine_arms
from synthneg.records import Example
from synthneg.run import Run
from synthneg.stages import open_encoder, open_reranker

_LEAST = 2  # passages that training needs


@dataclass(frozen=True, slots=True)
class Pool:
    """The queries that every arm may have, each with the documents of the run.

    Attributes:
        examples: of the training split, for which every arm has enough negatives.
        negatives: what was mined or written, by an arm's `negatives` and then by query.
        queries: how many verified queries of the training split there are.
        too_few: of the others, how many each arm had too few negatives for.
    """

    examples: list[Example]
    negatives: Mapping[str, Mapping[str, Example]]
    queries: int
    too_few: Counter[str] = field(default_factory=Counter)


def pool_of(run: Run, plan: Plan) -> Pool:
    """Return the queries that all arms have, with what is to be negatives of theirs.

    A query for which one arm has too few negatives is left out of all, so that arms differ in nothing else.

    Raises:
        RunError: the run's documents are not verified, or no two passages have queries with enough negatives.
        SettingsError: an arm has negatives of a reranker, and the run names none.
    """
    run.need("verify.documents")
    mixtures: dict[str, Mixture] = {
        arm.negatives: arm.mixture for arm in plan.arms if arm.negatives and arm.mixture
    }
    training = [e for e in run.read("examples.jsonl", Example) if e.split == "train"]
    if not mixtures:
        return _enough(run, Pool(training, {}, len(training)))
    found = mine_arms(run, mixtures, open_encoder(run), open_reranker(run))
    negatives = {
        text: {example.query_id: example for example in examples}
        for text, examples in found.examples.items()
    }
    kept = [e for e in training if all(e.query_id in of for of in negatives.values())]
    return _enough(run, Pool(kept, negatives, len(training), found.left_out))


def _enough(run: Run, pool: Pool) -> Pool:
    passages = len({example.passage_id for example in pool.examples})
    if passages < _LEAST:
        short = ", ".join(f"{name} {n}" for name, n in pool.too_few.items()) or "none"
        raise RunError(
            f"{run.folder}: expected queries of at least {_LEAST} passages with enough negatives in every arm, got"
            f" {len(pool.examples)} of {pool.queries} queries, of {passages} passages (too few, by arm: {short}); lower"
            " the counts of negatives, or leave out the arm that lacks them"
        )
    return pool


def examples_of(pool: Pool, arm: Arm, seed: int) -> list[Example]:
    """Return what an arm is trained on with a seed, in the order of the run.

    Raises:
        SettingsError: no query is of the arm's prompts, or too few passages are left of its amount.
    """
    written = [e for e in pool.examples if _is_of(e, arm.prompts)]
    if not written:
        there = dict.fromkeys(e.origin.prompt.partition("@")[0] for e in pool.examples)
        raise SettingsError(
            f"arms.{arm.name}: prompts: expected prompts that have written queries of the run, such as"
            f" {', '.join(there)}, got {', '.join(arm.prompts)}"
        )
    passages = drawn({e.passage_id for e in written}, arm.amount, seed)
    if len(passages) < _LEAST:
        raise SettingsError(
            f"arms.{arm.name}: amount: expected at least {_LEAST} passages, got {len(passages)}"
            f" with the amount {arm.amount}; raise it"
        )
    return [_with_negatives(e, pool, arm) for e in written if e.passage_id in passages]


def _is_of(example: Example, prompts: Sequence[str]) -> bool:
    tag = example.origin.prompt
    return not prompts or tag in prompts or tag.partition("@")[0] in prompts


def drawn(ids: set[str], amount: float, seed: int) -> set[str]:
    """Return that share of the passages, drawn by seed: at least one, and all of what a smaller share draws.

    >>> drawn(set("abcdefgh"), 0.25, 1) < drawn(set("abcdefgh"), 0.5, 1)
    True
    """

    def place(id: str) -> bytes:
        return hashlib.sha256(f"{seed}/{id}".encode("utf-8", "surrogatepass")).digest()

    return set(sorted(ids, key=place)[: max(1, math.ceil(amount * len(ids)))])


def _with_negatives(example: Example, pool: Pool, arm: Arm) -> Example:
    if arm.mixture is None:
        return example
    documents = [example.documents[0]]
    if arm.mixture:
        documents += pool.negatives[arm.negatives or ""][example.query_id].documents[1:]
    return replace(example, documents=tuple(documents))


def books(pool: Pool) -> dict[str, object]:
    """Return what became of the run's queries, for the file of the comparison."""
    return {
        "verified": pool.queries,
        "kept": len(pool.examples),
        "too_few": dict(sorted(pool.too_few.items())),
    }


def passages_of(examples: Sequence[Example]) -> int:
    """Return of how many passages the examples are."""
    return len({example.passage_id for example in examples})


def arms_in_turn(plan: Plan) -> Iterator[tuple[int, Arm, int, int]]:
    """Yield the place of an arm, the arm, the place of a seed and the seed: all arms with one seed, then the next.

    So a fault of the last arm shows before the first one has been trained often.
    """
    for turn, seed in enumerate(plan.seeds, 1):
        for place, arm in enumerate(plan.arms, 1):
            yield place, arm, turn, seed
