"""
What the run of a test cell is worth.

A pure function of what the examiner kernel sent. nbgrader's rules with its traps taken out: NumPy and TensorFlow
scalars are numbers, True and False are none, a number outside the cell's range earns nothing, text on standard error
costs nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from autograder.kernels.kernel import CellRun, End
from autograder.kernels.outputs import clean
from autograder.paper import PaperCell, State
from autograder.verdict import CellVerdict, Outcome

_ASSERTIONS = ("AssertionError", "CheckFailed")
_CALL_TIMEOUT = "CallTimeoutError"
_MAX_MESSAGE = 2000


@dataclass(frozen=True)
class Trouble:
    """A cell of the candidate that went wrong: its grade id, the names it should have bound, and what came of it."""

    grade_id: str
    bound: frozenset[str]
    what: str


@dataclass(frozen=True)
class Answered:
    """
    What is known of the answers that a test judges.

    Attributes
    ----------
    states : dict
        State of each answer, by grade id.
    troubles : tuple of Trouble
        The cells before the test whose own run went wrong.
    """

    states: Mapping[str, State]
    troubles: tuple[Trouble, ...] = ()


def judge(cell: PaperCell, run: CellRun, report: str, answered: Answered) -> CellVerdict:
    """
    Judge a test cell.

    Parameters
    ----------
    cell : PaperCell
        The test.
    run : CellRun
        Its run in the examiner.
    report : str
        The examiner's report on it, JSON with ``number`` and ``where``; empty if there is none.
    answered : Answered
        What is known of the answers.
    """
    facts = _read(report)
    if run.end is End.OK:
        return _from_number(cell, run, facts[0]) if facts else _at_fault(cell, run, "it left no report")
    missing = [name for name in cell.answers if answered.states.get(name) is State.MISSING]
    if missing and len(missing) == len(cell.answers):
        names = ", ".join(f"'{name}'" for name in missing)
        text = f"The answer cell {names} is not in the notebook. Download it again and copy your answers into it."
        return _nothing(cell, run, Outcome.MISSING, text)
    if run.end is End.TIMEOUT or run.overdue:
        text = f"The test was stopped after {run.seconds:.0f} s: your code takes too long."
        return _nothing(cell, run, Outcome.TIMEOUT, text)
    if run.end is End.DIED:
        return _at_fault(cell, run, "its kernel died")
    return _nothing(cell, run, *_from_error(cell, run, facts[1] if facts else "", answered))


def _read(report: str) -> tuple[float | None, str] | None:
    """Read the number and the place from an examiner's report; None for what is no report."""
    try:
        facts = json.loads(report)
    except (ValueError, RecursionError):
        return None
    match facts:
        case {"number": None | float() | int() as number, "where": str(where)} if not isinstance(number, bool):
            try:
                return None if number is None else float(number), clean(where[:_MAX_MESSAGE])
            except OverflowError:
                return math.inf, clean(where[:_MAX_MESSAGE])
    return None


def _from_number(cell: PaperCell, run: CellRun, number: float | None) -> CellVerdict:
    if number is None or number == cell.points:
        return CellVerdict(cell.grade_id, cell.points, cell.points, Outcome.PASSED, seconds=run.seconds)
    if not math.isfinite(number) or not 0 <= number <= cell.points:
        return _at_fault(cell, run, f"it ended with {number}, which is no score between 0 and {cell.points:g}")
    outcome = Outcome.PARTIAL if number > 0 else Outcome.FAILED
    message = f"{number:g} of {cell.points:g} points."
    return CellVerdict(cell.grade_id, number, cell.points, outcome, message, run.seconds)


def _from_error(cell: PaperCell, run: CellRun, where: str, answered: Answered) -> tuple[Outcome, str]:
    # Without words: as the stub of a release raises it.
    is_stub = run.error_name == "NotImplementedError" and not run.error_message
    if is_stub or all(answered.states.get(name) is State.UNTOUCHED for name in cell.answers or ("",)):
        return Outcome.FAILED, "There is no answer yet."
    if run.error_name in _ASSERTIONS:
        return Outcome.FAILED, run.error_message or "The result is not right."
    if run.error_name == _CALL_TIMEOUT:
        return Outcome.TIMEOUT, f"{run.error_message[:1].upper()}{run.error_message[1:]}."
    text = ": ".join(filter(None, [run.error_name, run.error_message]))
    if where:
        text += f" ({where})"
    if run.error_name == "NameError" and not where:
        causes = [trouble.what for trouble in answered.troubles if _explains(trouble, cell, run.error_message)]
        text = " ".join([f"{text}.", *(causes or ["Is it defined in your answer, under exactly this name?"])])
    return Outcome.ERROR, text


def _explains(trouble: Trouble, cell: PaperCell, message: str) -> bool:
    """Tell whether a cell's trouble is why a name is missing: it should have bound it, or is an answer under test."""
    return any(f"'{name}'" in message for name in trouble.bound) or trouble.grade_id in cell.answers


def _at_fault(cell: PaperCell, run: CellRun, what: str) -> CellVerdict:
    """Give nothing for a test that did not do its own part."""
    message = "The test of this cell is at fault. Please tell your instructor."
    return CellVerdict(cell.grade_id, 0.0, cell.points, Outcome.ERROR, message, run.seconds, f"the test: {what}")


def _nothing(cell: PaperCell, run: CellRun, outcome: Outcome, message: str) -> CellVerdict:
    return CellVerdict(cell.grade_id, 0.0, cell.points, outcome, message[:_MAX_MESSAGE], run.seconds)
