"""CPU time per token that a JSON schema costs: xgrammar and llguidance, on the schema of document/graded.

python benchmarks/engine/vllm_masks.py MODEL [--rounds 3]

For each token of a reply the engine asks which tokens may follow. Both read the same reply, with the same bounds on
its strings and no blanks between its keys, as synthneg sets vLLM up. Needs what vLLM installs.
"""

import argparse
import json
import statistics
import time

import llguidance
import llguidance.hf
import xgrammar
from transformers import AutoTokenizer

from synthneg.prompts.shelf import load

TEXT = "The quick brown fox jumps over the lazy dog. " * 10


def xgrammar_s(tokenizer, vocabulary: int, schema: str, reply: list[int]) -> float:
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary)
    grammar = xgrammar.GrammarCompiler(info).compile_json_schema(
        schema, any_whitespace=False, separators=(",", ":")
    )
    matcher, mask = xgrammar.GrammarMatcher(grammar), xgrammar.allocate_token_bitmask(1, vocabulary)
    start = time.process_time()
    for token in reply:
        matcher.fill_next_token_bitmask(mask, 0)
        assert matcher.accept_token(token)
    return time.process_time() - start


def llguidance_s(tokenizer, vocabulary: int, schema: str, reply: list[int]) -> float:
    grammar = llguidance.LLMatcher.grammar_from_json_schema(
        schema, defaults={"whitespace_flexible": False}
    )
    matcher = llguidance.LLMatcher(llguidance.hf.from_tokenizer(tokenizer, vocabulary), grammar)
    start = time.process_time()
    for token in reply:
        matcher.compute_bitmask()
        assert matcher.consume_token(token)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder of weights or Hub name")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    schema = load("document/graded").schema
    texts = ",".join(f"{json.dumps(name)}:{json.dumps(TEXT)}" for name in schema["required"])
    reply = tokenizer.encode(f"{{{texts}}}", add_special_tokens=False)
    for name, measured in (("xgrammar", xgrammar_s), ("llguidance", llguidance_s)):
        ms = [
            1000 * measured(tokenizer, len(tokenizer), json.dumps(schema), reply) / len(reply)
            for _ in range(arguments.rounds)
        ]
        print(
            f"{name:<10}  {statistics.median(ms):.3f} ms per token, from {min(ms):.3f} to {max(ms):.3f},"
            f" of {len(ms)} rounds with {len(reply)} tokens"
        )


if __name__ == "__main__":
    main()
