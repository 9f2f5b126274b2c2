"""Whether the generated queries are like those of people, or all of one kind.

Compared as `prompts realism` does. The queries of people are those of `evaluate.collections` that another split judges
than the one that is measured or a test split: what is measured on may not say how to train.
"""

import math
from collections import Counter
from pathlib import Path

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.evaluate.collection import read_judged
from synthneg.realism.chance import Row
from synthneg.realism.compare import compare
from synthneg.realism.kinds import KINDS, kind_of

DIAGNOSIS = Diagnosis(
    "kinds of queries",
    why="A student learns to read the queries that it is shown: trained on questions alone, or on topics that nobody"
    " asks about, it may read what people type worse than before.",
    remedy="generate.queries.prompts with the kinds that people use; `synthneg prompts realism RUN --queries FILE` says"
    " how much of each; corpus.sample: cluster, for passages of all topics",
    suspect=0.3,  # share of queries that would have to be of another kind
    bad=0.7,
)
_ONE_KIND = 0.95
_TEST = "test"  # the split that is kept for the end, even where another one is measured now
# Energy distance beyond chance of two sets of queries on topics that have nothing in common; of a share p that is on
# another topic it is about p² of that (benchmarks/doctor/topics.py).
_ANOTHER_TOPIC = 0.04
_FEW = 20  # queries of people below which nothing is said


def examine(patient: Patient) -> Finding:
    """Return which share of the queries is of kinds, or on topics, that people's are not; the larger of the two."""
    own = patient.sample(list(dict.fromkeys(example.query for example in patient.examples)))
    kinds = Counter(map(kind_of, own))
    kind, count = kinds.most_common(1)[0]
    mix = ", ".join(f"{name} {kinds[name] / len(own):.0%}" for name in KINDS if kinds[name])
    real, places = _people(patient)
    if len(real) < _FEW:
        seen = f"{mix} of {len(own)} queries; there are no queries of people beside those that are measured on"
        if count / len(own) >= _ONE_KIND:
            return DIAGNOSIS.of(DIAGNOSIS.suspect, f"all of one kind: {seen}")
        return DIAGNOSIS.unknown(seen, "a further split of a collection of evaluate.collections")
    drawn = patient.sample(real)
    theirs = Counter(map(kind_of, drawn))
    apart = sum(abs(kinds[name] / len(own) - theirs[name] / len(drawn)) for name in KINDS) / 2
    vectors = [patient.checker.encode(texts, "query") for texts in (drawn, own)]
    meaning = compare(drawn, own, *vectors, seed=patient.config.seed).row("meaning, distance")
    away = share_elsewhere(meaning)
    shown = ", ".join(f"{name} {theirs[name] / len(drawn):.0%}" for name in KINDS if theirs[name])
    seen = (
        f"{apart:.0%} would have to be of another kind: {mix}; of {len(drawn)} queries of people ({places}) {shown}."
        f" Distance in meaning {meaning.apart:.3f}, {meaning.by_chance:.3f} by chance: {meaning.word}"
        + (f", as if {away:.0%} were on another topic" if away else "")
    )
    return DIAGNOSIS.of(max(apart, away), seen)


def share_elsewhere(meaning: Row) -> float:
    """Return which share of the queries would have to be on another topic for such a distance; 0 where chance gives it.

    Args:
        meaning: the row of the energy distance.
    """
    if meaning.word != "unlike":
        return 0.0
    return min(1.0, math.sqrt(max(0.0, meaning.apart - meaning.by_chance) / _ANOTHER_TOPIC))


def _people(patient: Patient) -> tuple[list[str], str]:
    """Return the queries that other splits judge, and which these are."""
    config, found, places = patient.config.evaluate, dict[str, None](), []
    for folder in map(Path, config.collections):
        splits = {file.stem for file in (folder / "qrels").glob("*.tsv")}
        kept_for_measuring = splits & {config.split, _TEST}
        measured = {t for s in kept_for_measuring for t in read_judged(folder, s)[0].values()}
        for split in sorted(splits - kept_for_measuring):
            texts = read_judged(folder, split)[0].values()
            found |= dict.fromkeys(text for text in texts if text not in measured)
            places.append(f"{folder.resolve().name}/{split}")
    return list(found), ", ".join(places)
