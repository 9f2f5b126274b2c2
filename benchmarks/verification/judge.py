"""A language model as a witness: it judges the pairs that planted.py has drawn, with one of the judge prompts.

    python benchmarks/verification/planted.py COLLECTIONS ENCODER VECTORS --sample 150 --only scifact > pairs.jsonl
    python benchmarks/verification/judge.py pairs.jsonl MODEL.gguf judge/listwise WORK > scores.jsonl
    python benchmarks/verification/planted.py COLLECTIONS ENCODER VECTORS --only scifact --judge scifact=scores.jsonl

All documents of a query, its own passage among them, stand in one list in an order drawn by the seed, or are judged
one by one, as the prompt wants it. Replies go into a ledger in WORK, so the same command goes on where it was stopped.
A reply that cannot be read gives no score.
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from synthneg.config import LLMConfig
from synthneg.llm.ask import Answer, Asker, Job
from synthneg.llm.jobs import job_for
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.prompts.shelf import load
from synthneg.verify.asked import CREDIT
from synthneg.verify.judge import grade_of, verdicts_of, yes_probability

Row = dict[str, str]


def jobs(prompt: Prompt, rows: list[Row], chars: int, seed: int) -> Iterator[tuple[list[Row], Job]]:
    """Yield what each request shows, and the job."""
    by_query: dict[str, list[Row]] = {}
    for row in rows:
        by_query.setdefault(row["query_id"], []).append(row)
    for id, shown in by_query.items():
        values = {"query": {"text": shown[0]["query"]}}
        texts = [{"text": row["document"][:chars], "title": ""} for row in shown]
        if "documents" not in prompt.head.needs:
            for row, text in zip(shown, texts, strict=True):
                own = f"{id}:{row['document_id']}"
                yield [row], job_for(prompt, own, values | {"document": text}, seed)
            continue
        order = random.Random(f"{seed} {id}").sample(range(len(shown)), len(shown))
        listed = [texts[i] for i in order]
        yield [shown[i] for i in order], job_for(prompt, id, values | {"documents": listed}, seed)


def scores(prompt: Prompt, shown: list[Row], answer: Answer) -> Iterator[tuple[Row, float]]:
    """Yield what a reply says of each document, in [0, 1]."""
    if "documents" in prompt.head.needs:
        verdicts = verdicts_of(answer.value, len(shown)).of
        yield from ((r, CREDIT[v]) for r, v in zip(shown, verdicts, strict=True) if v in CREDIT)
    elif prompt.form == "word":
        if (yes := yes_probability(answer.reply)) is not None:
            yield shown[0], yes.probability
    elif (judged := grade_of(answer.value)) is not None:
        yield shown[0], judged.grade / 3


async def judge(given: argparse.Namespace) -> None:
    """Ask for all pairs and print their scores as they come."""
    prompt = load(given.prompt)
    rows = [json.loads(line) for line in given.pairs.read_text().splitlines()]
    config = LLMConfig(
        model=str(given.model), concurrency=2, context_tokens=4096, threads=given.threads,
        timeout_s=3600,
    )  # fmt: skip
    given.work.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(given.work / "ledger.sqlite")
    backend = open_backend(config, ledger)
    asker = Asker(backend, ledger, asking_config(config), given.seed)
    asked = list(jobs(prompt, rows, given.chars, given.seed))
    try:
        with Progress("judge", len(asked), "requests") as progress:
            async for shown, _, outcome in asker.ask(asked, progress.advance):
                found = scores(prompt, shown, outcome) if isinstance(outcome, Answer) else ()
                for row, score in found:
                    ids = {"query_id": row["query_id"], "document_id": row["document_id"]}
                    print(json.dumps(ids | {"score": score}), flush=True)
    finally:
        await backend.close()
        ledger.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("model", type=Path, help="GGUF file")
    parser.add_argument("prompt", help="such as judge/listwise or judge/answers")
    parser.add_argument("work", type=Path, help="folder for the ledger")
    parser.add_argument("--chars", type=int, default=800, help="of a passage")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one per core")
    parser.add_argument("--seed", type=int, default=7)
    asyncio.run(judge(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
