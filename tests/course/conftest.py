"""The repository's own course, and every assignment found in it."""

from __future__ import annotations

from pathlib import Path

from autograder.course import Limits, load_course

COURSE = load_course(Path(__file__).parents[2])

SHORT = [each for each in COURSE.assignments if each.limits.cell_timeout <= Limits().cell_timeout]
"""The assignments whose notebooks do not train for long: they have no time limit of their own."""


def pytest_generate_tests(metafunc):
    """A test that asks for an assignment runs for every one in source/, not for a list."""
    if "assignment" in metafunc.fixturenames:
        metafunc.parametrize("assignment", COURSE.assignments, ids=lambda assignment: assignment.name)
    if "course" in metafunc.fixturenames:
        metafunc.parametrize("course", [COURSE], ids=["course"])
