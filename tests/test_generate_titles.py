"""Titles of passages as queries: no model is asked for them, and all that follows treats them as queries."""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from examples import settings
from tiny_model import save_static_model

from synthneg.errors import SettingsError
from synthneg.generate.jobs import verified
from synthneg.generate.pilot import pilot
from synthneg.generate.queries import write_queries
from synthneg.llm.ask import Asker
from synthneg.llm.ledger import Ledger
from synthneg.pipeline import build
from synthneg.records import TITLE, Passage, Query, Reject
from synthneg.reparse import reparse
from synthneg.run import Run
from synthneg.testing import ScriptedBackend, invented

WORDS = [f"word{n}" for n in range(120)]
BOTH = {"queries": {"prompts": ["query/question"], "titles": True, "rounds": 0}}
ALONE = {
    "queries": {"prompts": [], "titles": True},
    "documents": {"prompts": []},
    "negatives": {"prompts": []},
}


def write_corpus(run: Run, count: int) -> None:
    """Write passages p0, p1, ... of which each seventh has no title."""
    with run.stage("corpus", "passages.jsonl") as stage:
        for n in range(count):
            stage.take()
            title = "" if n % 7 == 0 else f"Mills of the river number{n}."
            stage.keep(Passage(f"p{n}", f"the mill of number{n} turns by the river", title))


def asked(run: Run, work: Callable) -> ScriptedBackend:
    """Let `work` ask a scripted model, and return it."""
    backend = ScriptedBackend(invented)

    async def all_of_it() -> None:
        with closing(Ledger(run.file("ledger.sqlite"))) as ledger:
            await work(run, Asker(backend, ledger, run.config.llm, run.config.seed))

    asyncio.run(all_of_it())
    return backend


def test_titles_stand_behind_the_written_queries_of_their_block(tmp_path: Path) -> None:
    """Of 300 passages those of the first block have their questions, then their titles; no title is a reject."""
    with closing(Run(tmp_path, settings(generate=BOTH))) as run:
        write_corpus(run, 300)
        model = asked(run, write_queries)

        assert len(model.asked) == 300
        found = list(run.read("queries.jsonl", Query))
        ids = [
            id
            for block in (range(256), range(256, 300))
            for id in (
                *(f"p{n}:question:0" for n in block),
                *(f"p{n}:own-title" for n in block if n % 7),
            )
        ]
        assert [query.id for query in found] == ids
        titles = [query for query in found if query.origin.prompt == TITLE]
        assert titles[0].text == "Mills of the river number1"
        assert {(query.origin.model, query.origin.key) for query in titles} == {("", "")}
        books = run.books()["generate.queries"]
        assert books["in"] == 600
        assert books["kept"] == len(ids)
        assert books["rejected"] == {"no_title": 43}
        with run.stage("verify.queries", "verified_queries.jsonl") as stage:
            for query in found:
                stage.take()
                stage.keep(query)
        assert sum(map(len, verified(run))) == len(ids)


def test_a_pilot_counts_what_is_written_for_titles(tmp_path: Path) -> None:
    """With titles as well as questions, twice as many negatives are asked for as with questions alone."""
    negatives = {}
    for titles in (False, True):
        queries = BOTH["queries"] | {"titles": titles}
        generate = {"queries": queries, "documents": {"prompts": []}}
        with closing(Run(tmp_path / str(titles), settings(generate=generate))) as run:
            write_corpus(run, 7)
            found = []

            async def work(run: Run, asker: Asker, found: list = found) -> None:
                found.append(await pilot(run, asker, 7))

            asked(run, work)
            uses = [use for of_passage in found[0].passages for use in of_passage]
            negatives[titles] = sum(u.requests for u in uses if u.stage == "generate.negatives")
    assert negatives == {False: 7, True: 13}


@pytest.mark.parametrize("where", ["beir:corpus", "queries:corpus.txt", "tasks:pets"])
def test_titles_need_a_corpus_whose_queries_are_to_be_made(where: str) -> None:
    """A dataset with queries, given queries and a topic refuse the setting, in one line."""
    with pytest.raises(SettingsError, match=r"titles makes queries of a corpus' titles") as error:
        settings(generate=BOTH, corpus={"path": where})
    assert "\n" not in str(error.value)


def test_neither_prompts_nor_titles_is_refused() -> None:
    """Without prompts the settings must ask for titles, and the error says so."""
    with pytest.raises(SettingsError, match="or set titles: true"):
        settings(generate={"queries": {"prompts": []}})


def titled_corpus(folder: Path) -> Path:
    """Write 40 passages of twelve words whose titles are four of them, but for two."""
    rows = []
    for n in range(40):
        words = random.Random(f"passage {n}").sample(WORDS[2 * n : 2 * n + 40], 16)
        title = " ".join(words[::4])
        if n == 0:  # stands in the text word for word
            title = " ".join(words[:14])
        if n == 1:  # stands nowhere in the text, and is as long
            title = " ".join(words[13::-1])
        rows.append({"_id": f"p{n}", "title": title, "text": " ".join(words)})
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "corpus.jsonl"


@pytest.mark.parametrize(
    "llm",
    [
        {"backend": "openai", "base_url": "http://127.0.0.1:9/v1"},
        {"backend": "local", "model": "nowhere.gguf"},
    ],
    ids=["no server", "no weights"],
)
def test_a_run_of_titles_alone_asks_no_model(tmp_path: Path, llm: dict[str, str]) -> None:
    """Titles become a dataset though no server or weights are there; its card says that no model wrote a query.

    What a title has in common with itself is no copy: only a title that the text says word for word is one. A new
    parsing finds all as it was.
    """
    table = save_static_model(tmp_path / "table", WORDS)
    config = settings(
        corpus={"path": str(titled_corpus(tmp_path))},
        llm=llm,
        generate=ALONE,
        mine={"bm25": 1, "dense": 0, "positive_aware": False},
        verify={"encoder": str(table), "queries": {"round_trip_k": 40}},
        export={"shapes": ["triplet"]},
    )
    with closing(Run(tmp_path / "outputs", config)) as run:
        assert build(run, "export")

        books = run.books()
        assert books["generate.queries"]["kept"] == 40
        with closing(Ledger(run.file("ledger.sqlite"), read_only=True)) as ledger:
            assert ledger.totals().replies == 0
        lost = {
            reject.id: reject.reason
            for reject in run.read("rejects.jsonl", Reject)
            if reject.stage == "verify.queries"
        }
        assert lost["p0:own-title"] == "copied"
        assert "p1:own-title" not in lost
        card = run.file("dataset/README.md").read_text(encoding="utf-8")
        assert "no language model wrote them" in card
        assert "none: the passage's title" in card
        assert [stage.changed for stage in reparse(run)] == [False, False, False]
