"""Faults, each planted into the plan of a healthy run, and the diagnosis that is to name it."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sick_runs import Plan

from synthneg.records import Example, Judged, Origin
from synthneg.scoring.encoder import find_model

WRITTEN = Origin("negative/from-query@1b9d6bcd", "a model", {}, 0, "none")


def healthy(plan: Plan, folder: Path) -> Plan:
    """Leave the plan as it is."""
    return plan


def false_negatives(plan: Plan, folder: Path) -> Plan:
    """Take for the negative what answers best: the query's own passage, without its first sentence."""
    return _with_negatives(plan, lambda example: [_near_copy(example)])


def shortcut(plan: Plan, folder: Path) -> Plan:
    """Take for negatives written documents that all begin and end alike: other passages between two stock phrases."""
    texts = list(plan.passages.values())
    drawn = random.Random(0)

    def written(example: Example) -> list[Judged]:
        body = " ".join(drawn.choice(texts).split()[:60])
        text = f"Here is a comprehensive overview of the topic. {body}. In conclusion, it is important to note this!"
        scores = example.documents[-1].scores | {"cosine": 0.0}
        return [Judged(f"{example.query_id}.n", text, "", 1, "negative", scores, WRITTEN)]

    return _with_negatives(plan, written)


def reading(plan: Plan, folder: Path) -> Plan:
    """Take a copy of the model that calls itself E5 and brings a prefix that E5 was never trained with."""
    copy = folder / "e5-small-v2"
    shutil.copytree(find_model(plan.model), copy)
    settings = copy / "config_sentence_transformers.json"
    brought = json.loads(settings.read_text()) if settings.is_file() else {}
    settings.write_text(json.dumps(brought | {"prompts": {"query": "search: ", "document": ""}}))
    return plan.with_train(base_model=str(copy))


def truncation(plan: Plan, folder: Path) -> Plan:
    """Let the student read the first tokens alone."""
    return plan.with_train(max_length=12)


def duplicates(plan: Plan, folder: Path) -> Plan:
    """Let three of four queries be one of ten again, in capitals, each with a copy of its passage."""
    first = plan.examples[:10]
    again = [
        replace(
            first[place % 10],
            query_id=f"{example.query_id}.again",
            query=first[place % 10].query.upper() + " " + "?" * (place // 10),
            documents=_copied(first[place % 10], place),
        )
        for place, example in enumerate(plan.examples[10 : len(plan.examples) * 3 // 4])
    ]
    rest = plan.examples[len(plan.examples) * 3 // 4 :]
    return replace(plan, examples=(*first, *again, *rest))


def kinds(plan: Plan, folder: Path) -> Plan:
    """Let every query be a long question of a conversation, where people type something else."""
    asked = tuple(
        replace(
            e,
            query=f"Can you tell me whether it is true that {' '.join(e.query.split()[:4]).rstrip('.')}?",
        )
        for e in plan.examples
    )
    return replace(plan, examples=asked)


def borrowed(plan: Plan, folder: Path) -> Plan:
    """Leave a negative to every eighth query."""
    return replace(
        plan,
        examples=tuple(
            e if place % 8 == 0 else replace(e, documents=e.documents[:1])
            for place, e in enumerate(plan.examples)
        ),
    )


def overlap(plan: Plan, folder: Path) -> Plan:
    """Train on the very queries that are measured on."""
    ids = list(plan.measured)
    examples = tuple(
        replace(example, query=plan.measured[ids[place % len(ids)]][0])
        for place, example in enumerate(plan.examples)
    )
    train = plan.settings["train"] | {"allow_leaks": True}
    return replace(plan, examples=examples, settings=plan.settings | {"train": train})


def visible(plan: Plan, folder: Path) -> Plan:
    """Measure on ten queries."""
    return replace(plan, measured=dict(list(plan.measured.items())[:10]))


def rate_too_high(plan: Plan, folder: Path) -> Plan:
    """Train with a rate that no transformer bears."""
    return plan.with_train(learning_rate=5e-2)


def nothing_to_learn(plan: Plan, folder: Path) -> Plan:
    """Give each query the passage of another."""
    turned = (*plan.examples[1:], plan.examples[0])
    examples = tuple(
        replace(e, documents=(other.documents[0], *e.documents[1:]), passage_id=other.passage_id)
        for e, other in zip(plan.examples, turned, strict=True)
    )
    return replace(plan, examples=examples)


def forgetting(plan: Plan, folder: Path) -> Plan:
    """Train with a rate that leaves little of what was there, and yet lets the loss fall."""
    return plan.with_train(learning_rate=2e-3)


def unmoved(plan: Plan, folder: Path) -> Plan:
    """Train with a rate that moves nothing."""
    return plan.with_train(learning_rate=1e-9)


def unfinished(plan: Plan, folder: Path) -> Plan:
    """Stop after a few steps."""
    return replace(plan, examples=plan.examples[:16])


# What was planted -> how, the diagnosis that is to name it, and the word that it is to have.
AILMENTS: dict[str, tuple[Callable[[Plan, Path], Plan], str, str]] = {
    "healthy": (healthy, "", ""),
    "false negatives": (false_negatives, "false negatives", "bad"),
    "shortcut": (shortcut, "shortcut", "bad"),
    "another prefix": (reading, "reading", "bad"),
    "truncation": (truncation, "truncation", "bad"),
    "duplicates": (duplicates, "duplicates", "bad"),
    "one kind of query": (kinds, "kinds of queries", "bad"),
    "borrowed negatives": (borrowed, "borrowed negatives", "bad"),
    "trained on the test": (overlap, "overlap", "bad"),
    "ten queries": (visible, "visible difference", "bad"),
    "rate too high": (rate_too_high, "loss curve", "bad"),
    "swapped pairs": (nothing_to_learn, "false negatives", "bad"),
    "forgetting": (forgetting, "forgetting", "bad"),
    "rate too low": (unmoved, "no movement", "bad"),
    "too few steps": (unfinished, "loss curve", "suspect"),
}


def _with_negatives(plan: Plan, made: Callable[[Example], list[Judged]]) -> Plan:
    examples = tuple(replace(e, documents=(e.documents[0], *made(e))) for e in plan.examples)
    return replace(plan, examples=examples)


def _near_copy(example: Example) -> Judged:
    text = example.positive.full_text
    rest = text.partition(". ")[2] or text
    scores = example.positive.scores | {"cosine_to_positive": 0.8}
    return Judged(f"{example.query_id}.copy", rest, "", 1, "dense", scores, None)


def _copied(example: Example, number: int) -> tuple[Judged, ...]:
    own = example.positive
    copy = replace(own, id=f"{own.id}.{number}", text=f"{own.text} {number}")
    return (copy, *example.documents[1:])
