"""Asks for 40 replies through batches, as a run does: `python tests/batch_asker.py URL LEDGER`, to be killed.

Prints one line per outcome.
"""

import asyncio
import sys
from pathlib import Path

from llm_server import MODEL

from synthneg.config import BatchConfig, LLMConfig
from synthneg.llm.ask import Answer, Asker, Job
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.prompts.render import Message

REQUESTS = 40


def settings(url: str) -> LLMConfig:
    """Return settings for batches on the server."""
    batch = BatchConfig(requests=REQUESTS, poll_s=0.05)
    return LLMConfig(backend="openai", mode="batch", base_url=url, model=MODEL, batch=batch)


def asked() -> list[tuple[None, Job]]:
    """Return the records to be asked for."""
    turns = [
        (Message("system", "You write."), Message("user", f"tea {n}")) for n in range(REQUESTS)
    ]
    return [
        (None, Job(str(n), "t@1", turn, {"max_tokens": 50}, "text", n, {}))
        for n, turn in enumerate(turns)
    ]


async def ask(url: str, file: Path) -> None:
    config, ledger = settings(url), Ledger(file)
    backend = open_backend(config, ledger)
    try:
        asker = Asker(backend, ledger, asking_config(config), 7)
        async for _, job, outcome in asker.ask(asked(), lambda count=1, note=None: None):
            words = "answered" if isinstance(outcome, Answer) else outcome.reason
            sys.stdout.write(f"{job.id} {words}\n")
    finally:
        await backend.close()
        ledger.close()


if __name__ == "__main__":
    asyncio.run(ask(sys.argv[1], Path(sys.argv[2])))
