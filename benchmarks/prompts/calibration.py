"""How often does a comparison of prompts cry wolf, and what does it find? Invented arms, no model.

    PYTHONPATH=tests python benchmarks/prompts/calibration.py [--trials 200] [--resamples 2000]

Compares a prompt with itself, drawn twice, and prompts whose shares of kept records differ by .05, .1 and .2; the arms
are those of `tests/prompt_arms.py`. Ends with status 1 where more than 1 self-comparison of 20 has a word on any row.
"""

import argparse
import sys
import time
from collections import Counter

from prompt_arms import draw

from synthneg.trial.arms import compare_arms
from synthneg.trial.measures import standard

SILENT = "not distinguishable"
RATE = 0.6


def compare(trial: int, units: int, resamples: int, **second: float):
    a = draw(units, 2 * trial, rate=RATE, world=trial)
    b = draw(units, 2 * trial + 1, **{"rate": RATE, "world": trial, **second})
    return compare_arms(a, b, standard(a, b), trial, resamples)


def false_alarms(trials: int, units: int, resamples: int) -> float:
    said, alone = 0, Counter()
    for trial in range(trials):
        rows = compare(trial, units, resamples)
        said += any(row.word != SILENT for row in rows)
        alone.update(row.measure for row in rows if row.p < 0.05)
    print(
        f"{units} passages: a word on any row in {said} of {trials} self-comparisons ({said / trials:.1%})"
    )
    print(
        "  p < .05 of the row alone: "
        + ", ".join(f"{m} {n / trials:.1%}" for m, n in sorted(alone.items()))
    )
    return said / trials


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=2000)
    options = parser.parse_args()
    worst = max(false_alarms(options.trials, n, options.resamples) for n in (100, 200))
    for units in (100, 200):
        for shift in (0.05, 0.1, 0.2):
            words, alone = Counter(), 0
            for trial in range(options.trials):
                rows = compare(trial, units, options.resamples, rate=RATE + shift)
                row = next(row for row in rows if row.measure == "kept")
                words[row.word] += 1
                alone += row.p < 0.05 and row.difference.mean > 0
            print(
                f"{units} passages, kept +{shift:.2f}: better {words['better'] / options.trials:.1%}, "
                f"worse {words['worse'] / options.trials:.1%}; without correction better {alone / options.trials:.1%}"
            )
    a, b = draw(200, 1, rate=RATE), draw(200, 2, rate=RATE)
    start = time.process_time()
    rows = compare_arms(a, b, standard(a, b), 1, 10_000)
    print(
        f"{len(rows)} rows of 200 passages, 10,000 draws: {time.process_time() - start:.2f} s of processor time"
    )
    return int(worst > 0.05)


if __name__ == "__main__":
    sys.exit(main())
