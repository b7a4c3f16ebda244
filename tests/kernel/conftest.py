"""What tests with real kernels share: one warm fork server, short folders, and papers made of a few words."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder.build import release_notebook
from autograder.course import Limits
from autograder.kernels.kernel import CellRun, Kernel
from autograder.kernels.process import shared_server
from autograder.paper import Paper, build_paper, parse_submission
from autograder.sealed.session import Conditions, conduct
from autograder.verdict import CellVerdict, Verdict
from tests.conftest import Cells


@pytest.fixture(scope="session", autouse=True)
def warm_server() -> None:
    """Start this process's fork server with everything imported, whichever test comes first."""
    shared_server()


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short path: a socket's path may have 107 characters."""
    path = Path(tempfile.mkdtemp(prefix="k-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


Conversation = Callable[[Kernel], Any]


@pytest.fixture
def with_kernel(folder: Path) -> Callable[..., Any]:
    """Start a kernel, have a conversation with it, kill it, and give the conversation's result."""

    def run(conversation: Conversation, **environment: str) -> Any:
        connection, work = folder / "c", folder / "w"
        connection.mkdir()
        work.mkdir(exist_ok=True)

        async def start_and_talk() -> Any:
            start = Kernel.start(connection=connection, cwd=work, environment=environment)
            async with await start as kernel:
                return await conversation(kernel)

        return asyncio.run(start_and_talk())

    return run


@pytest.fixture
def run_cells(with_kernel: Callable[..., Any]) -> Callable[..., list[CellRun]]:
    """Run cells one after the other in a new kernel."""

    def run(*sources: str, timeout: float = 20, **environment: str) -> list[CellRun]:
        async def one_by_one(kernel: Kernel) -> list[CellRun]:
            return [await kernel.run(source, timeout=timeout) for source in sources]

        runs: list[CellRun] = with_kernel(one_by_one, **environment)
        return runs

    return run


def printed(run: CellRun) -> str:
    """What a cell wrote to standard output."""
    return "".join(output["text"] for output in run.outputs if output.get("name") == "stdout")


def wait_until_gone(pid: int, seconds: float = 10.0) -> None:
    """Wait for the end of a process that is not ours to wait for."""
    try:
        psutil.Process(pid).wait(timeout=seconds)
    except psutil.NoSuchProcess:
        return


@dataclass(frozen=True)
class Exercise:
    """
    One exercise of a small master, and what a student answers.

    Attributes
    ----------
    answer : str or None
        What stands in the answer cell; None where the student deleted it.
    test : str
        The test cell.
    points : float
        What there is to be had.
    """

    answer: str | None
    test: str
    points: float = 1.0


def paper(*exercises: Exercise, given: str = "", before: str = "") -> Paper:
    """
    Make a paper of exercises, named ``answer1``, ``test1``, ``answer2`` and so on.

    Parameters
    ----------
    exercises : Exercise
        In their order.
    given : str
        The instructor's read-only cell at the start.
    before : str
        A cell of the student's own before everything else.
    """
    stub = "### BEGIN SOLUTION\n...\n### END SOLUTION"
    cells = [Cells.locked(given or "import numpy as np", "given")]
    for number, exercise in enumerate(exercises, start=1):
        cells += [
            Cells.answer(stub, f"answer{number}"),
            Cells.test(exercise.test, f"test{number}", exercise.points),
        ]
    master = Cells.notebook(*cells)
    handed_in = release_notebook(master)
    for number, exercise in enumerate(exercises, start=1):
        handed_in.cells[2 * number - 1].source = exercise.answer or ""
    kept = [cell for cell in handed_in.cells if not _is_deleted(cell.id, exercises)]
    handed_in.cells = [*([Cells.code(before, "before")] if before else []), *kept]
    submission = parse_submission(json.dumps(handed_in).encode(), "a.ipynb")
    return build_paper(master, submission, student="anna", assignment="01_a", notebook="a")


def _is_deleted(cell_id: str, exercises: tuple[Exercise, ...]) -> bool:
    number = cell_id.removeprefix("answer")
    return number.isdigit() and exercises[int(number) - 1].answer is None


def verdict_on(
    *exercises: Exercise, limits: Limits | None = None, conditions: Conditions | None = None, **more: str
) -> Verdict:
    """Conduct a paper of these exercises."""
    return conduct(paper(*exercises, **more), limits or Limits(), conditions or Conditions())


def told(*exercises: Exercise, **more: Any) -> list[CellVerdict]:
    """Conduct a paper of these exercises and give the verdicts on its tests."""
    return list(verdict_on(*exercises, **more).cells)
