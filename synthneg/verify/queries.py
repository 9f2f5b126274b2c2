"""The stage verify.queries: scores every query against the whole corpus, then keeps those that pass the checks."""

from collections.abc import Iterator

import orjson

from synthneg.files import fingerprint
from synthneg.grouped import Grouped
from synthneg.progress import say, track
from synthneg.records import TITLE, Passage, Query, Score
from synthneg.run import Run
from synthneg.scoring.base import Encoder, Reranker
from synthneg.scoring.corpus import encode_corpus
from synthneg.scoring.lazy import state_of
from synthneg.seen import Seen
from synthneg.verify.distribution import distribution
from synthneg.verify.facts import QueryFacts, query_facts
from synthneg.verify.nearby import RANKS, nearby_ranks, notes, searches_nearby, state
from synthneg.verify.rerank import RERANK_RANK, rerank_queries
from synthneg.verify.scores import asked_of, keep_facts, score_queries
from synthneg.verify.thresholds import DISTRIBUTION, query_checks, write_calibration
from synthneg.verify.verdict import judge_query
from synthneg.verify.whole import QueriesInSet
from synthneg.words import normalized

NAME = "verify.queries"
FACTS = "query_facts.jsonl"
_LOOSE = 0.2  # share of the corpus beyond which a round trip checks next to nothing


def verify_queries(run: Run, encoder: Encoder, reranker: Reranker | None = None) -> None:
    """Write verified_queries.jsonl: the queries of queries.jsonl that pass, in their order, and why the others do not.

    Where corpus, queries and models are as they were, nothing is scored again.

    Raises:
        RunError: queries have not been generated, or were written from another corpus.
    """
    run.need("generate.queries")
    _measure(run, encoder, reranker)
    _judge(run)


def _measure(run: Run, encoder: Encoder, reranker: Reranker | None) -> None:
    depth = run.config.verify.queries.rerank_depth

    def scores() -> Iterator[Score]:
        corpus = encode_corpus(run, encoder)
        run.file(RANKS).unlink(missing_ok=True)
        with Grouped(run.file("queries.jsonl"), Query, "passage_id") as queries:
            ranks = None
            if searches_nearby(run, len(corpus.ids)):
                asked = asked_of(encoder, queries, corpus)
                ranks = nearby_ranks(run, asked, corpus.vectors)
            yield from score_queries(encoder, queries, corpus, ranks)
        if reranker is not None and depth:
            read = run.read("queries.jsonl", Query)
            with Grouped(run.file("passages.jsonl"), Passage, "id") as passages:

                def text_of(id: str) -> str:
                    return passages[id][0].full_text

                yield from rerank_queries((encoder, reranker), read, corpus, text_of, depth)

    files = (run.file("passages.jsonl"), run.file("queries.jsonl"))
    models = [encoder.name, *state_of(run.config.verify.encoder, run.config.verify.encoding)]
    if reranker is not None and depth:
        models += [reranker.name, *state_of(reranker.name), depth]
    inputs = fingerprint(*models, *files, *state(run, run.books()["corpus"]["kept"]))
    keep_facts(run, NAME, FACTS, inputs, scores, lambda: map(list, _facts(run)))
    if run.config.verify.calibrate:
        seeded = fingerprint(inputs, run.config.seed)
        run.view(
            DISTRIBUTION, seeded, lambda: distribution(run, encoder, encode_corpus(run, encoder))
        )
    write_calibration(run)


def _facts(run: Run) -> Iterator[QueryFacts]:
    with (
        Grouped(run.file("passages.jsonl"), Passage, "id") as passages,
        Grouped(run.part("scores.jsonl", NAME), Score, "query_id") as scores,
        Seen() as texts,
    ):
        for query in track(run.read("queries.jsonl", Query), NAME, "queries measured"):
            written_from = [passages[id][0] for id in (query.passage_id, *query.also)]
            is_title = query.origin.prompt == TITLE
            own = scores[query.id]
            yield query_facts(
                query.id,
                query.passage_id,
                query.text,
                "\n".join(p.text if is_title else p.full_text for p in written_from),
                query.origin.said.get("logprob"),
                texts.add(normalized(query.text), query.id) or query.id,
                {s.document_id: int(s.value) for s in own if s.scorer == "rank"},
                {s.document_id: int(s.value) for s in own if s.scorer == RERANK_RANK},
                {s.document_id: s.value for s in own if s.scorer == "cosine_to_query"},
            )


def _judge(run: Run) -> None:
    checks = query_checks(run)
    passages = run.books()["corpus"]["kept"]
    if checks.round_trip_k > _LOOSE * passages:
        say(
            f"verify.queries: round_trip_k {checks.round_trip_k} of {passages:,} passages lets nearly any query pass;"
            f" {max(1, round(_LOOSE * passages / 2))} would be a check"
        )
    untold = 0
    with (
        Seen() as kept,  # ids of queries
        Seen() as twins,  # the kept one of those with the same words, by the first of these
        run.file("queries.jsonl").open("rb") as lines,
        run.file(FACTS).open("rb") as measured,
        run.stage(NAME, "verified_queries.jsonl") as stage,
    ):
        in_set = QueriesInSet(run)
        stage.notes.extend(notes(run, checks.round_trip_k))
        for line, row in track(zip(lines, measured, strict=True), NAME, "queries judged"):
            facts = QueryFacts(*orjson.loads(row))
            stage.take()
            untold += facts.logprob is None
            earlier = {id: cosine for id, cosine in facts.earlier.items() if id in kept}
            elsewhere = in_set.refusal(facts.id, facts.ranks)
            twin = None if facts.twin == facts.id else twins.name(facts.twin)
            refusal = judge_query(facts, twin, earlier, checks, elsewhere)
            if refusal := refusal or in_set.twin(facts.id):
                stage.reject(facts.id, *refusal)
            else:
                stage.keep(orjson.Fragment(line[:-1]))
                kept.add(facts.id, "")
                twins.add(facts.twin, facts.id)
                in_set.keep(facts.id)
    if checks.min_logprob is not None and untold:
        say(
            f"verify.queries: queries that min_logprob lets pass because nobody told their probability: {untold:,}"
        )
