"""The leak gate: what the evaluation sets and the run have in common, in `leaks.json`, and what training says to it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import orjson

from synthneg.errors import RunError
from synthneg.files import write_whole
from synthneg.progress import say
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.verify.alike import DOCUMENTS, QUERIES, Alike, EvaluationSet, to_set
from synthneg.verify.leaks import Left, counts, table
from synthneg.verify.texts import Texts

FILE = "leaks.json"


def write_leaks(run: Run, names: Sequence[str], inputs: str) -> None:
    """Write leaks.json: per evaluation set and kind, how much was found, how, and how much the examples still hold.

    Args:
        run: its examples have been made, and what is like what has been told.
        names: of the evaluation sets.
        inputs: a fingerprint of them.
    """
    checks = run.config.verify.leaks
    read = (alike for file in (QUERIES, DOCUMENTS) for alike in run.read(file, Alike))
    found = [alike for alike in read if counts(alike, checks)]
    rows = table(found, _left(run, {alike.id for alike in found}), names, checks)
    facts = {"sets": list(names), "inputs": inputs, "overlaps": rows}
    write_whole(run.file(FILE), orjson.dumps(facts, option=orjson.OPT_INDENT_2))


def _left(run: Run, ids: Set[str]) -> Left:
    """Return what of `ids` the examples that are trained on hold; they are not read where there is nothing to find."""
    left = Left({}, {}, defaultdict(list))
    if not ids:
        return left
    with run.file("examples.jsonl").open("rb") as lines:
        # Rows, not records: to make those of 100,000 examples would take as long as to judge them.
        for example in map(orjson.loads, lines):
            if example["split"] != "train":
                continue
            if example["query_id"] in ids:
                left.queries[example["query_id"]] = example["query"]
            for document in example["documents"]:
                if document["id"] not in ids:
                    continue
                if document["source"] in ("corpus", "written"):
                    left.written_from[document["id"]].append(example["query"])
                else:
                    left.documents[document["id"]] = document["text"]
    return left


def read_leaks(folder: Path) -> dict[str, Any] | None:
    """Return what leaks.json of a run's folder says; None where there is none."""
    file = folder / FILE
    facts: dict[str, Any] | None = orjson.loads(file.read_bytes()) if file.exists() else None
    return facts


def refuse_leaks(run: Run, names: Sequence[str], inputs: str) -> None:
    """Refuse to train on examples that leak, or that were checked against other evaluation sets than are declared now.

    Args:
        run: its examples have been made.
        names: of the evaluation sets as they are declared now.
        inputs: a fingerprint of them.

    Raises:
        RunError: there are leaks and `train.allow_leaks` is false; it says which, and what to do.
    """
    if run.config.train.allow_leaks or not names:
        return
    facts = read_leaks(run.folder)
    if facts is None or facts["inputs"] != inputs:
        raise RunError(
            f"{run.folder}: the examples were checked for leaks against other evaluation sets, or with other bounds,"
            f" than are in the settings now ({', '.join(names)}); `synthneg run` checks them anew, and asks and encodes"
            " nothing twice; train.allow_leaks=true trains without that"
        )
    leaks = [row for row in facts["overlaps"] if row["left"] and row["kind"] != "passage"]
    if leaks:
        counted = ", ".join(f"{r['left']} of kind {r['kind']} in {r['set']}" for r in leaks)
        raise RunError(
            f"{run.folder}: expected no text of an evaluation set among the examples, found {counted};"
            f" such as {_shown(leaks[0])}; `synthneg run --set verify.leaks.action=drop` drops them,"
            " train.allow_leaks=true trains all the same"
        )
    overlap = sum(row["left"] for row in facts["overlaps"] if row["kind"] == "passage")
    if overlap:
        say(
            f"train: {overlap} queries stand with passages that an evaluation set judges relevant;"
            " verify.leaks.passages=drop leaves them out"
        )


def refuse_labelled(
    run: Run, queries: Mapping[str, str], sets: Iterable[EvaluationSet], encoder: Encoder
) -> set[str]:
    """Return which labelled queries must not be trained on, because an evaluation set holds them, or nearly.

    Args:
        run: says what counts as a leak, and what becomes of one.
        queries: id -> text.
        sets: the evaluation sets.
        encoder: gives the cosines.

    Raises:
        RunError: there are leaks, and they are to be reported and not dropped.
    """
    checks = run.config.verify.leaks
    if run.config.train.allow_leaks:
        return set()
    with Texts(queries.items()) as texts:
        told = (alike for one in sets for alike in to_set(texts, "query", one, encoder))
        found = [alike for alike in told if counts(alike, checks)]
    leaking = {alike.id for alike in found}
    if leaking and checks.action == "report":
        one = found[0]
        raise RunError(
            f"{run.folder}: expected no query of an evaluation set among those of train.mix, found {len(leaking)} of"
            f" {len(queries)}; such as {one.id} ({one.measure} {one.value:.2f} to {one.other} of {one.place}:"
            f" {queries[one.id][:80]!r}); verify.leaks.action=drop drops them, train.allow_leaks=true trains with them"
        )
    if leaking:
        say(
            f"train: {len(leaking)} of {len(queries)} labelled queries are (nearly) queries of an evaluation set, and"
            " are left out"
        )
    return leaking


def _shown(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{one['id']} ({one['measure']} {one['value']:.2f} to {one['other']}: {one['text'][:80]!r})"
        for one in row["examples"][:2]
    )
