"""
Papers run by a Dask cluster: the same loop grades, its executor is a cluster's.

What travels, and what a worker does with it, is in :mod:`autograder.parcel`, which is imported when the workers that
are there have been asked to warm up: the sooner these begin, the better. Dask pickles what travels: a cluster is to be
one that only those can reach who may grade.
"""

from __future__ import annotations

import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from autograder.batch import kept_jobs
from autograder.errors import ClusterError
from autograder.kernels.gpus import RESOURCE
from autograder.travelling import LARGEST, pieces
from autograder.worker import BEGUN, packed, run_packed, warm

_INSTALL = "Install it: pip install 'deep-learning-course[cluster]'."
_ONE_GPU = f"{RESOURCE}=1"
_RESOURCES = re.compile(r"--resources[\s=]+(\"[^\"]*\"|'[^']*'|\S+)")
_FIRST_WORKER_SECONDS = 10
_SECONDS_UNTIL_TOLD = 30.0
_MOST_DEATHS = 3
# Dask counts those that it forgives.
_FORGIVEN_DEATHS = _MOST_DEATHS - 1
# So often it is seen to it that lost jobs are asked for anew.
_SECONDS_BETWEEN_LOOKS = 5.0


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
        Called with a line for a person if no worker has a GPU, so that trainings will be on processors, or if none is
        there yet after half a minute.
    """

    preload: tuple[str, ...]
    gpu_memory: int = 0
    warn: Callable[[str], None] = lambda _line: None


class ClusterExecutor(Executor):
    """
    Runs functions of a paper, limits and conditions on a cluster.

    Parameters
    ----------
    client : Client
        Dask's.
    order : Order
        What is asked of the cluster.
    lends : bool
        Whether some worker has a GPU. Papers that need one then run on such a worker, else on any one's processor.
    """

    def __init__(self, client: Any, order: Order, *, lends: bool = False) -> None:
        self._client = client
        self._order = order
        self._executor: Executor = client.get_executor(pure=False)
        self._on_gpu: Executor | None = client.get_executor(pure=False, resources={RESOURCE: 1}) if lends else None
        self._begun: Counter[str] = Counter()
        self._sent: dict[str, tuple[Sequence[str], Sequence[Any]]] = {}
        client.subscribe_topic(BEGUN, lambda event: self._begun.update([event[1]]))

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Run ``function(paper, limits, conditions)`` on some worker."""
        from autograder.parcel import NoDataError, begin, pack

        paper, limits, conditions = arguments
        executor, gpu_memory = self._executor, 0
        if conditions.gpu_users and self._on_gpu is not None:
            executor, gpu_memory = self._on_gpu, self._order.gpu_memory
        parcel = pack(conditions, self._order.preload, gpu_memory)
        ticket = uuid4().hex

        def send(names: Sequence[str] | None = None, contents: Sequence[Any] = ()) -> Future[Any]:
            return executor.submit(run_packed, packed(begin, ticket, function, paper, limits, parcel, names), *contents)

        def send_again(error: BaseException) -> Future[Any]:
            """Send it once more where that may help, else raise the error in our words."""
            if isinstance(error, NoDataError):
                self._begun[ticket] = 0
                return send(*self._data(parcel.data))
            if type(error).__name__ != "KilledWorker":
                raise error
            # Dask blames all that a worker had been given, also what waited there for its turn.
            if self._begun[ticket] < _MOST_DEATHS:
                return send()
            raise ClusterError(
                f"Each of {self._begun[ticket]} workers that ran it was killed: its memory may be too small for it."
            ) from error

        return _Told(send(), send_again)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let nothing more be submitted."""
        for executor in filter(None, (self._executor, self._on_gpu)):
            executor.shutdown(wait=wait and not cancel_futures)

    def _data(self, folder: str) -> tuple[Sequence[str], Sequence[Any]]:
        """Give the data folder to the cluster, which brings each file once to each worker that asks for it."""
        if folder not in self._sent:
            import dask

            found = pieces(Path(folder))
            # Dask warns of large values, since most people would send them again and again.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGEST}):
                sent = [
                    self._client.submit(bytes, piece.content, key=f"autograder-data-{piece.digest}") for piece in found
                ]
            self._sent[folder] = [piece.name for piece in found], sent
        return self._sent[folder]


class _Told(Future[Any]):
    """
    What comes of a paper in the end, though it may have to be sent more than once.

    Parameters
    ----------
    inner : Future
        Of the first time.
    again : callable
        Called with what it failed with; gives the future of the next time, or raises what is to be told.
    """

    def __init__(self, inner: Future[Any], again: Callable[[BaseException], Future[Any]]) -> None:
        super().__init__()
        self._again = again
        self._follow(inner)

    def cancel(self) -> bool:
        self._inner.cancel()
        return super().cancel()

    def _follow(self, inner: Future[Any]) -> None:
        self._inner = inner
        inner.add_done_callback(self._pass_on)

    def _pass_on(self, inner: Future[Any]) -> None:
        if inner.cancelled():
            super().cancel()
        error = None if self.cancelled() else inner.exception()
        if error is not None:
            try:
                self._follow(self._again(error))
            except Exception as told:  # noqa: BLE001 - whatever it is, it is what is told
                error = told
            else:
                return
        if not self.set_running_or_notify_cancel():
            return
        if error is None:
            self.set_result(inner.result())
        else:
            self.set_exception(error)


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
        nobody = f"No worker has joined {address} yet. Start them, on any machine: dask worker {address} --nthreads 1"
        with _warming(client, order), _telling_of_none(client, order, nobody):
            yield ClusterExecutor(client, order, lends=lends)


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
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        import dask
        import dask_jobqueue
        from tornado.ioloop import PeriodicCallback
    except ImportError as error:
        raise ClusterError(f"dask-jobqueue is not installed. {_INSTALL}") from error
    # Imported, dask-jobqueue takes Ctrl-C for itself, to end with exit code 0.
    signal.signal(signal.SIGINT, on_interrupt)
    kinds = {name.removesuffix("Cluster").lower(): name for name in dir(dask_jobqueue) if name.endswith("Cluster")}
    kind = getattr(dask_jobqueue, kinds[system])
    # Dask would wait for ever for workers that it cannot ask for.
    command = kind.job_cls.submit_command
    if shutil.which(command) is None:
        raise ClusterError(f"{system} is not here: there is no {command}. Type this where jobs are submitted.")
    with kept_jobs(kind.job_cls) as job:
        try:
            # Dask's pages are for nobody else, and at no port that another run may have.
            options = {
                "dashboard_address": "127.0.0.1:0",
                **dask.config.get(f"jobqueue.{system}.scheduler-options", {}),
            }
            with dask.config.set({"distributed.scheduler.allowed-failures": _FORGIVEN_DEATHS}):
                cluster = kind(job_cls=job, scheduler_options=options)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            remedy = (
                f"Describe a worker in ~/.config/dask/jobqueue.yaml, below jobqueue.{system}: cores, memory, queue."
            )
            raise ClusterError(f"{system} gives no workers: {error}. {remedy}") from error
        # What workers will have is known before the first of them is there.
        lends = bool(order.gpu_memory) and promises_gpu(cluster.job_script())
        if order.gpu_memory and not lends:
            order.warn(f"No worker will have a GPU: worker_extra_args of jobqueue.{system} do not say '{_ONE_GPU}'.")
        with cluster:
            # Each time, jobs that were lost are asked for anew: Dask itself does not.
            cluster.scale(jobs)
            keeping = PeriodicCallback(lambda: cluster.scale(jobs), 1000 * _SECONDS_BETWEEN_LOOKS)
            cluster.periodic_callbacks["autograder-jobs"] = keeping
            cluster.loop.add_callback(keeping.start)
            nobody = (
                f"{system} has not started any of the {jobs} workers yet. Its queue says whether they wait for their "
                f"turn; what a worker that failed wrote is in this folder, or in log-directory of jobqueue.{system}."
            )
            with _connected(cluster.scheduler_address) as client, _telling_of_none(client, order, nobody):
                yield ClusterExecutor(client, order, lends=lends)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}. Start one: dask scheduler.") from error
    with client:
        yield client


@contextmanager
def _warming(client: Any, order: Order) -> Iterator[None]:
    """Let the workers that are there import what kernels need while this process makes papers of submissions."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    begun = [client.submit(warm, order.preload, workers=[each], pure=False) for each in workers]
    yield
    # What came of it nobody asks: a server that cannot start is told of by the paper that needs it.
    for each in begun:
        each.release()


@contextmanager
def _telling_of_none(client: Any, order: Order, nobody: str) -> Iterator[None]:
    """Say so where no worker is there after half a minute; the run goes on, since one may still come."""

    def look() -> None:
        if not client.scheduler_info()["workers"]:
            order.warn(f"{nobody} This run waits for them; Ctrl-C ends it.")

    timer = threading.Timer(_SECONDS_UNTIL_TOLD, look)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # it asks a client that is about to be closed


def promises_gpu(job_script: str) -> bool:
    """Tell whether workers that are started like that will have a GPU."""
    return any(f"{RESOURCE}=" in given for given in _RESOURCES.findall(job_script))


def _has_gpus(client: Any) -> bool:
    """Tell whether a worker has a GPU; for the first worker of all this waits a little."""
    with suppress(TimeoutError):
        client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return any(worker["resources"].get(RESOURCE, 0) >= 1 for worker in workers)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ClusterError(f"Dask is not installed. {_INSTALL}") from error
    return distributed
