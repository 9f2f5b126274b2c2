"""What a real model replied to each shipped prompt: the parser takes from it the record that the prompt is for.

`python benchmarks/prompts/replies.py MODEL.gguf NAME` writes the replies of a prompt anew.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest

from synthneg.llm.base import Reply
from synthneg.llm.parse import Parsed, parse
from synthneg.prompts.file import Prompt
from synthneg.prompts.shelf import load, shipped
from synthneg.words import words

FOLDER = Path(__file__).parent / "data" / "replies"
WRITTEN = [name for name in shipped() if load(name).head.makes in ("query", "document", "negative")]
LEAST_OF_USE = 0.75  # small models fail now and then; the engine then asks again
LABELS = ("query", "question", "claim", "keywords", "title", "passage", "search", "document")


def replies_to(name: str) -> list[dict[str, Any]]:
    """Return what a real model replied to a prompt."""
    file = FOLDER / f"{name.replace('/', '.')}.jsonl"
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def texts_of(prompt: Prompt, row: dict[str, Any]) -> list[str]:
    """Return the texts of the records that the parser takes from a reply; none where it is of no use."""
    reply = Reply(row["reply"], row["finish"], 0, 0, row["model"])
    parsed = parse(reply, prompt.form, tuple(prompt.sampling().get("stop", ())))
    if not isinstance(parsed, Parsed):
        return []
    if isinstance(parsed.value, dict):
        grades = () if prompt.grades_apart else prompt.head.grades
        keys = [str(grade) for grade in grades] or [prompt.text_key]
        return [parsed.value[key] for key in keys if key not in parsed.missing]
    return [parsed.value] if isinstance(parsed.value, str) else parsed.value


@pytest.mark.parametrize("name", WRITTEN)
def test_a_real_models_replies_become_records(name: str) -> None:
    """Most replies are whole records: texts without labels, of more than a word, in every grade that was wanted."""
    prompt, rows = load(name), replies_to(name)
    assert len(rows) >= 4
    expected = 1 if prompt.grades_apart else max(1, len(prompt.head.grades))
    found = [texts_of(prompt, row) for row in rows]
    assert sum(len(texts) == expected for texts in found) / len(rows) >= LEAST_OF_USE
    for text in (text for texts in found for text in texts):
        assert len(words(text)) > 1
        assert not text.lower().startswith(tuple(f"{label}:" for label in LABELS))


@pytest.mark.parametrize("name", [n for n in WRITTEN if load(n).head.turns])
def test_what_a_real_model_said_in_its_open_turns_is_kept(name: str) -> None:
    """Each reply has what the named turns before it brought, with all that their schemas require."""
    for row in replies_to(name):
        for turn, schema in load(name).head.turns.items():
            assert set(schema["required"]) <= set(row["said"][turn])


def test_each_file_of_replies_belongs_to_a_prompt() -> None:
    """No file of replies is left behind by a prompt that is gone."""
    known = {name.replace("/", ".") for name in shipped()}
    assert {file.stem for file in FOLDER.iterdir()} <= known
