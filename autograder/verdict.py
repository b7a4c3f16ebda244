"""What grading says about a submission: plain, frozen, picklable values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What came of one graded cell."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    ERROR = "error"
    TIMEOUT = "timeout"
    MISSING = "missing"
    NOT_REACHED = "not-reached"
    MANUAL = "manual"


LOST = frozenset({Outcome.PARTIAL, Outcome.FAILED, Outcome.ERROR, Outcome.TIMEOUT})
"""The outcomes of a test that has run and has not given full points."""


class Status(StrEnum):
    """Whether a submission could be graded at all."""

    GRADED = "graded"
    FAILED = "failed"


@dataclass(frozen=True)
class CellVerdict:
    """
    The verdict on one graded cell.

    Attributes
    ----------
    grade_id : str
        The cell's name in the master notebook.
    score, max_score : float
        Points given and points to be had. A cell that waits for a person scores 0 until then.
    outcome : Outcome
        What came of it.
    message : str
        What the student is told; empty when there is nothing to say.
    seconds : float
        Wall-clock time of the cell.
    staff_note : str
        What only the instructor is told, a score outside the cell's range for instance.
    """

    grade_id: str
    score: float
    max_score: float
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0
    staff_note: str = ""


@dataclass(frozen=True)
class Verdict:
    """
    The verdict on one submitted notebook.

    Attributes
    ----------
    student, assignment, notebook : str
        Whose it is and what it answers.
    status : Status
        ``failed`` when the file could not be graded; every cell then scores 0.
    message : str
        Why it could not be graded, or what the student should know about the whole submission.
    cells : tuple of CellVerdict
        One for each graded cell of the master, in its order.
    seconds : float
        Wall-clock time from the first kernel's start to the last cell's end.
    cell_seconds : float
        The part of it in which the student's and the tests' own code ran.
    executed : str
        The executed notebook as JSON text; empty when nothing ran.
    """

    student: str
    assignment: str
    notebook: str
    status: Status
    message: str
    cells: tuple[CellVerdict, ...]
    seconds: float = 0.0
    cell_seconds: float = 0.0
    executed: str = ""

    @property
    def score(self) -> float:
        """Points of all cells together."""
        return sum(cell.score for cell in self.cells)

    @property
    def max_score(self) -> float:
        """Points that were to be had."""
        return sum(cell.max_score for cell in self.cells)
