"""Positives that do not answer: pairs that were swapped, queries about nothing that their passage says."""

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient

DIAGNOSIS = Diagnosis(
    "positives",
    why="A student that is drawn to passages which do not answer learns noise, whatever its negatives are.",
    remedy="verify.queries.round_trip_k lower, verify.reranker with verify.queries.rerank_depth, or a prompt whose"
    " queries pass (`synthneg prompts compare`)",
    suspect=0.1,
    bad=0.25,
)


def examine(patient: Patient) -> Finding:
    """Return the share of queries that are no nearer to their passage than to that of another query; .5 by chance."""
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    drawn = patient.sample(patient.examples)
    queries = patient.checker.encode([example.query for example in drawn], "query")
    own = patient.checker.encode([example.positive.full_text for example in drawn], "document")
    ids = np.array([example.passage_id for example in drawn])
    differ = ids != np.roll(ids, 1)
    if not differ.any():
        return DIAGNOSIS.unknown("all queries are of one passage", "corpus.limit higher")
    nearer = (queries * (np.roll(own, 1, axis=0) - own)).sum(axis=1)[differ] >= 0
    seen = (
        f"to verify.encoder {nearer.mean():.0%} of {int(differ.sum())} queries are no nearer to their own passage than"
        " to that of another query, drawn at random"
    )
    return DIAGNOSIS.of(float(nearer.mean()), seen)
