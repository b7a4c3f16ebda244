"""
A real Slurm of one node on loopback: without systemd, in a folder of its own.

A process that watches over it ends it, with all its jobs, when whoever asked for it is done, or has been killed.
It needs Debian's packages ``slurm-wlm`` and ``munge``, whose services need not run. By hand, with any command::

    python -m tests.kernel.slurm squeue
    python -m tests.kernel.slurm autograder --course build/sample grade --cluster slurm --jobs 2
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PARTITION = "short"
MISSING = "no Slurm on this machine: apt-get install slurm-wlm munge"

_WATCH = "--watch"
_SECONDS_TO_START = 30
_SECONDS_TO_END = 20
_SECONDS_BETWEEN_LOOKS = 0.1
# Debian has servers where not every user's PATH leads.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

# The node claims what the jobs of docs/operators.md ask for, whatever this machine has: they need less.
_CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class SlurmError(Exception):
    """Slurm does not run; the message holds what its parts wrote last."""


@dataclass(frozen=True)
class Slurm:
    """
    A Slurm that runs.

    Attributes
    ----------
    folder : Path
        All that it writes.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which its commands find it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _PATH}

    def ask(self, *command: str) -> str:
        """Run one of its commands and give what it says."""
        return subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    def jobs(self) -> dict[str, str]:
        """Give the jobs that wait, run or are ending: number and state."""
        listed = self.ask("squeue", "--noheader", "--format=%A %T").splitlines()
        return dict(line.split(maxsplit=1) for line in listed)

    def ended_jobs(self) -> dict[str, str]:
        """Give the jobs that are over: number and last state."""
        file = self.folder / "jobs.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        facts = [dict(fact.split("=", 1) for fact in line.split() if "=" in fact) for line in lines]
        return {each["JobId"]: each["JobState"] for each in facts}

    def processes(self) -> list[psutil.Process]:
        """Give all processes of its jobs, and whatever else knows where its configuration is."""
        marker = f"SLURM_CONF={self.folder}".encode()
        found = []
        for process in psutil.process_iter():
            with suppress(OSError):  # it has ended, or is another user's
                if process.pid != os.getpid() and marker in Path(f"/proc/{process.pid}/environ").read_bytes():
                    found.append(process)
        return found


def is_installed() -> bool:
    """Tell whether all that is needed is on this machine."""
    return all(shutil.which(name, path=_PATH) for name in ("munged", "slurmctld", "slurmd", "sinfo", "sbatch"))


@contextmanager
def running_slurm() -> Iterator[Slurm]:
    """
    Start a Slurm and wait until its node is idle; in the end cancel its jobs, stop it and remove its folder.

    Raises
    ------
    SlurmError
        It does not start.
    """
    with subprocess.Popen(
        [sys.executable, "-m", __spec__.name, _WATCH],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches whoever asked for it, whose end is what it waits for.
        start_new_session=True,
    ) as watching:
        assert watching.stdout is not None
        folder = watching.stdout.readline().strip()
        if not folder:
            raise SlurmError(watching.communicate()[1])
        yield Slurm(Path(folder))
        watching.communicate()


def _watch() -> None:
    """Start a Slurm, say where it is, and end it when nobody holds the other end of standard input any more."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # short: a socket lies in it
        folder.chmod(0o711)  # munge asks for that
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        slurm = Slurm(folder)
        _configure(folder)
        stack.callback(_kill_what_is_left, slurm)
        started = [
            _started(stack, slurm, "munged", "--foreground", *_munge_files(folder)),
            _started(stack, slurm, "slurmctld", "-D", "-f", str(folder / "slurm.conf")),
            _started(stack, slurm, "slurmd", "-D", "-f", str(folder / "slurm.conf")),
        ]
        _wait_until_idle(slurm, started)
        stack.callback(_end_jobs, slurm)
        print(folder, flush=True)
        sys.stdin.read()


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    controller_port, node_port = _free_ports(2)
    text = _CONFIGURATION.format(
        folder=folder,
        host=socket.gethostname().split(".")[0],
        user=pwd.getpwuid(os.getuid()).pw_name,
        controller_port=controller_port,
        node_port=node_port,
        partition=PARTITION,
    )
    (folder / "slurm.conf").write_text(text)


def _munge_files(folder: Path) -> Iterator[str]:
    yield f"--socket={folder}/munge.socket"
    yield f"--key-file={folder}/munge.key"
    yield f"--pid-file={folder}/munge.pid"
    yield f"--log-file={folder}/munge.log"
    yield f"--seed-file={folder}/munge.seed"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _started(stack: ExitStack, slurm: Slurm, *command: str) -> subprocess.Popen[bytes]:
    """Start a part of it, which ends with the stack."""
    with (slurm.folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **slurm.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_idle(slurm: Slurm, parts: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while _node_state(slurm) != "idle":
        if time.monotonic() > deadline or any(part.poll() is not None for part in parts):
            logs = (f"{log.name}:\n{log.read_text()[-2000:]}" for log in sorted(slurm.folder.glob("*.log")))
            raise SlurmError("Slurm did not start:\n" + "\n".join(logs))
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _node_state(slurm: Slurm) -> str:
    try:
        return slurm.ask("sinfo", "--noheader", "--format=%T")
    except subprocess.CalledProcessError:
        return ""  # the controller does not listen yet


def _end_jobs(slurm: Slurm) -> None:
    deadline = time.monotonic() + _SECONDS_TO_END
    while (jobs := slurm.jobs()) and time.monotonic() < deadline:
        slurm.ask("scancel", *jobs)
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _kill_what_is_left(slurm: Slurm) -> None:
    for process in slurm.processes():
        with suppress(psutil.Error):
            process.kill()


def main(command: list[str]) -> int:
    """Run a command beside a Slurm of its own."""
    if not is_installed():
        print(MISSING, file=sys.stderr)
        return 2
    try:
        with running_slurm() as slurm:
            return subprocess.run(command, env={**os.environ, **slurm.environment}, check=False).returncode
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(_watch() if sys.argv[1:] == [_WATCH] else main(sys.argv[1:] or ["sinfo"]))
