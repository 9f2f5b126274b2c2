"""A run's folder: books that balance, files that are whole, and what a changed stage takes with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from examples import settings

from synthneg.errors import RunError
from synthneg.records import Passage, Score
from synthneg.run import Run
from synthneg.run.books import STAGES

HOLDER = """
import sys
from pathlib import Path
from synthneg.settings import resolve
from synthneg.run import Run
held = Run(Path(sys.argv[1]), resolve({"run": "small", "corpus": {"path": "corpus"}}, "test"))
print("held", flush=True)
sys.stdin.read()
"""


def passage(id: str, text: str = "tea") -> Passage:
    """Return a passage."""
    return Passage(id, text)


def write(run: Run, name: str, file: str, ids: str, rejected: str = "") -> None:
    """Write a stage that keeps a passage for each letter of `ids` and rejects those of `rejected`."""
    with run.stage(name, file) as stage:
        for id in ids:
            stage.take()
            stage.keep(passage(id))
        for id in rejected:
            stage.take()
            stage.reject(id, "too_short", "1 word, at least 5")


@pytest.fixture
def run(tmp_path: Path):
    """An open run with the stages corpus to generate.documents."""
    opened = Run(tmp_path, settings())
    write(opened, "corpus", "passages.jsonl", "abc", rejected="x")
    write(opened, "generate.queries", "queries.jsonl", "abc")
    write(opened, "verify.queries", "verified_queries.jsonl", "ab", rejected="c")
    write(opened, "generate.documents", "documents.jsonl", "ab")
    yield opened
    opened.close()


def lines(run: Run, name: str) -> list[str]:
    """Return the lines of a file of the run."""
    return run.file(name).read_text().splitlines()


def test_books_hold_what_came_in_and_what_became_of_it(run: Run) -> None:
    """A stage's books give its counts, rejects and failures by reason, in the order of the stages."""
    with run.stage("generate.negatives", "documents.jsonl") as stage:
        stage.take(4)
        stage.keep(passage("a"), count=2)
        stage.reject("b", "empty", "no text")
        stage.fail("c", "timeout", "no reply within 3 s")

    books = run.books()

    assert books["generate.negatives"] == {
        "in": 4,
        "kept": 2,
        "rejected": {"empty": 1},
        "failed": {"timeout": 1},
    }
    assert list(books) == list(STAGES[: STAGES.index("generate.negatives") + 1])


@pytest.mark.parametrize("taken", [0, 2, 3])
def test_an_imbalance_is_a_bug_and_publishes_nothing(run: Run, taken: int) -> None:
    """A stage whose records do not all come to one end raises AssertionError, and its old file and books stay."""
    before, books = run.file("queries.jsonl").read_bytes(), run.books()

    def lose_some() -> None:
        with run.stage("generate.queries", "queries.jsonl") as stage:
            stage.take(taken)
            stage.keep(passage("z"))

    with pytest.raises(AssertionError, match=rf"generate.queries: {taken} in, but 1 kept"):
        lose_some()
    assert run.file("queries.jsonl").read_bytes() == before
    assert run.books() == books


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_stage_that_raises_leaves_the_old_file_whole(run: Run, error: BaseException) -> None:
    """After an error in the middle of a stage all files are as before, and nothing half-written lies about."""
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}

    def stumble() -> None:
        with run.stage("generate.documents", "documents.jsonl") as stage:
            stage.take(5)
            stage.keep(passage("z", "tea " * 100_000))
            stage.reject("y", "empty", "no text")
            raise error

    with pytest.raises(type(error)):
        stumble()
    assert {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == before


def test_parts_are_joined_in_the_order_of_the_stages(run: Run) -> None:
    """A shared file holds the parts of its stages in the order of STAGES, whichever was written first or last."""
    write(run, "generate.negatives", "documents.jsonl", "n", rejected="r")
    write(run, "generate.documents", "documents.jsonl", "de", rejected="q")
    run.write_part("verify.documents", "scores.jsonl", iter([Score("q", "late", "cosine", 0.5)]))
    run.write_part("verify.queries", "scores.jsonl", iter([Score("q", "early", "rank", 1.0)]))

    assert [line[7:8] for line in lines(run, "documents.jsonl")] == ["d", "e", "n"]
    assert [line.split('"')[3] for line in lines(run, "rejects.jsonl")] == [
        "corpus",
        "verify.queries",
        "generate.documents",
        "generate.negatives",
    ]
    assert [line.split('"')[7] for line in lines(run, "scores.jsonl")] == ["early", "late"]


def test_a_stage_that_comes_out_otherwise_discounts_later_ones(run: Run) -> None:
    """When an earlier stage's file changes, later books and the measures go, and `need` asks for the stage."""
    run.need("verify.queries")
    run.file("evaluation").mkdir()
    run.file("run.json").write_text("{}")

    write(run, "generate.queries", "queries.jsonl", "abd")

    assert list(run.books()) == ["corpus", "generate.queries"]
    assert not run.has("evaluation")
    assert not run.has("run.json")
    with pytest.raises(RunError, match=r"the stage verify.queries has not been run on these files"):
        run.need("verify.queries")


def test_a_stage_that_comes_out_the_same_discounts_nothing(run: Run) -> None:
    """When an earlier stage gives the same bytes and counts again, later books, measures and run.json stay."""
    books = run.books()
    run.file("evaluation").mkdir()
    run.file("run.json").write_text("{}")

    write(run, "corpus", "passages.jsonl", "abc", rejected="x")
    write(run, "generate.queries", "queries.jsonl", "abc")

    assert run.books() == books
    assert run.has("evaluation")
    assert run.has("run.json")


def test_other_rejects_keep_later_stages_but_not_the_end_of_the_run(run: Run) -> None:
    """When only rejects differ, later books stay, and run.json, which counts the rejects, does not."""
    run.file("run.json").write_text("{}")

    write(run, "corpus", "passages.jsonl", "abc", rejected="xy")

    assert run.books()["corpus"]["rejected"] == {"too_short": 2}
    assert "generate.documents" in run.books()
    assert not run.has("run.json")


def test_changed_scores_discount_the_stage_that_judges_by_them(run: Run) -> None:
    """New scores take away the books of their own stage and of later ones; the same scores take away nothing."""
    run.write_part("verify.queries", "scores.jsonl", iter([Score("a", "a", "rank", 1.0)]))
    assert list(run.books()) == ["corpus", "generate.queries"]
    write(run, "verify.queries", "verified_queries.jsonl", "ab", rejected="c")

    run.write_part("verify.queries", "scores.jsonl", iter([Score("a", "a", "rank", 1.0)]))
    assert list(run.books()) == ["corpus", "generate.queries", "verify.queries"]


def test_a_new_model_takes_the_old_measures_away(run: Run) -> None:
    """Training that ends with another model removes measures, and a mark is for its inputs alone."""
    run.file("evaluation").mkdir()

    run.mark_done("train", "abc")

    assert not run.has("evaluation")
    assert run.is_done("train", "abc")
    assert not run.is_done("train", "abd")
    assert "generate.documents" in run.books()


def test_a_model_of_other_examples_is_not_taken_for_trained(run: Run) -> None:
    """The mark of training goes when a stage before it comes out otherwise, and stays when it does not."""
    write(run, "verify.queries", "verified_queries.jsonl", "ab")
    run.mark_done("train", "abc")

    write(run, "verify.queries", "verified_queries.jsonl", "ab")
    assert run.is_done("train")
    write(run, "verify.queries", "verified_queries.jsonl", "a")
    assert not run.is_done("train")


def test_what_a_stage_was_made_of_is_forgotten_when_it_is_made_again(run: Run) -> None:
    """A stage stands for the inputs it was made of alone, and for none between its publication and its new mark."""
    assert not run.stands("corpus", "passages.jsonl", "abc")
    run.mark_made("corpus", "passages.jsonl", "abc")
    assert run.stands("corpus", "passages.jsonl", "abc")
    assert not run.stands("corpus", "passages.jsonl", "abd")
    assert "generate.documents" in run.books()

    write(run, "corpus", "passages.jsonl", "abc", rejected="xy")
    assert not run.stands("corpus", "passages.jsonl", "abc")


def test_two_processes_cannot_work_in_one_run(tmp_path: Path) -> None:
    """A second process gets a RunError of one line, and the folder is free again when the first is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another synthneg process") as caught:
            Run(tmp_path, settings())
        assert "\n" not in str(caught.value)
        holder.kill()
    Run(tmp_path, settings()).close()


def test_settings_that_stay_are_not_written_again(tmp_path: Path) -> None:
    """Opening a run with the same settings leaves run.yaml untouched; with others it is written anew."""
    Run(tmp_path, settings()).close()
    file = tmp_path / "small" / "run.yaml"
    os.utime(file, ns=(1, 1))

    Run(tmp_path, settings()).close()
    assert file.stat().st_mtime_ns == 1

    Run(tmp_path, settings(seed=8)).close()
    assert "seed: 8" in file.read_text()


@pytest.mark.parametrize("place", ["below a file", "read-only"])
def test_a_folder_that_cannot_be_written_is_the_users_to_change(tmp_path: Path, place: str) -> None:
    """Where a run's folder cannot be written, a RunError in one line says why and names --outputs."""
    outputs = tmp_path / "outputs"
    if place == "below a file":
        outputs.write_text("")
    else:
        outputs.mkdir(mode=0o500)
        if os.access(outputs, os.W_OK):
            pytest.skip("this user may write into a read-only folder")
    with pytest.raises(RunError, match="must be writable, but .*--outputs") as caught:
        Run(outputs, settings())
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_said_in_one_line(run: Run) -> None:
    """When the disk is full the stage raises a RunError, and the file before it is as it was."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    before = run.file("queries.jsonl").read_bytes()
    run.file("queries.jsonl.part").symlink_to("/dev/full")

    with pytest.raises(RunError, match="No space left on device.*make room"):
        write(run, "generate.queries", "queries.jsonl", "ab")

    assert run.file("queries.jsonl").read_bytes() == before


def test_a_file_that_no_stage_has_written_is_asked_for(run: Run) -> None:
    """Reading a file that is not there yet raises a RunError that names it."""
    with pytest.raises(RunError, match=r"examples.jsonl: not written yet"):
        list(run.read("examples.jsonl", Passage))
