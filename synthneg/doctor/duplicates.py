"""Texts that stand in the training set more than once: queries, and the passages that they were written from."""

from collections.abc import Sequence

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.verify.near import Shingled, letters, near_pairs, phrases

DIAGNOSIS = Diagnosis(
    "duplicates",
    why="Of two equal passages, one is a negative to the other's query in every batch that holds both; equal queries"
    " count for several and teach nothing new.",
    remedy="verify.duplicates.query_jaccard and .query_cosine lower; corpus.sample: cluster, which takes no copies,"
    " or a corpus without copies; for queries that resemble each other generate.queries.worn_share: 0.1",
    suspect=0.05,
    bad=0.2,
)


def examine(patient: Patient) -> Finding:
    """Return the share of training queries, or of their different passages, that nearly equal another one."""
    bounds = patient.config.verify.duplicates
    queries = [example.query for example in patient.examples]
    passages = {e.positive.id: e.positive.full_text for e in patient.examples}
    twins = _repeated(queries, letters, bounds.query_jaccard)
    copies = _repeated(list(passages.values()), phrases, bounds.document_jaccard)
    seen = (
        f"{twins:.0%} of {len(queries):,} queries and {copies:.0%} of their {len(passages):,} passages nearly equal"
        " another one"
    )
    return DIAGNOSIS.of(max(twins, copies), seen)


def _repeated(texts: Sequence[str], shingled: Shingled, least: float) -> float:
    """Return the share of texts that have another one as near as the settings call the same."""
    alike: set[int] = set()
    for pair in near_pairs(texts, shingled, least):
        alike |= {pair.later, pair.earlier}
    return len(alike) / len(texts)
