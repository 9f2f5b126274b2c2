"""Prompts as they were: at a git revision, by their hash, and in a run's own copy."""

import subprocess
import sys
from pathlib import Path

import pytest
from examples import settings

from synthneg.cli.prompt_text import of_run
from synthneg.errors import PromptError
from synthneg.generate.asking import with_asker
from synthneg.generate.jobs import all_prompts
from synthneg.prompts import history, shelf
from synthneg.prompts.file import hash_of, parse
from synthneg.prompts.kept import file_of, keep, tags
from synthneg.prompts.shelf import load, split, text
from synthneg.run import Run

FIRST = """---
makes: query
about: A query.
needs: [passage]
sampling: {temperature: 0.7, max_tokens: 60}
---
=== user
Ask about: {{ passage.text }}
"""
ZEROTH = FIRST.replace("Ask about", "Ask of")
SECOND = FIRST.replace("Ask about", "Write a question for")
THIRD = FIRST.replace("Ask about", "Question, please, for")


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder, as nobody in particular."""
    who = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository with a prompt in three versions: tagged, moved and edited, and edited without a commit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "own.j2").write_text(ZEROTH)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "zeroth")
    (tmp_path / "own.j2").write_text(FIRST)
    git(tmp_path, "commit", "-qam", "first")
    git(tmp_path, "tag", "v1.2")
    (tmp_path / "mine").mkdir()
    git(tmp_path, "mv", "own.j2", "mine/own.j2")
    git(tmp_path, "commit", "-qm", "moved")
    (tmp_path / "mine" / "own.j2").write_text(SECOND)
    git(tmp_path, "commit", "-qam", "second")
    (tmp_path / "mine" / "own.j2").write_text(THIRD)
    load.cache_clear()
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_a_prompt_at_a_revision_keeps_its_name() -> None:
    """A file at a revision is called as now, and has the tag of the text that it had then."""
    now, then = load("mine/own.j2"), load("mine/own.j2@HEAD")

    assert (now.source, then.source) == (THIRD, SECOND)
    assert (now.name, then.name) == ("query/own", "query/own")
    assert then.tag == f"query/own@{hash_of(SECOND)}"
    assert load("mine/own.j2@HEAD~1").source == FIRST
    assert load("own.j2@v1.2").source == FIRST  # a file that is gone by now


@pytest.mark.usefixtures("repository")
def test_a_text_is_found_by_its_hash() -> None:
    """The present text comes first, then those of the history, also from before the file was moved."""
    for source in (THIRD, SECOND, FIRST, ZEROTH):
        assert load(f"mine/own.j2@{hash_of(source)}").source == source


def test_a_hash_is_found_on_any_branch(repository: Path) -> None:
    """A text that only another branch has is found, and a commit of eight digits is a revision where no text has it."""
    git(repository, "checkout", "-qb", "side", "-f")
    (repository / "mine" / "own.j2").write_text(THIRD)
    git(repository, "commit", "-qam", "third")
    git(repository, "checkout", "-q", "main")
    assert text(f"mine/own.j2@{hash_of(THIRD)}").source == THIRD

    commit = subprocess.run(
        ["git", "rev-parse", "--short=8", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert text(f"mine/own.j2@{commit}").source == SECOND


def test_windows_line_ends_in_the_history_have_the_same_hash(repository: Path) -> None:
    """A commit with CR LF has the tag of the text."""
    file = repository / "mine" / "own.j2"
    file.write_bytes(THIRD.replace("\n", "\r\n").encode())
    git(repository, "commit", "-qam", "windows")
    assert load("mine/own.j2@HEAD").tag == f"query/own@{hash_of(THIRD)}"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("mine/own.j2@nosuch", "nosuch is neither a git revision here nor the hash of a text"),
        ("mine/own.j2@00000000", "00000000 is neither a git revision here nor the hash"),
        ("mine/own.j2@v1.2", "the file did not exist at that revision"),
        ("mine/own.j2@--all", "expected a git revision such as HEAD~3.*got '--all'"),
        ("mine/own.j2@", "expected a git revision .* got ''"),
        ("mine/own.j2@HEAD:mine", "expected a git revision"),
        ("nowhere/own.j2@HEAD", "there is no folder nowhere"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_a_reference_that_leads_nowhere_is_told(reference: str, said: str) -> None:
    """Each way to miss is one line that names the reference and what is wrong with it."""
    with pytest.raises(PromptError, match=said) as caught:
        load(reference)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(reference.partition("@")[0])


def test_a_folder_without_history_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a repository, as in an installed wheel, and without git, the error says which of the two it is."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "query").mkdir()
    (tmp_path / "query" / "own.j2").write_text(FIRST)
    monkeypatch.setattr(shelf, "shipped_folder", lambda: tmp_path)
    load.cache_clear()
    with pytest.raises(PromptError, match="is no git repository.*an installed synthneg has no"):
        load("query/own@HEAD")
    assert load(f"query/own@{hash_of(FIRST)}").source == FIRST  # the present text needs no git

    monkeypatch.setattr(history.shutil, "which", lambda _: None)
    with pytest.raises(PromptError, match="git is not installed"):
        load("query/own@HEAD~1")


def test_a_broken_text_of_a_revision_names_the_revision(repository: Path) -> None:
    """A prompt that was broken then says at which revision, file and line."""
    (repository / "mine" / "own.j2").write_text(FIRST.replace("=== user", "=== usr"))
    git(repository, "commit", "-qam", "broken")
    with pytest.raises(PromptError, match=r"^at HEAD: mine/own\.j2:7: expected === system"):
        load("mine/own.j2@HEAD")


def test_an_at_sign_in_a_path_is_no_revision(tmp_path: Path) -> None:
    """A folder or file with an @ in its name is read as it is."""
    odd = tmp_path / "a@b" / "own.j2@x.j2"
    odd.parent.mkdir()
    odd.write_text(FIRST)
    assert split(str(odd)) == (str(odd), None)
    assert load(str(odd)).source == FIRST
    assert split("a@b/own.j2") == ("a@b/own.j2", None)


def run_folder(folder: Path) -> Path:
    """Return a run that names the prompt of the repository in its settings."""
    folder.mkdir()
    (folder / "run.yaml").write_text(
        "run: small\ncorpus: {path: docs}\ngenerate: {queries: {prompts: [mine/own.j2]}}\n"
    )
    return folder


def test_an_edited_prompt_still_shows_the_old_text_for_old_records(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run's own copy has the text that made a record; without it git has; an edited copy is not believed."""
    from synthneg.cli import main  # noqa: PLC0415  # heavy to no purpose for the other tests

    folder = run_folder(repository / "small")
    old = load("mine/own.j2@HEAD")
    keep(old, folder / "prompts")
    keep(old, folder / "prompts")
    assert tags(folder / "prompts") == [old.tag]
    copy = file_of(old.tag, folder / "prompts")
    assert copy.name == f"query.own@{hash_of(SECOND)}.j2"
    assert of_run(old.tag, folder) == of_run("query/own", folder) == (SECOND, str(copy))

    monkeypatch.setattr(
        sys, "argv", ["synthneg", "prompts", "show", old.tag, "--run", "small", "--outputs", "."]
    )
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out == SECOND

    copy.write_text(THIRD)
    assert of_run(old.tag, folder).source == SECOND
    assert "mine/own.j2 at commit" in of_run(old.tag, folder).where
    copy.unlink()
    assert of_run(old.tag, folder).source == SECOND
    with pytest.raises(PromptError, match="neither small/prompts nor git has|neither .* nor git"):
        of_run("query/own@00000000", folder)
    with pytest.raises(PromptError, match="no prompts called query/own are kept"):
        of_run("query/own", folder)


def test_prompts_are_kept_before_anything_is_asked(tmp_path: Path) -> None:
    """When a run's first request may go out, its folder has every prompt of its settings, under the tags of records."""
    run = Run(tmp_path, settings())
    seen = []

    async def write(run: Run, asker: object) -> None:
        seen.extend(tags(run.file("prompts")))

    try:
        with_asker(run, write)
    finally:
        run.close()
    assert seen == sorted(prompt.tag for prompt in all_prompts(run.config))


def test_a_kept_prompt_is_read_as_the_same_prompt(tmp_path: Path) -> None:
    """What a run keeps is the prompt to the byte: read again under its name, it has the same tag."""
    prompt = load("query/question")
    keep(prompt, tmp_path)
    file = file_of(prompt.tag, tmp_path)
    assert parse(file.read_text(encoding="utf-8"), prompt.name, file).tag == prompt.tag
