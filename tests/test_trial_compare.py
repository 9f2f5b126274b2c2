"""Two prompts over the same passages: what is asked, who is asked what, and what is said of the difference."""

import json
import math
from pathlib import Path

import pytest
import yaml
from trials import Desk
from world import World, answered

from synthneg.errors import PromptError, RunError, SettingsError
from synthneg.prompts.shelf import load
from synthneg.records import Query
from synthneg.run.books import read_records
from synthneg.trial.comparison import Comparison, compare_prompts
from synthneg.trial.outcomes import length_and_grade
from synthneg.trial.rows import Outcome
from synthneg.trial.student import students_of
from synthneg.trial.walk import plan_trial


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a corpus and an obedient model."""
    return Desk(tmp_path, monkeypatch)


def compared(desk: Desk, a: str, b: str, count: int = 40, **changes: object) -> Comparison:
    """Compare two prompts at the desk."""
    config = desk.config(**changes)
    return compare_prompts(config, (a, b), count, "query/question", desk.outputs, None)


def words_of(found: Comparison) -> dict[str, str]:
    """Return what is said of each measure."""
    return {row.measure: row.word for row in found.rows}


def runs(desk: Desk, kind: str) -> list[Path]:
    """Return the folders of the trials of a prompt."""
    return sorted((desk.outputs / ".trials").glob(f"{kind}-*"))


def test_a_prompt_that_writes_about_another_topic_is_worse_on_the_round_trip(desk: Desk) -> None:
    """All of its queries parse, none finds its passage, and the word is worse for the round trip and what is kept."""
    found = compared(desk, "query/question", desk.spoilt("query/question"))
    said = words_of(found)
    assert said["round trip at 10"] == "worse"
    assert said["kept"] == "worse"
    assert said["parsed"] == "not distinguishable"
    assert found.a != found.b
    assert found.passages == 40


def test_a_prompt_beside_itself_is_not_distinguishable(desk: Desk) -> None:
    """On no row, though its replies are independent: other seeds, other records, no request in common."""
    found = compared(desk, "query/question", "query/question")
    assert set(words_of(found).values()) == {"not distinguishable"}
    assert len(desk.asked) == 80
    assert len({request.seed for request in desk.asked}) == 80
    one, other = (
        {q.text for q in read_records(folder / "queries.jsonl", Query)}
        for folder in runs(desk, "question")
    )
    assert one != other


@pytest.mark.parametrize("name", ["negative/from-query", "document/graded", "document/one-grade"])
def test_a_prompt_of_documents_beside_itself_is_not_distinguishable(desk: Desk, name: str) -> None:
    """Its replies are independent, and the queries that they are for are the same ones."""
    found = compared(desk, name, name, 20)
    assert set(words_of(found).values()) == {"not distinguishable"}
    one, other = (
        (folder / "documents.jsonl").read_text() for folder in runs(desk, name.rpartition("/")[2])
    )
    assert one != other
    assert len({request.seed for request in desk.asked}) == len(desk.asked)


def test_both_prompts_of_documents_get_byte_identical_queries(desk: Desk) -> None:
    """What the base wrote and passed is taken over as it is; queries are asked for once, not once a prompt."""
    compared(desk, "negative/from-query", "negative/from-query-and-positive", 20)
    [base] = runs(desk, "question")
    arms = runs(desk, "from-query")
    assert len(arms) == 2
    written = (base / "verified_queries.jsonl").read_bytes()
    assert written.count(b"\n") > 10
    for folder in arms:
        assert (folder / "verified_queries.jsonl").read_bytes() == written
        assert (folder / "passages.jsonl").read_bytes() == (base / "passages.jsonl").read_bytes()
    assert len(desk.asked) == 20 + 2 * written.count(b"\n")


def test_negatives_are_compared_in_what_makes_them_hard(desk: Desk) -> None:
    """Cosine to the query and margin to the positive have rows, and add up for each record."""
    found = compared(desk, "negative/from-query", "negative/defined-first", 20)
    assert {"cosine", "margin", "cosine_to_positive", "tokens"} <= set(words_of(found))
    assert found.queries_by is not None


def test_documents_are_compared_grade_by_grade_and_in_their_order(desk: Desk) -> None:
    """Each grade has a row for what is kept, and invented replies, nearer at higher grades, are mostly in order."""
    found = compared(desk, "document/graded", "document/one-grade", 20)
    rows = {row.measure: row for row in found.rows}
    assert {f"grade {grade} kept" for grade in range(4)} <= rows.keys()
    assert rows["grade order"].a.mean > 0.6
    assert rows["words"].word == "lower"  # 42 words, where invented JSON has 45
    assert any("|correlation|" in note for note in found.notes)
    assert "money: not known (set llm.price)" in found.notes


def test_the_length_of_documents_is_told_from_their_grade() -> None:
    """By hand: words 10 20 30 at grades 1 2 3 correlate with 1, reversed with -1, all equal with nothing."""

    def of(*points: tuple[float, float]) -> float | None:
        return length_and_grade(
            Outcome("p", str(n), "t", None, {"words": w, "grade": g})
            for n, (w, g) in enumerate(points)
        )

    assert of((10, 1), (20, 2), (30, 3)) == pytest.approx(1)
    assert of((30, 1), (20, 2), (10, 3)) == pytest.approx(-1)
    assert of((10, 1), (10, 2)) is None
    assert of((10, 1)) is None


def test_tokens_and_money_are_those_of_the_replies(desk: Desk) -> None:
    """The means per record, times the records, are what the scripted model counted; money is their price."""
    price = {"input": 1.0, "output": 2.0}
    llm = {**desk.config().llm.model_dump(), "price": price}
    found = compared(desk, "query/question", "query/claim", 20, llm=llm)
    rows = {row.measure: row for row in found.rows}
    half = [r for r in desk.asked if "question" in (r.messages[0].content or "")]
    said = sum(len((m.content or "").split()) for request in half for m in request.messages)
    assert len(half) == 20
    assert rows["tokens"].a.mean * 20 == pytest.approx(said + 7 * 20)
    kept = rows["kept"].a.mean * 20
    usd = (said + 2 * 7 * 20) / 1e6
    assert rows["USD per 1000 kept"].a.mean == pytest.approx(1000 * usd / kept, rel=1e-6)


def test_a_second_comparison_asks_nothing_and_a_larger_one_adds(desk: Desk) -> None:
    """The same figures from the ledger; 30 passages after 20 ask for ten more of each prompt."""
    first = compared(desk, "query/question", "query/claim", 20)
    asked = len(desk.asked)
    again = compared(desk, "query/question", "query/claim", 20)
    assert (asked, len(desk.asked)) == (40, 40)
    assert again.rows == first.rows or math.isnan(first.rows[0].p)
    compared(desk, "query/question", "query/claim", 30)
    assert len(desk.asked) == 60


def test_an_edited_prompt_is_another_trial(desk: Desk) -> None:
    """Its tag is another, so its replies are its own; the other prompt is not asked again."""
    file = desk.folder / "mine.j2"
    file.write_text(Path(desk.spoilt("query/question")).read_text())
    compared(desk, "query/question", str(file), 20)
    file.write_text(file.read_text().replace("another topic", "quite another topic"))
    load.cache_clear()  # another start has read nothing yet
    compared(desk, "query/question", str(file), 20)
    assert len(desk.asked) == 60
    assert len(runs(desk, "mine")) == 2


def test_prompts_that_cannot_be_compared_are_refused_before_anything_is_asked(desk: Desk) -> None:
    """Different kinds, and a judge whose reply nobody could read: one line that says what was expected."""
    with pytest.raises(PromptError, match="makes a query, and negative/from-query a negative"):
        plan_trial(desk.config(), ["query/claim", "negative/from-query"], 5, "query/question")
    judge = desk.folder / "relevance.j2"
    judge.write_text(
        "---\nmakes: judgement\nabout: a\nneeds: [query, document]\nsampling: {temperature: 0, max_tokens: 9}\n---\n"
        "=== user\n{{ query.text }} {{ document.text }}\n"
    )
    with pytest.raises(PromptError, match="a judgement of a query and a document, whose reply"):
        plan_trial(desk.config(), [str(judge)], 5, "query/question")
    assert not desk.asked


def test_a_budget_that_ends_within_a_trial_is_an_error(desk: Desk) -> None:
    """Records without a reply for want of money would be counted against the prompt."""
    llm = {**desk.config().llm.model_dump(), "budget": {"requests": 5}}
    with pytest.raises(RunError, match="llm.budget leaves 15 records"):
        compared(desk, "query/question", "query/claim", 20, llm=llm)


def test_students_are_not_measured_on_the_test_split(desk: Desk) -> None:
    """The refusal says why; an unknown split is refused likewise."""
    for split in ("test", "validation"):
        with pytest.raises(SettingsError, match="expected dev or train"):
            students_of(desk.folder, split, "nowhere")


@pytest.fixture
def trial_world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the small world with a split to choose on."""
    monkeypatch.setenv("COLUMNS", "100")
    qrels = world.folder / "people" / "qrels"
    (qrels / "dev.tsv").write_text((qrels / "test.tsv").read_text())
    return world


@pytest.mark.slow
def test_compare_as_a_user_gives_it(trial_world: World) -> None:
    """Both tags, the table and a sentence; JSON with the same words; no run of the user's is written."""
    world = trial_world
    words = "prompts compare query/question query/claim -n 20 --outputs compared --json c.json --html c.html"
    start = len(world.asked())
    done = world.synthneg(*words.split())
    asked = len(world.asked()) - start
    found = json.loads((world.folder / "c.json").read_text())
    assert found["a"] in done.stdout
    assert found["b"] in done.stdout
    assert "20 passages of corpus.jsonl · loopback-llm · seed 7" in done.stdout
    for row in found["rows"]:
        assert row["word"] in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert [p.name for p in (world.folder / "compared").iterdir()] == [".trials"]
    (kept,) = (world.folder / "compared" / ".trials" / "compared").glob("*.json")  # for the report
    assert json.loads(kept.read_text()) == found
    page = (world.folder / "c.html").read_text()
    assert "<script" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "no such run" not in world.synthneg(*words.split()).stderr
    assert len(world.asked()) - start == asked
    assert 40 <= asked <= 60  # a reply of no use is asked for again


@pytest.mark.slow
def test_a_comparison_that_was_killed_asks_for_what_is_missing(trial_world: World) -> None:
    """No reply that the ledger held is asked for again, and the second start comes to its end."""
    world = trial_world
    command = "prompts compare query/title query/keywords -n 30 --outputs killed".split()
    start = len(world.asked())
    assert world.kill_when(lambda: len(world.asked()) - start > 40, *command)
    stored = set().union(*map(answered, (world.folder / "killed" / ".trials").glob("*-*")))
    before = len(world.asked())
    assert len(stored) > 30
    world.synthneg(*command)
    assert not stored & set(world.asked()[before:])


@pytest.mark.slow
def test_students_of_two_prompts_are_measured(trial_world: World) -> None:
    """Base, A and B have nDCG@10 on the named split, each is compared with base, and B with A; again trains nothing."""
    words = (
        "prompts compare query/question query/claim -n 30 --outputs students --train people --split dev --student tiny"
        " --json s.json"
    )
    done = trial_world.synthneg(*words.split())
    found = json.loads((trial_world.folder / "s.json").read_text())["students"]
    assert (found["collection"], found["split"]) == ("people", "dev")
    assert list(found["models"]) == ["base", "A", "B"]
    pairs = [(d["a"], d["b"]) for d in found["differences"]]
    assert pairs == [("A", "base"), ("B", "base"), ("B", "A")]
    assert "nDCG@10" in done.stdout
    models = list((trial_world.folder / "students" / ".trials").glob("*/model"))
    times = [model.stat().st_mtime_ns for model in models]
    again = trial_world.synthneg(*words.split())
    assert len(models) == 2
    assert [model.stat().st_mtime_ns for model in models] == times
    assert again.stdout == done.stdout


@pytest.mark.slow
def test_settings_may_come_from_a_file_or_from_options_alone(trial_world: World) -> None:
    """A file of another name, an option over it; without any of them the corpus is named as missing."""
    world = trial_world
    settings = world.settings() | {"corpus": {"path": "nowhere.jsonl"}}
    (world.folder / "other.yaml").write_text(yaml.safe_dump(settings))
    words = "prompts try query/question -n 2 --outputs t --settings other.yaml"
    done = world.synthneg(*words.split(), status=2)
    assert "nowhere.jsonl" in done.stderr
    done = world.synthneg(*words.split(), "--corpus", "corpus.jsonl", "--seed", "3")
    assert "corpus.jsonl · loopback-llm · seed 3" in done.stdout
