"""A prompt compared with itself by a real model: on how many of so many seeds does any row get a word?

    python benchmarks/prompts/itself.py SETTINGS [PROMPT] [-n 30] [--seeds 20] [--outputs outputs] [--json FILE]

Each seed chooses passages of its own and has the prompt asked twice about each, with independent seeds. Replies are
kept as those of `synthneg prompts compare` are, so that the command can be stopped and given again. Ends with status 1
where more than 1 comparison of 20 has a word on any row.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import orjson

from synthneg.settings import load
from synthneg.trial.comparison import compare_prompts

SILENT = "not distinguishable"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", type=Path)
    parser.add_argument("prompt", nargs="?", default="query/question")
    parser.add_argument("-n", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    loud, tests, alone = [], Counter(), Counter()
    for seed in range(1, options.seeds + 1):
        config = load(options.settings, [f"seed={seed}"])
        found = compare_prompts(
            config, (options.prompt,) * 2, options.n, "query/question", options.outputs, None
        )
        said = {row.measure: row.word for row in found.rows if row.word != SILENT}
        loud += [{"seed": seed, "rows": said}] if said else []
        tests.update(row.measure for row in found.rows)
        alone.update(row.measure for row in found.rows if row.p < 0.05)
        print(
            f"seed {seed}: {said or SILENT + ' on every row'} ({len(found.rows)} rows)", flush=True
        )
    print(f"a word on any row: {len(loud)} of {options.seeds} seeds")
    print(f"p < .05 of the row alone: {sum(alone.values())} of {tests.total()} rows")
    facts = {
        "prompt": found.a,
        "model": Path(found.model).name,
        "passages": options.n,
        "seeds": options.seeds,
        "loud": loud,
        "rows": tests.total(),
        "rows_below_05_alone": dict(alone),
    }
    if options.json:
        options.json.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return int(len(loud) > options.seeds / 20)


if __name__ == "__main__":
    sys.exit(main())
