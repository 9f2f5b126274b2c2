"""Real replies of a real model to the shipped prompts, as test data: from passages of installed docstrings.

python benchmarks/prompts/replies.py MODEL.gguf [NAME ...] [-n 6] [--out tests/data/replies]

Without names: every shipped prompt that makes a query, a document, a negative or a task. The replies are kept in
outputs/.replies, so that the command can be stopped and given again. A line of a file: the prompt's tag, the model,
the values it was filled in with, what each turn replied, and how the last reply ended.
"""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import orjson

from synthneg.config import LLMConfig
from synthneg.corpus.docstrings import read_docstrings
from synthneg.generate.jobs import text_of
from synthneg.llm.ask import Answer, Asker, Job
from synthneg.llm.jobs import job_for
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.prompts.shelf import load, shipped

SEED = 7
PACKAGES = ("numpy", "scipy")
STRIDE = 97  # through the docstrings, so that they are of different parts
LONGEST = 1200  # characters of a passage
MAKES = ("query", "document", "negative", "task")
TOPICS = (
    "repairing old bicycles",
    "rights of tenants in shared flats",
    "growing vegetables on a balcony",
    "first aid on mountain hikes",
    "questions of pet owners to a vet",
    "history of lighthouses",
    "learning to play the violin as an adult",
    "consumer law and small claims",
)
TASKS = (
    "Given a noise that a bicycle makes, find an explanation of its cause and how to stop it.",
    "Given a vegetable and the direction of a balcony, find advice on whether it grows there.",
    "Given an injury on a hike, find the first steps to take until help comes.",
    "Given the symptoms of a cat or dog, find out whether a vet must see it at once.",
    "Given the name of a lighthouse, find when and why it was built.",
    "Given a flatmate who does not pay, find what the other tenants owe.",
    "Given a fault of bow technique, find exercises that correct it.",
    "Given a faulty product and its age, find what the seller must do about it.",
)
Values = dict[str, Any]


def passages(count: int) -> list[Values]:
    """Return passages that are spread over the packages."""
    found = [raw for raw in read_docstrings(PACKAGES) if len(raw.text) < LONGEST]
    picked = [found[(n + 1) * STRIDE % len(found)] for n in range(count)]
    return [{"text": raw.text, "title": raw.title} for raw in picked]


async def ask(
    asker: Asker, jobs: Sequence[tuple[Values, Job]], name: str
) -> list[tuple[Values, Job, Answer]]:
    """Return what was answered."""
    found = []
    with Progress(name, len(jobs), "replies") as progress:
        async for values, job, outcome in asker.ask(jobs, progress.advance):
            if isinstance(outcome, Answer):
                found.append((values, job, outcome))
            else:
                print(f"{job.id}: {outcome.reason}: {outcome.detail}")
    return found


def jobs_of(prompt: Prompt, records: Sequence[Values]) -> list[tuple[Values, Job]]:
    """Return the jobs that ask a prompt for the records; one for each grade where the prompt wants that."""
    jobs = []
    for number, record in enumerate(records):
        for grade in prompt.head.grades if prompt.grades_apart else (None,):
            values = {
                need: grade if need == "grade" else record[need] for need in prompt.head.needs
            }
            id = f"{number}:{prompt.kind}" + ("" if grade is None else f":{grade}")
            jobs.append((values, job_for(prompt, id, values, SEED)))
    return jobs


async def work(
    config: LLMConfig, names: Sequence[str], count: int, folder: Path, out: Path
) -> None:
    """Ask and write."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        backend = open_backend(config, ledger)
        try:
            asker = Asker(backend, ledger, asking_config(config), SEED)
            keys: dict[str, list[str]] = {}
            asker.listen(lambda job, key: keys.setdefault(job.id, []).append(key))
            near = passages(2 * count)
            records: list[Values] = [
                {"passage": p, "related": r, "mined": r, "topic": {"text": t}, "task": {"text": u}}
                for p, r, t, u in zip(
                    near[:count], near[count:], cycle(TOPICS), cycle(TASKS), strict=False
                )
            ]
            question = load("query/question")
            for _, job, answer in await ask(asker, jobs_of(question, records), "queries"):
                records[int(job.id.partition(":")[0])]["query"] = {
                    "text": text_of(question, answer)
                }
            records = [record for record in records if "query" in record]
            for prompt in map(load, names):
                lines = [
                    line(prompt, values, answer, [ledger.show(key) for key in keys[job.id]])
                    for values, job, answer in await ask(
                        asker, jobs_of(prompt, records), prompt.name
                    )
                ]
                (out / f"{prompt.name.replace('/', '.')}.jsonl").write_bytes(b"".join(lines))
        finally:
            await backend.close()


def line(prompt: Prompt, values: Values, answer: Answer, stored: Sequence[Any]) -> bytes:
    """Return a line of a file."""
    row = {
        "prompt": prompt.tag,
        "model": Path(answer.reply.model).stem,
        "values": values,
        "said": answer.said,
        "reply": stored[-1].reply.text,
        "finish": stored[-1].reply.finish,
    }
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def main() -> None:
    """Ask the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("names", nargs="*")
    parser.add_argument("-n", type=int, default=6, help="records of each prompt")
    parser.add_argument("--out", type=Path, default=Path("tests/data/replies"))
    arguments = parser.parse_args()
    names = arguments.names or [n for n in shipped() if load(n).head.makes in MAKES]
    config = LLMConfig(backend="local", model=arguments.model, concurrency=4, context_tokens=3072)
    arguments.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(work(config, names, arguments.n, Path("outputs/.replies"), arguments.out))


if __name__ == "__main__":
    main()
