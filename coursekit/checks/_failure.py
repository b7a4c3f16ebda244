"""The one exception of the checks, and how its message is laid out."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn

__all__ = ["CheckFailed", "fail"]


class CheckFailed(AssertionError):  # noqa: N818 -- reads as what it says to a student
    """A check was not passed: the message says what was asked, what came, and what the mistake may be."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for this. A beginner needs the message and the line of the own cell, not the
        # inside of the checks; and the lines around it may be those of a hidden test.
        line = _line_of_cell(self.__traceback__)
        where = "" if line is None else f" (line {line} of this cell)"
        return [f"CheckFailed{where}", "", str(self)]


def fail(name: str, problem: str, *hints: str) -> NoReturn:
    """
    Raise a failure whose first line tells all in brief, followed by one line a hint.

    Parameters
    ----------
    name : str
        What was looked at, as the test's author calls it.
    problem : str
        What came and what was asked, a whole sentence; its full stop may be missing.
    *hints : str
        The likely mistake and its remedy; empty ones are left out.
    """
    stop = "" if problem.endswith((".", "!", "?")) else "."
    raise CheckFailed("\n".join([f"{name}: {problem}{stop}", *(f"  {hint}" for hint in hints if hint)])) from None


def _line_of_cell(traceback: TracebackType | None) -> int | None:
    while traceback is not None:
        # The names that IPython gives to cells: a file of ipykernel's, or "<ipython-input-...>" in a terminal.
        file = traceback.tb_frame.f_code.co_filename
        if "ipykernel_" in file or file.startswith("<ipython-input"):
            return traceback.tb_lineno
        traceback = traceback.tb_next
    return None
