"""From the masters in ``source/`` to executed notebooks in ``solutions/``: proof that the references work."""

from __future__ import annotations

import copy
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.build import BuildError, read_master, supporting_files, write_file
from autograder.kernels.process import CALM
from autograder.notebook import cell_label, notebook_text, without_colours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbformat import NotebookNode

    from autograder.course import Assignment, Course, Limits, NotebookSource

MAX_BYTES = 2_000_000
"""A solution larger than this makes the repository grow with every change to it."""

_WARM, _COLD = "warm", "python3"

_TRACEBACK_LINES = 30

# A path is looked for from the beginning of a word alone: from every character of it, the time would grow with the
# square of a long word's length.
_PATH = r"(?<![^\s\"'(<])[^\s\"'(<]*[/\\]"

# What differs from run to run or from machine to machine and tells a reader nothing.
_UNSTABLE = (
    (re.compile(_PATH + r"ipykernel_\d+[/\\]\d+\.py"), "<cell>"),
    (re.compile(_PATH + r"site-packages[/\\]"), ""),
    (re.compile(r"\b0x[0-9a-f]{8,16}\b"), "0x..."),
)


def solve(course: Course, assignments: Sequence[Assignment], *, progress: Callable[[str], None]) -> list[Path]:
    """
    Run the masters and write them with their outputs to ``solutions/``.

    A solution is its master, cell for cell and with the same metadata, plus outputs. Unless ``$COURSE_DATA_SOURCE``
    says otherwise the stand-in data are used, so that a solution does not depend on what lies on a machine.

    Parameters
    ----------
    course : Course
        Where things are.
    assignments : sequence of Assignment
        What to run.
    progress : callable
        Is told in a line what begins and what has been done.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    BuildError
        When a master cannot be read, a cell of it fails or takes too long, or the outcome is too large.
    """
    kernel = kernel_name()
    written = []
    for assignment in assignments:
        for notebook in assignment.notebooks:
            name = f"{notebook.assignment}/{notebook.name}"
            progress(f"{name}: running on the kernel '{kernel}'")
            begin = time.monotonic()
            text = notebook_text(_solve_notebook(course, assignment, notebook, kernel))
            if len(text.encode()) > MAX_BYTES:
                raise BuildError(
                    f"{name}: the solution has {len(text.encode()):,} bytes; {MAX_BYTES:,} are allowed. Draw fewer or "
                    "smaller pictures."
                )
            target = course.solutions / assignment.name / notebook.path.name
            write_file(target, text.encode())
            written.append(target)
            progress(f"{name}: done in {time.monotonic() - begin:.1f} s, {len(text.encode()) / 1000:.0f} kB")
        for relative, path in supporting_files(assignment):
            write_file(course.solutions / assignment.name / relative, path.read_bytes())
            written.append(course.solutions / assignment.name / relative)
    return written


def kernel_name() -> str:
    """Give the kernel that solutions run on: the warm one where it is installed, else a cold one."""
    from jupyter_client.kernelspec import KernelSpecManager

    return _WARM if _WARM in KernelSpecManager().find_kernel_specs() else _COLD


def attach_outputs(master: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """
    Give the master with the outputs of its run, and nothing else that a run leaves behind.

    Memory addresses and the places of temporary and installed files are taken out of texts.
    """
    solution = copy.deepcopy(master)
    for cell, run in zip(solution.cells, executed.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs = [_steady(output) for output in run.outputs]
            cell.execution_count = run.execution_count
    return solution


def _solve_notebook(course: Course, assignment: Assignment, notebook: NotebookSource, kernel: str) -> NotebookNode:
    master = read_master(notebook.path)
    with tempfile.TemporaryDirectory() as folder:
        # In a copy: what a notebook writes next to itself must not end up in source/.
        for relative, path in supporting_files(assignment):
            target = Path(folder, relative)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        name = str(notebook.path.relative_to(course.root))
        executed = _execute(master, name=name, kernel=kernel, folder=folder, limits=assignment.limits)
    return attach_outputs(master, executed)


def _execute(master: NotebookNode, *, name: str, kernel: str, folder: str, limits: Limits) -> NotebookNode:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    deadline = time.monotonic() + limits.notebook_timeout
    place = ""

    def note_place(cell: NotebookNode, cell_index: int) -> None:
        nonlocal place
        place = cell_label(cell, cell_index)

    client = NotebookClient(
        copy.deepcopy(master),
        kernel_name=kernel,
        resources={"metadata": {"path": folder}},
        # Never 0, which stands for no limit.
        timeout_func=lambda _: max(0.01, min(limits.cell_timeout, deadline - time.monotonic())),
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        # A cell that is not run is not proved to work.
        skip_cells_with_tag="",
        on_cell_start=note_place,
    )
    try:
        return client.execute(env={"COURSE_DATA_SOURCE": "standin", **os.environ, **CALM})
    except CellExecutionError as error:
        raise BuildError(f"{name}, {place}: {error.ename}: {error.evalue}\n\n{_tail(error.traceback)}") from error
    except CellTimeoutError as error:
        raise BuildError(
            f"{name}, {place}: it was stopped. A cell may take {limits.cell_timeout:g} s and a notebook "
            f"{limits.notebook_timeout:g} s; course.toml can allow this assignment more."
        ) from error
    except DeadKernelError as error:
        raise BuildError(f"{name}, {place}: the kernel died in it. Did it run out of memory?") from error


def _tail(traceback: str) -> str:
    return "\n".join(without_colours(traceback).splitlines()[-_TRACEBACK_LINES:])


def _steady(output: NotebookNode) -> NotebookNode:
    steady = copy.deepcopy(output)
    if "text" in steady:
        steady.text = _steady_text(steady.text)
    data: dict[str, Any] = steady.get("data", {})
    for kind, value in data.items():
        # Pictures and widgets have types of their own; only what is read as text is touched.
        if kind.startswith("text/") and isinstance(value, str):
            data[kind] = _steady_text(value)
    return steady


def _steady_text(text: str) -> str:
    for pattern, replacement in _UNSTABLE:
        text = pattern.sub(replacement, text)
    return text
