"""Queries that have no negative of their own and borrow those of others (`train.data.lend_negatives`)."""

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient

DIAGNOSIS = Diagnosis(
    "borrowed negatives",
    why="To a query, another query's hard negative is a random text: it teaches no fine distinction, and the run says"
    " little about the negatives that it was to show.",
    remedy="mine.bm25: 4 and mine.dense: 4 with deeper windows, a prompt whose negatives pass (`synthneg prompts"
    " compare`), or train.negatives: 0",
    suspect=0.25,
    bad=0.5,
)


def examine(patient: Patient) -> Finding:
    """Return the share of queries that have no negative of their own."""
    wanted, queries = patient.config.train.negatives, len(patient.examples)
    if not patient.takes_pairs:
        return DIAGNOSIS.of(
            0.0, f"train.loss {patient.config.train.loss} takes lists, for which none is borrowed"
        )
    drawn = patient.config.train.sampling.negatives
    if drawn != "own":
        seen = f"train.sampling.negatives {drawn} draws passages for every query, so that none must borrow"
        return DIAGNOSIS.of(0.0, seen)
    if not wanted:
        return DIAGNOSIS.of(
            0.0, "train.negatives is 0: the other texts of a batch are the negatives, as was wanted"
        )
    without = sum(not example.negatives for example in patient.examples)
    share = without / queries
    if without == queries:
        seen = f"none of {queries:,} queries has a negative; it was trained with in-batch negatives alone"
    else:
        seen = f"{without:,} of {queries:,} queries ({share:.0%}) borrow the negatives of others"
    return DIAGNOSIS.of(share, seen)
