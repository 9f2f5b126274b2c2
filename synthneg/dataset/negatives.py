"""What a card says of the negatives: where they come from, and what has checked them."""

from collections.abc import Iterator, Mapping

from synthneg.config import MineConfig, RunConfig
from synthneg.dataset.markdown import code, plain
from synthneg.dataset.names import model_name
from synthneg.dataset.told import Told
from synthneg.records import MinedSource

_FOUND_BY = {
    "bm25": "BM25",
    "dense": "the encoder",
    "reranked": "BM25 and the encoder, in the order of a reranker",
    "random": "chance",
}
_ON_ANSWERS = {
    "keep": "kept, with the verdict `answers`",
    "drop": "dropped",
    "relabel": "given the grade that it deserves, where a reranker or judge could tell it, else dropped",
}


def count_rows(told: Told) -> Iterator[tuple[object, ...]]:
    """Yield a row for each source and grade of documents: source, grade, how many, what checks have found in them."""
    for kind, count in sorted(told.documents.items()):
        found = ", ".join(f"{name} {n}" for name, n in sorted(told.verdicts[kind].items()))
        yield *kind, count, found or "none"


def made_lines(config: RunConfig) -> str:
    """Return how negatives come to be, as a list: one line for what is written, one for what is mined."""
    lines = [_written(config)] if config.generate.negatives.prompts else []
    if counts := config.mine.counts:
        lines.append(_mined(config, counts))
    return "\n".join(f"- {line}" for line in lines or ["None were asked for."])


def _written(config: RunConfig) -> str:
    wanted = config.generate.negatives
    graded = config.generate.documents.prompts
    beside = (
        f"; of graded documents, by {_prompts(len(graded))}, those of grade 1 and 0"
        if graded
        else ""
    )
    return f"Written by the language model: {wanted.per_query} a query by {_prompts(len(wanted.prompts))}{beside}."


def _prompts(count: int) -> str:
    return "one prompt" if count == 1 else f"each of {count} prompts"


def _mined(config: RunConfig, counts: Mapping[MinedSource, int]) -> str:
    mine = config.mine
    found = ", ".join(f"{count} by {_FOUND_BY[source]}" for source, count in counts.items())
    drawn = " at random" if mine.draw == "random" else ""
    return (
        f"Mined from the corpus, for each query up to {found}; taken{drawn} from ranks {mine.first_rank} to"
        f" {mine.last_rank}; {_below(mine)}."
    )


def _below(mine: MineConfig) -> str:
    if not mine.positive_aware:
        return "those at or above the positive were left to verification"
    cap = "" if mine.max_cosine is None else f" and below a cosine of {mine.max_cosine:g}"
    return f"only what lies below the positive by the margin under Thresholds{cap} was taken"


def checked_lines(config: RunConfig, calibrated: Mapping[str, float], judge: str | None) -> str:
    """Return what says that a negative does not answer its query, and what becomes of one that does, as a list.

    Args:
        config: the run's settings.
        calibrated: thresholds that were found, in the place of those set.
        judge: tag of the prompt by which the language model judges; None where it does not.
    """
    verify, checks = config.verify, config.verify.documents
    margin = calibrated.get("documents.min_negative_margin", checks.min_negative_margin)
    share = calibrated.get("documents.max_negative_share", checks.max_negative_share)
    lines = [
        f"Encoder {plain(model_name(verify.encoder))}: a negative must score below {share:g} of the positive's cosine"
        f" to the query, and {margin:g} below it.{_calibrated(calibrated)}"
    ]
    if verify.reranker is not None:
        lines.append(
            f"Reranker {plain(model_name(verify.reranker))}: decides where the encoder is in doubt, up to"
            f" {checks.doubt_below:g} below its bound and {checks.doubt_above:g} above it."
        )
    if judge is not None:
        lines.append(
            f"The language model, asked by {code(judge)}, decides what is doubtful, or what encoder and reranker"
            " disagree on."
        )
    lines.append(f"A negative that answers is {_ON_ANSWERS[checks.on_answers]}.")
    if checks.max_answering is not None:
        lines.append(
            f"A query with more than {checks.max_answering} negatives that answer is dropped."
        )
    lines.append(
        "Copies of the positive, of another document of the query or of documents of other queries, refusals and talk"
        " of the task were dropped."
    )
    return "\n".join(f"- {line}" for line in lines)


def _calibrated(calibrated: Mapping[str, float]) -> str:
    return " Both were calibrated on this corpus." if calibrated else ""
