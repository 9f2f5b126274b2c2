"""In which order generation asks and writes, and what it holds in memory while it waits."""

import asyncio
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from examples import settings

from synthneg.errors import RunError
from synthneg.generate.documents import write_documents
from synthneg.generate.jobs import verified
from synthneg.generate.negatives import write_negatives
from synthneg.generate.queries import write_queries
from synthneg.llm.ask import Asker
from synthneg.llm.base import Request
from synthneg.llm.ledger import Ledger
from synthneg.records import Document, Origin, Passage, Query
from synthneg.run import Run
from synthneg.testing import ScriptedBackend, invented

PROMPTS = ("query/question", "query/claim")
LINES = """---
makes: query
about: Two questions at once.
needs: [passage]
reply: lines
sampling: {temperature: 0.7, max_tokens: 60}
---
=== system
You write two questions on two lines.
=== user
{{ passage.text }}
"""


def passages(count: int) -> list[Passage]:
    """Return `count` passages p0, p1, ... of which each has a word of its own."""
    return [Passage(f"p{n}", f"the mill of number{n} turns by the river") for n in range(count)]


def fill(run: Run, name: str, file: str, records: list[Passage] | list[Query]) -> None:
    """Write a stage that keeps all the records."""
    with run.stage(name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)


def ask(run: Run, write: Callable, answer: Callable[[Request], str] = invented) -> list[Request]:
    """Let `write` ask a scripted model, and return what that was asked."""
    backend = ScriptedBackend(answer)

    async def work() -> None:
        ledger = Ledger(run.file("ledger.sqlite"))
        try:
            await write(run, Asker(backend, ledger, run.config.llm, run.config.seed))
        finally:
            ledger.close()

    asyncio.run(work())
    return backend.asked


@contextmanager
def opened(
    folder: Path, count: int, queries: tuple[str, ...] = PROMPTS, **sections: object
) -> Iterator[Run]:
    """Give a run with a corpus of `count` passages."""
    # The scripted model says the same of many passages; tests of rounds are elsewhere.
    generate = {"queries": {"prompts": list(queries), "rounds": 0}}
    with closing(Run(folder, settings(generate=generate, **sections))) as run:
        fill(run, "corpus", "passages.jsonl", passages(count))
        yield run


def numbers(requests: list[Request]) -> list[int]:
    """Return which passage each request shows."""
    return [
        int(re.findall(r"number(\d+)", request.messages[-1].content or "")[0])
        for request in requests
    ]


def test_queries_are_asked_for_block_by_block_and_there_prompt_by_prompt(tmp_path: Path) -> None:
    """Of 300 passages the first 256 are put to one prompt, then to the other, then the rest to each."""
    with opened(tmp_path, 300, llm={"concurrency": 1}) as run:
        asked = ask(run, write_queries)

        first, rest = [*range(256)], [*range(256, 300)]
        assert numbers(asked) == [*first, *first, *rest, *rest]
        written = [query.id for query in run.read("queries.jsonl", Query)]
        assert written == [
            f"p{n}:{kind}:0"
            for block in (first, rest)
            for kind in ("question", "claim")
            for n in block
        ]


def test_documents_and_negatives_follow_the_queries(tmp_path: Path) -> None:
    """Of verified queries with gaps, all positives come first, then what is written for each, in the queries' order."""
    with opened(tmp_path, 300, corpus={"path": "corpus", "limit": 290}) as run:
        ask(run, write_queries)
        queries = list(run.read("queries.jsonl", Query))
        passed = [query for number, query in enumerate(queries) if number % 7]
        fill(run, "verify.queries", "verified_queries.jsonl", passed)

        ask(run, write_documents)
        ask(run, write_negatives)

        documents = list(run.read("documents.jsonl", Document))
        by_source = {
            source: [d for d in documents if d.source == source]
            for source in ("corpus", "graded", "negative")
        }
        assert documents == [d for found in by_source.values() for d in found]
        ids = [query.id for query in passed]
        assert [d.query_id for d in by_source["corpus"]] == ids
        assert [d.id for d in by_source["corpus"]] == [query.passage_id for query in passed]
        texts = {p.id: p.text for p in passages(300)}
        assert all(d.text == texts[d.id] for d in by_source["corpus"])
        assert [d.query_id for d in by_source["graded"]] == [id for id in ids for _ in range(4)]
        assert [d.query_id for d in by_source["negative"]] == ids


def test_queries_out_of_order_are_refused(tmp_path: Path) -> None:
    """Verified queries that do not follow the corpus are refused in one line that names the first of them."""
    with opened(tmp_path, 300) as run:
        ask(run, write_queries)
        queries = list(run.read("queries.jsonl", Query))
        fill(
            run, "verify.queries", "verified_queries.jsonl", [*queries[:3], queries[-1], queries[5]]
        )

        with pytest.raises(
            RunError, match=r"query p5:question:0 of passage p5 is out of"
        ) as caught:
            ask(run, write_documents)
        assert "\n" not in str(caught.value)


def test_each_line_of_a_reply_is_a_query(tmp_path: Path) -> None:
    """A reply of several lines gives as many queries, numbered, all counted; one of no use counts as one."""
    prompt = tmp_path / "both.j2"
    prompt.write_text(LINES)

    def answer(request: Request) -> str:
        [number] = numbers([request])
        return "" if number == 1 else f"what turns mill {number}?\nwhere is mill {number}?"

    with opened(tmp_path, 3, (str(prompt),)) as run:
        ask(run, write_queries, answer)

        assert [(q.id, q.text) for q in run.read("queries.jsonl", Query)] == [
            (f"p{n}:both:0.{line}", text)
            for n in (0, 2)
            for line, text in enumerate((f"what turns mill {n}?", f"where is mill {n}?"))
        ]
        books = run.books()["generate.queries"]
        assert (books["in"], books["kept"], books["rejected"]) == (5, 4, {"empty": 1})


def peak(folder: Path, count: int) -> int:
    """Return the most bytes that are held while `count` verified queries of long passages are gone through."""
    written = Origin("query/question@1b9d6bcd", "m", {}, 7, "key")
    texts = [Passage(f"p{n}", f"{n} " + "of the mill " * 90) for n in range(count)]
    queries = [Query(f"{p.id}:question:0", "what", p.id, "train", written) for p in texts]
    with closing(Run(folder, settings(corpus={"path": "corpus", "limit": count}))) as run:
        fill(run, "corpus", "passages.jsonl", texts)
        fill(run, "verify.queries", "verified_queries.jsonl", queries)
        del texts, queries
        tracemalloc.start()
        assert sum(map(len, verified(run))) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


def test_ten_times_the_queries_take_the_same_memory(tmp_path: Path) -> None:
    """Going through 5,120 verified queries and their passages holds no more than through 512."""
    assert peak(tmp_path / "many", 5120) < 1.2 * peak(tmp_path / "few", 512)
