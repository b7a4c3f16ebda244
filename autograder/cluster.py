"""
Papers run by a Dask cluster: the same loop grades, its executor is a cluster's.

What a paper needs travels with it as values: its cells, limits, settings, and the files that lie beside the notebook.
A worker has a warm server, a sandbox and a copy of the data folder of its own, each made once. Dask pickles what
travels: a cluster is to be one that only those can reach who may grade.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from queue import Queue
from typing import Any

from autograder.course import Limits
from autograder.crew import lend
from autograder.datafolder import DataFolder, without_holdout
from autograder.errors import AutograderError
from autograder.kernels.gpus import RESOURCE, Slot
from autograder.kernels.process import shared_server
from autograder.paper import Paper
from autograder.sandbox import default_readable
from autograder.sealed.session import Conditions
from autograder.temporary import HeldFolder
from autograder.verdict import Verdict
from autograder.versions import versions

_INSTALL = "Install it: pip install 'deep-learning-course[cluster]'."
_DATA = "COURSE_DATA"
_ONE_GPU = f"{RESOURCE}=1"
_RESOURCES = re.compile(r"--resources[\s=]+(\"[^\"]*\"|'[^']*'|\S+)")
_FIRST_WORKER_SECONDS = 10
_in_this_process = threading.Lock()
_lent_here: dict[int, Queue[Slot]] = {}


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
    gpu_memory : int
        MiB of a GPU of the worker's that the paper is to have; 0: it is to run without one.
    """

    conditions: Conditions
    files: tuple[tuple[str, bytes], ...]
    preload: tuple[str, ...]
    is_confined: bool
    data: str
    versions: tuple[tuple[str, str], ...]
    gpu_memory: int = 0


def pack(conditions: Conditions, preload: tuple[str, ...], gpu_memory: int = 0) -> Parcel:
    """Make a parcel of conditions that hold on this machine."""
    return Parcel(
        Conditions(
            {name: value for name, value in conditions.environment.items() if name != _DATA},
            examiner_environment=conditions.examiner_environment,
            gpu_users=conditions.gpu_users,
        ),
        tuple(_files(Path(conditions.files))) if conditions.files else (),
        preload,
        conditions.readable is not None,
        conditions.environment.get(_DATA, ""),
        tuple(versions().items()),
        gpu_memory,
    )


@contextmanager
def unpacked(parcel: Parcel) -> Iterator[Conditions]:
    """
    Make conditions that hold on this machine, for as long as they are needed.

    Raises
    ------
    ClusterError
        This machine has other versions of the libraries, no data, or no GPU although one is asked for.
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
        if parcel.gpu_memory:
            slots = _slots(parcel.gpu_memory, conditions)
            slot = slots.get()
            stack.callback(slots.put, slot)
            conditions = replace(conditions, gpu=slot)
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
    on_gpu : Executor, optional
        The same client's, for workers alone that have a GPU. Without it, papers that need one run on any worker,
        on its processor.
    gpu_memory : int
        MiB of a GPU for each of these papers.
    """

    def __init__(
        self, executor: Executor, preload: tuple[str, ...], on_gpu: Executor | None = None, gpu_memory: int = 0
    ) -> None:
        self._executor = executor
        self._preload = preload
        self._on_gpu = on_gpu
        self._gpu_memory = gpu_memory

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Run ``function(paper, limits, conditions)`` on some worker."""
        paper, limits, conditions = arguments
        if conditions.gpu_users and self._on_gpu is not None:
            parcel = pack(conditions, self._preload, self._gpu_memory)
            return _Told(self._on_gpu.submit(perform, function, paper, limits, parcel))
        return _Told(self._executor.submit(perform, function, paper, limits, pack(conditions, self._preload)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let nothing more be submitted."""
        for executor in filter(None, (self._executor, self._on_gpu)):
            executor.shutdown(wait=wait, cancel_futures=cancel_futures)


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


@dataclass(frozen=True)
class Order:
    """
    What a run asks of a cluster.

    Attributes
    ----------
    preload : tuple of str
        Modules that warm kernels have imported.
    gpu_memory : int
        MiB of a GPU for each paper that needs one; 0: none does.
    warn : callable
        Called with a line for a person if no worker has a GPU: trainings will then be on processors.
    """

    preload: tuple[str, ...]
    gpu_memory: int = 0
    warn: Callable[[str], None] = lambda _line: None


@contextmanager
def on_scheduler(address: str, order: Order) -> Iterator[ClusterExecutor]:
    """
    Use a Dask cluster that is running.

    Parameters
    ----------
    address : str
        Its scheduler's, ``tcp://host:8786`` for instance.
    order : Order
        What is asked of it.

    Raises
    ------
    ClusterError
        Dask is not installed, or nobody answers there.
    """
    with _connected(address) as client:
        lends = bool(order.gpu_memory) and _has_gpus(client)
        if order.gpu_memory and not lends:
            order.warn(f"No worker has a GPU. Start those that do with: dask worker {address} --resources {_ONE_GPU}")
        yield _executor_of(client, order, lends=lends)


@contextmanager
def on_system(system: str, jobs: int, order: Order) -> Iterator[ClusterExecutor]:
    """
    Ask a batch system for workers, use them, and give them back.

    Parameters
    ----------
    system : str
        As dask-jobqueue calls it, in small letters: ``slurm``, ``pbs`` ... What a worker is (queue, cores, memory,
        time, GPU) stands in dask-jobqueue's configuration.
    jobs : int
        How many workers to ask for.
    order : Order
        What is asked of them.

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
    # What workers will have is known before the first of them is there.
    lends = bool(order.gpu_memory) and promises_gpu(cluster.job_script())
    if order.gpu_memory and not lends:
        order.warn(f"No worker will have a GPU: worker_extra_args of jobqueue.{system} do not say '{_ONE_GPU}'.")
    with cluster:
        cluster.scale(jobs)
        with _connected(cluster.scheduler_address) as client:
            yield _executor_of(client, order, lends=lends)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}. Start one: dask scheduler.") from error
    with client:
        yield client


def _executor_of(client: Any, order: Order, *, lends: bool) -> ClusterExecutor:
    on_gpu = client.get_executor(pure=False, resources={RESOURCE: 1}) if lends else None
    return ClusterExecutor(client.get_executor(pure=False), order.preload, on_gpu, order.gpu_memory)


def promises_gpu(job_script: str) -> bool:
    """Tell whether workers that are started like that will have a GPU."""
    return any(f"{RESOURCE}=" in given for given in _RESOURCES.findall(job_script))


def _has_gpus(client: Any) -> bool:
    """Tell whether a worker has a GPU; for the first worker of all this waits a little."""
    with suppress(TimeoutError):
        client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return any(worker["resources"].get(RESOURCE, 0) >= 1 for worker in workers)


def _slots(memory: int, conditions: Conditions) -> Queue[Slot]:
    """Give this worker's slots: of the GPUs that its own ``CUDA_VISIBLE_DEVICES`` allows, found and tried once."""
    with _in_this_process:
        if memory not in _lent_here:
            told: list[str] = []
            slots = lend(memory, os.cpu_count() or 1, conditions, told.append)
            if not slots:
                raise ClusterError(f"Worker {socket.gethostname()} is to have a GPU ({_ONE_GPU}). {' '.join(told)}")
            queue: Queue[Slot] = Queue()
            for slot in slots:
                queue.put(slot)
            _lent_here[memory] = queue
        return _lent_here[memory]


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
