"""
A session: one paper, two kernels, one verdict.

:func:`conduct` is the whole of it, a function from plain values to a plain value, which runs alike in a thread, in a
process or on another machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat

from autograder.course import Limits
from autograder.kernels.gpus import Slot
from autograder.kernels.kernel import CellRun, End, Kernel, KernelError
from autograder.kernels.outputs import Talk
from autograder.kernels.process import ForkServerError, can_fork, shared_server
from autograder.kernels.usage import Ceiling
from autograder.names import names
from autograder.notebook import notebook_text
from autograder.paper import Owner, Paper, PaperCell, Role, State
from autograder.sandbox import Policy
from autograder.sealed.line import EXAMINER, NoLineError
from autograder.sealed.scoring import Answered, Trouble, judge
from autograder.sealed.words import hint, too_much
from autograder.verdict import CellVerdict, Outcome, Status, Verdict

_INSTALL = "from autograder.sealed.examiner import install; install(get_ipython(), {arguments})"
_REPORT = {"report": f"{EXAMINER}.report()"}
_ASK_SECONDS = 60.0
_INTERRUPT_SECONDS = 5.0
_SIGKILL = 9
_MEBIBYTE = 2**20
# A notebook ends that soon after its time is up.
_LAST_GRACE_SECONDS = 1.0
_GRACE_SECONDS = 3.0
# Sockets in the folder of a kernel's connection: its own are six.
_MAX_SOCKETS = 100
# Linux itself refuses processes beyond the limit, for root somewhat later: see sandbox/limits.py.
_MARGIN = 300
# Beyond that it takes long to find out which names a student's cell should have bound; it is for a hint alone.
_MAX_READABLE_CHARACTERS = 20_000
# Host memory that CUDA's libraries take besides what a notebook does with it.
_MEBIBYTES_FOR_CUDA = 4096
_COMPUTE = "from autograder.kernels.gpus import compute; compute()"
# The first kernel on a GPU loads a gigabyte of libraries.
_COMPUTE_SECONDS = 180.0
_LOADS = re.compile(r"""\bdata\.load\(["'](\w+)["']\)""")


@dataclass(frozen=True)
class Conditions:
    """
    Under what conditions papers are graded.

    Attributes
    ----------
    environment : dict
        Variables for both kernels: profile, data source, threads.
    candidate_environment, examiner_environment : dict
        Variables for one of them alone: where the data are, the seed of the hold-out pictures.
    files : str
        Folder whose files lie beside the notebook in both kernels; empty for none.
    readable : tuple of str or None
        What the kernels, each confined to folders of its own, may read besides; None: they are not confined.
    candidate_readable, examiner_readable : tuple of str
        What one of them alone may read besides.
    gpu_users : tuple of str
        Which of the two, ``"candidate"`` and ``"examiner"``, are to have a GPU; empty where a paper needs none.
    gpu : Slot, optional
        The share of a GPU that they have, lent by whoever runs the paper. A kernel without one is on the processor.
    """

    environment: dict[str, str] = field(default_factory=dict)
    candidate_environment: dict[str, str] = field(default_factory=dict)
    examiner_environment: dict[str, str] = field(default_factory=dict)
    files: str = ""
    readable: tuple[str, ...] | None = None
    candidate_readable: tuple[str, ...] = ()
    examiner_readable: tuple[str, ...] = ()
    gpu_users: tuple[str, ...] = ()
    gpu: Slot | None = None

    def gpu_of(self, who: str) -> Slot | None:
        """Give the share of a GPU that a kernel has."""
        return self.gpu if who in self.gpu_users else None


Turn = contextlib.AbstractContextManager[Any]
"""What a paper holds while its cells run, such as one of a number of places."""
AT_ONCE: Turn = contextlib.nullcontext()
"""A turn that need not be waited for."""


def conduct(paper: Paper, limits: Limits, conditions: Conditions, turn: Turn = AT_ONCE) -> Verdict:
    """
    Run a paper and judge it.

    Never raises for what a submission does: that is in the verdict. The turn is waited for when both kernels stand
    ready, so that whoever has fewer turns than papers under way finds the next paper's kernels standing by.

    Raises
    ------
    KernelError, ForkServerError
        Kernels cannot be started on this machine, or what only the machine can end was ended: the fork server, or the
        kernel of the tests.
    """
    return asyncio.run(_conduct(paper, limits, conditions, turn))


async def _conduct(paper: Paper, limits: Limits, conditions: Conditions, turn: Turn) -> Verdict:
    if can_fork():
        # What the server imports, once for all, is no submission's time.
        await asyncio.to_thread(shared_server().wait_until_ready)
        if conditions.environment.get("COURSE_DATA_SOURCE") == "standin":
            shared_server().prepare(_data_sets(paper))
    begin = time.monotonic()
    with _folders(conditions.files) as folders:
        async with contextlib.AsyncExitStack() as stack:
            starts = [_start(who, folders, limits, conditions) for who in ("candidate", "examiner")]
            kernels = await asyncio.gather(*starts, return_exceptions=True)
            for kernel in kernels:
                if isinstance(kernel, Kernel):
                    await stack.enter_async_context(kernel)
            candidate, examining = (_started(kernel) for kernel in kernels)
            session = _Session(paper, limits, candidate, examining)
            await session.install(folders["line"])
            ready = time.monotonic()
            with contextlib.ExitStack() as held:
                await asyncio.to_thread(held.enter_context, turn)
                waited = time.monotonic() - ready
                await session.run()
            await session.require_machine()
    return session.verdict(time.monotonic() - begin - waited)


def try_gpu(conditions: Conditions) -> str:
    """
    Try to compute, in a kernel such as a candidate's, on the GPU that these conditions lend it.

    Returns
    -------
    str
        Why it cannot be done, in a line; empty where it can, and where kernels have no Keras that could use a GPU.

    Raises
    ------
    ForkServerError
        There are no warm kernels on this machine.
    """
    if can_fork() and not any(name.partition(".")[0] == "keras" for name in shared_server().modules):
        return ""
    try:
        return asyncio.run(_try_gpu(replace(conditions, gpu_users=("candidate",))))
    except KernelError as error:
        return f"{error}."


async def _try_gpu(conditions: Conditions) -> str:
    with _folders("") as folders:
        async with await _start("candidate", folders, Limits(), conditions) as kernel:
            run = await kernel.run(_COMPUTE, timeout=_COMPUTE_SECONDS)
            if run.end is End.OK:
                return ""
            if run.end is End.DIED:
                return f"a kernel that computes on it ends with exit code {await kernel.death}."
            return f"{run.error_name}: {' '.join(run.error_message.split())}"


async def _start(who: str, folders: Mapping[str, Path], limits: Limits, conditions: Conditions) -> Kernel:
    memory = _memory(who, limits, conditions)
    return await Kernel.start(
        connection=folders[f"{who}-connection"],
        cwd=folders[who],
        environment=_environment(who, folders[who], conditions),
        policy=_policy(who, folders, limits, conditions),
        ceiling=Ceiling(
            memory,
            int(limits.process_limit) + _MARGIN,
            files=_MAX_SOCKETS,
            files_of_memory=conditions.gpu_of(who) is not None,
        ),
        talk=Talk(int(limits.output_limit), limits.message_limit),
    )


def _memory(who: str, limits: Limits, conditions: Conditions) -> int:
    """Bytes that a kernel may have."""
    return int(limits.memory_limit + (_MEBIBYTES_FOR_CUDA if conditions.gpu_of(who) else 0)) * _MEBIBYTE


def _data_sets(paper: Paper) -> set[str]:
    """Give the data sets that the instructor's cells load."""
    given = [cell.source for cell in paper.cells if cell.role in {Role.GIVEN, Role.TEST}]
    return {name for source in given for name in _LOADS.findall(source)}


class _Session:
    """The state of a session while it runs."""

    def __init__(self, paper: Paper, limits: Limits, candidate: Kernel, examining: Kernel) -> None:
        self._paper = paper
        self._limits = limits
        self._candidate = candidate
        self._examiner = examining
        self._deadline = math.inf
        self._verdicts: list[CellVerdict] = []
        self._outputs: dict[str, list[dict[str, Any]]] = {}
        self._troubles: list[Trouble] = []
        self._stopped = ""
        self._cell_seconds = 0.0
        self._staff_notes: list[str] = []

    async def install(self, line: Path) -> None:
        arguments = (str(self._candidate.connection_file), str(line), self._limits.call_timeout)
        code = _INSTALL.format(arguments=", ".join(map(repr, arguments)))
        run = await self._examiner.run(code, timeout=self._limits.cell_timeout, silent=True)
        if run.end is not End.OK:
            raise KernelError(f"the examiner could not be set up: {run.error_name}: {run.error_message}")

    async def run(self) -> None:
        self._deadline = time.monotonic() + self._limits.notebook_timeout
        for position, cell in enumerate(_that_count(self._paper.cells), start=1):
            if not self._stopped:
                self._look_around(position)
            if self._stopped:
                self._not_reached(cell)
            elif cell.owner is Owner.EXAMINER:
                await self._run_test(cell, position)
            elif cell.owner is not Owner.NOBODY:
                await self._run_candidate(cell, position)
            if cell.role is Role.MANUAL:
                self._verdicts.append(_for_a_person(cell))

    async def require_machine(self) -> None:
        """
        Make sure that what came of the run is the student's and the tests' doing.

        A candidate that a signal ended may have sent it to itself. The examiner is out of the student's reach; a
        signal to it came from the system or from a person.
        """
        if await self._candidate.was_lost() or await self._examiner.was_lost():
            raise ForkServerError("The fork server for warm kernels ended in the middle of the notebook.")
        if await self._examiner.was_killed():
            raise KernelError("The kernel of the tests was killed.")

    def _look_around(self, position: int) -> None:
        """Stop where a kernel has died since, or the time is up."""
        if self._candidate.death.done():
            self._stopped = f"The kernel died before cell {position}: {self._cause()}."
        elif self._examiner.death.done():
            self._stopped = f"The kernel of the tests died before cell {position}."
        elif time.monotonic() >= self._deadline:
            self._stop_for_time(position)

    def verdict(self, seconds: float) -> Verdict:
        paper = self._paper
        messages = [*paper.remarks, *([self._stopped] if self._stopped else [])]
        return Verdict(
            paper.student,
            paper.assignment,
            paper.notebook,
            Status.GRADED,
            " ".join(messages),
            tuple(self._verdicts),
            seconds,
            self._cell_seconds,
            self._executed(),
        )

    def _times(self) -> tuple[float, float]:
        """Seconds that the next cell may take, and how long it may then ignore an interrupt."""
        of_notebook = max(0.0, self._deadline - time.monotonic())
        timeout = min(self._limits.cell_timeout, of_notebook)
        return timeout, min(_GRACE_SECONDS, of_notebook + _LAST_GRACE_SECONDS - timeout)

    async def _run_candidate(self, cell: PaperCell, position: int) -> None:
        begin = time.monotonic()
        timeout, grace = self._times()
        if cell.owner is Owner.BOTH:
            run, own = await asyncio.gather(
                self._candidate.run(cell.source, timeout=timeout, grace=grace),
                self._examiner.run(cell.source, timeout=timeout, grace=grace),
            )
            if own.end is not End.OK:
                what = ": ".join(filter(None, [own.end.value, own.error_name, own.error_message]))
                self._staff_notes.append(f"cell {_place(position, cell)} failed in the examiner: {what}")
        else:
            run = await self._candidate.run(cell.source, timeout=timeout, grace=grace)
        self._cell_seconds += time.monotonic() - begin
        self._outputs[cell.cell_id] = run.outputs
        if run.end is End.DIED and not (run.overdue and time.monotonic() >= self._deadline):
            self._stopped = f"The kernel died in cell {_place(position, cell)}: {self._cause(run)}."
        elif time.monotonic() >= self._deadline:
            self._stop_for_time(position)
        elif run.end is not End.OK:
            self._troubles.append(_trouble(cell, position, run, self._limits))

    async def _run_test(self, cell: PaperCell, position: int) -> None:
        begin = time.monotonic()
        run, report = await self._examine(cell)
        self._cell_seconds += time.monotonic() - begin
        self._outputs[cell.cell_id] = run.outputs
        if self._candidate.death.done() and run.end is not End.OK:
            self._stopped = f"The kernel died when cell {_place(position, cell)} called your code: {self._cause()}."
            run = CellRun(End.ERROR, run.outputs, "", self._stopped, seconds=run.seconds)
        elif time.monotonic() >= self._deadline and run.end is not End.OK:
            self._stop_for_time(position)
        states = {each.grade_id: each.state for each in self._paper.cells if each.grade_id}
        verdict = judge(cell, run, report, Answered(states, tuple(self._troubles)))
        if self._staff_notes and verdict.outcome is not Outcome.PASSED:
            note = "; ".join([*filter(None, [verdict.staff_note]), *self._staff_notes])
            verdict = replace(verdict, staff_note=note)
        if run.end is End.ERROR and (remark := hint(f"{run.error_name}: {run.error_message}", self._limits)):
            verdict = replace(verdict, message=f"{verdict.message} {remark}")
        self._verdicts.append(verdict)

    async def _examine(self, cell: PaperCell) -> tuple[CellRun, str]:
        """Run a test cell in the examiner; a candidate that dies meanwhile ends it."""
        prepared = await self._guarded(f"{EXAMINER}.prepare({list(cell.needs)!r})", silent=True)
        if prepared.end is not End.OK:
            return prepared, ""
        run = await self._guarded(cell.source, expressions=_REPORT)
        if self._examiner.death.done():
            return run, ""
        # A kernel evaluates expressions only after a cell that succeeded.
        asked = run
        if run.end is not End.OK:
            asked = await self._examiner.run("", timeout=_ASK_SECONDS, silent=True, expressions=_REPORT)
        return run, asked.expressions.get("report", "")

    async def _guarded(
        self, source: str, *, silent: bool = False, expressions: Mapping[str, str] | None = None
    ) -> CellRun:
        timeout, grace = self._times()
        work = asyncio.create_task(
            self._examiner.run(source, timeout=timeout, grace=grace, silent=silent, expressions=expressions)
        )
        if not self._candidate.death.done():
            await asyncio.wait({work, self._candidate.death}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await self._examiner.interrupt()
                await asyncio.wait({work}, timeout=_INTERRUPT_SECONDS)
            if not work.done():
                # An interrupt between two messages can lose one. Nothing is left to be tested.
                self._examiner.kill()
        run = await work
        if run.error_name == NoLineError.__name__:
            raise KernelError(f"The kernels cannot talk to each other: {run.error_message}.")
        return run

    def _cause(self, run: CellRun | None = None) -> str:
        if self._candidate.exceeded:
            return too_much(self._candidate.exceeded, self._limits)
        if run is not None and run.flooding:
            return too_much(run.flooding, self._limits)
        if run is not None and run.overdue:
            return f"it did not end within {self._limits.cell_timeout:g} s and could not be interrupted"
        code = self._candidate.death.result()
        if code == -_SIGKILL:
            return "it was killed by the system, most likely because the memory was used up"
        if code is not None and code < 0:
            return f"it crashed (signal {-code})"
        return "it was ended by the notebook itself (exit or quit)"

    def _stop_for_time(self, position: int) -> None:
        limit = self._limits.notebook_timeout
        self._stopped = f"The notebook was stopped in cell {position}: it did not end within {limit:g} s."

    def _not_reached(self, cell: PaperCell) -> None:
        if cell.role is Role.TEST:
            message = f"Not reached: {self._stopped}"
            self._verdicts.append(CellVerdict(cell.grade_id, 0.0, cell.points, Outcome.NOT_REACHED, message))

    def _executed(self) -> str:
        """Give the executed notebook: the paper with outputs and nbgrader's metadata."""
        cells: list[dict[str, Any]] = []
        count = 0
        for cell in self._paper.cells:
            made = {
                "id": cell.cell_id,
                "cell_type": cell.cell_type,
                "metadata": json.loads(cell.metadata),
                "source": cell.source,
            }
            if cell.cell_type == "code":
                made |= {"execution_count": None, "outputs": []}
            if cell.cell_id in self._outputs:
                count += 1
                outputs = [_numbered(each, count) for each in self._outputs[cell.cell_id]]
                made |= {"execution_count": count, "outputs": outputs}
            cells.append(made)
        # Not by functions of nbformat: they validate each cell, a third of what this process does for a paper.
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": json.loads(self._paper.metadata), "cells": cells}
        return notebook_text(nbformat.from_dict(notebook))


def _that_count(cells: tuple[PaperCell, ...]) -> tuple[PaperCell, ...]:
    """Give the cells up to the last graded one: no score depends on what follows, an experiment of minutes perhaps."""
    graded = [position for position, cell in enumerate(cells, start=1) if cell.is_graded]
    return cells[: max(graded, default=len(cells))]


def _for_a_person(cell: PaperCell) -> CellVerdict:
    if cell.state is State.MISSING:
        return CellVerdict(cell.grade_id, 0.0, cell.points, Outcome.MISSING, "The answer is not in the notebook.")
    if cell.state is State.UNTOUCHED:
        return CellVerdict(cell.grade_id, 0.0, cell.points, Outcome.FAILED, "There is no answer yet.")
    return CellVerdict(cell.grade_id, 0.0, cell.points, Outcome.MANUAL, "Your instructor grades this answer.")


def _place(position: int, cell: PaperCell) -> str:
    return f"{position} ('{cell.grade_id}')" if cell.grade_id else str(position)


def _trouble(cell: PaperCell, position: int, run: CellRun, limits: Limits) -> Trouble:
    bound: frozenset[str] = frozenset()
    if len(cell.source) <= _MAX_READABLE_CHARACTERS:
        with contextlib.suppress(SyntaxError):
            bound = names(cell.source).bound
    error = ": ".join(filter(None, [run.error_name, run.error_message]))
    what = f"ended with {error}"
    remark = hint(error, limits)
    if run.end is End.TIMEOUT:
        what = f"was stopped after {run.seconds:.0f} s"
    elif run.flooding:
        what = f"was stopped: {too_much(run.flooding, limits)}"
    return Trouble(cell.grade_id, bound, " ".join(filter(None, [f"Cell {_place(position, cell)} {what}.", remark])))


def _numbered(output: dict[str, Any], count: int) -> dict[str, Any]:
    return {**output, "execution_count": count} if output["output_type"] == "execute_result" else output


def _started(kernel: Kernel | BaseException) -> Kernel:
    if isinstance(kernel, BaseException):
        raise kernel
    return kernel


def _environment(who: str, home: Path, conditions: Conditions) -> dict[str, str]:
    """Give a kernel's whole environment; of the grader's own only what says nothing of it."""
    own = {"candidate": conditions.candidate_environment, "examiner": conditions.examiner_environment}
    slot = conditions.gpu_of(who)
    inherited = {
        name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "KERAS_BACKEND") if name in os.environ
    }
    return {
        **inherited,
        "HOME": str(home),
        "TMPDIR": str(home),
        "IPYTHONDIR": f"{home}/.ipython",
        **conditions.environment,
        **own[who],
        **(slot.environment(len(conditions.gpu_users)) if slot else {}),
    }


def _policy(who: str, folders: Mapping[str, Path], limits: Limits, conditions: Conditions) -> Policy | None:
    """
    Give a kernel's sandbox.

    Each kernel may write into its folder, and make sockets in that of its connection; the examiner also finds the
    candidate's sockets, and its key, and makes the sockets at which the candidate calls it.
    """
    if conditions.readable is None:
        return None
    readable, sockets = {
        "candidate": ([*conditions.candidate_readable, folders["line"]], []),
        "examiner": ([*conditions.examiner_readable, folders["candidate-connection"]], [folders["line"]]),
    }[who]
    slot = conditions.gpu_of(who)
    return Policy(
        readable=(*conditions.readable, *map(str, readable)),
        writable=(str(folders[who]),),
        sockets=tuple(map(str, [folders[f"{who}-connection"], *sockets])),
        devices=slot.gpu.devices if slot else (),
        cuda=slot is not None,
        memory=_memory(who, limits, conditions),
        processes=int(limits.process_limit),
        file_size=int(limits.file_limit * _MEBIBYTE),
        folder_size=int(limits.folder_limit * _MEBIBYTE),
    )


@contextlib.contextmanager
def _folders(files: str) -> Iterator[dict[str, Path]]:
    """Make a session's folders; short of path, because a socket's path may have 107 characters."""
    root = Path(tempfile.mkdtemp(prefix="p-", dir=shared_server().workplace if can_fork() else None))
    names = ("candidate", "examiner", "line", "candidate-connection", "examiner-connection")
    folders = {name: root / name for name in names}
    try:
        for folder in folders.values():
            folder.mkdir(mode=0o700)
        if files:
            for kernel in ("candidate", "examiner"):
                shutil.copytree(
                    files, folders[kernel], dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.ipynb", ".*")
                )
        yield folders
    finally:
        for folder in folders.values():
            with contextlib.suppress(OSError):  # not there any more
                folder.chmod(0o700)  # a kernel may have taken the right to remove what is in it
        shutil.rmtree(root, ignore_errors=True)
