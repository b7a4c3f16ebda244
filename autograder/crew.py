"""
Papers run on this machine: so many at a time, and those that need a GPU each with a share of one.

Besides those that run, some stand by: their kernels are started and wait for a turn, so that no core waits for a start.
Where GPUs are lent none does: it would hold one that another could use.

Two queues. Whenever a place is free, the next paper that needs a GPU begins if a slot is free, else the next of the
others: these never wait for a GPU, and a GPU never waits behind them.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from autograder.course import Limits
from autograder.kernels.gpus import Gpu, Slot, find_gpus, share
from autograder.paper import Paper
from autograder.sealed.session import Conditions, Turn, try_gpu

# A paper stands by for so many that run: to start two kernels takes a fraction of what the quickest notebook takes.
_RUNNING_FOR_ONE_STANDING_BY = 4
_ON_THE_PROCESSOR = "What trains at full size does so on the processor, which may need longer limits of time."


@dataclass(frozen=True)
class _Task:
    future: Future[Any]
    function: Callable[..., Any]
    paper: Paper
    limits: Limits
    conditions: Conditions


class _Places:
    """So many papers run at a time, in the order in which they were begun, whichever has its kernels ready first."""

    def __init__(self, count: int) -> None:
        self.change = threading.Condition()
        self.free = count
        self.waiting: deque[_Turn] = deque()

    def next_turn(self) -> _Turn:
        """Give a paper that begins its turn, behind those of all that began before."""
        with self.change:
            turn = _Turn(self)
            self.waiting.append(turn)
            return turn


class _Turn(AbstractContextManager[None]):
    """A place, held while a paper's cells run; a paper that is run once more takes it once more, before all others."""

    def __init__(self, places: _Places) -> None:
        self._places = places

    def __enter__(self) -> None:
        places = self._places
        with places.change:
            if self not in places.waiting:
                places.waiting.appendleft(self)
            places.change.wait_for(lambda: places.free and places.waiting[0] is self)
            places.waiting.popleft()
            places.free -= 1
            places.change.notify_all()

    def __exit__(self, *_: object) -> None:
        with self._places.change:
            self._places.free += 1
            self._places.change.notify_all()

    def give_up(self) -> None:
        """Let the others pass, where a paper has ended before its turn came: its kernels did not start."""
        with self._places.change:
            if self in self._places.waiting:
                self._places.waiting.remove(self)
                self._places.change.notify_all()


class Crew(Executor):
    """
    Runs functions of a paper, limits, conditions and a turn in threads, in the order in which they come.

    Parameters
    ----------
    places : int
        How many papers run at a time.
    slots : iterable of Slot
        Shares of GPUs. Without any, papers that need a GPU are run as all others, on the processor.
    """

    def __init__(self, places: int, slots: Iterable[Slot] = ()) -> None:
        self._slots = deque(slots)
        self._lends = bool(self._slots)
        standing_by = 0 if self._lends else math.ceil(places / _RUNNING_FOR_ONE_STANDING_BY)
        self._pool = ThreadPoolExecutor(places + standing_by)
        self._places = _Places(places)
        self._change = threading.Condition()
        self._on_gpu: deque[_Task] = deque()
        self._others: deque[_Task] = deque()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Run ``function(paper, limits, conditions, turn)``, with a slot in the conditions if they ask for one."""
        paper, limits, conditions = arguments
        task = _Task(Future(), function, paper, limits, conditions)
        with self._change:
            (self._on_gpu if self._lends and conditions.gpu_users else self._others).append(task)
            self._change.notify()
        # As many turns as tasks: whoever has one finds a task, sooner or later.
        self._pool.submit(self._take_turn)
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let nothing more be submitted."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def _take_turn(self) -> None:
        with self._change:
            self._change.wait_for(lambda: self._others or (self._on_gpu and self._slots))
            slot = self._slots.popleft() if self._on_gpu and self._slots else None
            task = self._on_gpu.popleft() if slot else self._others.popleft()
            turn = self._places.next_turn()
        try:
            _run(task, slot, turn)
        finally:
            turn.give_up()
            if slot:
                with self._change:
                    self._slots.append(slot)
                    self._change.notify()


def _run(task: _Task, slot: Slot | None, turn: Turn) -> None:
    if not task.future.set_running_or_notify_cancel():
        return
    try:
        verdict = task.function(task.paper, task.limits, replace(task.conditions, gpu=slot), turn)
    except BaseException as error:  # noqa: BLE001 - as any executor: it is for whoever asks for the result
        task.future.set_exception(error)
    else:
        task.future.set_result(verdict)


def lend(memory: int, most: int, conditions: Conditions, warn: Callable[[str], None]) -> tuple[Slot, ...]:
    """
    Find the slots that this machine's GPUs have for papers.

    Each GPU is tried in a kernel like those of papers: one that is there and that Keras cannot use is told, not lent.

    Parameters
    ----------
    memory : int
        MiB that each paper is to have.
    most : int
        How many slots are wanted.
    conditions : Conditions
        Under which papers will be run.
    warn : callable
        Called with a line for a person where trainings will be on the processor.
    """
    found = find_gpus()
    if not found:
        warn(f"No GPU was found. {_ON_THE_PROCESSOR}")
        return ()
    large = [gpu for gpu in found if gpu.memory >= memory]
    refused = [
        (gpu, f"it has {gpu.memory:,} MiB, and gpu_memory in course.toml is {memory:,}.")
        for gpu in found
        if gpu not in large
    ]
    refused += [(gpu, reason) for gpu, reason in tried(large, conditions, memory) if reason]
    for gpu, reason in refused:
        warn(f"GPU {gpu.index} is not used: {reason}")
    usable = [gpu for gpu in large if gpu not in dict(refused)]
    if not usable:
        warn(f"None of the GPUs found can be used. {_ON_THE_PROCESSOR}")
    return share(usable, memory, most)


def tried(gpus: Iterable[Gpu], conditions: Conditions, memory: int) -> list[tuple[Gpu, str]]:
    """Try so many MiB of each GPU, or all that it has, and say why it cannot be used; nothing where it can."""
    return [(gpu, try_gpu(replace(conditions, gpu=Slot(gpu, min(memory, gpu.memory))))) for gpu in gpus]
