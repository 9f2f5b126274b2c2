"""The thresholds that a run's verdicts use: those of its settings, or with `verify.calibrate` those of its corpus."""

import orjson

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.files import write_whole
from synthneg.progress import say
from synthneg.run import Run
from synthneg.verify.calibrate import calibrated_documents, calibrated_queries, report
from synthneg.verify.distribution import Spread

DISTRIBUTION = "distribution.jsonl"
REPORT = "calibration.json"
_MANY = 0.1  # of random passages, which answer next to nothing


def query_checks(run: Run) -> QueryChecks:
    """Return what a query must satisfy.

    Raises:
        RunError: the settings calibrate, and the cosines of this corpus have not been measured.
    """
    checks = run.config.verify.queries
    return calibrated_queries(checks, _spreads(run)) if run.config.verify.calibrate else checks


def document_checks(run: Run) -> DocumentChecks:
    """Return what a document must satisfy; errors are those of `query_checks`."""
    config = run.config.verify
    if not config.calibrate:
        return config.documents
    return calibrated_documents(config.documents, config.catch, _spreads(run))


def write_calibration(run: Run) -> None:
    """Write calibration.json, the thresholds found beside those set; without `calibrate`, take it away."""
    config = run.config.verify
    if not config.calibrate:
        run.file(REPORT).unlink(missing_ok=True)
        return

    def named(queries: QueryChecks, documents: DocumentChecks) -> dict[str, object]:
        found = {"queries": queries, "documents": documents}
        return {f"{at}.{name}": v for at, checks in found.items() for name, v in checks}

    found = report(
        named(config.queries, config.documents),
        named(query_checks(run), document_checks(run)),
        _spreads(run),
    )
    write_whole(run.file(REPORT), orjson.dumps(found, option=orjson.OPT_INDENT_2))
    if (share := found["refused"]["random"]) > _MANY:
        say(
            f"verify.calibrate: the margin that catches {config.catch:.0%} of negatives that answer also refuses"
            f" {share:.0%} of random passages, so this encoder hardly tells here what answers; name a verify.reranker"
            " or a verify.judge, or lower verify.catch"
        )


def _spreads(run: Run) -> dict[str, Spread]:
    return {spread.of: spread for spread in run.read(DISTRIBUTION, Spread)}
