"""
Papers run by a Dask cluster: the same loop grades, its executor is a cluster's.

What a paper needs travels with it as values: its cells, limits, settings, and the files that lie beside the notebook.
A worker has a warm server, a sandbox and a copy of the data folder of its own, each made once. Dask pickles what
travels: a cluster is to be one that only those can reach who may grade.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from autograder.course import Limits
from autograder.datafolder import DataFolder, without_holdout
from autograder.errors import AutograderError
from autograder.kernels.process import shared_server
from autograder.paper import Paper
from autograder.sandbox import default_readable
from autograder.sealed.session import Conditions
from autograder.temporary import HeldFolder
from autograder.verdict import Verdict
from autograder.versions import versions

_INSTALL = "Install it: pip install 'deep-learning-course[cluster]'."
_DATA = "COURSE_DATA"
_in_this_process = threading.Lock()


class ClusterError(AutograderError):
    """The cluster cannot be used, or has lost a paper for good; the message says why and what to do."""


@dataclass(frozen=True)
class Parcel:
    """
    Conditions that can travel: without a path of the machine that they come from.

    Attributes
    ----------
    conditions : Conditions
        Variables of both kernels.
    files : tuple of (str, bytes)
        What lies beside the notebook: path within the folder, and content.
    preload : tuple of str
        Modules that warm kernels have imported.
    is_confined : bool
        Whether submissions run in the sandbox.
    data : str
        The data folder as the sender knows it; empty for none.
    versions : tuple of (str, str)
        Libraries on which an outcome depends.
    """

    conditions: Conditions
    files: tuple[tuple[str, bytes], ...]
    preload: tuple[str, ...]
    is_confined: bool
    data: str
    versions: tuple[tuple[str, str], ...]


def pack(conditions: Conditions, preload: tuple[str, ...]) -> Parcel:
    """Make a parcel of conditions that hold on this machine."""
    return Parcel(
        Conditions(
            {name: value for name, value in conditions.environment.items() if name != _DATA},
            examiner_environment=conditions.examiner_environment,
        ),
        tuple(_files(Path(conditions.files))) if conditions.files else (),
        preload,
        conditions.readable is not None,
        conditions.environment.get(_DATA, ""),
        tuple(versions().items()),
    )


@contextmanager
def unpacked(parcel: Parcel) -> Iterator[Conditions]:
    """
    Make conditions that hold on this machine, for as long as they are needed.

    Raises
    ------
    ClusterError
        This machine has other versions of the libraries, or no data.
    """
    own = tuple(versions().items())
    if own != parcel.versions:
        asked, here = (", ".join(" ".join(pair) for pair in each) for each in (parcel.versions, own))
        raise ClusterError(f"Worker {socket.gethostname()} has {here}; asked is {asked}. Install the same versions.")
    conditions = parcel.conditions
    with ExitStack() as stack:
        if parcel.files:
            folder = stack.enter_context(HeldFolder("papers"))
            for name, content in parcel.files:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            conditions = replace(conditions, files=str(folder))
        if parcel.is_confined:
            conditions = replace(conditions, readable=_readable())
        if parcel.data:
            whole = _data_folder(parcel.data)
            with _in_this_process:
                data = _for_candidates(whole)
            conditions = replace(
                conditions,
                environment={**conditions.environment, _DATA: whole},
                candidate_environment={_DATA: data.path},
                candidate_readable=data.readable,
                examiner_readable=(whole,),
            )
        yield conditions


class ClusterExecutor(Executor):
    """
    Runs functions of a paper, limits and conditions on a cluster.

    Parameters
    ----------
    executor : Executor
        A Dask client's.
    preload : tuple of str
        Modules that warm kernels have imported.
    """

    def __init__(self, executor: Executor, preload: tuple[str, ...]) -> None:
        self._executor = executor
        self._preload = preload

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Run ``function(paper, limits, conditions)`` on some worker."""
        paper, limits, conditions = arguments
        inner = self._executor.submit(perform, function, paper, limits, pack(conditions, self._preload))
        return _Told(inner)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let nothing more be submitted."""
        self._executor.shutdown(wait=wait, cancel_futures=cancel_futures)


class _Told(Future[Any]):
    """A future whose failure is told in our words."""

    def __init__(self, inner: Future[Any]) -> None:
        super().__init__()
        self._inner = inner
        inner.add_done_callback(self._pass_on)

    def cancel(self) -> bool:
        self._inner.cancel()
        return super().cancel()

    def _pass_on(self, inner: Future[Any]) -> None:
        if inner.cancelled():
            super().cancel()
        if not self.set_running_or_notify_cancel():
            return
        error = inner.exception()
        if error is None:
            self.set_result(inner.result())
        elif type(error).__name__ == "KilledWorker":
            self.set_exception(ClusterError("Every worker that ran it was killed: its memory may be too small for it."))
        else:
            self.set_exception(error)


def perform(
    function: Callable[[Paper, Limits, Conditions], Verdict], paper: Paper, limits: Limits, parcel: Parcel
) -> Verdict:
    """Run a function of a paper, limits and conditions on this machine: what a worker does."""
    shared_server(parcel.preload)
    with unpacked(parcel) as conditions:
        return function(paper, limits, conditions)


@contextmanager
def on_scheduler(address: str, preload: tuple[str, ...]) -> Iterator[ClusterExecutor]:
    """
    Use a Dask cluster that is running.

    Parameters
    ----------
    address : str
        Its scheduler's, ``tcp://host:8786`` for instance.
    preload : tuple of str
        Modules that warm kernels have imported.

    Raises
    ------
    ClusterError
        Dask is not installed, or nobody answers there.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}. Start one: dask scheduler.") from error
    with client:
        yield ClusterExecutor(client.get_executor(pure=False), preload)


@contextmanager
def on_system(system: str, jobs: int, preload: tuple[str, ...]) -> Iterator[ClusterExecutor]:
    """
    Ask a batch system for workers, use them, and give them back.

    Parameters
    ----------
    system : str
        As dask-jobqueue calls it, in small letters: ``slurm``, ``pbs`` ... What a worker is (queue, cores, memory,
        time) stands in dask-jobqueue's configuration.
    jobs : int
        How many workers to ask for.
    preload : tuple of str
        Modules that warm kernels have imported.

    Raises
    ------
    ClusterError
        Dask is not installed, the system is not there, or its configuration is wrong.
    """
    _distributed()
    try:
        import dask_jobqueue
    except ImportError as error:
        raise ClusterError(f"dask-jobqueue is not installed. {_INSTALL}") from error
    kinds = {name.removesuffix("Cluster").lower(): name for name in dir(dask_jobqueue) if name.endswith("Cluster")}
    kind = getattr(dask_jobqueue, kinds[system])
    # Dask would wait for ever for workers that it cannot ask for.
    command = kind.job_cls.submit_command
    if shutil.which(command) is None:
        raise ClusterError(f"{system} is not here: there is no {command}. Type this where jobs are submitted.")
    try:
        cluster = kind()
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        remedy = f"Describe a worker in ~/.config/dask/jobqueue.yaml, below jobqueue.{system}: cores, memory, queue."
        raise ClusterError(f"{system} gives no workers: {error}. {remedy}") from error
    with cluster:
        cluster.scale(jobs)
        with on_scheduler(cluster.scheduler_address, preload) as executor:
            yield executor


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ClusterError(f"Dask is not installed. {_INSTALL}") from error
    return distributed


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix != ".ipynb" and not any(part.startswith(".") for part in inside.parts):
            yield inside.as_posix(), path.read_bytes()


@cache
def _readable() -> tuple[str, ...]:
    return default_readable()


def _data_folder(senders: str) -> str:
    """Find the data folder: this machine's own, or the sender's where both see the same files."""
    folder = os.environ.get(_DATA) or senders
    if not Path(folder).is_dir():
        remedy = f"Set {_DATA} for the workers, or put the data where they see them."
        raise ClusterError(f"Worker {socket.gethostname()} has no folder {folder} with the course's data. {remedy}")
    return str(Path(folder).resolve())


@cache
def _for_candidates(folder: str) -> DataFolder:
    """Make the candidates' copy, which stays until the worker ends."""
    held = HeldFolder("data")
    atexit.register(held.remove)
    return without_holdout(Path(folder), held.path / "data")
