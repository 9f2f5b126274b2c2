"""`synthneg status`: what a run has used, read without writing a byte."""

import os
import sys
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from examples import settings
from reviewing import Planted, answer_all, planted_run

from synthneg.cli import main
from synthneg.llm.base import Reply, Request
from synthneg.llm.batch_memory import OpenBatches
from synthneg.llm.history import History
from synthneg.llm.ledger import Ledger
from synthneg.llm.wire import Dialect
from synthneg.prompts.render import Message
from synthneg.run import Run

IDENTITY = "http://localhost:1/v1 m"


def request(number: int) -> Request:
    """Return a request that no other equals."""
    return Request((Message("user", f"{number}"),), {}, number, None)


def asked_run(outputs: Path, **llm: object) -> Run:
    """Return an open run that has asked four times, with two kinds of failed tries and a batch at the server."""
    run = Run(outputs, settings(llm=llm))
    with closing(Ledger(run.file("ledger.sqlite"))) as ledger:
        for number in range(4):
            reply = Reply("tea", "stop", 1_000, 250, "m")
            ledger.put(f"{number:032x}", IDENTITY, request(number), reply, 0.5)
        for reason in ("http_429", "timeout", "http_429"):
            ledger.put_failure(f"{7:032x}", reason, "in words", 0.1)
        batches = OpenBatches(ledger, IDENTITY)
        batch = batches.note(batches.begin(Dialect()), id="batch-7")
        for number in (8, 9, 10):
            batches.add(batch, f"{number:032x}", request(number))
        ledger.learn(IDENTITY, "dialect", '{"format":"json_object","limit":"max_tokens"}')
    with run.stage("generate.queries", "queries.jsonl") as stage:
        stage.take(3)
        for id in ("a", "b", "c"):
            stage.fail(id, "budget", "used up")
    return run


def status(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Return what `synthneg status` says of the run in `folder`."""
    monkeypatch.setattr(sys, "argv", ["synthneg", "status", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    return said.out


def test_status_says_what_was_used_and_what_the_budget_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: 4 replies of 1,000 and 250 tokens at 1 and 4 USD a million are 0.008 USD, 40 % of 0.02."""
    budget = {"usd": 0.02, "tokens": 10_000, "requests": 14, "minutes": 5}
    run = asked_run(tmp_path, price={"input": 1, "output": 4}, budget=budget)
    with closing(run):  # at work: its folder is locked
        said = status(run.folder, monkeypatch, capsys)

    for words in (
        "ledger: 4 replies, 3 failed tries (http_429 2, timeout 1), 4,000 tokens in, 1,000 out; cost: 0.008 USD",
        "llm.budget.usd: 0.008 USD of 0.02 USD are used (40%)",
        "llm.budget.tokens: 5,000 of 10,000 are used (50%)",
        "llm.budget.requests: 7 of 14 are used (50%)",
        "llm.budget.minutes: 5 at each start",
        "batch batch-7 is open: 3 replies are to come",
        f"{IDENTITY} takes: json_object and max_tokens",
        "over the budget: 3 records were not asked for; raise llm.budget and give the same command",
    ):
        assert words in said


def test_a_price_that_nobody_gave_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without prices the cost is not known, which is not 0, and no budget is spoken of."""
    run = asked_run(tmp_path)
    with closing(run):
        said = status(run.folder, monkeypatch, capsys)
    assert "cost: not known (set llm.price)" in said
    assert "llm.budget." not in said


def test_status_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that may not be written status says the same, and no file in it is new or changed."""
    with closing(asked_run(tmp_path)) as run:
        folder = run.folder
    said = status(folder, monkeypatch, capsys)
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    folder.chmod(0o555)
    # A user who is allowed everything is not told so.
    monkeypatch.setattr(
        os, "access", lambda path, mode, **_: Path(path) != folder or mode != os.W_OK
    )
    try:
        assert status(folder, monkeypatch, capsys) == said
    finally:
        folder.chmod(0o755)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_status_shows_the_order_of_graded_documents_and_what_was_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pairs in order and sets with an inversion stand under the books, which say what of the kept was flagged."""
    row = {"sets": 80, "sets_inverted": 12, "pairs": 1480, "in_order": 1406, "accuracy": 0.95}
    with closing(Run(tmp_path, settings())) as run:
        with run.stage("verify.documents", "examples.jsonl") as stage:
            stage.take(2)
            stage.keep({}, count=2)
            stage.flag("relabelled")
        run.file("graded_order.json").write_bytes(orjson.dumps({"document/graded@1b9d6bcd": row}))
        said = status(run.folder, monkeypatch, capsys)
    assert "kept, but relabelled 1" in said
    assert (
        "document/graded@1b9d6bcd: scores fall as the grades do in 1,406 of 1,480 pairs (0.95; chance .50), 12 of 80"
        " sets inverted" in said
    )


def test_backends_are_listed_by_who_answered_last(tmp_path: Path) -> None:
    """Of two backends that answered in turns, the one of the last reply comes first, each once."""
    file = tmp_path / "ledger.sqlite"
    with closing(Ledger(file)) as ledger:
        for number, identity in enumerate(["one", "two", "one"]):
            reply = Reply("tea", "stop", 1, 1, "m")
            ledger.put(f"{number:032x}", identity, request(number), reply, 0.1)
    with closing(History(file)) as history:
        assert history.identities() == ["one", "two"]


def test_a_review_is_named_with_its_reviewers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers are told with whose they are and when the last came; without any there is no such line."""
    folder = planted_run(tmp_path, [Planted(), Planted(), Planted()])
    assert "review:" not in status(folder, monkeypatch, capsys)
    answer_all(folder, lambda _: "yes", reviewer="ada")
    answer_all(folder, lambda i: "no" if i.query_id == "p0.q" else None, reviewer="")
    said = status(folder, monkeypatch, capsys)
    assert (
        "review: 3 records have an answer (unnamed 1, ada 3), the last of 2026-01-01T00:00:00+00:00;"
        f" `synthneg review {folder} --summary`"
    ) in said
