"""What a card says once a run has come to its end: what it measured, what it used, which versions made it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from synthneg.dataset.markdown import plain, table
from synthneg.progress import clock


@dataclass(frozen=True, slots=True)
class Used:
    """What the language model was asked and has used, over all starts of a run."""

    replies: int
    failed_tries: int
    tokens_in: int
    tokens_out: int
    usd: float | None  # None: the prices are not known
    seconds: float  # in which at least one reply was waited for


@dataclass(frozen=True, slots=True)
class Finished:
    """What is known of a run beyond its dataset; what is not known is empty."""

    measures: str  # Markdown; "" where nothing was measured
    used: Used | None
    finished: str  # when, in UTC; "" where the run is not at its end
    versions: Mapping[str, str]  # of packages
    model: str | None  # name on the Hub of the model that was trained on the dataset


def sections(finished: Finished) -> Iterable[str]:
    """Yield the parts of a card, headings included."""
    if finished.measures:
        yield "## Measures"
        yield finished.measures
    if finished.model is not None:
        yield f"The tuned model: [{finished.model}](https://hf.co/{finished.model})."
    if finished.used is not None:
        yield "## Cost"
        yield table(("what", "used"), _cost(finished.used))
    if finished.versions:
        when = f"Finished {finished.finished}, with" if finished.finished else "Published with"
        yield "## Versions"
        versions = (f"{plain(name)} {plain(number)}" for name, number in finished.versions.items())
        yield f"{when} {', '.join(versions)}."


def _cost(used: Used) -> Iterable[tuple[str, str]]:
    yield "replies of the language model", f"{used.replies:,}"
    yield "tries that failed", f"{used.failed_tries:,}"
    yield "tokens of prompts", f"{used.tokens_in:,}"
    yield "tokens of replies", f"{used.tokens_out:,}"
    yield "money", "not known: no price was set" if used.usd is None else f"{used.usd:,.4g} USD"
    yield "time in which replies were waited for", clock(used.seconds)
