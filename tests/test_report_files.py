"""What a report is made of: a run's files read side by side, drawn from, counted, and written as one page."""

import re
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from examples import settings
from invented import plain, write_run

from synthneg.cli import main
from synthneg.cli.report import report_of_run
from synthneg.errors import RunError
from synthneg.evaluate.significance import Interval
from synthneg.report import records, write
from synthneg.report.changed import Arms
from synthneg.report.cost import NO_RECORD, read_cost
from synthneg.report.draw import Draw
from synthneg.report.plots import arms_plot
from synthneg.report.rows import rows
from synthneg.report.walk import seen_groups, seen_queries
from synthneg.report.write import write_report
from synthneg.run import REPORT, Run
from synthneg.settings import load

QUERIES = 50


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Give a finished run of 50 queries."""
    folder = write_run(tmp_path / "outputs" / "small", QUERIES, plain(20))
    with closing(Run(folder.parent, load(folder / "run.yaml"))) as opened:
        yield opened


def data_of(page: str) -> Any:
    """Return what a page embeds."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return orjson.loads(found)


def test_every_record_gets_what_became_of_it(run: Run) -> None:
    """By verdict and reason, the records that are walked over are as many as the books count, stage by stage."""
    books = run.books()
    for stage, outcomes in (
        ("verify.queries", [seen.outcome for seen in seen_queries(run)]),
        ("verify.documents", [d.outcome for g in seen_groups(run) for d in g.documents]),
    ):
        told = Counter(outcome.reason or outcome.verdict for outcome in outcomes)
        assert told == Counter(books[stage]["rejected"] | {"kept": books[stage]["kept"]})


def test_a_passage_mined_for_many_queries_has_its_own_verdict_under_each(run: Run) -> None:
    """The same passage is kept for one query and rejected for another, as examples.jsonl says of each."""
    kept = {
        (row["query_id"], document["id"])
        for row in rows(run.file("examples.jsonl"))
        for document in row["documents"]
    }
    verdicts: dict[str, set[str]] = {}
    for group in seen_groups(run):
        for facts, outcome, _ in group.documents:
            assert (outcome.verdict == "kept") == ((group.query_id, facts.id) in kept)
            if facts.source == "dense":
                verdicts.setdefault(facts.id, set()).add(outcome.verdict)
    assert {"kept", "rejected"} in verdicts.values()


def test_a_further_round_is_walked_behind_what_it_carries(tmp_path: Path) -> None:
    """Examples of the round before, which stand first in the file, are nobody's here; its books stand beside."""

    def later(field: str, number: int) -> str:
        return f"later-{number}" if field == "id" else plain(5)(field, number)

    first = write_run(tmp_path / "first", 20, plain(5))
    second = write_run(tmp_path / "second", 20, later)
    examples = second / "examples.jsonl"
    examples.write_bytes((first / "examples.jsonl").read_bytes() + examples.read_bytes())
    config = load(second / "run.yaml", ("rounds={number: 2, after: first}",))
    with closing(Run(tmp_path, config)) as run:
        told = Counter(d.outcome.verdict for g in seen_groups(run) for d in g.documents)
        assert told["kept"] == run.books()["verify.documents"]["kept"]
        assert "The round before: <bdi>first</bdi>" in write_report(run).read_text()


def test_a_query_is_drawn_of_every_kind(tmp_path: Path) -> None:
    """However few are drawn, each reason of queries and of documents is among the first, and order does not matter."""
    folder = write_run(tmp_path / "many", 400, plain(5))
    with closing(Run(folder.parent, load(folder / "run.yaml"))) as run:
        queries, groups = list(seen_queries(run)), list(seen_groups(run))
    drawn = []
    for turn in (1, -1):
        draw = Draw(seed=7)
        for query in queries[::turn]:
            draw.see_query(query)
        for group in groups[::turn]:
            draw.see_group(group)
        drawn.append(list(draw.ids()))
    first = set(drawn[0][:40])

    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == len(set(drawn[0])) == 400
    assert {q.outcome.reason for q in queries if q.row["id"] in first} == {
        "",
        "round_trip",
        "copied",
    }
    reasons = {d.outcome.reason for g in groups if g.query_id in first for d in g.documents}
    assert reasons == {"", "answers"}


def test_a_large_run_is_shown_in_part_and_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound, whole queries are left out; the page says of how many, and which command shows the rest."""
    monkeypatch.setattr(records, "MOST_RECORDS", 400)
    page = write_report(run).read_text()
    shown = data_of(page)["records"]
    queries = [record["id"] for record in shown if record["kind"] == "query"]
    assert len(shown) < 400 + 15
    assert f"{len(queries)} of {QUERIES} queries with all of their documents, of 560 in all" in page
    assert "<code>synthneg show small ID</code>" in page
    of = Counter(record["query"] for record in shown if record["kind"] == "document")
    assert {of[id] for id in queries} == {0, 14}


def test_the_checks_of_a_document_say_what_was_seen_and_wanted(run: Run) -> None:
    """Of a graded negative by hand: its words, the likest other document, and its cosines with their bounds."""
    shown = data_of(write_report(run).read_text())["records"]
    (found,) = (r for r in shown if r["id"] == "passage-1:question:0:3")
    assert found["checks"] == [
        ["words", "40", "15 to 400"],
        ["5-grams in common with passage-1:question:0:2", "0.10", "below 0.5"],
        ["cosine to the positive", "0.400", "below 0.85"],
        ["cosine to the query", "0.820", "below 0.830 (positive 0.880)"],
    ]


def test_the_same_run_gives_the_same_bytes(run: Run) -> None:
    """Written twice, the page does not differ in a byte."""
    first = write_report(run).read_bytes()
    run.file(REPORT).unlink()
    assert write_report(run).read_bytes() == first


def test_what_changes_a_run_takes_its_report_away(run: Run) -> None:
    """A stage that comes out otherwise leaves no report; one written then says which state it shows."""
    assert "as it was finished at 2026-01-02T03:04:05Z" in write_report(run).read_text()
    with run.stage("export", "exported.jsonl") as stage:
        stage.take()
        stage.keep({})
    assert not run.has(REPORT)
    assert "as it was when train had ended; it is not finished." in write_report(run).read_text()


def test_a_run_that_has_only_begun_has_a_report(tmp_path: Path) -> None:
    """Without a single stage there is a page, which says so."""
    with closing(Run(tmp_path, settings())) as run:
        page = write_report(run).read_text()
    assert "before any stage had ended; it is not finished" in page
    assert "No language model was asked." in page


def test_a_damaged_file_is_named(run: Run) -> None:
    """A line that is no JSON is an error with file, line and remedy, and the page before it stands."""
    before = write_report(run).read_bytes()
    file = run.file("query_facts.jsonl")
    file.write_bytes(file.read_bytes().replace(b'["passage-1:', b'"passage-1:', 1))
    with pytest.raises(RunError, match=r"query_facts\.jsonl, line 3: expected JSON"):
        write_report(run)
    assert run.file(REPORT).read_bytes() == before


def test_costs_of_the_stages_make_the_whole(run: Run) -> None:
    """Each reply counts once, graded documents of one reply too; what no record came of stands apart."""
    cost = read_cost(run)
    assert cost is not None
    asked = {row.stage: row.replies for row in cost.stages}
    verified = run.books()["verify.queries"]["kept"]
    assert asked == {
        "generate.queries": QUERIES,
        "generate.documents": verified,
        "generate.negatives": verified,
    }
    assert sum(row.tokens_in for row in cost.stages) == cost.tokens_in == cost.replies * 300
    run.file("parts/documents.jsonl/generate.negatives.jsonl").write_bytes(b"")
    without = read_cost(run)
    assert without is not None
    assert without.stages[-1].stage == NO_RECORD
    assert without.stages[-1].replies == verified


def test_figures_bring_no_style_and_no_id_of_their_own() -> None:
    """In the page's policy only classes colour; ids of two figures differ; a name that looks like markup is text."""
    half = Interval(0.5, 0.4, 0.6)
    rows = (("(base)", half), ("<b>$x^2$</b>", half))
    arms = Arms("name", "people", 20, "nDCG@10", rows, ())
    one, other = arms_plot(arms, "one"), arms_plot(arms, "other")
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, other)]
    assert "style" not in one
    assert "#0" not in one.replace("url(#one-", "")
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "&lt;b&gt;$x^2$&lt;/b&gt;" in one
    assert one == arms_plot(arms, "one")


def command(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run the command line in this process; return its exit status and what it said."""
    monkeypatch.setattr(sys, "argv", ["synthneg", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def test_the_command_writes_the_report_unless_somebody_is_at_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`synthneg report` prints the path; of a run at work it is one line and exit status 2, and nothing is written."""
    status, said = command(["report", str(run.folder)], monkeypatch, capsys)
    assert (status, run.has(REPORT)) == (2, False)
    assert "another synthneg process is at work in this run" in said
    run.close()
    status, said = command(["report", str(run.folder)], monkeypatch, capsys)
    assert (status, said) == (0, f"{run.file(REPORT)}\n")
    assert run.has(REPORT)


def test_a_report_that_fails_spoils_no_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is raised while the page is made, the run ends well, with a line that says what to do."""
    monkeypatch.setattr(write, "page", lambda *given: 1 / 0)
    report_of_run(run)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "report: not written (ZeroDivisionError: division by zero); the run itself is whole,"
        f" `synthneg report {run.folder}` tries again"
    )
    assert run.has("run.json")
