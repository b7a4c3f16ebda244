"""What the heat map shows, students by exercises, as plain lists that become JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from autograder.report.statistics import State, Submission, waits
from autograder.verdict import Outcome

if TYPE_CHECKING:
    from autograder.report.statistics import CourseStatistics
    from autograder.verdict import CellVerdict

MOST_LETTERS = 300
"""Of one message."""

LETTERS_IN_ALL = 1_500_000
"""Of all messages together, so that the page stays small whatever the students' code says."""


class Kind(NamedTuple):
    """
    What there is to see in one place of the heat map.

    Attributes
    ----------
    name : str
        Its class in the style sheet; empty where the points give the colour.
    mark : str
        What stands there in place of points.
    words : str
        What that means.
    """

    name: str
    mark: str
    words: str


KINDS = {
    Outcome.PASSED: Kind("", "", "all points"),
    Outcome.PARTIAL: Kind("", "", "a part of the points"),
    Outcome.FAILED: Kind("", "", "no points"),
    Outcome.ERROR: Kind("", "", "ended with an error"),
    Outcome.MANUAL: Kind("", "", "points from a person"),
    Outcome.TIMEOUT: Kind("limit", "!", "time ran out"),
    Outcome.NOT_REACHED: Kind("limit", "!", "not reached"),
    Outcome.MISSING: Kind("gone", "–", "no answer found"),  # noqa: RUF001
}
"""How the outcome of a cell shows."""

WAITS = Kind("waits", "*", "waits for a person")
STATES = {
    State.GRADED: Kind("", "", "graded"),
    State.FAILED: Kind("broken", "✕", "could not be graded"),
    State.MISSING: Kind("gone", "–", "not handed in"),  # noqa: RUF001
    State.UNKNOWN: Kind("unknown", "·", "nothing on record"),
}
"""How the state of an assignment shows."""


def class_grid(course: CourseStatistics) -> dict[str, Any]:
    """
    Lay a class out as a table of students by exercises.

    Parameters
    ----------
    course : CourseStatistics
        The class.

    Returns
    -------
    dict
        ``kinds``: each a name, a mark and words. ``assignments``: each a name, points to be had, mean share, and
        exercises, each a name, points to be had, mean share and discrimination. ``messages``: each once. ``students``:
        each an id, a name, points in all, points to be had; then for each assignment a kind and points; then for each
        exercise of all assignments kind, points, seconds and message. Kinds and messages are numbers that count from
        0; -1 is no message.
    """
    kinds = list(dict.fromkeys([*STATES.values(), *KINDS.values(), WAITS]))
    numbers = {kind: number for number, kind in enumerate(kinds)}
    columns = [[(cell.notebook, cell.grade_id) for cell in assignment.cells] for assignment in course.assignments]
    messages: dict[str, int] = {}
    students = []
    for row in course.students:
        results: list[list[float]] = []
        cells: list[list[float]] = []
        for keys, result in zip(columns, row.results, strict=True):
            results.append([numbers[WAITS if result.waiting else STATES[result.state]], _short(result.score)])
            mine = {
                (submission.verdict.notebook, cell.grade_id): (submission, cell)
                for submission in result.submissions
                for cell in submission.verdict.cells
            }
            for key in keys:
                if key not in mine:
                    cells.append([numbers[STATES[State.UNKNOWN]], 0, 0, -1])
                    continue
                submission, cell = mine[key]
                text = cell.message.strip()
                number = messages.setdefault(text, len(messages)) if text else -1
                points = submission.points.get(cell.grade_id)
                score = points.score if points else cell.score
                cells.append([numbers[_kind(submission, cell)], _short(score), round(cell.seconds, 1), number])
        students.append([row.student, row.name, _short(row.score), _short(row.max_score), results, cells])
    in_all = sum(min(len(text), MOST_LETTERS) for text in messages)
    letters = MOST_LETTERS if in_all <= LETTERS_IN_ALL else LETTERS_IN_ALL // len(messages)
    return {
        "kinds": kinds,
        "assignments": [
            [
                assignment.name,
                assignment.max_score,
                assignment.mean_share,
                [[cell.grade_id, cell.max_score, cell.share, cell.discrimination] for cell in assignment.cells],
            ]
            for assignment in course.assignments
        ],
        "messages": [text if len(text) <= letters else f"{text[:letters].rstrip()} …" for text in messages],
        "students": students,
    }


def _kind(submission: Submission, cell: CellVerdict) -> Kind:
    if submission.state is not State.GRADED:
        return STATES[submission.state]
    if waits(cell, submission.points):
        return WAITS
    points = submission.points.get(cell.grade_id)
    return KINDS[Outcome.MANUAL if points and points.by_person else cell.outcome]


def _short(points: float) -> float:
    """Write fewer digits than there are: 2 for 2.0, and no more than people look at."""
    short = round(points, 2)
    return int(short) if short == int(short) else short
