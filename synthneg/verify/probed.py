"""The shortcut probe of a run's examples, in `probe.jsonl`."""

import random
from collections.abc import Iterator

from synthneg.files import fingerprint
from synthneg.progress import say
from synthneg.records import Example
from synthneg.run import Run
from synthneg.verify.probe import QUESTIONS, Probe, probes

FILE = "probe.jsonl"


def write_probes(run: Run) -> None:
    """Write probe.jsonl, unless it stands: what can be told of the examples' documents without their queries.

    Raises:
        RunError: there are no examples yet.
    """
    run.need("verify.documents")
    checks, seed = run.config.verify.probe, run.config.seed
    inputs = fingerprint(run.file("examples.jsonl"), checks.model_dump(mode="json"), seed)

    def found() -> Iterator[Probe]:
        if checks.examples:
            yield from probes(_drawn(run, checks.examples, seed), checks.warn_above, seed)

    run.view(FILE, inputs, found)
    for probe in run.read(FILE, Probe):
        if probe.warning:
            say(
                f"probe: {probe.features} alone tells {QUESTIONS[probe.question]}, AUC {probe.auc:.2f}"
                f" ({probe.low:.2f} to {probe.high:.2f}); {probe.warning}"
            )


def _drawn(run: Run, most: int, seed: int) -> list[Example]:
    count = sum(1 for _ in run.read("examples.jsonl", Example))
    picked = set(random.Random(seed).sample(range(count), min(most, count)))
    return [e for place, e in enumerate(run.read("examples.jsonl", Example)) if place in picked]
