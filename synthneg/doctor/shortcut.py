"""Shortcuts: what tells a negative from a positive without the query, as the probe of the export has measured."""

from synthneg.doctor.finding import Diagnosis, Finding, Word
from synthneg.doctor.patient import Patient
from synthneg.records import WRITTEN
from synthneg.run.books import read_records
from synthneg.verify.probe import REMEDIES, Probe
from synthneg.verify.probed import FILE

DIAGNOSIS = Diagnosis(
    "shortcut",
    why="What tells written documents from the corpus at a glance, the student can learn instead of relevance; on a"
    " corpus where nothing is written it is worth nothing.",
    remedy="mine.bm25 and mine.dense beside or instead of written negatives, or train.loss: source-share",
    suspect=0.8,
    bad=0.95,
)
_FEW = 0.1  # share of written ones among negatives below which a shortcut teaches little
_MOST = 0.5  # and from which on nearly every pair has it


def examine(patient: Patient) -> Finding:
    """Return the AUC by which the source of a document is told from its text alone, where negatives are written."""
    negatives = [d for example in patient.examples for d in patient.negatives(example)]
    written = sum(d.source in WRITTEN for d in negatives)
    share = written / len(negatives) if negatives else 0.0
    beside = f"{written:,} of {len(negatives):,} negatives trained on are written ({share:.0%})"
    if share < _FEW:
        return DIAGNOSIS.of(0.0, f"{beside}, so that there is hardly a source to tell")
    file = patient.folder / FILE
    probes = (
        [p for p in read_records(file, Probe) if p.question == "source"] if file.exists() else []
    )
    known = [(probe.auc, probe) for probe in probes if probe.auc is not None]
    if not known:
        why = next((probe.note for probe in probes if probe.note), "nothing was probed")
        return DIAGNOSIS.unknown(
            f"{beside}; {why}", "verify.probe.examples: 500, and `synthneg export`"
        )
    auc, strongest = max(known, key=lambda pair: pair[0])
    seen = (
        f"from {strongest.features} alone the source is told with an AUC of {auc:.2f}"
        f" ({strongest.low:.2f} to {strongest.high:.2f}); {beside}"
    )
    most: Word = "bad" if share >= _MOST else "suspect"
    return DIAGNOSIS.of(
        auc, seen, most=most, remedy=f"{REMEDIES[strongest.features]}; or {DIAGNOSIS.remedy}"
    )
