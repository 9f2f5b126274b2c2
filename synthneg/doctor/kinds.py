"""Whether the generated queries are like those of people, or all of one kind.

Compared as `prompts realism` does. The queries of people are those of `evaluate.collections` that another split judges
than the one that is measured: what is measured on may not say how to train.
"""

from collections import Counter
from pathlib import Path

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.evaluate.collection import read_judged
from synthneg.realism.compare import compare
from synthneg.realism.kinds import KINDS, kind_of

DIAGNOSIS = Diagnosis(
    "kinds of queries",
    why="A student learns to read the queries that it is shown; trained on questions alone, it may read claims or"
    " keywords worse than before.",
    remedy="generate.queries.prompts with the kinds that people use; `synthneg prompts realism RUN --queries FILE` says"
    " how much of each",
    suspect=0.3,  # share of queries that would have to be of another kind
    bad=0.7,
)
_ONE_KIND = 0.95
_FEW = 20  # queries of people below which nothing is said


def examine(patient: Patient) -> Finding:
    """Return the share of generated queries that would have to be of another kind to be mixed as people's are."""
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
    vectors = [patient.base.encode(texts, "query") for texts in (drawn, own)]
    meaning = compare(drawn, own, *vectors, seed=patient.config.seed).row("meaning, distance")
    shown = ", ".join(f"{name} {theirs[name] / len(drawn):.0%}" for name in KINDS if theirs[name])
    seen = (
        f"{apart:.0%} would have to be of another kind: {mix}; of {len(drawn)} queries of people ({places}) {shown}."
        f" Distance in meaning {meaning.apart:.3f}, {meaning.by_chance:.3f} by chance: {meaning.word}"
    )
    return DIAGNOSIS.of(apart, seen)


def _people(patient: Patient) -> tuple[list[str], str]:
    """Return the queries that other splits judge, and which these are."""
    config, found, places = patient.config.evaluate, dict[str, None](), []
    for folder in map(Path, config.collections):
        measured: set[str] = set()
        for split in sorted(file.stem for file in (folder / "qrels").glob("*.tsv")):
            if split == config.split:
                measured = set(read_judged(folder, split)[0].values())
        for split in sorted(file.stem for file in (folder / "qrels").glob("*.tsv")):
            if split != config.split:
                texts = [t for t in read_judged(folder, split)[0].values() if t not in measured]
                found |= dict.fromkeys(texts)
                places.append(f"{folder.resolve().name}/{split}")
    return list(found), ", ".join(places)
