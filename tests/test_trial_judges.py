"""Prompts that judge, on trial: what they are shown, what is read of their replies, and which of two tells more."""

import json
import re
from pathlib import Path

import pytest
from trials import Desk, obedient
from world import PARTS, TOPICS

from synthneg.errors import PromptError, SettingsError
from synthneg.llm.base import Request
from synthneg.prompts.shelf import load
from synthneg.trial.cases import Case
from synthneg.trial.comparison import Comparison, compare_prompts, try_prompt
from synthneg.trial.student import Students
from synthneg.trial.walk import plan_trial, walked

KINDS = ("answers", "relevance", "span", "listwise")
MADE_UP = "Who judges: you. "
SILENT = "not distinguishable"


def words_of(text: str) -> set[str]:
    """Return the longer words of a text."""
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def judge(request: Request) -> str:
    """Judge by the share of the query's words that a passage has; a judge that was made up says the same of all."""
    said = [message.content or "" for message in request.messages]
    if "Query: " not in said[-1]:
        return obedient(request)
    query, _, rest = said[-1].removeprefix("Query: ").partition("\n\nPassage")
    passages = re.split(r"\n\nPassage \d+", "\n\nPassage 0" + rest)[1:]
    passages[-1] = passages[-1].rpartition("\n\n")[0] or passages[-1]
    wanted = words_of(query) & {*TOPICS, *PARTS} or {"nothing"}
    shares = [len(wanted & words_of(text)) / len(wanted) for text in passages]
    if MADE_UP in said[0]:
        shares = [0.0 for _ in shares]
    [share, *_] = shares
    if "one word" in said[0]:
        return "yes" if share == 1 else "no"
    if "verdicts" in said[0]:
        verdicts = [
            {"passage": i, "verdict": "answers" if s == 1 else "none"}
            for i, s in enumerate(shares, 1)
        ]
        return json.dumps({"reasons": "by their words", "verdicts": verdicts, "best": []})
    if "letter by letter" in said[0]:
        first = passages[0].partition(". ")[2].partition(".")[0]
        return json.dumps({"reasons": "by its words", "span": first if share == 1 else "NO_ANSWER"})
    return json.dumps({"reasons": "by its words", "grade": round(3 * share)})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a corpus and a model that writes queries and judges passages by their words."""
    desk = Desk(tmp_path, monkeypatch)
    desk.answers(judge)
    return desk


def made_up(desk: Desk, name: str) -> str:
    """Write a copy of a prompt that says the same of every passage, and return its path."""
    file = desk.folder / f"{name.rpartition('/')[2]}.j2"
    file.write_text(load(name).source.replace("=== system\n", f"=== system\n{MADE_UP}"))
    return str(file)


def compared(desk: Desk, a: str, b: str, count: int = 30) -> Comparison:
    """Compare two judges at the desk."""
    return compare_prompts(desk.config(), (a, b), count, "query/question", desk.outputs, None)


def cases_of(desk: Desk, count: int) -> list[Case]:
    """Return what a judge is shown at the desk."""
    plan = plan_trial(desk.config(), ["judge/answers"], count, "query/question")
    with walked(plan, desk.outputs) as [arm]:
        return [one.case for one in arm.judged]


def test_a_judge_is_shown_the_own_passage_one_near_the_query_and_another(desk: Desk) -> None:
    """Three different passages for each query, the own one that which it was written from, drawn the same each time."""
    found = cases_of(desk, 12)
    assert len(found) >= 8
    for case in found:
        ids = [passage.id for passage in case.passages.values()]
        assert list(case.passages) == ["own", "near", "random"]
        assert case.own.id == case.query.passage_id
        assert len(set(ids)) == 3
    assert cases_of(desk, 12) == found
    shared = {
        which: sum(len(words_of(c.query.text) & words_of(c.passages[which].text)) for c in found)
        for which in ("own", "near", "random")
    }
    assert shared["own"] > shared["near"] > 1.2 * shared["random"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_each_kind_of_judge_says_is_read(desk: Desk, kind: str) -> None:
    """Grades, words, spans and verdicts on a list: the own passage has more than the random one, whatever the form."""
    sheet = try_prompt(desk.config(), f"judge/{kind}", 8, "query/question", desk.outputs)
    said = "\n".join(sheet.summary)
    assert "readable: 100%" in said
    shares = dict(re.findall(r"^(own above random|said of \w+): (\d+)%", said, re.MULTILINE))
    assert int(shares["own above random"]) >= 80
    assert int(shares["said of own"]) >= 60
    assert int(shares["said of random"]) <= 40
    assert f"judge/{kind}@" in sheet.heading
    assert {len(card.pieces) for card in sheet.cards} == {3}


@pytest.mark.parametrize("kind", ["relevance", "listwise"])
def test_a_judge_that_says_the_same_of_all_is_worse(desk: Desk, kind: str) -> None:
    """It tells no passage from another: half of the pairs are ties, and the word is worse, though all can be read."""
    found = compared(desk, f"judge/{kind}", made_up(desk, f"judge/{kind}"))
    rows = {row.measure: row for row in found.rows}
    assert rows["own above random"].word == "worse"
    assert rows["own above random"].b.mean == 0.5
    assert rows["said of own"].word == "worse"
    assert rows["readable"].word == SILENT
    assert found.queries_by is not None


def test_a_judge_beside_itself_is_not_distinguishable(desk: Desk) -> None:
    """On no row, though it is asked anew: the passages of a list stand in another order."""
    found = compared(desk, "judge/listwise", "judge/listwise", 20)
    assert {row.word for row in found.rows} == {SILENT}
    asked = [r for r in desk.asked if "Query: " in (r.messages[-1].content or "")]
    assert len(asked) == 2 * found.passages
    orders = {(request.messages[-1].content or "") for request in asked}
    assert len(orders) > 1.5 * found.passages


def test_a_reply_that_says_nothing_counts_as_unreadable(desk: Desk) -> None:
    """A judge that copies what stands nowhere has no share of what is readable, and its cases have no order."""
    invented = json.dumps({"reasons": "by its words", "span": "what stands in no passage of these"})
    desk.answers(
        lambda r: invented if "letter by letter" in (r.messages[0].content or "") else judge(r)
    )
    sheet = try_prompt(desk.config(), "judge/span", 4, "query/question", desk.outputs)
    assert "readable: 0%" in sheet.summary
    assert not any(line.startswith("own above") for line in sheet.summary)
    assert {piece.kept for card in sheet.cards for piece in card.pieces} == {False}


def test_a_second_try_asks_nothing_and_the_books_hold_every_judgement(desk: Desk) -> None:
    """Three judgements a query, in the books of the arm's run; the same command again asks for none of them."""
    config = desk.config()
    with walked(plan_trial(config, ["judge/span"], 6, "query/question"), desk.outputs) as [arm]:
        books = arm.run.books()["verify.judge"]
        assert books["in"] == books["kept"] == 3 * len(arm.judged)
        assert all(one.tokens > 0 for one in arm.judged)
    asked = len(desk.asked)
    assert cases_of(desk, 6)
    try_prompt(config, "judge/span", 6, "query/question", desk.outputs)
    judged_anew = [
        r for r in desk.asked[asked:] if "letter by letter" in (r.messages[0].content or "")
    ]
    assert not judged_anew


def test_what_a_judge_cannot_be_asked_for_is_refused(desk: Desk) -> None:
    """A student of judgements, a judge beside a prompt that writes, and a task are errors of one line."""
    nowhere = Students(desk.folder, "train")
    with pytest.raises(SettingsError, match="writes nothing that a student"):
        compare_prompts(
            desk.config(), ("judge/span",) * 2, 4, "query/question", desk.outputs, nowhere
        )
    with pytest.raises(PromptError, match="makes a judgement, and query/claim a query"):
        compared(desk, "judge/span", "query/claim")
    with pytest.raises(PromptError, match="makes a task; expected"):
        compared(desk, "task/example", "task/example")
