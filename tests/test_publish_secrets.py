"""What may not leave a machine: keys, paths and its user's name are refused, or never get as far as a file."""

import shutil
from pathlib import Path

import hub
import published
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthneg.config import RunConfig
from synthneg.errors import RunError
from synthneg.prompts.shelf import find
from synthneg.publish.plan import plan
from synthneg.settings import load

KEY = "sk-4f9a0b71c2"  # shorter than what has the shape of a key
USER = "adalovelace"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run that is to be copied, not changed."""
    return published.build(tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def run_folder(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the run, on the machine of a user with a name of her own."""
    home = tmp_path / "home" / USER
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, USER)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return Path(shutil.copytree(built, tmp_path / "outputs" / published.RUN))


def settings(run_folder: Path, *changes: str) -> RunConfig:
    """Return the run's settings with its repositories named."""
    repos = ("publish.repo=ann/tea", "publish.model_repo=ann/tea-model")
    return load(run_folder / "run.yaml", [*repos, *changes])


def refused(run_folder: Path, *changes: str) -> str:
    """Return why the plan for both is refused: one line."""
    with pytest.raises(RunError) as caught:
        plan(run_folder, settings(run_folder, *changes), "both")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "variable", ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD", "DB_PASS"]
)
@pytest.mark.parametrize(
    "name",
    ["dataset/beir/corpus.jsonl", "dataset/prompts/query/claim.j2", "model/model.safetensors"],
)
def test_key_of_the_environment_is_refused(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    """A file that holds the value of a key's variable is refused by its name, without showing the value."""
    monkeypatch.setenv(variable, KEY)
    with (run_folder / name).open("ab") as stream:
        stream.write(f"asked with {KEY}.".encode())
    said = refused(run_folder)
    assert name in said
    assert variable in said or "your token of the Hub" in said
    assert KEY not in said


@pytest.mark.parametrize("codec", ["snappy", "zstd", "none"])
def test_key_within_packed_columns_is_refused(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """A key in a nested column of a Parquet file is found, however the file is packed."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    # What has stood there before is packed as a reference, so that the key is not there in one piece.
    texts = [f"{KEY[:8]} and {KEY[6:]} " * 9, f"with {KEY}"]
    rows = pa.table({"docs": [texts], "about": [{"said": "x"}]})
    file = run_folder / "dataset" / "triplet" / "part-1.parquet"
    pq.write_table(rows, file, compression=codec, write_statistics=False)
    assert codec != "zstd" or KEY.encode() not in file.read_bytes()
    assert "part-1.parquet: holds the value of OPENAI_API_KEY" in refused(run_folder)


def test_a_broken_parquet_file_is_refused(run_folder: Path) -> None:
    """Where nobody can say what a Parquet file holds, it is not sent."""
    (run_folder / "dataset/triplet/part-1.parquet").write_bytes(b"PAR1" + bytes(99))
    assert "part-1.parquet: cannot be read" in refused(run_folder)


def test_key_across_two_reads_is_found(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is found wherever it lies, also where one read of the file ends in the middle of it."""
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setattr("synthneg.publish.secrets._READ_BYTES", 16)
    for name in published.LARGE:
        (run_folder / "dataset" / name).unlink()
    shutil.rmtree(run_folder / "model")
    for before in range(0, 40, 3):
        (run_folder / "dataset/beir/corpus.jsonl").write_bytes(bytes(before) + b"hf_abcdefgh")
        with pytest.raises(RunError, match="HF_TOKEN|token of the Hub"):
            plan(run_folder, settings(run_folder))


def test_a_key_in_an_address_is_found(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with characters that addresses write in another way is found in that form, too."""
    monkeypatch.setenv("OPENAI_API_KEY", "a/b+c=d/e+f=")
    (run_folder / "dataset/beir/corpus.jsonl").write_text("http://x?k=a%2Fb%2Bc%3Dd%2Fe%2Bf%3D")
    assert "corpus.jsonl: holds the value of OPENAI_API_KEY" in refused(run_folder)


def test_the_token_of_a_login_is_refused(run_folder: Path) -> None:
    """The token that `hf auth login` has stored is looked for, though it stands in no variable."""
    import huggingface_hub  # noqa: PLC0415  # reads its environment when imported

    place = Path(huggingface_hub.constants.HF_TOKEN_PATH)
    if place.exists():
        pytest.skip("this machine has a login of its own")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("hf_loggedinloggedin")
    try:
        (run_folder / "dataset/beir/corpus.jsonl").write_text("hf_loggedinloggedin")
        assert "your token of the Hub" in refused(run_folder)
    finally:
        place.unlink()


def test_placeholder_key_is_not_searched(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A placeholder such as EMPTY, given to servers without keys, does not stop a dataset that has the word."""
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    (run_folder / "dataset/beir/corpus.jsonl").write_text("EMPTY")
    assert plan(run_folder, settings(run_folder))


@pytest.mark.parametrize(
    "key",
    [
        "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "sk-proj-0123456789abcdefghijkl",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_" + "a1B2" * 9,
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize(
    "file", ["dataset/synthneg.yaml", "model/config_sentence_transformers.json"]
)
def test_what_looks_like_a_key_is_refused_in_what_the_run_has_written(
    run_folder: Path, key: str, file: str
) -> None:
    """In settings and configuration, a key of nobody's environment is known by its shape; a passage may show one."""
    (run_folder / "dataset/beir/corpus.jsonl").write_text(key)
    assert plan(run_folder, settings(run_folder), "both")
    with (run_folder / file).open("a") as stream:
        stream.write(f"\n# {key}\n")
    said = refused(run_folder)
    assert file in said
    assert key not in said


def test_paths_of_the_machine_are_refused_in_what_tells_of_the_run(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings, and a model's configuration, hold neither home, nor the run's folder, nor a path of the settings."""
    change = "corpus.path=/data/private/docs"
    for path in (f"{Path.home()}/x", str(run_folder), "/data/private/docs"):
        (run_folder / "dataset/beir/corpus.jsonl").write_text(path)
        assert plan(run_folder, settings(run_folder, change), "both")
        for name in ("dataset/synthneg.yaml", "model/config.json"):
            file = run_folder / name
            before = file.read_text()
            file.write_text(f"{before}\n# made from {path}\n")
            assert f"{name}: holds the path " in refused(run_folder, change)
            file.write_text(before)


@pytest.mark.parametrize("as_a_word", [True, False])
def test_the_users_name_in_words_of_the_settings_is_refused(
    run_folder: Path, as_a_word: bool
) -> None:
    """A name of the account within what the user has written into the settings is refused, and its place is shown."""
    file = run_folder / "dataset" / "synthneg.yaml"
    if as_a_word:
        file.write_text(
            file.read_text().replace("query_prefix: null", "query_prefix: by AdaLovelace")
        )
        assert "'by AdaLovelace' would be published" in refused(run_folder)
    else:
        file.write_text(
            file.read_text().replace("query_prefix: null", "query_prefix: adalovelaces")
        )
        assert plan(run_folder, settings(run_folder))  # another word


def test_the_users_name_as_the_runs_is_refused(run_folder: Path) -> None:
    """A run that is called after its user is not published under that name; a common account's name stops nothing."""
    said = refused(run_folder, f"run={USER}-tests")
    assert f"'{USER}-tests' would be published" in said
    assert "renamed" in said


def test_a_common_accounts_name_stops_nothing(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine whose account is called root or user, words of settings are words."""
    monkeypatch.setenv("HOME", "/root")
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, "root")
    assert plan(run_folder, settings(run_folder, "run=root-tests"))


def texts_of(data: bytes, path: str) -> bytes:
    """Return a file's bytes, and of Parquet all of its values, unpacked."""
    if not path.endswith(".parquet"):
        return data
    rows = pq.read_table(pa.BufferReader(data)).to_pylist()
    return data + repr(rows).encode()


@pytest.mark.slow
def test_nothing_that_was_planted_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of keys, home, account and folders in the environment and all over a run, no byte of what the Hub gets holds any.

    Every body and address that arrives is looked through, and of Parquet files their values.
    """
    home = tmp_path / "home" / USER
    (home / "prompts").mkdir(parents=True)
    for name in ("base", "encoder", "docs", "people"):
        (home / name).mkdir()
    shutil.copy(find("query/claim"), home / "prompts" / "claim.j2")
    key = "sk-planted0123456789abcdefghij"
    for name in ("HOME", "LOGNAME", "USER"):
        monkeypatch.setenv(name, str(home) if name == "HOME" else USER)
    for name in ("OPENAI_API_KEY", "MY_SECRET"):
        monkeypatch.setenv(name, key)
    monkeypatch.chdir(home)
    run_folder = published.build(
        home / "outputs",
        origin_model=f"{home}/weights/qwen.gguf",
        corpus={"path": f"{home}/docs"},
        llm={
            "backend": "vllm",
            "model": f"{home}/weights",
            "base_url": f"http://{USER}.local/v1",
            "engine": {"download_dir": f"{home}/x", "served": ["~/y", f"{home}/z"]},
        },
        generate={"queries": {"prompts": [f"{home}/prompts/claim.j2", "query/question"]}},
        verify={"encoder": f"{home}/encoder", "leaks": {"collections": ["people:dev"]}},
        train={"base_model": "base", "mix": {"collection": f"{home}/people"}},
        evaluate={"collections": [f"{home}/people"]},
    )
    with hub.running() as server:
        server.keep_bodies = True
        done = published.publish(
            run_folder, server.url, "--what", "both", "--yes", HF_HUB_DISABLE_XET="1"
        )
        assert done.returncode == 0, done.stderr
    repos = server.repos.values()
    sent = [texts_of(data, path) for repo in repos for path, data in repo.files.items()]
    sent += [*server.bodies, *(request.encode() for request in server.requests)]
    assert len(sent) > 60
    everything = b"\0".join(sent)
    assert b"qwen.gguf" in everything  # a model's name is told, its folder is not
    for planted in (USER, key, str(tmp_path), "/home/", hub.TOKEN):
        assert planted.encode() not in everything, planted
    assert USER not in done.stdout.replace(str(run_folder), "")
