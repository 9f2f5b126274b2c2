"""`synthneg review` as a person meets it: real keys in a terminal, a pipe, a kill, a spreadsheet, and its mistakes."""

import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pexpect
import pytest
from reviewing import Near, Planted, answer_all, planted_run

from synthneg.cli import main
from synthneg.review.answers import FILE
from synthneg.review.items import items
from synthneg.review.sample import framed, sample

SYNTHNEG = [sys.executable, "-c", "from synthneg.cli import main; main()"]
LINES, COLUMNS = 30, 80
WAIT_S = 120  # for a busy machine; nothing here takes a second


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small run about which nobody was asked."""
    chance = random.Random(2)
    near = [[Near(chance.uniform(0.1, 0.95)), Near(0.5, "graded", 2)] for _ in range(20)]
    queries = [Planted(1, documents) for documents in near]
    return planted_run(tmp_path_factory.mktemp("runs"), queries)


@pytest.fixture
def run(planted: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(planted, tmp_path / "planted")


@pytest.fixture
def terminal() -> Iterator[Callable[..., pexpect.spawn]]:
    """Return a function that starts the command in a terminal of 80 columns; what is left over is ended."""
    started = []

    def start(*arguments: str) -> pexpect.spawn:
        environment = {**os.environ, "TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        child = pexpect.spawn(
            SYNTHNEG[0], [*SYNTHNEG[1:], "review", *arguments], env=environment,
            dimensions=(LINES, COLUMNS), encoding="utf-8", timeout=WAIT_S,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # nohup would last
        )  # fmt: skip
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def asked(child: pexpect.spawn, number: int) -> str:
    """Wait for the item of this number and return what the screen shows up to its keys."""
    child.expect(f"── {number} of ")
    child.expect("q stop")
    return str(child.before)


def press(child: pexpect.spawn, number: int) -> None:
    """Answer the item of this number with whatever its question asks for."""
    child.send("2" if "Which grade" in asked(child, number) else "y")


def written(folder: Path) -> list[dict[str, object]]:
    """Return the lines of the file of answers."""
    file = folder / FILE
    return list(map(orjson.loads, file.read_bytes().splitlines())) if file.exists() else []


def command(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Run the command in this process; return its exit status, and what it wrote to either stream."""
    monkeypatch.setattr(sys, "argv", ["synthneg", "review", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.slow
def test_keys_in_a_terminal_are_answers(run: Path, terminal: Callable[..., pexpect.spawn]) -> None:
    """Real keys answer, skip, go back and stop; the file has each with its time, and the summary follows."""
    child = terminal(str(run), "-n", "12", "--reviewer", "ada")
    press(child, 1)
    press(child, 2)
    asked(child, 3)
    child.send("s")
    asked(child, 4)
    child.send("b")  # takes the skip back
    asked(child, 3)
    child.send("q")
    child.expect("answers saved: 2")
    child.expect("2 of 60 records are reviewed")
    child.expect(pexpect.EOF)
    child.close()

    rows = written(run)
    order = sample(framed(items(run), 7, 12), 12, 7)
    assert child.exitstatus == 0
    assert [row["answer"] for row in rows[2:]] == ["skip", "back"]
    assert all(row["answer"] in ("yes", "2") for row in rows[:2])
    assert [(r["query_id"], r["document_id"]) for r in rows[:3]] == [i.key for i in order[:3]]
    assert {row["reviewer"] for row in rows} == {"ada"}
    assert all(row["seconds"] >= 0 for row in rows[:3])


@pytest.mark.slow
def test_arrows_and_keys_pressed_too_early_are_no_answers(
    run: Path, terminal: Callable[..., pexpect.spawn]
) -> None:
    """An arrow key, which comes as an escape with letters, says nothing; of two quick presses the first one counts."""
    child = terminal(str(run), "-n", "6")
    asked(child, 1)
    child.send("\x1b[B\x1bOB")
    child.send("xzxz")
    child.expect("keys: ")
    grade = "0 1 2 3" in child.readline()
    child.send("22" if grade else "yy")
    assert "keys: " not in asked(child, 2)  # told once, however often a wrong key comes
    child.send("q")
    child.expect(pexpect.EOF)

    assert len(written(run)) == 1


@pytest.mark.slow
def test_another_size_of_the_terminal_shows_the_item_anew(
    run: Path, terminal: Callable[..., pexpect.spawn]
) -> None:
    """Made narrow while an item waits, the screen is written again in lines that fit; so is the help."""
    child = terminal(str(run), "-n", "6")
    asked(child, 1)
    child.setwinsize(14, 46)
    shown = asked(child, 1)
    child.send("?")
    child.expect("any key: back")
    child.setwinsize(20, 60)
    child.expect("y   the text answers")
    child.expect("any key: back")
    child.send("?")
    asked(child, 1)
    child.send("q")
    child.expect(pexpect.EOF)

    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown)
    assert max(map(len, plain.splitlines())) <= 46
    assert written(run) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_killed_review_loses_no_answer(
    number: int, run: Path, terminal: Callable[..., pexpect.spawn]
) -> None:
    """Killed while an item is shown, every answer given is in the file, and the same command goes on behind them."""
    child = terminal(str(run), "-n", "6")
    for place in (1, 2, 3):
        press(child, place)
    asked(child, 4)
    child.kill(number)
    child.wait()
    before = written(run)
    again = terminal(str(run), "-n", "6")
    press(again, 4)
    asked(again, 5)
    again.send("q")
    again.expect(pexpect.EOF)

    order = sample(framed(items(run), 7, 6), 6, 7)
    assert len(before) == 3
    assert written(run)[:3] == before
    found = [(row["query_id"], row["document_id"]) for row in written(run)]
    assert found == [item.key for item in order[:4]]


@pytest.mark.slow
def test_ctrl_c_stops_and_gives_the_terminal_back(
    run: Path, terminal: Callable[..., pexpect.spawn]
) -> None:
    """Ctrl-C ends the review with status 130 and a word that all is kept; the terminal shows what is typed again."""
    child = terminal(str(run), "-n", "6")
    asked(child, 1)
    assert not child.getecho()
    child.send("s")
    asked(child, 2)
    child.sendintr()
    child.expect("stopped; .*kept")
    child.expect(pexpect.EOF)
    echoes = child.getecho()
    child.close()

    assert child.exitstatus == 130
    assert echoes
    assert len(written(run)) == 1


@pytest.mark.slow
def test_colours_are_our_own(run: Path, terminal: Callable[..., pexpect.spawn]) -> None:
    """In a terminal the screen is cleared for each item, and the query stands out."""
    child = terminal(str(run), "-n", "3")
    child.expect("── 1 of 3")
    start = child.before
    child.expect("q stop")
    shown = child.before
    child.send("q")
    child.expect(pexpect.EOF)

    assert "\x1b[2J" in start
    assert "\x1b[1mwhat of" in shown


def piped(folder: Path, keys: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with keys from a pipe."""
    return subprocess.run(
        [*SYNTHNEG, "review", str(folder), *arguments],
        input=keys, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_keys_come_from_a_pipe_as_well(run: Path) -> None:
    """A pipe answers without a terminal; line ends mean nothing, its end stops, and no colour is written."""
    done = piped(run, "s\ns\n\ns", "-n", "8")

    assert done.returncode == 0, done.stderr
    assert [row["answer"] for row in written(run)] == ["skip"] * 3
    assert "answers saved: 3" in done.stdout
    assert "\x1b" not in done.stdout
    pages, _, _ = done.stdout.partition("answers saved")
    assert max(map(len, pages.splitlines())) <= 80


@pytest.mark.slow
def test_help_pages_and_unknown_keys_answer_nothing(run: Path) -> None:
    """`?` explains, any key leads back, `m` turns the page, and a key of no meaning is told the ones that have one."""
    done = piped(run, "?zmzZ", "-n", "2")

    assert written(run) == []
    assert "cannot lead you" in done.stdout
    assert "keys: " in done.stdout
    assert done.stdout.count("── 1 of 2") == 3


def test_a_larger_sample_goes_on_and_a_finished_one_says_so(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all of -n answered the command says how to go on; another reviewer is asked anew."""
    answer_all(run, lambda i: "skip", sample(framed(items(run), 7, 6), 6, 7), "ada")
    status, out, _ = command([str(run), "-n", "6", "--reviewer", "ada"], monkeypatch, capsys)
    assert status == 0
    assert "all 6 items are answered; -n 12 adds to them" in out

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    _, more, _ = command([str(run), "-n", "9", "--reviewer", "ada"], monkeypatch, capsys)
    _, other, _ = command([str(run), "-n", "6", "--reviewer", "bob"], monkeypatch, capsys)
    assert "── 7 of 9" in more
    assert "── 1 of 6" in other


def test_the_summary_asks_nothing_and_writes_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without answers it says so; with some it has shares with intervals; the folder stays as it was."""
    _, out, _ = command([str(run), "--summary"], monkeypatch, capsys)
    assert "nobody has answered" in out
    assert not (run / FILE).exists()

    answer_all(run, lambda i: "2" if i.question == "grade" else "yes")
    before = {file.name: file.stat().st_mtime_ns for file in run.iterdir()}
    status, out, _ = command([str(run), "--summary"], monkeypatch, capsys)
    assert status == 0
    assert "queries that their passage answers   1.00   [1.00, 1.00]  20       20" in out
    assert {file.name: file.stat().st_mtime_ns for file in run.iterdir()} == before


def test_the_numbers_are_written_for_programs(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` has what the summary shows, by the names of its attributes, and null where there is no number."""
    answer_all(run, lambda i: "2" if i.question == "grade" else "yes", reviewer="ada")
    file = tmp_path / "numbers.json"
    status, out, _ = command([str(run), "--summary", "--json", str(file)], monkeypatch, capsys)
    found = orjson.loads(file.read_bytes())

    assert status == 0
    assert "60 of 60 records are reviewed (ada 60)" in out
    assert found["reviewers"] == [["ada", 60]]
    assert found["headline"][0]["name"] == "queries that their passage answers"
    assert found["headline"][0]["found"]["share"] == 1.0
    kappas = {one["of"]: one["kappa"]["value"] for one in found["agreement"]}
    assert kappas["queries and their passages"] is None  # all are the same
    assert [one["key"] for one in found["suggestions"]]


def test_without_answers_there_are_no_numbers(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that waits for the file is told by status 2 and a line that it does not come."""
    file = tmp_path / "numbers.json"
    status, _, err = command([str(run), "--summary", "--json", str(file)], monkeypatch, capsys)

    assert status == 2
    assert f"--json {file} needs answers, and there are none" in err
    assert not file.exists()


def test_a_page_older_than_the_answers_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where report.html was written before the last answer, the command that writes it anew is named; else nothing."""
    page = run / "report.html"
    page.write_text("")
    os.utime(page, (1, 1))
    answer_all(run, lambda i: "yes")
    _, out, _ = command([str(run), "--summary"], monkeypatch, capsys)
    assert f"{page} is older than the last answer;\n`synthneg report {run}` writes" in out
    page.write_text("")
    _, out, _ = command([str(run), "--summary"], monkeypatch, capsys)
    assert "older" not in out


def test_a_spreadsheet_goes_out_and_comes_back(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sample is exported, filled in and imported; the same import again finds all of it there."""
    file = tmp_path / "sheet.csv"
    _, out, _ = command([str(run), "-n", "9", "--export", str(file)], monkeypatch, capsys)
    assert f"written: {file}, 9 items" in out
    text = file.read_text(encoding="utf-8-sig")
    assert text.count('"","",""') == 9
    filled = text.replace('grade does the text deserve for the query?"', 'grade?"')
    lines = [
        line.replace('"","",""', '"","2","bob"' if "Which grade" in line else '"y","","bob"')
        for line in filled.splitlines()
    ]
    file.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")

    _, out, _ = command([str(run), "--import", str(file)], monkeypatch, capsys)
    assert "imported: 9 answers; 0 were there already, 0 rows have no answer" in out
    assert "9 of 60 records are reviewed (bob 9)" in out
    _, out, _ = command([str(run), "--import", str(file)], monkeypatch, capsys)
    assert "imported: 0 answers; 9 were there already" in out
    assert len(written(run)) == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], ("none", "no run of that name")),
        (["RUN", "--summary", "--export", "x.csv"], ("give one of them",)),
        (["RUN", "--export", "x.csv", "--json", "x.json"], ("give one of them",)),
        (["RUN", "--summary", "--json", "none/x.json"], ("none/x.json", "folder that exists")),
        (["RUN", "--import", "none.csv"], ("none.csv", "no file can be read")),
        (["RUN", "--export", "none/x.csv"], ("none/x.csv", "name another")),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    words: tuple[str, ...],
    planted: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mistake is one line on standard error with status 2."""
    given = [str(planted) if word == "RUN" else word for word in arguments]
    status, _, err = command(given, monkeypatch, capsys)

    assert status == 2
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


def test_a_run_before_its_verification_says_what_to_do(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the checks have not judged anything yet, the line names the command that lets them."""
    (run / "books.json").unlink()
    status, _, err = command([str(run)], monkeypatch, capsys)

    assert status == 2
    assert "run `synthneg verify`" in err


def test_files_of_two_verifications_are_refused(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where examples and rejects do not tell what became of each document, nothing is guessed."""
    rejects = run / "parts" / "rejects.jsonl" / "verify.documents.jsonl"
    rejects.write_bytes(b"".join(rejects.read_bytes().splitlines(keepends=True)[1:]))
    status, _, err = command([str(run), "--export", str(run / "x.csv")], monkeypatch, capsys)

    assert status == 2
    assert "not of one verification" in err
