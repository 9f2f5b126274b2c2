"""What training and evaluation have in common, as `leaks.json` says."""

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.verify.gate import read_leaks

DIAGNOSIS = Diagnosis(
    "overlap",
    why="A model that has seen the test measures what it remembers: its figures say nothing of other queries, in either"
    " direction.",
    remedy="verify.leaks.action: drop, train.allow_leaks: false",
    suspect=0.001,
    bad=0.01,
)


def examine(patient: Patient) -> Finding:
    """Return the share of examples whose query or written document an evaluation set holds, too."""
    facts = read_leaks(patient.folder)
    if facts is None or not facts["sets"]:
        return DIAGNOSIS.unknown(
            "no evaluation set is declared, so nothing was compared with one",
            "verify.leaks.collections",
        )
    left = {kind: 0 for kind in ("query", "document", "passage")}
    for row in facts["overlaps"]:
        left[row["kind"]] += row["left"]
    share = min(1.0, (left["query"] + left["document"]) / len(patient.examples))
    seen = (
        f"of {len(patient.examples):,} examples {left['query']:,} queries and {left['document']:,} written documents"
        f" are those of {', '.join(facts['sets'])}; {left['passage']:,} queries stand with passages judged there, which"
        " is no leak"
    )
    return DIAGNOSIS.of(share, seen)
