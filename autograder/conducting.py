"""What runs a paper wherever an executor runs it: a module of its own, so that a worker imports no gradebook for it."""

from __future__ import annotations

from autograder.course import Limits
from autograder.kernels.kernel import KernelError
from autograder.kernels.process import ForkServerError
from autograder.paper import Paper
from autograder.sealed.session import AT_ONCE, Conditions, Turn, conduct
from autograder.verdict import Verdict


def conduct_twice(paper: Paper, limits: Limits, conditions: Conditions, turn: Turn = AT_ONCE) -> Verdict:
    """
    Run a paper and judge it, and do it once more where the machine failed: a fork server or an examiner was killed.

    Raises
    ------
    KernelError, ForkServerError, OSError
        The machine failed both times.
    """
    try:
        return conduct(paper, limits, conditions, turn)
    except (KernelError, ForkServerError, OSError):
        return conduct(paper, limits, conditions, turn)
