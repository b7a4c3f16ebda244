"""What a student can know before handing in: the visible tests of a notebook, run and told in plain words."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course import Limits
from autograder.kernels.kernel import CellRun, End, Kernel
from autograder.kernels.pictures import NO_PICTURES
from autograder.kernels.process import can_fork, shared_server
from autograder.notebook import NotebookError, cell_label, headings, nbgrader_metadata, read_notebook, without_colours
from autograder.verdict import CellVerdict, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbformat import NotebookNode
    from rich.console import RenderableType

_FAILING_LINE = re.compile(r"^-+> *\d+ +(.*)$", re.M)
# A number as a kernel shows it, NumPy's scalars included.
_NUMBER = re.compile(r"(?:np\.\w+\()?([-+]?[\d.]+(?:e[-+]?\d+)?)\)?", re.I)

_MOST_POINTS = 1e6

_LOOKS = {
    Outcome.PASSED: ("passed", "green"),
    Outcome.PARTIAL: ("in part", "yellow"),
    Outcome.FAILED: ("failed", "red"),
    Outcome.ERROR: ("error", "red"),
    Outcome.TIMEOUT: ("too slow", "red"),
    Outcome.NOT_REACHED: ("not run", "red"),
    Outcome.MANUAL: ("judged later", "cyan"),
}


@dataclass(frozen=True)
class Finding:
    """
    What came of one graded cell.

    Attributes
    ----------
    place : str
        The heading above the cell, for instance "Exercise 2: Softmax".
    cell : int
        The cell's number, counted from 1.
    verdict : CellVerdict
        Its result. ``manual`` stands for what is judged only after handing in.
    """

    place: str
    cell: int
    verdict: CellVerdict


@dataclass(frozen=True)
class Report:
    """
    What a self-check found.

    Attributes
    ----------
    path : Path
        The notebook.
    findings : tuple of Finding
        One for each graded cell, in the notebook's order.
    stumbles : tuple of str
        Cells that are no tests and did not run through, with their errors: often the reason why tests fail.
    warnings : tuple of str
        What a student should know besides, for instance that a test was changed.
    seconds : float
        Wall-clock time.
    """

    path: Path
    findings: tuple[Finding, ...]
    stumbles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def judged(self) -> tuple[CellVerdict, ...]:
        """Verdicts of the tests that could be run here."""
        verdicts = (finding.verdict for finding in self.findings)
        return tuple(verdict for verdict in verdicts if verdict.outcome is not Outcome.MANUAL)

    @property
    def passed(self) -> bool:
        """Whether every test passed that could be run here."""
        return all(verdict.outcome is Outcome.PASSED for verdict in self.judged)

    @property
    def points(self) -> float:
        """Points of the tests that passed."""
        return sum(verdict.score for verdict in self.judged)

    @property
    def max_points(self) -> float:
        """Points of all tests that could be run here."""
        return sum(verdict.max_score for verdict in self.judged)


def check(
    path: Path, *, timeout: float = Limits.cell_timeout, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """
    Run a notebook from top to bottom in a kernel of its own and report on its tests.

    The notebook runs in its own folder, unsandboxed, as it does when a student runs it; the file is left as it is.

    Parameters
    ----------
    path : Path
        The notebook.
    timeout : float
        Seconds that a cell may take.
    progress : callable
        Is told which cell runs.

    Raises
    ------
    NotebookError
        When the file cannot be read or has no test.
    KernelError
        When no kernel could be started.
    """
    begin = time.monotonic()
    notebook = read_notebook(path)
    graded = [nbgrader_metadata(cell) for cell in notebook.cells if nbgrader_metadata(cell).get("grade")]
    if not graded:
        raise NotebookError(f"{path} has no tests. Is it the notebook that was handed out?")
    if not all(_is_number(noted.get("points")) and _is_name(noted.get("grade_id")) for noted in graded):
        raise NotebookError(
            f"{path} is damaged: a test has lost its points or name. Download it again and copy your answers into it."
        )
    runs = asyncio.run(_run(notebook, path.resolve().parent, timeout, progress))
    return judge(path, notebook, runs, timeout=timeout, seconds=time.monotonic() - begin)


def judge(
    path: Path, notebook: NotebookNode, runs: Sequence[CellRun | None], *, timeout: float, seconds: float
) -> Report:
    """
    Make a report of what running the cells has shown.

    Parameters
    ----------
    path : Path
        The notebook's file.
    notebook : NotebookNode
        The notebook.
    runs : sequence of CellRun or None
        What came of each cell; None for a cell that was not run.
    timeout : float
        Seconds that a cell might take.
    seconds : float
        Wall-clock time of all.
    """
    findings, stumbles = [], []
    place, death = "", ""
    for index, (cell, run) in enumerate(zip(notebook.cells, runs, strict=True)):
        place = [place, *headings(cell)][-1]
        if nbgrader_metadata(cell).get("grade"):
            findings.append(Finding(place, index + 1, _verdict(cell, run, timeout, death)))
        elif run is not None and run.end is not End.OK and not _is_unanswered(cell, run):
            stumbles.append(f"{cell_label(cell, index)}: {_explain(run, timeout)[1]}")
        if run is not None and run.end is End.DIED:
            death = cell_label(cell, index)
    return Report(path, tuple(findings), tuple(stumbles), _changed_tests(notebook), seconds)


def render(report: Report) -> RenderableType:
    """Lay a report out for a terminal."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Exercise")
    table.add_column("Cell", justify="right")
    table.add_column("Result")
    table.add_column("Points", justify="right")
    table.add_column("What the test says", ratio=1)
    for finding in report.findings:
        verdict = finding.verdict
        word, style = _LOOKS[verdict.outcome]
        points = "-" if verdict.outcome is Outcome.MANUAL else f"{verdict.score:g}"
        table.add_row(
            Text(finding.place or verdict.grade_id),
            str(finding.cell),
            Text(word, style=style),
            f"{points}/{verdict.max_score:g}",
            Text(verdict.message),
        )
    parts: list[RenderableType] = [table]
    for title, lines in (
        ("These cells did not run through; tests below them may fail for that alone:", report.stumbles),
        ("Please note:", report.warnings),
    ):
        if lines:
            parts += [Text(f"\n{title}", style="bold"), *(Padding(Text(line), (0, 0, 0, 2)) for line in lines)]
    parts.append(Text(f"\n{_summary(report)}", style="bold green" if report.passed else "bold red"))
    parts.append(Text("These are the visible tests. When your work is graded, hidden tests judge it as well."))
    return Group(*parts)


def _summary(report: Report) -> str:
    passed = sum(verdict.outcome is Outcome.PASSED for verdict in report.judged)
    return (
        f"{passed} of {len(report.judged)} tests passed, {report.points:g} of {report.max_points:g} points "
        f"({report.seconds:.0f} s)."
    )


async def _run(
    notebook: NotebookNode, folder: Path, timeout: float, progress: Callable[[str], None]
) -> list[CellRun | None]:
    runs: list[CellRun | None] = [None] * len(notebook.cells)
    if can_fork():
        # Nothing ahead of time: one notebook imports what it needs itself, and TensorFlow only if it does.
        shared_server(())
    # Whatever the terminal's own choice is, figures are the notebook's; and nobody looks at them here.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | NO_PICTURES
    with tempfile.TemporaryDirectory() as connection:
        async with await Kernel.start(connection=Path(connection), cwd=folder, environment=environment) as kernel:
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type == "code" and cell.source.strip():
                    progress(f"cell {index + 1} of {len(notebook.cells)}")
                    run = runs[index] = await kernel.run(cell.source, timeout=timeout)
                    if run.end is End.DIED:
                        break
    return runs


def _verdict(cell: NotebookNode, run: CellRun | None, timeout: float, death: str) -> CellVerdict:
    noted = nbgrader_metadata(cell)
    maximum = float(noted["points"])
    outcome, message, score = Outcome.PASSED, "", maximum
    if noted.get("solution") or cell.cell_type != "code":
        outcome, message, score = Outcome.MANUAL, "A person reads this answer.", 0.0
    elif not _has_statement(cell.source):
        outcome, message, score = Outcome.MANUAL, "The tests of this exercise are hidden.", 0.0
    elif run is None:
        outcome, message, score = Outcome.NOT_REACHED, f"Not run, because the kernel died in {death}.", 0.0
    elif run.end is not End.OK:
        outcome, message = _explain(run, timeout)
        score = 0.0
    elif (number := _partial_credit(run)) is not None:
        score = number if 0 <= number <= maximum else 0.0
        outcome = Outcome.PASSED if score == maximum else Outcome.PARTIAL if score else Outcome.FAILED
    return CellVerdict(noted["grade_id"], score, maximum, outcome, message, run.seconds if run else 0.0)


def _explain(run: CellRun, timeout: float) -> tuple[Outcome, str]:
    if run.end is End.TIMEOUT or run.overdue:
        return Outcome.TIMEOUT, f"It was stopped after {timeout:g} s. Is there a loop that does not end?"
    if run.flooding:
        return Outcome.ERROR, "It was stopped: it prints without end."
    if run.end is End.DIED:
        return Outcome.ERROR, "The kernel died in this cell. Did it run out of memory?"
    return _explain_error(run)


def _explain_error(run: CellRun) -> tuple[Outcome, str]:
    if run.error_name == "NotImplementedError" and not run.error_message:
        return Outcome.FAILED, "There is no answer yet: the exercise still says `raise NotImplementedError()`."
    if run.error_name == "CheckFailed":
        return Outcome.FAILED, run.error_message.strip()
    if run.error_name == "AssertionError":
        return Outcome.FAILED, run.error_message.strip() or f"This does not hold: {_failing_line(run)}"
    return Outcome.ERROR, f"{run.error_name}: {run.error_message}".strip(": \n")


def _failing_line(run: CellRun) -> str:
    """Give the line that raised, which an assertion without words leaves as the only thing to show."""
    traceback = "\n".join(line for output in run.outputs for line in output.get("traceback", []))
    lines = _FAILING_LINE.findall(without_colours(traceback))
    return lines[-1].strip() if lines else "an assertion"


def _is_unanswered(cell: NotebookNode, run: CellRun) -> bool:
    """Tell an exercise that waits for its answer from a cell that went wrong."""
    return bool(nbgrader_metadata(cell).get("solution")) and run.error_name == "NotImplementedError"


def _partial_credit(run: CellRun) -> float | None:
    results = [
        output["data"].get("text/plain", "") for output in run.outputs if output["output_type"] == "execute_result"
    ]
    found = _NUMBER.fullmatch(results[-1]) if results else None
    try:
        return float(found[1]) if found else None
    except ValueError:  # dots and digits, but no number: "1.2.3"
        return None


def _has_statement(source: str) -> bool:
    try:
        return bool(ast.parse(source).body)
    except SyntaxError:  # a magic, or a mistake that running it will tell
        return True


def _is_number(points: object) -> bool:
    # Before it is made into one: a whole number can be too large for that.
    return isinstance(points, int | float) and 0 <= points <= _MOST_POINTS


def _is_name(grade_id: object) -> bool:
    return isinstance(grade_id, str) and grade_id != ""


def _changed_tests(notebook: NotebookNode) -> tuple[str, ...]:
    from nbgrader.utils import compute_checksum, is_locked

    return tuple(
        f"{cell_label(cell, index)} was changed. It is graded as it was handed out, so what it says here may not count."
        for index, cell in enumerate(notebook.cells)
        if {"checksum", "grade_id"} <= nbgrader_metadata(cell).keys()
        and _is_name(nbgrader_metadata(cell)["grade_id"])
        and is_locked(cell)
        and compute_checksum(cell) != nbgrader_metadata(cell)["checksum"]
    )
