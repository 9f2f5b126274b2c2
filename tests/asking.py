"""The smallest run that asks: many short passages, one prompt, `synthneg generate` in a process of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml
from world import KEY_VARIABLE, RUN, World

PASSAGES = 40


class Asking(World):
    """A folder with passages that carry [id:N], and settings; nothing but `generate` can be run in it.

    `generate` imports nothing heavy, so its processes begin afresh.
    """

    start = World.start_afresh

    def build_small(self, passages: int = PASSAGES, **llm: Any) -> None:
        """Write the passages and the settings of the language model."""
        rows = (
            {"_id": f"p{n}", "title": "", "text": f"[id:{n}] Of teas and breads, passage {n}."}
            for n in range(passages)
        )
        (self.folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        settings = {
            "run": RUN,
            "corpus": {"path": "corpus.jsonl", "held_out": 0},
            "llm": {
                "backend": "openai",
                "base_url": self.url,
                "model": "loopback-llm",
                "api_key_env": KEY_VARIABLE,
                "concurrency": 8,
                **llm,
            },
            # The server says the same of many passages; how often each is asked is what is counted.
            "generate": {"queries": {"prompts": ["query/question"], "rounds": 0}},
        }
        (self.folder / "synthneg.yaml").write_text(yaml.safe_dump(settings))

    @property
    def run(self) -> Path:
        """Return the folder of the run."""
        return self.run_folder("outputs")

    @property
    def ledger(self) -> Path:
        """Return the ledger of the run."""
        return self.run / "ledger.sqlite"

    def generate(self, *arguments: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `synthneg generate` to its end."""
        return self.synthneg("generate", *arguments, status=status)

    def books(self) -> dict[str, Any]:
        """Return the books of the queries."""
        books: dict[str, Any] = json.loads((self.run / "books.json").read_text())
        return books["generate.queries"]  # type: ignore[no-any-return]  # it is a dict of dicts

    def queries(self) -> list[str]:
        """Return the ids of the queries that were kept, in their order."""
        lines = (self.run / "queries.jsonl").read_text().splitlines()
        return [json.loads(line)["id"] for line in lines]


def sentence(err: str) -> str:
    """Return the one line in which an error was said, after lines of progress; fails on a traceback."""
    assert "Traceback" not in err, err
    assert "was destroyed" not in err, err
    return err.strip().splitlines()[-1]
