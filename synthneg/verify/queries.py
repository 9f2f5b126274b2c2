"""The stage verify.queries: scores every query against the whole corpus, then keeps those that pass the checks."""

from collections import defaultdict

from synthneg.grouped import Grouped
from synthneg.progress import track
from synthneg.records import Passage, Query, Score
from synthneg.run import Run
from synthneg.scoring.corpus import encode_corpus
from synthneg.scoring.encoder import Encoder
from synthneg.verify.alike import QUERIES
from synthneg.verify.scores import score_queries
from synthneg.verify.verdict import QueryFacts, judge_query
from synthneg.verify.whole import leak_of_query, opened, twin
from synthneg.words import normalized

NAME = "verify.queries"


def verify_queries(run: Run, encoder: Encoder) -> None:
    """Write verified_queries.jsonl: the queries of queries.jsonl that pass, in their order, and why the others do not.

    Raises:
        RunError: queries have not been generated, or were written from another corpus.
    """
    run.need("generate.queries")
    _score(run, encoder)
    _judge(run)


def _score(run: Run, encoder: Encoder) -> None:
    corpus = encode_corpus(run, encoder)
    with Grouped(run.file("queries.jsonl"), Query, "passage_id") as queries:
        run.write_part(NAME, "scores.jsonl", score_queries(encoder, queries, corpus))


def _judge(run: Run) -> None:
    checks, config = run.config.verify.queries, run.config.verify
    kept_by_text: dict[str, str] = {}
    kept_of_passage: defaultdict[str, list[str]] = defaultdict(list)
    kept: set[str] = set()
    with (
        Grouped(run.file("passages.jsonl"), Passage, "id") as passages,
        Grouped(run.file("scores.jsonl"), Score, "query_id") as scores,
        opened(run, QUERIES) as alike,
        run.stage(NAME, "verified_queries.jsonl") as stage,
    ):
        for query in track(run.read("queries.jsonl", Query), NAME, "queries judged"):
            stage.take()
            text = normalized(query.text)
            siblings = kept_of_passage[query.passage_id]
            written_from = (query.passage_id, *query.also)
            values = {(s.document_id, s.scorer): s.value for s in scores[query.id]}
            facts = QueryFacts(
                text=query.text,
                passage="\n".join(passages[id][0].full_text for id in written_from),
                ranks={id: int(values[id, "rank"]) for id in written_from},
                same_as=kept_by_text.get(text),
                earlier={id: values[id, "cosine_to_query"] for id in siblings},
                leak=leak_of_query(query, alike, config.leaks),
                twin=twin(alike[query.id], kept, config.duplicates),
            )
            if refusal := judge_query(facts, checks):
                stage.reject(query.id, *refusal)
            else:
                stage.keep(query)
                kept.add(query.id)
                kept_by_text[text] = query.id
                siblings.append(query.id)
