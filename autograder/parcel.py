"""
A paper that travels to a worker of a cluster, and what the worker does with it.

What a paper needs travels with it as values: its cells, limits, settings, and the files that lie beside the notebook.
The data folder follows where a worker has none, once. A worker has a warm server, a sandbox and a candidates' copy of
the data folder of its own, each made once.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from queue import Queue

from autograder import quick  # noqa: F401 - before what it makes quicker
from autograder.course import Limits
from autograder.crew import lend
from autograder.datafolder import DataFolder, without_holdout
from autograder.errors import ClusterError
from autograder.kernels.gpus import RESOURCE, Slot
from autograder.kernels.process import shared_server
from autograder.paper import Paper
from autograder.sandbox import default_readable
from autograder.sealed.session import Conditions
from autograder.temporary import HeldFolder
from autograder.travelling import lay_out, state
from autograder.verdict import Verdict
from autograder.versions import versions
from autograder.worker import BEGUN, undisturbed

_DATA = "COURSE_DATA"
_in_this_process = threading.Lock()
# Data folders that were sent to this process, by the state of the sender's.
_received: dict[str, str] = {}
_lent_here: dict[int, Queue[Slot]] = {}


class NoDataError(ClusterError):
    """A worker has no data folder, and has not been sent one."""


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
    data, data_state : str
        The data folder as the sender knows it, and what identifies what it holds; empty for none.
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
    data_state: str
    versions: tuple[tuple[str, str], ...]
    gpu_memory: int = 0


def pack(conditions: Conditions, preload: tuple[str, ...], gpu_memory: int = 0) -> Parcel:
    """Make a parcel of conditions that hold on this machine."""
    data = conditions.environment.get(_DATA, "")
    return Parcel(
        Conditions(
            {name: value for name, value in conditions.environment.items() if name != _DATA},
            examiner_environment=conditions.examiner_environment,
            gpu_users=conditions.gpu_users,
        ),
        tuple(_files(Path(conditions.files))) if conditions.files else (),
        preload,
        conditions.readable is not None,
        data,
        state(Path(data)) if data and Path(data).is_dir() else "",
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
        This machine has other versions of the libraries, no GPU although one is asked for, or, as a
        :class:`NoDataError`, no data.
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
            whole = _data_folder(parcel)
            with _in_this_process:
                data = _for_candidates(whole, state(Path(whole)))
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


def begin(
    ticket: str,
    function: Callable[[Paper, Limits, Conditions], Verdict],
    paper: Paper,
    limits: Limits,
    parcel: Parcel,
    names: Sequence[str] | None = None,
    *contents: bytes,
) -> Verdict:
    """Do what a worker does: take in what was sent, tell that the paper's turn has come, and perform."""
    from distributed import get_worker

    if names is not None:
        receive(parcel.data_state, names, contents)
    worker = get_worker()
    worker.log_event(BEGUN, ticket)
    with undisturbed(worker):
        return perform(function, paper, limits, parcel)


def perform(
    function: Callable[[Paper, Limits, Conditions], Verdict], paper: Paper, limits: Limits, parcel: Parcel
) -> Verdict:
    """Run a function of a paper, limits and conditions on this machine."""
    shared_server(parcel.preload)
    with unpacked(parcel) as conditions:
        return function(paper, limits, conditions)


def receive(data_state: str, names: Sequence[str], contents: Sequence[bytes]) -> None:
    """Keep a data folder that was sent until this process ends."""
    with _in_this_process:
        if data_state not in _received:
            whole = _held() / "data"
            lay_out(names, contents, whole)
            _received[data_state] = str(whole)


def _slots(memory: int, conditions: Conditions) -> Queue[Slot]:
    """Give this worker's slots: of the GPUs that its own ``CUDA_VISIBLE_DEVICES`` allows, found and tried once."""
    with _in_this_process:
        if memory not in _lent_here:
            told: list[str] = []
            slots = lend(memory, os.cpu_count() or 1, conditions, told.append)
            if not slots:
                raise ClusterError(f"Worker {socket.gethostname()} is to have a GPU ({RESOURCE}=1). {' '.join(told)}")
            queue: Queue[Slot] = Queue()
            for slot in slots:
                queue.put(slot)
            _lent_here[memory] = queue
        return _lent_here[memory]


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix != ".ipynb" and not any(part.startswith(".") for part in inside.parts):
            yield inside.as_posix(), path.read_bytes()


@cache
def _readable() -> tuple[str, ...]:
    return default_readable()


def _data_folder(parcel: Parcel) -> str:
    """Find the data folder: this machine's own, the sender's where both see the same files, or one that was sent."""
    own = Path(os.environ.get(_DATA) or parcel.data)
    is_own = own.is_dir() and (_DATA in os.environ or state(own) == parcel.data_state)
    if not is_own and parcel.data_state not in _received:
        raise NoDataError(f"Worker {socket.gethostname()} has no folder with the course's data.")
    return str(own.resolve()) if is_own else _received[parcel.data_state]


@cache
def _for_candidates(folder: str, _state: str) -> DataFolder:
    """Make the candidates' copy, which stays until the worker ends."""
    return without_holdout(Path(folder), _held() / "data")


def _held() -> Path:
    """Make a folder that stays until this process ends."""
    held = HeldFolder("data")
    atexit.register(held.remove)
    return held.path
