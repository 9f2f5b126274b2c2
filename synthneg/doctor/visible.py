"""Whether the queries that were measured on could have shown a difference."""

import math

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.evaluate.significance import verdict

DIAGNOSIS = Diagnosis(
    "visible difference",
    why="With few queries a gain and a loss look alike: what is called not distinguishable may be either.",
    remedy="evaluate.collections with more judged queries; as many times more as the square of how much smaller the"
    " difference is that one wants to see",
    suspect=0.03,  # of the first measure; tuned retrievers gain a few hundredths
    bad=0.06,
)


def examine(patient: Patient) -> Finding:
    """Return the smallest difference of tuned and base that was to be seen, on queries of people."""
    pairs = patient.differences
    if not pairs:
        return DIAGNOSIS.unknown(
            "tuned and base were not measured side by side", "`synthneg evaluate RUN`"
        )
    real = [(e, d) for e, d in pairs if not e.synthetic]
    known = [(e, d) for e, d in real or pairs if not math.isnan(d.smallest)]
    if not known:
        return DIAGNOSIS.unknown(
            "tuned and base have the same value for every query", "see the other findings"
        )
    evaluation, best = min(known, key=lambda pair: pair[1].smallest)
    seen = (
        f"{evaluation.queries:,} {'queries' if real else 'synthetic queries'} of {evaluation.collection} show a"
        f" difference in {best.measure} of {best.smallest:.3f} in 4 of 5 cases; seen: {best.mean:+.3f}"
        f" [{best.low:+.3f}, {best.high:+.3f}]"
    )
    if verdict(best) != "not distinguishable":
        return DIAGNOSIS.of(0.0, f"{seen}, {verdict(best)}")
    return DIAGNOSIS.of(best.smallest, seen)
