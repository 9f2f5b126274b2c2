"""The passages that stand beside a passage or a query in its prompt: related and mined ones."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from synthneg.grouped import Grouped
from synthneg.prompts.file import Prompt
from synthneg.records import Mined, Passage, Related
from synthneg.run import Run

# Gives, by the id of a passage or query, the passage that stands beside it, if there is one.
Beside = Callable[[str], Passage | None]


def nothing(id: str) -> Passage | None:
    """Give no passage, as where no prompt needs one."""
    return None


@contextmanager
def related(run: Run, prompts: Sequence[Prompt]) -> Iterator[Beside]:
    """Give by a passage's id the one that related.jsonl names; the file is not read where no prompt needs it."""
    if not needed("related", prompts):
        yield nothing
        return
    rows = run.read("related.jsonl", Related)
    with _named(run, {row.passage_id: row.related_id for row in rows}) as found:
        yield found


@contextmanager
def mined(run: Run, prompts: Sequence[Prompt]) -> Iterator[Beside]:
    """Give by a query's id the passage that mined.jsonl names; the file is not read where no prompt needs it."""
    if not needed("mined", prompts):
        yield nothing
        return
    rows = run.read("mined.jsonl", Mined)
    with _named(run, {row.query_id: row.passage_id for row in rows}) as found:
        yield found


@contextmanager
def further(run: Run, prompts: Sequence[Prompt]) -> Iterator[Beside]:
    """Give each passage by its own id; none where no prompt writes queries from more than one."""
    if not needed("related", prompts):
        yield nothing
        return
    with _by_id(run) as found:
        yield found


def needed(variable: str, prompts: Sequence[Prompt]) -> bool:
    """Whether any of the prompts shows this passage."""
    return any(variable in prompt.head.needs for prompt in prompts)


@contextmanager
def _named(run: Run, others: dict[str, str]) -> Iterator[Beside]:
    with _by_id(run) as found:
        yield lambda id: found(others[id]) if id in others else None


@contextmanager
def _by_id(run: Run) -> Iterator[Beside]:
    with Grouped(run.file("passages.jsonl"), Passage, "id") as passages:
        yield lambda id: next(iter(passages[id]), None)
