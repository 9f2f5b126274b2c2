"""Trials within a process: a language model that obeys its prompt, an encoder of hashed words, a small corpus."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from world import TOPICS, passages

from synthneg.config import RunConfig
from synthneg.generate import asking
from synthneg.llm.base import Request
from synthneg.prompts.shelf import load
from synthneg.scoring import encoder as encoders
from synthneg.testing import HashingEncoder, ScriptedBackend, invented

OTHER_TOPIC = "You write about another topic than that of the passage. "


def obedient(request: Request) -> str:
    """Return what a model would that does as it is told: a query in the passage's words, or of another topic."""
    if request.schema is not None:
        return invented(request)
    said = [message.content or "" for message in request.messages]
    spoilt = OTHER_TOPIC in said[0]
    own = re.findall(r"[a-z]{4,}", said[-1].lower().removeprefix("passage: "))
    words = [t for t in TOPICS if t not in own] if spoilt else list(dict.fromkeys(own))
    picked = random.Random(request.seed).sample(words, 7)
    return " ".join(picked) if "on one line" in said[0] else " ".join(picked * 6)


class Desk:
    """A folder with a corpus, settings, and the requests that were sent."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.outputs = folder, folder / "outputs"
        self.asked: list[Request] = []
        self.replies: list[str] = []
        self._monkeypatch = monkeypatch
        rows = (json.dumps(row) + "\n" for row in passages())
        (folder / "corpus.jsonl").write_text("".join(rows))
        monkeypatch.setattr(encoders, "load_encoder", lambda *_, **__: HashingEncoder(1024))
        self.answers(obedient)

    def answers(self, answer: Callable[[Request], str]) -> None:
        """Let the language model answer like this from now on."""

        def noted(request: Request) -> str:
            self.asked.append(request)
            self.replies.append(answer(request))
            return self.replies[-1]

        self._monkeypatch.setattr(asking, "open_backend", lambda *_: ScriptedBackend(noted))

    def config(self, **changes: Any) -> RunConfig:
        """Return the settings of a run."""
        values: dict[str, Any] = {
            "run": "trial",
            "corpus": {"path": str(self.folder / "corpus.jsonl")},
            "llm": {"backend": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "scripted"},
            "verify": {"queries": {"round_trip_k": 5}},
            "evaluate": {"resamples": 1000},
        }
        return RunConfig.model_validate(values | changes)

    def spoilt(self, name: str) -> str:
        """Write a copy of a prompt that is told to write about another topic, and return its path."""
        source = load(name).source
        file = self.folder / f"{name.rpartition('/')[2]}.j2"
        file.write_text(source.replace("=== system\n", f"=== system\n{OTHER_TOPIC}"))
        return str(file)
