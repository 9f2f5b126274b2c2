"""What the answers say of a run whose truth is planted: shares, agreement, thresholds, and what does not count."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import orjson
import pytest
from reviewing import GRADED, NEGATIVE, PROMPTS, Near, Planted, answer_all, planted_run

from synthneg.errors import RunError
from synthneg.review.answers import FILE, Said
from synthneg.review.items import Item, items
from synthneg.review.reviewed import read_review
from synthneg.review.rows import headline
from synthneg.review.sample import framed, sample
from synthneg.review.suggest import Suggestion
from synthneg.review.summary import Summary, read
from synthneg.review.table import lines

BY_MARGIN = {"max_negative_share": 2.0}  # so that the margin decides alone
TRUE_RANK, TRUE_COSINE = 5, 0.55  # what answers, if the planted people are right


def queries(count: int, seed: int) -> list[Planted]:
    """Return queries that find their passage at ranks of 1 to 30, with negatives at any distance."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        rank = chance.choice([1, 1, 1, 2, 5, 8, 15, 30])
        near = [Near(chance.uniform(0.05, 0.95), source) for source in ("negative", "bm25")]
        documents = [*near, Near(0.6, "graded", 2)] if rank == 1 else []
        found.append(Planted(rank, documents, chance.choice(PROMPTS)))
    return found


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of 200 queries about which nobody was asked."""
    return planted_run(tmp_path_factory.mktemp("runs"), queries(200, 1), documents=BY_MARGIN)


@pytest.fixture
def run(planted: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(planted, tmp_path / "planted")


def truly(item: Item) -> bool:
    """Return whether the text answers the query, as people see it: by nothing but how near it was planted."""
    if item.question == "answers":
        return item.scores["rank"] <= TRUE_RANK
    return item.scores["cosine"] > TRUE_COSINE


def honest(item: Item) -> Said:
    """Return what a person says who is always right."""
    if item.question == "grade":
        return "2" if truly(item) else "1"
    return "yes" if truly(item) else "no"


def drawn(folder: Path, count: int) -> list[Item]:
    """Return the sample that the command would ask about."""
    return sample(framed(items(folder), 7, count), count, 7)


def summary(folder: Path, precision: float | None = None) -> Summary:
    """Return what the answers say; there are some."""
    found = read(folder, precision)
    assert found is not None
    return found


def test_nobody_was_asked(planted: Path) -> None:
    """Without answers there is no summary."""
    assert read(planted) is None


def test_a_run_that_was_not_verified_says_what_to_do(tmp_path: Path) -> None:
    """Before verification there is nothing to review, and the error names the command."""
    folder = planted_run(tmp_path, [])
    (folder / "books.json").unlink()

    with pytest.raises(RunError, match="synthneg verify"):
        list(items(folder))


def test_every_verdict_of_the_run_is_found(planted: Path) -> None:
    """The items are the run's records with the verdicts of its books: each query once, each document once."""
    books = orjson.loads((planted / "books.json").read_bytes())
    found = list(items(planted))
    own = [i for i in found if i.question == "answers"]
    others = [i for i in found if i.question != "answers"]

    assert len({i.key for i in found}) == len(found)
    assert (
        sum(i.reason == "round_trip" for i in own)
        == (books["verify.queries"]["rejected"]["round_trip"])
    )
    assert sum(i.kept for i in own) == books["verify.queries"]["kept"]
    judged = books["verify.documents"]
    assert len(others) + sum(i.kept for i in own) == judged["in"]
    assert sum(i.reason == "answers" for i in others) == judged["rejected"]["answers"]
    assert sum("too_easy" in i.reason for i in others) == judged["flagged"]["too_easy"]
    assert {(i.source, i.prompt, i.grade) for i in others} == {
        ("negative", NEGATIVE, 1), ("bm25", "", 1), ("graded", GRADED, 2),
    }  # fmt: skip


def test_examples_of_an_earlier_round_are_passed_over(run: Path) -> None:
    """A further round's examples begin with those of the round before, which are no records of this one."""
    before = list(items(run))
    file = run / "examples.jsonl"
    earlier = orjson.loads(file.read_bytes().splitlines()[0]) | {"query_id": "earlier.q"}
    file.write_bytes(orjson.dumps(earlier) + b"\n" + file.read_bytes())

    assert list(items(run)) == before


def test_what_a_judge_has_said_is_among_the_scores(run: Path) -> None:
    """Scores of a judge belong to their document, kept or rejected, as long as its books stand."""
    documents = [i for i in items(run) if i.question == "negative"]
    rows = [
        {"query_id": i.query_id, "document_id": i.document_id, "scorer": "judge_yes", "value": 0.7}
        for i in documents
    ]
    part = run / "parts" / "scores.jsonl" / "verify.judge.jsonl"
    part.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    assert not any("judge_yes" in i.scores for i in items(run))

    books = orjson.loads((run / "books.json").read_bytes()) | {"verify.judge": {}}
    (run / "books.json").write_bytes(orjson.dumps(books))
    told = {i.key for i in items(run) if i.scores.get("judge_yes") == 0.7}
    assert told == {i.key for i in documents}
    assert any(i.reason == "answers" for i in documents)


def test_a_whole_review_tells_the_truth_exactly(run: Path) -> None:
    """Where everything was answered, each share is the one of the run, counted by hand, with no width."""
    answer_all(run, honest)
    found = summary(run)
    everything = list(items(run))

    own = [truly(i) for i in everything if i.question == "answers" and i.kept]
    negatives = [not truly(i) for i in everything if i.question == "negative" and i.kept]
    shares = [row.found for row in found.headline]
    assert [e.share for e in shares] == pytest.approx([fmean(own), fmean(negatives), 1.0])
    assert all(e.low == pytest.approx(e.share) == pytest.approx(e.high) for e in shares)
    rejected = [truly(i) for i in everything if i.reason == "answers"]
    [row] = [row for row in found.verdicts if row.name == "negative, answers"]
    assert row.found.share == pytest.approx(fmean(rejected))
    assert row.found.size == len(rejected)


class Truth(NamedTuple):
    """The shares of the run that a sample is to find."""

    own: float
    negatives: float


def truth_of(folder: Path, says: Callable[[Item], bool]) -> Truth:
    """Return the shares by counting all of the run."""
    kept = [i for i in items(folder) if i.kept]
    return Truth(
        fmean(says(i) for i in kept if i.question == "answers"),
        fmean(not says(i) for i in kept if i.question == "negative"),
    )


@pytest.mark.slow
def test_the_headlines_intervals_cover_the_truth(run: Path) -> None:
    """Over 100 planted truths, a review of 60 items has the run's true share in its interval 90 times or more.

    The sample is always the same, so it is the labels that are dealt anew: each kind of record has a share of its own.
    """
    everything = list(items(run))
    asked = drawn(run, 60)
    covered = []
    for seed in range(50):
        chance = random.Random(seed)
        likely = {i.verdict + i.source: chance.uniform(0.5, 1) for i in everything}
        yes = {
            i.key: (chance.random() < likely[i.verdict + i.source]) == (i.question == "answers")
            for i in everything
        }
        (run / FILE).unlink(missing_ok=True)
        answer_all(run, lambda i, yes=yes: "yes" if yes[i.key] else "no", asked)
        truth = truth_of(run, lambda i, yes=yes: yes[i.key])
        review = read_review(run, 7)
        assert review is not None
        own, negatives, _ = (row.found for row in headline(review))
        covered.append(own.low <= truth.own <= own.high)
        covered.append(negatives.low <= truth.negatives <= negatives.high)

    assert fmean(covered) >= 0.9


def suggestion(found: Summary, key: str) -> Suggestion:
    """Return what is said of one threshold."""
    [one] = [one for one in found.suggestions if one.key.endswith(key)]
    return one


def test_a_planted_threshold_is_found(run: Path) -> None:
    """People to whom a query answers up to rank 5 and a text from cosine .55 on: both bounds lie in the intervals."""
    answer_all(run, honest, drawn(run, 250))
    found = summary(run)

    k = suggestion(found, "round_trip_k")
    assert k.word == "better"
    assert k.now == 20
    assert k.low <= TRUE_RANK <= k.high <= 14
    assert k.agreement == 1 > k.agreement_now
    assert k.changes == (f"verify.queries.round_trip_k={k.value:.0f}",)
    said = " ".join(" ".join(text for text, _ in lines(found)).split())
    assert "give one, verify, and look again" in said
    margin = suggestion(found, "min_negative_margin")
    assert margin.word == "better"
    assert margin.low <= 0.8 - TRUE_COSINE <= margin.high
    assert margin.value == pytest.approx(0.8 - TRUE_COSINE, abs=0.05)
    assert margin.changes == (f"verify.documents.min_negative_margin={margin.value:g}",)


def test_where_the_checks_are_right_no_other_value_is_suggested(run: Path) -> None:
    """People who answer as the checks do confirm every threshold: no other value is distinguishable."""

    def agreeing(item: Item) -> Said:
        if item.question == "grade":
            return "2"
        return "yes" if item.said_to_answer else "no"

    answer_all(run, agreeing, drawn(run, 250))
    found = summary(run)

    assert {one.word for one in found.suggestions} <= {"not distinguishable", "not enough to say"}
    assert suggestion(found, "min_negative_margin").word == "not distinguishable"
    assert not any(one.changes for one in found.suggestions)


@pytest.mark.slow
def test_people_who_answer_at_random_suggest_nothing(run: Path) -> None:
    """Of 6 reviews by people who throw a coin no more than one suggests another value."""
    suggested = 0
    asked = drawn(run, 120)
    for seed in range(6):
        chance = random.Random(seed)
        (run / FILE).unlink(missing_ok=True)

        def coin(item: Item, chance: random.Random = chance) -> Said:
            said: list[Said] = ["0", "1", "2", "3"] if item.question == "grade" else ["yes", "no"]
            return chance.choice(said)

        answer_all(run, coin, asked)
        suggested += any(one.word == "better" for one in summary(run).suggestions)

    assert suggested <= 1


def test_few_answers_are_not_enough_to_say(run: Path) -> None:
    """20 answers suggest no threshold, and the words say that the intervals are wide and how many would do."""
    answer_all(run, honest, drawn(run, 20))
    found = summary(run)
    said = "\n".join(text for text, _ in lines(found))

    assert {one.word for one in found.suggestions} == {"not enough to say"}
    assert "not enough to say of verify.queries.round_trip_k" in " ".join(said.split())
    assert "These intervals are wide" in said
    assert "--set" not in said


def test_a_wanted_precision_chooses_the_loosest_value_that_has_it(run: Path) -> None:
    """For .99 the round trip must be as strict as the planted rank; for .3 the loosest will do."""
    answer_all(run, honest, drawn(run, 250))
    strict = suggestion(summary(run, 0.99), "round_trip_k")
    loose = suggestion(summary(run, 0.3), "round_trip_k")

    assert strict.low <= TRUE_RANK <= strict.high <= 14
    assert strict.precision is not None
    assert strict.precision.share == 1
    assert loose.word == "meets"
    assert loose.value == 30


def test_a_precision_that_no_value_has_is_said(run: Path) -> None:
    """Where people call nothing an answer but the far ones, no round trip has a precision of .9."""

    def contrary(item: Item) -> Said:
        if item.question == "grade":
            return "0"
        return "yes" if item.question == "negative" or item.scores["rank"] > 20 else "no"

    answer_all(run, contrary, drawn(run, 250))
    assert suggestion(summary(run, 0.9), "round_trip_k").word == "missed"


def test_the_suggested_value_gives_the_verdicts_that_people_gave(
    planted: Path, tmp_path: Path
) -> None:
    """Verified anew with the suggested --set, every query kept is one that people call answered.

    The answers still count: another threshold moves items between strata, and the sample stays a sample.
    """
    answered = shutil.copytree(planted, tmp_path / "before")
    answer_all(answered, honest, drawn(answered, 250))
    k = suggestion(summary(answered), "round_trip_k")
    value = int(k.changes[0].partition("=")[2])
    again = planted_run(
        tmp_path, queries(200, 1), queries={"round_trip_k": value}, documents=BY_MARGIN
    )
    shutil.copy(answered / FILE, again / FILE)

    found = summary(again)
    [row] = [row for row in found.headline if row.name.startswith("queries")]
    assert row.found.share == 1
    assert found.gone + found.answered + found.waiting == 250
    assert found.answered > 100


def test_answers_about_other_texts_do_not_count(run: Path) -> None:
    """An answer about a text that has changed, or a record that is gone, is told and left out, and asked again."""
    answer_all(run, honest, drawn(run, 40))
    lines_before = (run / FILE).read_bytes().splitlines()
    rows = [orjson.loads(line) for line in lines_before]
    rows[0]["text"] = "0" * 16
    rows[1]["query_id"] = "nobody"
    (run / FILE).write_bytes(b"\n".join(map(orjson.dumps, rows)) + b'\n{"half": ')

    found = summary(run)
    assert (found.changed, found.gone, found.unreadable) == (1, 1, 1)
    said = " ".join("\n".join(text for text, _ in lines(found)).split())
    for words in (
        "answers about texts that have changed since: 1",
        "answers about records that the run has no more: 1",
        "lines of review.jsonl that cannot be read: 1",
    ):
        assert words in said


def test_answers_that_the_sample_has_not_reached_wait(run: Path) -> None:
    """Answers about chosen records say nothing of the run until the sample reaches them: they are told apart."""
    everything = [i for i in items(run) if i.reason == "answers"]
    answer_all(run, honest, everything[:10])
    early = summary(run)
    answer_all(run, honest)
    whole = summary(run)

    assert early.answered + early.waiting == 10
    assert early.waiting > 0
    assert whole.waiting == 0
    assert whole.answered == len(list(items(run)))


def test_answers_behind_an_item_that_nobody_was_asked_about_wait(run: Path) -> None:
    """Of a stratum's items in the order of its draw, those before the first one without an answer count, no others."""
    found = framed(items(run), 7, 20)
    [stratum] = [s for s in found.sizes if s.verdict == "answers" and s.source == "bm25"]
    held = found.first[stratum]
    answer_all(run, honest, [*held[:3], *held[4:7]])
    early = summary(run)
    answer_all(run, honest, [held[3]])

    assert (early.answered, early.waiting) == (3, 3)
    assert (summary(run).answered, summary(run).waiting) == (7, 0)


def test_skips_are_told_and_left_out(run: Path) -> None:
    """A skip moves the sample on without an answer: nothing waits behind it."""
    asked = drawn(run, 40)
    skipped = {i.key for i in asked[::4]}
    answer_all(run, lambda i: "skip" if i.key in skipped else honest(i), asked)
    found = summary(run)

    assert (found.answered, found.skipped, found.waiting) == (30, 10, 0)


def test_two_reviewers_are_compared_and_count_once(run: Path) -> None:
    """An item that two people answered counts once; where they differ it is shared; their kappa is told."""
    asked = drawn(run, 60)
    differing = {i.key for i in asked[:6]}

    def other(item: Item) -> Said:
        said = honest(item)
        turned: dict[Said, Said] = {"yes": "no", "no": "yes", "1": "2", "2": "1"}
        return turned[said] if item.key in differing else said

    answer_all(run, honest, asked, "ada")
    alone = summary(run)
    answer_all(run, other, asked, "bob")
    both = summary(run)

    assert alone.answered == both.answered == 60
    assert both.reviewers == (("ada", 60), ("bob", 60))
    [first, *_] = both.between
    assert (first.a, first.b, first.items) == ("ada", "bob", 60)
    assert first.agreed == pytest.approx(0.9)
    assert 0.5 < first.kappa.low < first.kappa.value < first.kappa.high < 1
    halves = [c for a in both.agreement for row in a.counts for c in row if c % 1]
    assert halves


def test_a_worse_prompt_is_told_from_a_better_one(run: Path) -> None:
    """Where one prompt's queries are answered and another's are not, one is higher and one lower; alike, neither."""
    asked = drawn(run, 250)

    def by_prompt(item: Item) -> Said:
        if item.question != "answers":
            return honest(item)
        return "yes" if item.prompt == PROMPTS[0] else "no"

    answer_all(run, by_prompt, asked)
    words = {row.name: row.word for row in summary(run).prompts}
    assert (words[PROMPTS[0]], words[PROMPTS[1]], words[GRADED]) == ("higher", "lower", "")

    (run / FILE).unlink()
    answer_all(run, honest, asked)
    words = {row.name: row.word for row in summary(run).prompts}
    assert words[PROMPTS[0]] == words[PROMPTS[1]] == "not distinguishable"


def test_thresholds_that_the_run_found_itself_are_pinned(run: Path) -> None:
    """With verify.calibrate the suggestion turns that off and gives what was found for all others."""
    settings = (run / "run.yaml").read_text()
    (run / "run.yaml").write_text(settings.replace("calibrate: false", "calibrate: true"))
    found = {
        "documents.min_negative_margin": {"set": 0.05, "found": 0.04},
        "documents.easy_margin": {"set": 0.5, "found": 0.31},
    }
    (run / "calibration.json").write_bytes(orjson.dumps({"thresholds": found}))
    answer_all(run, honest, drawn(run, 250))

    margin = suggestion(summary(run), "min_negative_margin")
    assert margin.now == 0.04
    assert margin.changes == (
        f"verify.documents.min_negative_margin={margin.value:g}",
        "verify.calibrate=false",
        "verify.documents.easy_margin=0.31",
    )


def test_names_of_reviewers_and_prompts_do_not_steer_the_terminal(run: Path) -> None:
    """A reviewer's name from a table, or a prompt's, is printed without its control characters."""
    name = "ada\x1b[31m\u202e"
    answer_all(run, honest, drawn(run, 20), name)
    answer_all(run, honest, drawn(run, 10), "bob")
    said = "\n".join(text for text, _ in lines(summary(run)))

    assert "ada [31m 20" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_the_summary_fits_a_terminal(run: Path) -> None:
    """No line of a summary with everything in it is longer than 100 characters."""
    answer_all(run, honest, drawn(run, 200), "ada")
    answer_all(run, honest, drawn(run, 100), "bob")

    assert max(len(text) for text, _ in lines(summary(run))) <= 100
