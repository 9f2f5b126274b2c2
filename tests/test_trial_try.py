"""A prompt tried on a few passages: what is shown of each reply, in a terminal and as a page."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from llm_server import REFUSAL
from trials import Desk, obedient
from world import HOSTILE, World, passages

from synthneg.cli import main
from synthneg.errors import BackendError
from synthneg.generate import asking
from synthneg.llm.base import Request
from synthneg.printable import printable
from synthneg.testing import invented
from synthneg.trial.entries import Entry, entries
from synthneg.trial.lines import sheet_lines
from synthneg.trial.page import sheet_page
from synthneg.trial.view import Sheet, sheet_of
from synthneg.trial.walk import plan_trial, walked

WIDTH = 100


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a corpus and an obedient model."""
    return Desk(tmp_path, monkeypatch)


def tried(desk: Desk, name: str, count: int = 6) -> tuple[list[Entry], Sheet]:
    """Try a prompt at the desk."""
    plan = plan_trial(desk.config(), [name], count, "query/question")
    with walked(plan, desk.outputs) as [arm]:
        found = entries(arm)
        return found, sheet_of(arm, found)


def text_of(sheet: Sheet) -> str:
    """Return what a terminal shows."""
    return "\n".join(line for line, _ in sheet_lines(sheet, WIDTH))


def test_each_query_stands_beside_its_passage_with_its_verdict(desk: Desk) -> None:
    """Six passages, six queries with rank and cosine; the sum counts what was kept and why the others were not."""
    found, sheet = tried(desk, desk.spoilt("query/question"))
    assert len(sheet.cards) == len({entry.passage.id for entry in found}) == 6
    assert all(entry.reason == "round_trip" for entry in found)
    shown = text_of(sheet)
    assert "round_trip: its passage is at rank" in shown
    assert "asked for 6, parsed 6, kept 0" in shown
    assert "dropped: round_trip 6" in shown
    assert "not known (set llm.price)" in shown
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_a_reply_of_no_use_is_shown_with_the_reason(desk: Desk) -> None:
    """The model refuses: nothing parses, the reason is said, and so is what it replied instead, asked three times."""
    desk.answers(lambda _: REFUSAL)
    found, sheet = tried(desk, "query/question", 2)
    assert [entry.text for entry in found] == [None, None]
    shown = text_of(sheet)
    assert "parsed 0" in shown
    assert REFUSAL in " ".join(shown.split())
    assert found[0].reason is not None
    assert found[0].reason in shown
    one = sum(len((m.content or "").split()) for m in desk.asked[0].messages)
    assert len(desk.asked) == 6
    assert found[0].tokens_out == 3 * len(REFUSAL.split())
    assert found[0].tokens_in == pytest.approx(3 * one, rel=0.2)


def test_graded_documents_are_shown_highest_first_with_their_order(desk: Desk) -> None:
    """A card a query with four grades, and how many pairs of them are in order by cosine."""
    found, sheet = tried(desk, "document/graded", 3)
    assert [entry.grade for entry in found[:4]] == [3, 2, 1, 0]
    names = [piece.name for piece in sheet.cards[0].pieces]
    assert names == ["grade 3", "grade 2", "grade 1", "grade 0"]
    assert "pairs of grades are in order" in sheet.cards[0].note
    assert sheet.cards[0].query is not None


@pytest.mark.parametrize("name", ["document/graded", "negative/defined-first"])
def test_what_a_reply_took_is_counted_once(desk: Desk, name: str) -> None:
    """Four documents of one reply share its tokens, and an open turn that all have in common counts for one of them."""
    found, _ = tried(desk, name, 3)
    written = list(zip(desk.asked, desk.replies, strict=True))[3:]
    took_in = sum(
        len((m.content or "").split()) for request, _ in written for m in request.messages
    )
    assert sum(entry.tokens_in for entry in found) == pytest.approx(took_in)
    took_out = sum(len(reply.split()) for _, reply in written)
    assert sum(entry.tokens_out for entry in found) == pytest.approx(took_out)


def test_all_that_the_model_said_is_shown(desk: Desk) -> None:
    """The plan of a prompt in two stages, and what it says beside the passage, stand before the passage."""
    _, sheet = tried(desk, "negative/requirement-violation", 2)
    keys = [key for key, _ in sheet.cards[0].pieces[0].said]
    assert keys == ["plan", "broken"]
    facts = sheet.cards[0].pieces[0].facts
    assert re.search(r"cosine to the query -?\d\.\d+ \(passage \d\.\d+\), to the passage", facts)


def test_what_is_said_beside_four_documents_stands_once(desk: Desk) -> None:
    """The answer that a reply states for all its documents is shown with the first of them, and with no other."""
    _, sheet = tried(desk, "document/relative", 2)
    said = [[key for key, _ in piece.said] for piece in sheet.cards[0].pieces]
    assert said == [["answer"], [], [], []]


@pytest.mark.parametrize("name", ["query/multi-hop", "negative/rewrite-mined", "query/persona"])
def test_prompts_of_further_passages_and_turns_are_tried_too(desk: Desk, name: str) -> None:
    """What they need of the corpus is found with the encoder, as in a run; each record has come to one end."""
    found, sheet = tried(desk, name, 4)
    assert len(found) == 4
    assert any(entry.text is not None for entry in found)
    assert "asked for 4" in text_of(sheet)


def test_a_second_try_asks_nothing_and_more_passages_ask_for_the_rest(desk: Desk) -> None:
    """The replies are in the trial's ledger; six after four ask for two."""
    first, _ = tried(desk, "query/question", 4)
    again, _ = tried(desk, "query/question", 4)
    assert (len(desk.asked), again) == (4, first)
    tried(desk, "query/question", 6)
    assert len(desk.asked) == 6


def test_ctrl_c_keeps_what_was_paid_for(desk: Desk) -> None:
    """Stopped at the fourth request, a trial asks at its next start for what has no reply yet."""

    def stopped(request: Request) -> str:
        if len(desk.asked) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return obedient(request)

    desk.answers(stopped)
    llm = {**desk.config().llm.model_dump(), "concurrency": 1}
    plan = plan_trial(desk.config(llm=llm), ["query/question"], 10, "query/question")
    with pytest.raises(KeyboardInterrupt), walked(plan, desk.outputs):
        pass
    paid = len(desk.asked)
    assert paid < 10
    desk.answers(obedient)
    tried(desk, "query/question", 10)
    assert len(desk.asked) == 10


def test_nothing_of_a_text_steers_the_terminal() -> None:
    """No control character, line separator or change of direction is left; letters and marks are."""
    for text in HOSTILE.values():
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", printable(text))
    assert printable("cafe\u0301 \U0001f9ea") == "cafe\u0301 \U0001f9ea"


def test_a_page_runs_nothing_that_a_passage_says(desk: Desk) -> None:
    """Markup is text, marks that turn writing round are words, nothing may load, and the page has no script at all."""
    rows = (
        json.dumps({"_id": f"h{n}", "title": "turned \u202e round", "text": text}) + "\n"
        for n, text in enumerate(HOSTILE.values())
    )
    (desk.folder / "corpus.jsonl").write_text("".join(rows))
    desk.answers(lambda _: "what is <script>alert(1)</script> of <img src=x onerror=alert(1)> here")
    _, sheet = tried(desk, "query/question", 50)
    page = sheet_page(sheet)
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "turned [U+202E] round" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)
    assert re.search(r"""Content-Security-Policy" content="default-src 'none'; style-src""", page)
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"(src|href)=", re.sub(r"&lt;.*?&gt;", "", page))


HERE = (
    "--set",
    "llm.backend=openai",
    "--set",
    "llm.base_url=http://127.0.0.1:9/v1",
    "--set",
    "llm.model=m",
)


C = ("--corpus", "c.jsonl")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["try", "query/question"], "which documents? expected --corpus PATH"),
        (["try", "query/question", *C, "--html", "no/t.html"], "no folder no; make it"),
        (["try", "query/question", *C, "--html", "."], "but this is a folder; name a file in it"),
        (["try", "query/none", *C], "no shipped prompt is called 'query/none'"),
        (["try", "task/example", *C], "task/example makes a task; expected a prompt that makes a"),
        (["try", "query/claim", *C, "--set", "llm.modell=x"], "did you mean model?"),
        (["try", "query/claim", *C, *HERE], "found nothing there; correct corpus.path"),
        (["try", "document/graded", "--corpus", "queries:c.txt", *HERE], "c.txt"),
        (["try", "document/graded", "--corpus", "tasks:", *HERE], "expected a topic after tasks:"),
        (["try", "query/claim", "--corpus", "tasks:tea", *HERE], "its queries come with it"),
        (
            ["compare", "query/claim", "query/title", *C, "--split", "dev"],
            "give --train COLLECTION",
        ),
        (
            ["compare", "query/claim", "query/title", *C, "--student", "m"],
            "give --train COLLECTION",
        ),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_asked(
    desk: Desk,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No documents, a place, a prompt or a setting that is none: exit status 2, nothing written."""
    monkeypatch.chdir(desk.folder)
    monkeypatch.setattr(sys, "argv", ["synthneg", "prompts", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not desk.asked
    assert not desk.outputs.exists()


@pytest.mark.parametrize("name", ["query/question", "document/graded", "judge/answers"])
def test_a_trial_that_could_ask_nothing_leaves_nothing(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that cannot be asked is an error, and no folder is left, neither of the trial nor of its queries."""

    def unreachable(*_: object) -> None:
        raise BackendError("the server cannot be asked")

    monkeypatch.setattr(asking, "open_backend", unreachable)
    with pytest.raises(BackendError):
        tried(desk, name)
    assert not desk.outputs.exists()


def test_documents_are_tried_for_given_queries(desk: Desk) -> None:
    """Each query of a file is asked for a passage and for documents, is shown with four grades, and none is written."""
    lines = [" ".join(text.split()[:8]) for text in (p["text"] for p in passages()[:4])]
    (desk.folder / "real.txt").write_text("\n".join(lines))
    desk.answers(
        lambda request: invented(request) if request.schema else " ".join([*lines, *lines])
    )
    config = desk.config(corpus={"path": f"queries:{desk.folder / 'real.txt'}"})
    with walked(plan_trial(config, ["document/graded"], 4, "query/question"), desk.outputs) as [
        arm
    ]:
        sheet = sheet_of(arm, entries(arm))
    assert {card.query for card in sheet.cards} <= set(lines)
    assert [piece.name for piece in sheet.cards[0].pieces] == [f"grade {g}" for g in (3, 2, 1, 0)]
    assert "queries by" not in sheet.heading
    assert len(desk.asked) == 2 * len(sheet.cards) > 0


@pytest.mark.slow
def test_try_as_a_user_gives_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain lines of at most 100 columns, a page, no run of the user's, and nothing asked the second time."""
    monkeypatch.setenv("COLUMNS", "100")
    words = "prompts try document/one-grade -n 3 --outputs tried --html t.html".split()
    start = len(world.asked())
    done = world.synthneg(*words)
    asked = len(world.asked()) - start
    assert asked >= 3 + 4
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout
    assert "order of grades" in done.stdout
    assert [p.name for p in (world.folder / "tried").iterdir()] == [".trials"]
    assert (
        "runs there: none" in world.synthneg("status", "x", "--outputs", "tried", status=2).stderr
    )
    assert "<article>" in (world.folder / "t.html").read_text()
    assert world.synthneg(*words).stdout == done.stdout
    assert len(world.asked()) - start == asked
