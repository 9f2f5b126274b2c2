"""Uploads by the real huggingface_hub, in a process of its own, to a Hub on the loopback interface."""

import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hub
import published
import pytest
from hub_repo import Repo
from published import LARGE, LARGE_BYTES, publish

pytestmark = pytest.mark.slow
LFS = {"HF_HUB_DISABLE_XET": "1"}
# Settings of hf_xet, which otherwise tries again for minutes.
IMPATIENT = {"HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1", "HF_XET_CLIENT_RETRY_MAX_DURATION": "2s"}
WAYS = pytest.mark.parametrize("env", [LFS, {}], ids=["lfs", "xet"])


@pytest.fixture
def server() -> Iterator[hub.Hub]:
    """A fresh Hub."""
    with hub.running() as server:
        yield server


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run with large files in its dataset, that is to be copied, not changed."""
    return published.build(tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def run_folder(built: Path, tmp_path: Path) -> Path:
    """Return a copy of the run."""
    return Path(shutil.copytree(built, tmp_path / published.RUN))


def on_disk(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, but for the card, which is made when it is sent."""
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    del files["README.md"]
    return files


def without_card(repo: Repo) -> dict[str, bytes]:
    """Return what a repository holds, but for its card."""
    assert repo.files["README.md"].startswith(b"---\n")
    return {path: data for path, data in repo.files.items() if path != "README.md"}


@WAYS
def test_received_bytes_are_the_bytes_on_disk(
    server: hub.Hub, run_folder: Path, env: dict[str, str]
) -> None:
    """Through LFS and through Xet, one commit that names the run holds each file byte for byte, privately."""
    done = publish(run_folder, server.url, "--yes", **env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"Uploaded: {server.url}/datasets/ann/tea\n")
    assert without_card(server.repos["ann/tea"]) == on_disk(run_folder / "dataset")
    assert server.repos["ann/tea"].commits == ["Dataset of the synthneg run small"]
    assert server.created == [
        {"name": "tea", "organization": "ann", "visibility": "private", "type": "dataset"}
    ]
    assert server.sent()
    assert hub.TOKEN not in done.stdout + done.stderr
    assert not list(server.collections)


def test_both_go_into_one_collection(server: hub.Hub, run_folder: Path) -> None:
    """Dataset and model are a commit each, and stand in one private collection; the second time nothing is new."""
    done = publish(run_folder, server.url, "--what", "both", "--yes", **LFS)
    assert done.returncode == 0, done.stderr
    assert without_card(server.repos["models/ann/tea-model"]) == on_disk(run_folder / "model")
    assert server.repos["models/ann/tea-model"].commits == ["Model of the synthneg run small"]
    assert server.repos["models/ann/tea-model"].private
    [collection] = server.collections.values()
    assert (collection.title, collection.private) == ("small", True)
    assert collection.items == [("dataset", "ann/tea"), ("model", "ann/tea-model")]
    places = ("datasets/ann/tea", "ann/tea-model", f"collections/{collection.slug}")
    assert done.stdout.endswith("".join(f"Uploaded: {server.url}/{place}\n" for place in places))

    sent = server.sent()
    server.count_anew()
    again = publish(run_folder, server.url, "--what", "both", "--yes", **LFS)
    assert again.returncode == 0, again.stderr
    lines = "".join(f"Nothing has changed: {server.url}/{place}\n" for place in places)
    assert again.stdout.endswith(lines)
    assert server.sent() == sent
    assert server.received < 100_000
    assert [len(repo.commits) for repo in server.repos.values()] == [1, 1]
    assert len(server.collections) == 1


@WAYS
def test_second_upload_sends_only_what_changed(
    server: hub.Hub, run_folder: Path, env: dict[str, str]
) -> None:
    """After a change of one small file, a second upload commits that file and sends no large file again."""
    publish(run_folder, server.url, "--yes", **env)
    sent, before = server.sent(), dict(server.repos["ann/tea"].files)
    server.count_anew()
    prompt = run_folder / "dataset" / "prompts" / "query" / "claim.j2"
    prompt.write_text(prompt.read_text() + "More of it.\n")
    done = publish(run_folder, server.url, "--yes", **env)
    assert done.returncode == 0, done.stderr
    assert server.sent() == sent
    assert server.received < 100_000
    assert len(server.repos["ann/tea"].commits) == 2
    after = server.repos["ann/tea"].files
    assert {path for path in after if after[path] != before[path]} == {"prompts/query/claim.j2"}


@WAYS
def test_a_connection_that_breaks_is_one_line_and_the_next_upload_goes_on(
    server: hub.Hub, run_folder: Path, env: dict[str, str]
) -> None:
    """Cut off within the last of three large files, a second upload sends that one alone, and the commit is whole."""
    server.cut_after = int(2.5 * LARGE_BYTES)
    done = publish(run_folder, server.url, "--yes", **env, **IMPATIENT)
    assert_one_line(done, "again")
    assert server.repos["ann/tea"].commits == []
    server.count_anew()
    done = publish(run_folder, server.url, "--yes", **env)
    assert done.returncode == 0, done.stderr
    assert LARGE_BYTES < server.received < 1.6 * LARGE_BYTES
    assert without_card(server.repos["ann/tea"]) == on_disk(run_folder / "dataset")


@WAYS
def test_a_killed_upload_goes_on(server: hub.Hub, run_folder: Path, env: dict[str, str]) -> None:
    """Killed with SIGKILL within the last of three large files, the same command sends that one alone."""
    given = published.environment(run_folder, server.url, **env)
    server.stall_after = int(2.5 * LARGE_BYTES)
    with subprocess.Popen(
        published.command(run_folder, "--yes"),
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + 200
        while not server.stalled.is_set() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert server.stalled.is_set()
        process.send_signal(signal.SIGKILL)
    assert server.repos["ann/tea"].commits == []
    server.count_anew()
    done = publish(run_folder, server.url, "--yes", **env)
    assert done.returncode == 0, done.stderr
    assert LARGE_BYTES < server.received < 1.6 * LARGE_BYTES
    assert without_card(server.repos["ann/tea"]) == on_disk(run_folder / "dataset")


def test_nothing_is_sent_before_it_is_told(server: hub.Hub, run_folder: Path) -> None:
    """Without a terminal and without --yes, the files are shown and no request is made."""
    done = publish(run_folder, server.url, "--what", "both")
    assert done.returncode == 0, done.stderr
    assert "ann/tea (private)" in done.stdout
    assert done.stdout.endswith(
        "Nothing has been sent. To send exactly this, give the same command with --yes.\n"
    )
    assert server.requests == []


@pytest.mark.parametrize(("answer", "sent"), [("y", True), ("n", False), ("", False)])
def test_a_terminal_is_asked(server: hub.Hub, run_folder: Path, answer: str, sent: bool) -> None:
    """At a terminal the files are shown and it is asked; only y sends, and no answer is no."""
    for name in LARGE:
        (run_folder / "dataset" / name).unlink()
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        published.command(run_folder),
        env=published.environment(run_folder, server.url, **LFS),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        out, err = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, err
    assert "Send exactly this to the Hub? [y/N]" in out
    assert ("Uploaded: " in out, "Nothing has been sent." in out) == (sent, not sent)
    assert bool(server.repos) is sent


def test_uploaded_dataset_loads_from_the_hub(server: hub.Hub, run_folder: Path) -> None:
    """`load_dataset(repository, shape)` reads from the Hub the rows that were uploaded, in both splits."""
    publish(run_folder, server.url, "--yes")
    script = (
        "from datasets import load_dataset; d = load_dataset('ann/tea', 'triplet');"
        "print({k: v.num_rows for k, v in d.items()}, d['validation'].column_names)"
    )
    home = {"HF_HOME": str(run_folder / "reader"), "HF_ENDPOINT": server.url, "HF_TOKEN": hub.TOKEN}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == ("{'train': 10, 'validation': 4} ['query', 'positive', 'negative']\n"), (
        done.stderr
    )


def assert_one_line(done: "subprocess.CompletedProcess[str]", *parts: str) -> None:
    """Assert that the process ended with status 2 and one line that holds `parts`."""
    *before, line = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    said = ("publish ", "Retrying in ", "'Server disconnected ")  # the last two by the client
    assert all(text.startswith(said) for text in before), done.stderr
    assert line.startswith("synthneg: "), line
    assert [part for part in parts if part not in line] == [], line
    assert hub.TOKEN not in done.stderr


def test_wrong_token_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """A token that the Hub does not know is one line that names HF_TOKEN, and does not show the token."""
    done = publish(run_folder, server.url, "--yes", HF_TOKEN="hf_wrongwrong")
    assert_one_line(done, "ann/tea: ", "401", "HF_TOKEN", "hf auth login")
    assert "hf_wrongwrong" not in done.stderr
    assert server.repos == {}


def test_no_token_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """Without any token the error says where to put one, and the Hub is not asked."""
    done = publish(run_folder, server.url, "--yes", HF_TOKEN="")
    assert_one_line(done, "no token", "hf auth login")
    assert server.requests == []


def test_unreachable_hub_is_one_line(run_folder: Path) -> None:
    """A refused connection is one line that names the address that was tried."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = publish(run_folder, endpoint, "--yes")
    assert_one_line(done, endpoint, "cannot be reached", "HF_ENDPOINT")


def test_offline_mode_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """With HF_HUB_OFFLINE set the error says so."""
    done = publish(run_folder, server.url, "--yes", HF_HUB_OFFLINE="1")
    assert_one_line(done, "HF_HUB_OFFLINE", "unset")
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (["--set", "publish.repo=bob/tea"], "publish.repo"),
        (["--what", "model", "--set", "publish.model_repo=bob/tea"], "publish.model_repo"),
    ],
)
def test_repository_of_somebody_else_is_one_line(
    server: hub.Hub, run_folder: Path, arguments: list[str], setting: str
) -> None:
    """A repository under another name is one line that says which setting must be one's own."""
    done = publish(run_folder, server.url, "--yes", *arguments)
    assert_one_line(done, "bob/tea: the token may not do that there (403: ", f"{setting} must be")


@pytest.mark.parametrize(
    ("request_start", "status", "env", "parts"),
    [
        ("POST /api/repos/create", 503, {}, ["503", "out of order", "again"]),
        ("POST /api/datasets/ann/tea/commit", 502, {}, ["502", "out of order", "again"]),
        ("POST /datasets/ann/tea.git", 403, LFS, ["403", "write access"]),
        ("PUT /blob/", 403, LFS, ["403", "out of order", "write access"]),
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
    assert_one_line(publish(run_folder, server.url, "--yes", **env), "ann/tea: ", *parts)
    assert all(repo.commits == [] for repo in server.repos.values())


def test_a_collection_that_is_refused_is_one_line(server: hub.Hub, run_folder: Path) -> None:
    """Where repositories are sent and their collection is refused, the line names the collection."""
    server.failures["POST /api/collections"] = (403, "no rights")
    done = publish(run_folder, server.url, "--what", "both", "--yes", **LFS)
    assert_one_line(done, "collection 'small': ", "403", "write access")
    assert [len(repo.commits) for repo in server.repos.values()] == [1, 1]


def test_a_licence_that_the_hub_does_not_know_is_one_line(
    server: hub.Hub, run_folder: Path
) -> None:
    """Where the Hub does not take a card, the line has its words and the setting to mend."""
    done = publish(run_folder, server.url, "--yes", "--set", "publish.license=mine", **LFS)
    assert_one_line(done, "does not take the card", '"license" must be', "publish.license")
    assert server.repos["ann/tea"].commits == []


@pytest.mark.parametrize("private", [True, False])
def test_other_visibility_than_shown_is_refused(
    server: hub.Hub, run_folder: Path, private: bool
) -> None:
    """Where the repository exists with the other visibility, nothing is sent and the error names the setting."""
    server.repos["ann/tea"] = Repo(private=not private)
    wanted = f"publish.private={str(private).lower()}"
    done = publish(run_folder, server.url, "--yes", "--set", wanted)
    assert_one_line(done, "ann/tea: exists", f"publish.private={str(not private).lower()}")
    assert server.repos["ann/tea"].files == {}


def test_public_dataset_is_created_public(server: hub.Hub, run_folder: Path) -> None:
    """With publish.private=false the repository is made public."""
    done = publish(run_folder, server.url, "--yes", "--set", "publish.private=false", **LFS)
    assert done.returncode == 0, done.stderr
    assert not server.repos["ann/tea"].private


def test_secret_is_refused_before_the_first_request(server: hub.Hub, run_folder: Path) -> None:
    """A file that holds the Hub's token is refused with its name, and the Hub hears nothing."""
    (run_folder / "dataset/beir/queries.jsonl").write_text(hub.TOKEN)
    done = publish(run_folder, server.url, "--yes")
    assert_one_line(done, "queries.jsonl")
    assert server.requests == []
