"""The shipped prompts: each loads, is filled in whole, sends what its golden file holds, and sees what it needs alone.

After a change of a prompt, write the golden files anew and read their difference:

    python tests/test_prompts_shipped.py
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import orjson
import pytest

from synthneg.config import LLMConfig, RunConfig
from synthneg.generate.jobs import document_jobs
from synthneg.llm.ask import Answer, Asker, Job
from synthneg.llm.jobs import job_for, shown
from synthneg.llm.ledger import Ledger
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.prompts.render import Message, open_turns, render
from synthneg.prompts.shelf import load, shipped
from synthneg.records import Origin, Passage, Query
from synthneg.testing import ScriptedBackend

GOLDEN = Path(__file__).parent / "golden" / "prompts"
CANARY = "zebrafinch"
LONGEST_LABEL = 40  # characters
BLIND = [
    name
    for name in shipped()
    if not {"passage", "document", "documents"} & {*load(name).head.needs}
]
QUERY = Query(
    "p1:question:0",
    "why does green tea turn bitter",
    "p1",
    "train",
    Origin("query/question@1b9d6bcd", "m", {}, 7, "key"),
)
PASSAGE = Passage(
    "p1", "Green tea is steeped at eighty degrees; it turns bitter above that.", "Green tea"
)


SETTINGS = RunConfig(run="r", corpus={"path": "docs"})
VALUES = {
    "passage": shown(PASSAGE, 4000),
    "query": {"text": QUERY.text},
    "related": {"text": "Black tea takes boiling water and four minutes.", "title": "Black tea"},
    "mined": {"text": "Green tea was first grown in Yunnan.", "title": "History of tea"},
    "document": shown(PASSAGE, 4000),
    "documents": [shown(PASSAGE, 4000), {"title": "", "text": "Tea grows on hills."}],
    "grade": 2,
    "task": {"text": "Given a fault of a drink, find its cause."},
    "topic": {"text": "questions about tea"},
}


def job_of(prompt: Prompt, passage: Passage) -> Job:
    """Return the first job that generation makes of a prompt for QUERY and its passage; others from VALUES."""
    needs = set(prompt.head.needs)
    if prompt.head.makes in ("document", "negative") and needs <= {"query", "passage", "grade"}:
        return next(document_jobs(SETTINGS, [prompt], [(QUERY, passage)]))[1]
    seen = shown(passage, 4000)
    own = {"passage": seen, "document": seen, "documents": [seen, VALUES["documents"][1]]}
    values = {name: own.get(name, VALUES.get(name)) for name in needs}
    return job_for(prompt, f"{passage.id}:{prompt.kind}:0", values, SETTINGS.seed)


def rendered(name: str) -> str:
    """Return what a prompt sends for the record of this module, as text to be read."""
    prompt = load(name)
    job = job_of(prompt, PASSAGE)
    lines = [
        f"sampling: {orjson.dumps(job.sampling).decode()}",
        f"draws: {orjson.dumps(job.draws).decode()}",
    ]
    if isinstance(job.form, dict):
        lines.append(f"schema: {orjson.dumps(job.form).decode()}")
    for message in job.messages:
        content = "(the model answers)" if message.content is None else message.content
        lines += [f"=== {message.role}", content]
    return "\n".join(lines) + "\n"


def golden(name: str) -> Path:
    """Return the golden file of a prompt."""
    return GOLDEN / f"{name.replace('/', '.')}.txt"


def sent(prompt: Prompt, passage: Passage) -> list[bytes]:
    """Return all that a backend is sent when generation asks `prompt` for one record, turns before included."""
    backend = ScriptedBackend()

    async def work() -> None:
        asker = Asker(backend, Ledger(Path(":memory:")), LLMConfig(), 7)
        asked = [(None, job_of(prompt, passage))]
        async for _, _, outcome in asker.ask(asked, Progress("", None, "").advance):
            assert isinstance(outcome, Answer)

    asyncio.run(work())
    return [orjson.dumps(request) for request in backend.asked]


def with_canary() -> Passage:
    """Return a passage whose id, title and text all hold the canary."""
    return Passage(f"id-{CANARY}", f"{CANARY} steeps tea. {PASSAGE.text}", f"{CANARY} and tea")


def test_the_default_settings_name_shipped_prompts() -> None:
    """Every prompt that the defaults name is shipped, and stands where its use expects it."""
    generate = RunConfig(run="r", corpus={"path": "docs"}).generate
    for names, makes in (
        (generate.queries.prompts, "query"),
        (generate.documents.prompts, "document"),
        (generate.negatives.prompts, "negative"),
    ):
        assert names
        assert {load(name).head.makes for name in names} == {makes}


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_prompt_is_filled_in_whole(name: str) -> None:
    """A shipped prompt loads under its name, ends with a turn of the user, and leaves nothing of its template open."""
    prompt = load(name)
    assert prompt.tag.startswith(f"{name}@")
    messages = job_of(prompt, PASSAGE).messages
    assert messages[-1].role == "user"
    for message in messages:
        for mark in ("{{", "}}", "{%", "%}", "{#", "None", "Undefined"):
            assert mark not in (message.content or "")
    said = "".join(message.content or "" for message in messages)
    shown_whole = [need for need in prompt.head.needs if need not in ("grade", "documents")]
    assert all(VALUES[need]["text"] in said for need in shown_whole)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_prompt_sends_what_its_golden_file_holds(name: str) -> None:
    """No prompt changes unseen: a change shows as a difference of its golden file."""
    assert rendered(name) == golden(name).read_text(encoding="utf-8")


def test_each_golden_file_belongs_to_a_prompt() -> None:
    """No golden file is left behind by a prompt that is gone."""
    assert {file.name for file in GOLDEN.iterdir()} == {golden(name).name for name in shipped()}


@pytest.mark.parametrize("name", BLIND)
def test_a_prompt_that_needs_no_passage_never_sees_one(name: str) -> None:
    """Of a planted word in id, title and text of the passage, nothing reaches the model that writes without it."""
    prompt = load(name)
    requests = sent(prompt, with_canary())
    assert requests
    given = [VALUES[need]["text"] for need in prompt.head.needs if need != "grade"]
    assert all(text.encode() in requests[-1] for text in given)
    assert not any(CANARY.encode() in request for request in requests)


def test_a_prompt_that_needs_the_passage_sees_it() -> None:
    """The planted word does reach a model that is to see the passage: so the test above can fail."""
    [request] = sent(load("negative/from-query-and-positive"), with_canary())
    assert request.count(CANARY.encode()) == 2


def test_the_prompts_that_write_from_the_query_alone_are_held_to_it() -> None:
    """The graded documents and the negatives of the default are among the prompts that see no passage."""
    assert {"document/graded", "negative/from-query", "negative/defined-first"} <= set(BLIND)


def with_letter(prompt: Prompt, letter: str, seed: int) -> str:
    """Return the conversation for a record all of whose texts and draws are made of one letter, as one text."""
    fields: dict[str, object] = dict.fromkeys(VALUES, {"title": letter * 9, "text": letter * 99})
    fields["grade"], fields["documents"] = 2, [fields["document"]] * 2
    draws = {name: letter * 7 for name in prompt.head.draws}
    grades = () if prompt.grades_apart else prompt.head.grades
    by_grade = {str(grade): draws for grade in grades}
    values = {name: fields[name] for name in prompt.head.needs}
    messages = render(prompt, values, by_grade or draws, seed)
    # What comes after the model's own words on a record is no beginning in common.
    shared = dict(zip(open_places(messages), open_turns(prompt, seed), strict=True))
    until = next((n for n, (_, same) in shared.items() if not same), len(messages))
    return "".join(
        f"=== {message.role}\n{message.content or '(answered)'}\n" for message in messages[:until]
    )


def open_places(messages: Sequence[Message]) -> list[int]:
    """Return the places of the turns that the model answers."""
    return [n for n, message in enumerate(messages) if message.content is None]


@pytest.mark.parametrize("name", shipped())
def test_what_records_share_stands_before_what_they_do_not(name: str) -> None:
    """After the first text of a record's own only labels are shared; after its passage comes a label at most."""
    prompt = load(name)
    sets = prompt.head.examples.sets if prompt.head.examples else 1
    one, other = with_letter(prompt, "\u03b1", 5), with_letter(prompt, "\u03c9", 5 + sets)
    begun = len(os.path.commonprefix([one, other]))
    assert begun > len(one) / 4
    again = SequenceMatcher(None, one[begun:], other[begun:], autojunk=False).find_longest_match()
    assert again.size <= LONGEST_LABEL, one[begun:][again.a : again.a + again.size]
    if {"passage", "related", "mined"} & set(prompt.head.needs) and not prompt.head.turns:
        assert len(one) - one.rindex("\u03b1" * 99) - 99 <= 2 * LONGEST_LABEL


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for old in GOLDEN.iterdir():
        old.unlink()
    for each in shipped():
        golden(each).write_text(rendered(each), encoding="utf-8")
    sys.stdout.write(
        f"{len(shipped())} golden files in {GOLDEN}; git diff shows what has changed\n"
    )
