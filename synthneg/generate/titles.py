"""A passage's own title as a query: no model is asked, so it is what written queries must be worth more than.

Titles and bodies are what encoders such as GTE and E5 begin their training with (arXiv:2308.03281, arXiv:2212.03533).
"""

from collections.abc import Iterator

from synthneg.generate.jobs import blocks_of_chosen
from synthneg.records import TITLE, Origin, Passage, Query
from synthneg.run import Run, Stage

_ORIGIN = Origin(TITLE, "", {}, 0, "")


def title_query(passage: Passage) -> Query | None:
    """Return the query that is the passage's title, without the full stop at its end; None where it has no title.

    >>> title_query(Passage("tea", "Steep it for two minutes.", "How to brew  green tea.")).text
    'How to brew green tea'
    """
    text = " ".join(passage.title.split()).rstrip(" .")
    if not text:
        return None
    return Query(f"{passage.id}:own-title", text, passage.id, passage.split, _ORIGIN)


def add_titles(run: Run, stage: Stage) -> None:
    """Put the titles of the chosen passages among the queries of the stage, behind those that each block has.

    A further round has had them already. A passage without a title is rejected as `no_title`, in the name of the query
    that it does not give.
    """
    if not run.config.generate.queries.titles or run.earlier is not None:
        return
    with stage.revised(Query) as before:
        written = _Peekable(before)
        for block in blocks_of_chosen(run):
            ids = {passage.id for passage in block}
            for query in written.of(ids):
                stage.take()
                stage.keep(query)
            for passage in block:
                stage.take()
                if (own := title_query(passage)) is not None:
                    stage.keep(own)
                else:
                    stage.reject(f"{passage.id}:own-title", "no_title", "the passage has no title")


class _Peekable:
    """Queries in the order of their passages, taken as far as those of some passages go."""

    def __init__(self, queries: Iterator[Query]) -> None:
        self._queries, self._next = queries, next(queries, None)

    def of(self, passage_ids: set[str]) -> Iterator[Query]:
        """Yield the next queries that are of these passages."""
        while self._next is not None and self._next.passage_id in passage_ids:
            yield self._next
            self._next = next(self._queries, None)
