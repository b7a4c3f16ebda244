"""Scores in the forms that other programs take."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from autograder.build import write_file
from autograder.gradebook import open_gradebook

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from autograder.course import Course
    from autograder.gradebook import Score

COLUMNS = (
    "assignment",
    "duedate",
    "timestamp",
    "student_id",
    "last_name",
    "first_name",
    "email",
    "raw_score",
    "late_submission_penalty",
    "score",
    "max_score",
)
"""The columns of ``nbgrader export``, so that whoever reads its file can read this one."""


def to_rows(scores: Iterable[Score]) -> list[dict[str, str]]:
    """
    Give a row for every student and assignment, as ``nbgrader export`` has them.

    Parameters
    ----------
    scores : iterable of Score
        From :meth:`autograder.gradebook.Gradebook.scores`; the rows keep their order.

    Returns
    -------
    list of dict
        A text for each of `COLUMNS`: numbers with a decimal point, times in UTC, nothing for what is not known.
    """
    return [
        {
            "assignment": score.assignment,
            "duedate": _text(score.duedate),
            "timestamp": _text(score.timestamp),
            "student_id": score.student,
            "last_name": _text(score.last_name),
            "first_name": _text(score.first_name),
            "email": _text(score.email),
            "raw_score": _text(score.raw_score),
            "late_submission_penalty": _text(score.late_submission_penalty),
            "score": _text(score.score),
            "max_score": _text(score.max_score),
        }
        for score in scores
    ]


def to_csv(scores: Iterable[Score]) -> str:
    """Give the text of a CSV file; what has a comma in it is quoted, which nbgrader's own file lacks."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(to_rows(scores))
    return text.getvalue()


def export_csv(course: Course, path: Path) -> int:
    """
    Write all scores of a course to a CSV file.

    Returns
    -------
    int
        How many rows it has below its head.

    Raises
    ------
    GradebookError
        When the gradebook cannot be read.
    OSError
        When the file cannot be written; an old one is then still there.
    """
    with open_gradebook(course) as gradebook:
        scores = gradebook.scores()
    write_file(path, to_csv(scores).encode())
    return len(scores)


def _text(value: str | float | datetime | None) -> str:
    return "" if value is None else str(value)
