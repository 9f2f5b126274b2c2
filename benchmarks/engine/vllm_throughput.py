"""Tokens per second of `synthneg generate` against vLLM itself, in one engine, on the same prompts, taking turns.

python benchmarks/engine/vllm_throughput.py MODEL [--prompts 2048] [--tokens 128] [--concurrency 512] [--rounds 5]
    [--engine '{"gpu_memory_utilization": 0.9}']

vLLM alone does what `vllm bench throughput --async-engine` does: all prompts, rendered beforehand, are handed to
the engine at once, without seeds; but it is told to give each reply once, at its end, which costs it less. synthneg
reads passages, renders, asks, parses, and writes ledger and queries. The weights are loaded and the engine has been
at work before the first round; its prefix cache is emptied before each pass.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import orjson

from synthneg.config import RunConfig
from synthneg.generate.queries import write_queries
from synthneg.llm.ask import Asker
from synthneg.llm.base import Backend, Reply, Request
from synthneg.llm.ledger import Ledger
from synthneg.llm.vllm import VllmBackend, open_vllm
from synthneg.run import Run
from synthneg.stages import read_corpus

WORDS = (
    "tea rain harbour leaf stone river beam winter market glass iron village cloud root engine salt paper wheel storm"
    " garden night copper ladder school island bread signal forest mountain wool candle bridge train field letter"
).split()
PROMPT = """---
makes: query
about: A long reply, so that most replies are as long as they may be.
needs: [passage]
reply: text
sampling: {{temperature: 0.8, top_p: 0.95, max_tokens: {tokens}}}
---
=== system
You are a teacher who explains every word of a text at length, with examples, and never stops early.
=== user
{{{{ passage.text }}}}
"""


class Pass(NamedTuple):
    """One pass over all prompts."""

    seconds: float
    tokens: int

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def write_corpus(folder: Path, prompts: int, seed: int) -> None:
    chance = random.Random(seed)
    with (folder / "passages.jsonl").open("wb") as out:
        for number in range(prompts):
            text = " ".join(chance.choices(WORDS, k=chance.randint(60, 140)))
            out.write(orjson.dumps({"_id": str(number), "text": f"{text} {number}."}) + b"\n")


def settings(folder: Path, name: str, arguments: argparse.Namespace) -> RunConfig:
    return RunConfig.model_validate(
        {
            "run": name,
            "seed": arguments.seed,
            "corpus": {"path": str(folder / "passages.jsonl")},
            "llm": {
                "backend": "vllm",
                "model": arguments.model,
                "concurrency": arguments.concurrency,
                "reasks": 0,
                "timeout_s": 3600,
                "engine": arguments.engine,
            },
            "generate": {"queries": {"prompts": [str(folder / "long.j2")], "rounds": 0}},
        }
    )


async def synthneg(backend: Backend, folder: Path, config: RunConfig) -> Pass:
    run = Run(folder / "outputs", config)
    ledger = Ledger(run.file("ledger.sqlite"))
    start = time.perf_counter()
    read_corpus(run)
    await write_queries(run, Asker(backend, ledger, config.llm, config.seed))
    seconds = time.perf_counter() - start
    tokens = ledger.totals().tokens_out
    ledger.close()
    run.close()
    return Pass(seconds, tokens)


async def vllm_alone(backend: VllmBackend, prompts: list[str], tokens: int) -> Pass:
    # after the backend has set vLLM's environment
    from vllm import SamplingParams  # noqa: PLC0415
    from vllm.inputs import TextPrompt  # noqa: PLC0415
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    params = SamplingParams(
        temperature=0.8,
        top_p=0.95,
        max_tokens=tokens,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
    llm = engine_of(backend)

    async def one(number: int, prompt: str) -> int:
        async for output in llm.generate(TextPrompt(prompt=prompt), params, f"alone-{number}"):
            said = len(output.outputs[0].token_ids)
        return said

    start = time.perf_counter()
    counts = await asyncio.gather(*(one(*item) for item in enumerate(prompts)))
    return Pass(time.perf_counter() - start, sum(counts))


def engine_of(backend: VllmBackend):
    assert backend._start is not None
    return backend._start.result()._llm


class Recording:
    """A backend that keeps the prompts as the model reads them."""

    def __init__(self, backend: VllmBackend) -> None:
        self.identity, self.prompts = backend.identity, []
        self._backend = backend

    async def complete(self, request: Request) -> Reply:
        reply = await self._backend.complete(request)
        self.prompts.append(
            engine_of(self._backend)
            .get_tokenizer()
            .apply_chat_template(
                [{"role": m.role, "content": m.content} for m in request.messages],
                tokenize=False,
                add_generation_prompt=True,
            )
        )
        return reply

    def waits_for(self) -> str:
        return self._backend.waits_for()


async def measure(arguments: argparse.Namespace, folder: Path) -> None:
    backend = open_vllm(settings(folder, "warm", arguments).llm)
    recording = Recording(backend)
    await synthneg(recording, folder, settings(folder, "warm", arguments))
    prompts = recording.prompts
    ratios = []
    for number in range(arguments.rounds):
        passes = {}
        order = ("synthneg", "vllm") if number % 2 == 0 else ("vllm", "synthneg")
        for who in order:
            await engine_of(backend).reset_prefix_cache()
            if who == "vllm":
                passes[who] = await vllm_alone(backend, prompts, arguments.tokens)
            else:
                config = settings(folder, f"round-{number}", arguments)
                passes[who] = await synthneg(backend, folder, config)
        ratios.append(passes["synthneg"].rate / passes["vllm"].rate)
        shown = "  ".join(
            f"{who} {p.tokens:,} tokens in {p.seconds:.2f} s = {p.rate:,.0f}/s"
            for who, p in sorted(passes.items())
        )
        print(f"round {number}: {shown}  ratio {ratios[-1]:.3f}", flush=True)
    print(
        f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}, of"
        f" {len(ratios)} rounds with {len(prompts)} prompts, at most {arguments.tokens} tokens each,"
        f" {arguments.concurrency} in flight, seed {arguments.seed}"
    )
    await backend.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder of weights or Hub name")
    parser.add_argument("--prompts", type=int, default=2048)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--engine", type=json.loads, default={})
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder, arguments.prompts, arguments.seed)
        (folder / "long.j2").write_text(PROMPT.format(tokens=arguments.tokens))
        asyncio.run(measure(arguments, folder))


if __name__ == "__main__":
    main()
