"""A Slurm cluster of several machines on this one: each has its own network, name, processes, /tmp and slurmd.

    with machines(shared, {"HOME": ...}, "one", "two") as cluster:
        cluster.run("sbatch", "job.sbatch")

They are Linux namespaces joined by a bridge that leads nowhere else: nothing of them listens on this machine itself.
That takes root, and Debian's packages slurmctld, slurmd, slurm-client and munge.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ray_machines import wait_until

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "unshare", "nsenter", "ip")
_CONTROL, _NET, _SOCKET = "control", "10.77.0", "/run/munge/munge.socket.2"
_CONF = """\
ClusterName=synthneg
SlurmctldHost={control}({net}.1)
SlurmUser=root
AuthInfo=socket={socket}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
KillWait=5
StateSaveLocation={state}/saved
SlurmctldPidFile={state}/slurmctld.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdPidFile=/tmp/slurmd.pid
SlurmdSpoolDir=/tmp/slurmd
SlurmdLogFile={state}/slurmd-%n.log
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_SET_UP = """\
set -e
hostname {name}
mount --bind {state}/hosts /etc/hosts
mkdir -p /run/synthneg-shared
mount --bind {shared} /run/synthneg-shared
mount -t tmpfs tmpfs /tmp
mkdir -p {shared}
mount --move /run/synthneg-shared {shared}
ip link set lo up
touch {state}/{name}.ready
exec sleep infinity
"""


class Slurm:
    """The cluster: a machine that controls it, and those that work."""

    def __init__(self, state: Path, environment: Mapping[str, str]) -> None:
        self._state = state
        self.inits: dict[str, int] = {}  # the process that holds a machine's namespaces
        self._environment = {
            **os.environ,
            **environment,
            "SLURM_CONF": str(state / "slurm.conf"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(
        self, *words: str, machine: str = _CONTROL, cwd: Path | None = None
    ) -> "subprocess.Popen[str]":
        """Start a command on a machine."""
        enter = ["nsenter", "-t", str(self.inits[machine]), "-m", "-u", "-n", "-p"]
        inside = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(cwd or self._state)]
        return subprocess.Popen(
            [*enter, *inside, *words],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str, machine: str = _CONTROL, cwd: Path | None = None) -> str:
        """Run a command on a machine to its good end, and return what it says."""
        process = self.start(*words, machine=machine, cwd=cwd)
        said, _ = process.communicate()
        assert process.returncode == 0, f"{' '.join(words)}: {said}"
        return said

    def state(self, job: str) -> str:
        """Return what has become of a job: PENDING, RUNNING, COMPLETED, TIMEOUT and so on."""
        return self.run("scontrol", "show", "job", job).split("JobState=")[1].split()[0]


@contextmanager
def machines(shared: Path, environment: Mapping[str, str], *names: str) -> Iterator[Slurm]:
    """Give a cluster of machines with these names, which see a folder of this machine and have /tmp of their own."""
    state = shared / "slurm"
    (state / "saved").mkdir(parents=True)
    everybody = [_CONTROL, *names]
    addresses = {name: f"{_NET}.{place}" for place, name in enumerate(everybody, 1)}
    hosts = "".join(f"{address} {name}\n" for name, address in addresses.items())
    (state / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
    nodes = "".join(
        f"NodeName={name} NodeAddr={addresses[name]} CPUs={os.cpu_count()} Gres=gpu:8 State=UNKNOWN\n"
        for name in names
    )
    conf = _CONF.replace("PartitionName", f"{nodes}PartitionName")
    values = {"control": _CONTROL, "net": _NET, "socket": _SOCKET, "state": state}
    (state / "slurm.conf").write_text(conf.format(**values))
    (state / "gres.conf").write_text(f"Name=gpu File={state}/gpu[0-7]\n")
    for number in range(8):  # Slurm looks whether they are there, and no further
        (state / f"gpu{number}").touch()
    cluster = Slurm(state, environment)
    with ExitStack() as stack:
        stack.enter_context(_munge())
        for name in everybody:
            script = _SET_UP.format(name=name, state=state, shared=shared)
            cluster.inits[name] = stack.enter_context(_machine(script, state / f"{name}.ready"))
        _join(cluster.inits, addresses)
        stack.enter_context(_daemon(cluster, _CONTROL, "slurmctld", "-D"))
        for name in names:
            stack.enter_context(_daemon(cluster, name, "slurmd", "-D", "-N", name))
        wait_until(
            lambda: cluster.run("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == str(len(names))
        )
        yield cluster


@contextmanager
def _machine(script: str, ready: Path) -> Iterator[int]:
    """Give the first process of a machine; all others of it end with it."""
    apart = ["--net", "--uts", "--mount", "--ipc", "--pid", "--mount-proc", "--kill-child"]
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", *apart, "sh", "-c", script]
    ) as process:
        try:
            wait_until(ready.exists)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            yield int(children.read_text().split()[0])
        finally:
            process.kill()


def _join(inits: Mapping[str, int], addresses: Mapping[str, str]) -> None:
    """Join the machines by a bridge, which is on the one that controls."""
    _on(inits[_CONTROL], "ip link add bridge type bridge")
    _on(inits[_CONTROL], f"ip addr add {addresses[_CONTROL]}/24 dev bridge")
    _on(inits[_CONTROL], "ip link set bridge up")
    for name, pid in inits.items():
        if name != _CONTROL:
            _on(inits[_CONTROL], f"ip link add {name} type veth peer name eth0 netns {pid}")
            _on(inits[_CONTROL], f"ip link set {name} master bridge up")
            _on(pid, f"ip addr add {addresses[name]}/24 dev eth0")
            _on(pid, "ip link set eth0 up")


def _on(pid: int, line: str) -> None:
    """Run a command in the network of a machine."""
    subprocess.run(["nsenter", "-t", str(pid), "-n", *line.split()], check=True)


@contextmanager
def _munge() -> Iterator[None]:
    """Have munged at work, by which Slurm's machines know each other."""
    if Path(_SOCKET).exists():
        yield
        return
    folder = Path(_SOCKET).parent
    folder.mkdir(parents=True, exist_ok=True)
    shutil.chown(folder, "munge", "munge")
    with subprocess.Popen(["munged", "--foreground"], user="munge") as process:
        try:
            wait_until(Path(_SOCKET).exists)
            yield
        finally:
            process.terminate()


@contextmanager
def _daemon(cluster: Slurm, machine: str, *words: str) -> Iterator[None]:
    """Have a program at work on a machine."""
    with cluster.start(*words, machine=machine) as process:
        try:
            yield
        finally:
            process.kill()
