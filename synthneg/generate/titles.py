"""A passage's own title as a query: no model is asked, so it is what written queries must be worth more than.

Titles and bodies are what encoders such as GTE and E5 begin their training with (arXiv:2308.03281, arXiv:2212.03533).
"""

from synthneg.generate.jobs import with_queries
from synthneg.records import TITLE, Origin, Passage, Query
from synthneg.run import Run
from synthneg.run.books import Stage

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
        for block, written in with_queries(run, before):
            for query in written:
                stage.take()
                stage.keep(query)
            for passage in block:
                stage.take()
                if (own := title_query(passage)) is not None:
                    stage.keep(own)
                else:
                    stage.reject(f"{passage.id}:own-title", "no_title", "the passage has no title")
