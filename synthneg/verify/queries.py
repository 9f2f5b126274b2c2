"""The stage verify.queries: scores every query against the whole corpus, then keeps those that pass the checks."""

from collections import defaultdict

from synthneg.progress import track
from synthneg.records import Passage, Query, Score
from synthneg.run import Run
from synthneg.scoring.encoder import Encoder
from synthneg.verify.grouped import Grouped
from synthneg.verify.scores import encode_corpus, score_queries
from synthneg.verify.verdict import QueryFacts, judge_query
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
    count = sum(1 for _ in run.read("passages.jsonl", Passage))
    corpus = encode_corpus(encoder, run.read("passages.jsonl", Passage), count)
    with Grouped(run.file("queries.jsonl"), Query, "passage_id") as queries:
        run.write_part(NAME, "scores.jsonl", score_queries(encoder, queries, corpus))


def _judge(run: Run) -> None:
    checks = run.config.verify.queries
    kept_by_text: dict[str, str] = {}
    kept_of_passage: defaultdict[str, list[str]] = defaultdict(list)
    with (
        Grouped(run.file("passages.jsonl"), Passage, "id") as passages,
        Grouped(run.file("scores.jsonl"), Score, "query_id") as scores,
        run.stage(NAME, "verified_queries.jsonl") as stage,
    ):
        for query in track(run.read("queries.jsonl", Query), NAME, "queries judged"):
            stage.take()
            text = normalized(query.text)
            siblings = kept_of_passage[query.passage_id]
            values = {(s.document_id, s.scorer): s.value for s in scores[query.id]}
            facts = QueryFacts(
                text=query.text,
                passage=passages[query.passage_id][0].full_text,
                rank=int(values[query.passage_id, "rank"]),
                same_as=kept_by_text.get(text),
                earlier={id: values[id, "cosine_to_query"] for id in siblings},
            )
            if refusal := judge_query(facts, checks):
                stage.reject(query.id, *refusal)
            else:
                stage.keep(query)
                kept_by_text[text] = query.id
                siblings.append(query.id)
