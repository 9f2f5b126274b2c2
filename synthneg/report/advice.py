"""What a reader should know before anything else: each warning in a sentence, with its remedy."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from synthneg.evaluate.significance import verdict
from synthneg.records import Row
from synthneg.report.overview import (
    BASE,
    BM25,
    Overview,
    StageRow,
    of_people,
    sentence,
    tuned_against,
)
from synthneg.report.tally import Tally
from synthneg.review.words import changes as changes_of
from synthneg.train.curve import FAULT, UNSURE, may_rise, read_curve
from synthneg.verify.probe import QUESTIONS

Weight = Literal["bad", "note"]

_MANY_LOST = 0.5  # share of what came to a stage
_MANY_FAILED = 0.05
_FEW_IN_ORDER = 0.7  # share of pairs of grades; .5 is chance
_FEW_QUERIES = 50
_FEW_RIGHT = 0.9  # share that people call right
_FEW_LEFT = 20  # records of a stage below which shares say little

# Of a reason for which a stage drops much, what to look at or change.
_REMEDIES = {
    "round_trip": "read some of them below: the queries are vague or the passages too alike; another"
    " generate.queries.prompts, a larger llm.model, or verify.queries.round_trip_k higher",
    "answers": "negatives that answer: mine deeper or fewer (mine.bm25, mine.dense), name a verify.reranker or"
    " verify.judge for the doubtful ones, or verify.calibrate: true",
    "too_near": "the corpus has many passages that may answer: another window of ranks in mine, a verify.reranker, or"
    " verify.calibrate: true",
    "no_candidate": "the corpus is small or the window of ranks narrow: fewer negatives per query in mine",
    "duplicate": "the corpus or the model repeats itself: generate.queries.per_passage lower, or more prompts",
    "near_duplicate": "generate.queries.per_passage lower, or prompts of other kinds",
    "copied": "a prompt that asks for other words, or verify.queries.max_copied_words higher",
    "too_short": "look whether the corpus is cut too small, or the prompt asks for less than verify wants",
    "too_long": "look whether the prompt asks for more words than verify.documents.max_words",
    "speaks_of_passage": "a prompt that forbids to speak of the passage (prompts/README.md)",
    "near_positive": "a negative prompt that keeps farther from the positive, such as negative/from-query",
    "leak": "documents and queries of your evaluation sets came up; that they are dropped is right",
    "refusal": "the model refuses; another llm.model, or a prompt that says what the texts are for",
    "empty": "the model says nothing; a larger llm.model, or sampling with more max_tokens",
    "budget": "raise llm.budget and give the same command: it goes on from there",
}
_ELSE = "the records below say of each what was seen; filter by this reason"


class Advice(NamedTuple):
    """Something that speaks against the data, or against what is concluded from it."""

    weight: Weight
    seen: str
    remedy: str


def advice(found: Overview, tally: Tally) -> list[Advice]:
    """Return all warnings, the grave ones first."""
    every = [
        *_of_measures(found),
        *_of_review(found),
        *_of_leaks(found),
        *_of_probes(found),
        *_of_orders(found),
        *(w for row in found.funnel for w in _of_stage(row)),
        *_of_sources(tally),
        *_of_calibration(found),
        *_of_training(found),
    ]
    return sorted(every, key=lambda warning: warning.weight != "bad")  # stable


def _of_measures(found: Overview) -> Iterator[Advice]:
    run = found.state.run
    if not found.evaluations:
        if found.state.finished:
            yield Advice(
                "bad",
                "Nothing was measured: there is neither a test collection nor a held-out query.",
                f"name a BEIR folder: synthneg evaluate {run} --set evaluate.collections=[PATH]",
            )
        return
    real = of_people(found.evaluations)
    if not real:
        yield Advice(
            "bad",
            "Everything was measured on synthetic queries, which flatter every retriever.",
            f"measure on queries of people: synthneg evaluate {run} --set evaluate.collections=[PATH]",
        )
    for evaluation in real or list(found.evaluations[:1]):
        difference = tuned_against(evaluation, BASE)
        where = f"On {evaluation.collection} ({evaluation.queries:,} queries)"
        if difference is not None and verdict(difference) != "better":
            seen = f"{where} {sentence(difference)} by {difference.measure}."
            yield Advice("bad", seen, f"synthneg doctor {run} measures what can be behind it")
        against = tuned_against(evaluation, BM25)
        if against is not None and verdict(against) == "worse":
            seen = f"{where} {sentence(against)} by {against.measure}: words alone find more."
            yield Advice("note", seen, "search with both, or train a larger base model")
        if evaluation.queries < _FEW_QUERIES:
            yield Advice(
                "note",
                f"{evaluation.collection} has {evaluation.queries:,} queries: few to see a difference by.",
                "judge more queries; a difference half as large takes four times as many",
            )


def _of_review(found: Overview) -> Iterator[Advice]:
    if found.people is None:
        return
    changes = [change for one in found.people.suggestions for change in changes_of(one)]
    remedy = (
        f"synthneg verify {found.state.run} --set {changes[0]}, as the answers suggest"
        if changes
        else "another prompt, a verify.reranker or a verify.judge; the tables of the answers say where it is worst"
    )
    for row in found.people.headline:
        if row.found.answers and row.found.high < _FEW_RIGHT:
            share = f"{row.found.share:.0%} ({row.found.low:.0%} to {row.found.high:.0%})"
            yield Advice("bad", f"By people's answers {share} are {row.name}.", remedy)


def _of_leaks(found: Overview) -> Iterator[Advice]:
    leaks = found.checked.leaks
    if leaks and not leaks["sets"]:
        yield Advice(
            "note",
            "No evaluation set is declared, so nothing was compared with one.",
            "verify.leaks.collections: [FOLDER]",
        )
    for row in leaks.get("overlaps", ()):
        if row["left"] and row["kind"] == "passage":
            yield Advice(
                "note",
                f"{row['left']:,} queries stand with passages that {row['set']} judges relevant.",
                "no leak where the corpus is the same; verify.leaks.passages: drop leaves them out",
            )
        elif row["left"]:
            yield Advice(
                "bad",
                f"{row['left']:,} training texts (kind {row['kind']}) are those of {row['set']}.",
                "verify.leaks.action: drop, then synthneg run again; it asks and encodes nothing twice",
            )


def _of_probes(found: Overview) -> Iterator[Advice]:
    worst: dict[str, Row] = {}  # by features: where one tells several things, the remedy is one
    for row in found.checked.probes:
        features = row["features"]
        if row["warning"] and row["auc"] > worst.get(features, {"auc": 0})["auc"]:
            worst[features] = row
    for features, row in worst.items():
        told = f"AUC {row['auc']:.2f}, {row['low']:.2f} to {row['high']:.2f}"
        seen = f"A shortcut: {features} alone tells {QUESTIONS[row['question']]} ({told})."
        yield Advice("bad", seen, row["warning"])


def _of_orders(found: Overview) -> Iterator[Advice]:
    for prompt, row in found.orders.items():
        if row["pairs"] and row["accuracy"] < _FEW_IN_ORDER:
            yield Advice(
                "note",
                f"Scores fall as the grades of {prompt or 'graded documents'} do in {row['accuracy']:.0%} of"
                f" {row['pairs']:,} pairs; 50% is chance.",
                "verify.documents.on_inversion: regrade or drop, a larger llm.model, or another prompt for documents",
            )


def _of_stage(row: StageRow) -> Iterator[Advice]:
    if row.taken < _FEW_LEFT:
        return
    failed = sum(row.failed.values())
    if failed > _MANY_FAILED * row.taken:
        reason = next(iter(row.failed))
        yield Advice(
            "bad",
            f"{row.stage}: {failed:,} of {row.taken:,} got no reply, most often {reason}.",
            _REMEDIES.get(reason, "the same command again asks for them once more"),
        )
    rejected = sum(row.rejected.values())
    if rejected > _MANY_LOST * row.taken:
        reason, count = next(iter(row.rejected.items()))
        yield Advice(
            "note",
            f"{row.stage} rejects {rejected / row.taken:.0%} of what comes in, {count:,} for {reason}.",
            _REMEDIES.get(reason, _ELSE),
        )


def _of_sources(tally: Tally) -> Iterator[Advice]:
    for source, grade in tally.kinds():
        every, kept = tally.scores[source, grade].total(), tally.kept[source, grade]
        if every >= _FEW_LEFT and kept < (1 - _MANY_LOST) * every:
            yield Advice(
                "note",
                f"Of documents of source {source} that should have grade {grade}, {kept:,} of {every:,} are kept.",
                f"filter the records below by source {source} and read why; then another prompt, or window in mine",
            )


def _of_calibration(found: Overview) -> Iterator[Advice]:
    refused = (found.calibration or {}).get("refused", {}).get("random", 0.0)
    if refused > 0.1:
        yield Advice(
            "note",
            f"The calibrated margin also refuses {refused:.0%} of random passages: this encoder hardly tells what"
            " answers here.",
            "name a verify.reranker or a verify.judge, or lower verify.catch",
        )


def _of_training(found: Overview) -> Iterator[Advice]:
    if not found.curve:
        return
    config = found.train
    value, seen, remedy = read_curve([loss for _, loss in found.curve], config)
    if value >= UNSURE:
        grave = value >= FAULT and not may_rise(config)
        yield Advice("bad" if grave else "note", f"Training: {seen}.", remedy)
