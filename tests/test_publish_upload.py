"""Uploads by the real huggingface_hub, in a process of its own, to a Hub on the loopback interface."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_repo import Repo

CARD = """---
configs:
- config_name: triplet
  data_files:
  - {split: train, path: triplet/train.parquet}
  - {split: validation, path: triplet/validation.parquet}
---
# Tea
"""
# As the command line does it: plan, show, send; one line and status 2 for what the user can put right.
PUBLISH = """
import sys
from pathlib import Path
from synthneg.settings import resolve
from synthneg.errors import SynthnegError
from synthneg.publish import describe, plan, upload
folder, repo, private, yes = sys.argv[1:]
publish = {"repo": repo, "private": private == "True"}
config = resolve({"run": "tea-run", "corpus": {"path": "docs"}, "publish": publish}, "test")
try:
    planned = plan(Path(folder), config)
    sys.stdout.write(describe(planned) if yes == "no" else upload(planned))
except SynthnegError as error:
    sys.stderr.write(f"{type(error).__name__}: {error}\\n")
    sys.exit(2)
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[hub.Hub]:
    """A fresh Hub."""
    with hub.running() as server:
        yield server


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run with an exported dataset made by hand: small Parquet, one of 11 MB, and the BEIR text files."""
    dataset = tmp_path / "tea-run" / "dataset"
    (dataset / "triplet").mkdir(parents=True)
    (dataset / "beir" / "qrels").mkdir(parents=True)
    (dataset / "README.md").write_text(CARD)
    (dataset / "beir/corpus.jsonl").write_text('{"_id":"p1","text":"grüner Tee"}\n')
    (dataset / "beir/qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tp1\t3\n")
    for split, megabytes in {"train": 11, "validation": 0}.items():
        negatives = [random.Random(i).randbytes(500_000).hex() for i in range(megabytes)]
        rows = pa.table({"query": ["tea?"] * (megabytes + 1), "negative": [*negatives, "coffee"]})
        pq.write_table(rows, dataset / "triplet" / f"{split}.parquet", compression="none")
    assert (dataset / "triplet/train.parquet").stat().st_size > hub.LFS_FROM_BYTES
    return dataset.parent


def publish(
    run_folder: Path,
    endpoint: str,
    repo: str = "ann/tea",
    private: bool = True,
    yes: bool = True,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Publish in a process of its own: the client reads its address and ways when it is imported."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    given = {"HF_ENDPOINT": endpoint, "HF_TOKEN": hub.TOKEN, "HF_HOME": str(run_folder / "hf")}
    return subprocess.run(
        [
            sys.executable,
            "-c",
            PUBLISH,
            str(run_folder),
            repo,
            str(private),
            "yes" if yes else "no",
        ],
        env=clean | given | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def on_disk(run_folder: Path) -> dict[str, bytes]:
    dataset = run_folder / "dataset"
    return {p.relative_to(dataset).as_posix(): p.read_bytes() for p in dataset.rglob("*.*")}


WAYS = pytest.mark.parametrize("env", [{"HF_HUB_DISABLE_XET": "1"}, {}], ids=["lfs", "xet"])


@WAYS
def test_received_bytes_are_the_bytes_on_disk(
    server: hub.Hub, run_folder: Path, env: dict[str, str]
) -> None:
    """Through LFS and through Xet, one commit that names the run holds each file byte for byte, privately."""
    done = publish(run_folder, server.url, **env)
    assert (done.returncode, done.stdout) == (0, f"{server.url}/datasets/ann/tea"), done.stderr
    assert server.repos["ann/tea"].files == on_disk(run_folder)
    assert server.repos["ann/tea"].commits == ["Dataset of the synthneg run tea-run"]
    assert server.created == [
        {"name": "tea", "organization": "ann", "visibility": "private", "type": "dataset"}
    ]
    assert server.sent()
    assert hub.TOKEN not in done.stdout + done.stderr


@WAYS
def test_second_upload_sends_only_what_changed(
    server: hub.Hub, run_folder: Path, env: dict[str, str]
) -> None:
    """After a change of the card alone, a second upload commits the card and sends no large file again."""
    publish(run_folder, server.url, **env)
    sent, before = server.sent(), dict(server.repos["ann/tea"].files)
    (run_folder / "dataset/README.md").write_text(CARD + "More of it.\n")
    done = publish(run_folder, server.url, **env)
    assert done.returncode == 0, done.stderr
    assert server.sent() == sent
    assert len(server.repos["ann/tea"].commits) == 2
    after = server.repos["ann/tea"].files
    assert {path for path in after if after[path] != before[path]} == {"README.md"}


def test_same_again_makes_no_commit(server: hub.Hub, run_folder: Path) -> None:
    """What the Hub has already is no new commit, and no error."""
    for _ in range(2):
        done = publish(run_folder, server.url)
        assert done.returncode == 0, done.stderr
    assert len(server.repos["ann/tea"].commits) == 1


def test_nothing_is_sent_before_it_is_told(server: hub.Hub, run_folder: Path) -> None:
    """Planning and describing make no request at all."""
    done = publish(run_folder, server.url, yes=False)
    assert done.returncode == 0, done.stderr
    assert "ann/tea (private)" in done.stdout
    assert server.requests == []


def test_uploaded_dataset_loads_from_the_hub(server: hub.Hub, run_folder: Path) -> None:
    """`load_dataset(repository, shape)` reads from the Hub the rows that were uploaded, in both splits."""
    publish(run_folder, server.url)
    script = (
        "from datasets import load_dataset; d = load_dataset('ann/tea', 'triplet');"
        "print({k: v.num_rows for k, v in d.items()}, d['validation'][0])"
    )
    home = {"HF_HOME": str(run_folder / "reader"), "HF_ENDPOINT": server.url, "HF_TOKEN": hub.TOKEN}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == (
        "{'train': 12, 'validation': 1} {'query': 'tea?', 'negative': 'coffee'}\n"
    ), done.stderr


def assert_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Assert that the process ended with status 2 and one line that holds `parts`."""
    *before, line = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert all(text.startswith("publish  ") for text in before), done.stderr
    assert line.startswith("HubError: ann/tea: "), line
    assert [part for part in parts if part not in line] == [], line
    assert hub.TOKEN not in done.stderr


def test_wrong_token_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """A token that the Hub does not know is one line that names HF_TOKEN, and does not show the token."""
    done = publish(run_folder, server.url, HF_TOKEN="hf_wrongwrong")
    assert_one_line(done, "401", "HF_TOKEN", "hf auth login")
    assert "hf_wrongwrong" not in done.stderr
    assert server.repos == {}


def test_no_token_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """Without any token the error says where to put one, and the Hub is not asked."""
    assert_one_line(publish(run_folder, server.url, HF_TOKEN=""), "no token", "hf auth login")
    assert server.requests == []


def test_unreachable_hub_is_one_line(run_folder: Path) -> None:
    """A refused connection is one line that names the address that was tried."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = publish(run_folder, endpoint)
    assert_one_line(done, endpoint, "cannot be reached", "HF_ENDPOINT")


def test_offline_mode_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """With HF_HUB_OFFLINE set the error says so."""
    assert_one_line(publish(run_folder, server.url, HF_HUB_OFFLINE="1"), "HF_HUB_OFFLINE", "unset")
    assert server.requests == []


def test_repository_of_somebody_else_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """A repository under another name is one line that says whose it must be."""
    done = publish(run_folder, server.url, repo="bob/tea")
    assert done.returncode == 2
    assert done.stderr.startswith("HubError: bob/tea: the token may not write there (403: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("request_start", "status", "env", "parts"),
    [
        ("POST /api/repos/create", 503, {}, ["503", "out of order", "again"]),
        ("POST /api/datasets/ann/tea/commit", 502, {}, ["502", "out of order", "again"]),
        ("POST /datasets/ann/tea.git", 403, {"HF_HUB_DISABLE_XET": "1"}, ["403", "write access"]),
        ("PUT /blob/", 403, {"HF_HUB_DISABLE_XET": "1"}, ["403", "out of order", "write access"]),
        ("GET /api/datasets/ann/tea/xet-write-token", 403, {}, ["403", "write access"]),
        ("POST /cas/v1/xorbs", 401, {}, ["401", "HF_TOKEN"]),
    ],
)
def test_refusals_on_the_way_are_one_line(
    server: hub.Hub,
    run_folder: Path,
    request_start: str,
    status: int,
    env: dict[str, str],
    parts: list[str],
) -> None:
    """Whichever request the Hub refuses, the error is one line with the status, and there is no commit."""
    server.failures[request_start] = (status, "out of\norder")
    assert_one_line(publish(run_folder, server.url, **env), *parts)
    assert all(repo.commits == [] for repo in server.repos.values())


@pytest.mark.parametrize("private", [True, False])
def test_other_visibility_than_shown_is_refused(
    server: hub.Hub, run_folder: Path, private: bool
) -> None:
    """Where the repository exists with the other visibility, nothing is sent and the error names the setting."""
    server.repos["ann/tea"] = Repo(private=not private)
    done = publish(run_folder, server.url, private=private)
    assert_one_line(
        done, f"publish.private={not private}".replace("True", "true").replace("False", "false")
    )
    assert server.repos["ann/tea"].files == {}


def test_public_dataset_is_created_public(server: hub.Hub, run_folder: Path) -> None:
    """With publish.private=false the repository is made public."""
    done = publish(run_folder, server.url, private=False)
    assert done.returncode == 0, done.stderr
    assert not server.repos["ann/tea"].private


def test_secret_is_refused_before_the_first_request(server: hub.Hub, run_folder: Path) -> None:
    """A card that holds the Hub's token is refused with the file's name, and the Hub hears nothing."""
    (run_folder / "dataset/README.md").write_text(f"{CARD}{hub.TOKEN}")
    done = publish(run_folder, server.url)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "README.md" in done.stderr
    assert hub.TOKEN not in done.stderr
    assert server.requests == []
