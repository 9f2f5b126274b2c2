"""The page's script under Slurm: machines join, the run ends, and a job that Slurm ends is taken up by the next one.

Slurm is real, with two machines on this one (`tests/slurm_machines.py`); the script is the one that
`docs/how-to/ray.md` prints, and nothing of it is changed but how many machines it asks for.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from doc_pages import ROOT, blocks
from ray_machines import wait_until
from slurm_machines import PROGRAMS, Slurm, machines
from world import FAULTS, KEY, KEY_VARIABLE, World, answered, snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trial,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(
        os.geteuid() != 0 or None in map(shutil.which, PROGRAMS),
        reason="needs root, and Debian's slurmctld, slurmd, slurm-client and munge",
    ),
]

MACHINES, IN_FLIGHT, PORT = ("one", "two"), 6, 8000
_LONGEST_S = 1500  # of a job, on a machine that has much else to do


class Submitted(World):
    """A world in a folder that all machines share."""

    def logs(self) -> list[list[str]]:
        """Return the keys of all requests, machine by machine."""
        files = [self.folder / f"requests-{machine}.log" for machine in MACHINES]
        return [[line.split()[0] for line in file.read_text().splitlines()] for file in files]

    def asked(self) -> list[str]:
        """Return the keys of all requests."""
        return [key for log in self.logs() for key in log]

    def kept(self) -> set[str]:
        """Return the keys of all requests whose replies are in a ledger."""
        ledgers = self.run_folder("outputs").glob("**/ledger.sqlite")
        return set().union(*(answered(ledger.parent) for ledger in ledgers))


@contextmanager
def at_work(world: Submitted) -> Iterator[Slurm]:
    """Give a cluster of Slurm on each of whose machines the same server answers."""
    environment = {
        "HOME": str(world.folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SCRATCH": str(world.folder),
        "RAY_worker_niceness": "0",
        KEY_VARIABLE: KEY,
        "HF_HUB_OFFLINE": "1",
    }
    token = ["ray", "get-auth-token", "--generate"]
    subprocess.run(token, env=os.environ | environment, check=True, capture_output=True)
    server = [sys.executable, str(ROOT / "tests" / "llm_server.py"), "--port", str(PORT)]
    server += ["--key", KEY, "--latency-ms", "400"]
    server += [word for fault in FAULTS for word in ("--fault", fault)]
    with machines(world.folder, environment, *MACHINES) as cluster, ExitStack() as stack:
        for machine in MACHINES:
            log = ["--log", str(world.folder / f"requests-{machine}.log")]
            process = stack.enter_context(cluster.start(*server, *log, machine=machine))
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
        yield cluster


@pytest.fixture
def world(tmp_path: Path) -> Submitted:
    """Give a world whose settings cut it into few partitions, and the page's script beside them."""
    made = Submitted(tmp_path, f"http://127.0.0.1:{PORT}/v1")
    made.build()
    settings = made.settings()
    settings["llm"]["concurrency"] = IN_FLIGHT
    settings["ray"] = {"partitions": 6, "workers": 2}
    (tmp_path / "synthneg.yaml").write_text(yaml.safe_dump(settings))
    page = blocks(ROOT / "docs" / "how-to" / "ray.md")
    script = next(block for block in page if block.file == "synthneg.sbatch")
    (tmp_path / script.file).write_text(script.text)
    (tmp_path / "home").mkdir()
    return made


def submit(world: Submitted, cluster: Slurm) -> str:
    """Submit the script as the page does, on fewer machines; return the job's number."""
    nodes = f"--nodes={len(MACHINES)}"
    return cluster.run("sbatch", nodes, "synthneg.sbatch", cwd=world.folder).split()[-1]


def until(world: Submitted, cluster: Slurm, job: str, requests: int) -> None:
    """Wait until the server has had so many requests, as long as the job is at work."""

    def ready() -> bool:
        at_work = cluster.state(job) in ("PENDING", "RUNNING")
        assert at_work, (world.folder / f"slurm-{job}.out").read_text()
        return len(world.asked()) >= requests

    wait_until(ready, _LONGEST_S)


def test_a_job_that_slurm_ends_is_taken_up(world: Submitted) -> None:
    """A job is cancelled, the next one is put back into the queue, and started again by Slurm it ends complete.

    Both machines asked; no reply that had come was asked for again; the data is that of one machine.
    """
    with at_work(world) as cluster:
        cancelled = submit(world, cluster)
        until(world, cluster, cancelled, 20)
        cluster.run("scancel", cancelled)
        wait_until(lambda: cluster.state(cancelled) == "CANCELLED")
        wait_until(lambda: cluster.run("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2")
        kept, before = world.kept(), len(world.asked())

        job = submit(world, cluster)
        until(world, cluster, job, before + 30)
        cluster.run("scontrol", "requeue", job)
        wait_until(lambda: cluster.state(job) == "PENDING")
        wait_until(lambda: cluster.state(job) not in ("PENDING", "RUNNING"), _LONGEST_S)
        said = (world.folder / f"slurm-{job}.out").read_text()
        assert cluster.state(job) == "COMPLETED", said
        assert all(world.logs()), "a machine has asked nothing"

        again = Counter(world.asked())
        assert kept
        assert {key for key in kept if again[key] > 1} == set()
        assert again.total() - len(again) <= 2 * IN_FLIGHT
        cluster.run("synthneg", "run", "--outputs", "alone", machine="one", cwd=world.folder)

    # run.yaml says where the cluster was, and run.json when the run ended and how much of it the ledger knew.
    found, expected = (
        {
            name: data
            for name, data in snapshot(world.run_folder(outputs)).items()
            if name not in ("run.yaml", "run.json") and not name.startswith("partitions/")
        }
        for outputs in ("outputs", "alone")
    )
    assert found == expected
