"""Scores in the forms that other programs take."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autograder.build import write_file
from autograder.errors import AutograderError
from autograder.gradebook import open_gradebook
from autograder.intake.roster import CsvTable, Roster, read_roster, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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


def export_csv(course: Course, path: Path, *, names: Sequence[str] | None = None) -> int:
    """
    Write the scores of a course to a CSV file: all, or those of the assignments that are named.

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
        scores = [score for score in gradebook.scores() if names is None or score.assignment in names]
    write_file(path, to_csv(scores).encode())
    return len(scores)


class ExportError(AutograderError):
    """Grades cannot be put into a platform's file; the message says why and what to do about it."""


@dataclass(frozen=True)
class Filled:
    """
    A platform's file with the grades in it.

    Attributes
    ----------
    table : CsvTable
        All rows and columns of the file, in their order.
    grades : int
        How many were filled in.
    strangers : tuple of str
        Students of the gradebook with grades who are not in the file.
    waiting : tuple of str
        Students some of whose points a person has yet to give.
    remarks : tuple of str
        What else a person should know: points that were scaled, for instance.
    """

    table: CsvTable
    grades: int
    strangers: tuple[str, ...]
    waiting: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def fill_moodle(table: CsvTable, roster: Roster, scores: Sequence[Score]) -> Filled:
    """
    Put one assignment's grades into Moodle's grading worksheet.

    Only the column ``Grade`` is written to, in the rows of those who handed something in. Where the worksheet's
    ``Maximum Grade`` is another one than the assignment's points, grades are scaled to it.

    Parameters
    ----------
    table : CsvTable
        The worksheet, as *Download grading worksheet* gives it.
    roster : Roster
        The same file, read as a list of students.
    scores : sequence of Score
        Of one assignment.

    Raises
    ------
    ExportError
        When it is no grading worksheet.
    """
    head = _places(table)
    if "grade" not in head or "identifier" not in head:
        raise ExportError(
            "the file has no columns 'Identifier' and 'Grade': download the grading worksheet of this assignment "
            "(Submissions, Grading action, Download grading worksheet; offline grading must be on in its settings)."
        )
    by_student, grades, remarks = {score.student: score for score in scores if score.submitted}, {}, set()
    for student in roster.students:
        if score := by_student.get(student.folder):
            most = _number(_cell(table, student.row, head.get("maximum grade")))
            grades[student.row, head["grade"]] = _scaled(score, most)
            if most is not None and most != score.max_score:
                remarks.add(f"{score.assignment}: scaled from {score.max_score:g} to the worksheet's {most:g} points.")
    return _filled(table, roster, scores, grades, remarks)


def fill_canvas(table: CsvTable, roster: Roster, scores: Sequence[Score]) -> Filled:
    """
    Put grades into Canvas's gradebook, as *Export Entire Gradebook* gives it.

    The column of an assignment is the one whose heading, without the number that Canvas puts behind it, is the
    assignment's name; where there is none a new one is made, for which Canvas will ask when the file is imported.
    Where Canvas has other points for it, grades are scaled to them.

    Parameters
    ----------
    table, roster
        The file, and the same file read as a list of students.
    scores : sequence of Score
        Of one assignment or more.

    Raises
    ------
    ExportError
        When it is no gradebook of Canvas's.
    """
    head = _places(table)
    if "student" not in head or "id" not in head:
        raise ExportError("the file has no columns 'Student' and 'ID': export the gradebook from Canvas (Export, CSV).")
    rows = {student.folder: student.row for student in roster.students}
    possible = next((row for row, cells in enumerate(table.rows) if _is_points_possible(cells)), None)
    columns = {_without_number(heading): place for place, heading in enumerate(table.rows[0])}
    width, grades, remarks = len(table.rows[0]), {}, set()
    for score in scores:
        name = score.assignment.casefold()
        if name not in columns:
            columns[name] = width
            width += 1
            grades[0, columns[name]] = score.assignment
            if possible is not None:
                grades[possible, columns[name]] = f"{score.max_score:g}"
            remarks.add(f"{score.assignment}: Canvas has no such column; on import it will ask to make the assignment.")
        if score.submitted and score.student in rows:
            most = _number(_cell(table, possible, columns[name])) if possible is not None else None
            grades[rows[score.student], columns[name]] = _scaled(score, most)
            if most is not None and most != score.max_score:
                remarks.add(f"{score.assignment}: scaled from {score.max_score:g} to Canvas's {most:g} points.")
    return _filled(table, roster, scores, grades, remarks)


def export_to_platform(course: Course, platform: str, roster_file: Path, names: Sequence[str], path: Path) -> Filled:
    """
    Write a platform's own file with the grades of a course in it.

    Parameters
    ----------
    course : Course
        Whose gradebook.
    platform : str
        ``moodle`` or ``canvas``.
    roster_file : Path
        Moodle's grading worksheet of one assignment, or Canvas's gradebook.
    names : sequence of str
        The assignments.
    path : Path
        Where to.

    Raises
    ------
    ExportError, RosterError
        When the file is not what it should be; nothing is written then.
    GradebookError
        When the gradebook cannot be read.
    OSError
        When the file cannot be written; an old one is then still there.
    """
    table, roster = read_table(roster_file), read_roster(roster_file)
    with open_gradebook(course) as gradebook:
        scores = [score for score in gradebook.scores() if score.assignment in names]
    try:
        filled = (fill_moodle if platform == "moodle" else fill_canvas)(table, roster, scores)
    except ExportError as error:
        raise ExportError(f"{roster_file}: {error}") from None
    write_file(path, filled.table.text())
    return filled


def _filled(
    table: CsvTable,
    roster: Roster,
    scores: Sequence[Score],
    cells: Mapping[tuple[int, int], str],
    remarks: Iterable[str],
) -> Filled:
    width = max([len(table.rows[0]), *(column + 1 for _, column in cells)])
    rows = []
    for place, row in enumerate(table.rows):
        wide = list(row) + [""] * (width - len(row) if row else 0)
        for (at, column), text in cells.items():
            if at == place:
                wide[column] = text
        rows.append(tuple(wide))
    known = {student.folder for student in roster.students}
    students = {student.row for student in roster.students}
    return Filled(
        replace(table, rows=tuple(rows)),
        sum(at in students for at, _ in cells),
        tuple(sorted({score.student for score in scores if score.submitted} - known)),
        tuple(sorted({score.student for score in scores if score.needs_person})),
        tuple(sorted(remarks)),
    )


def _places(table: CsvTable) -> dict[str, int]:
    return {heading.strip().casefold(): place for place, heading in enumerate(table.rows[0] if table.rows else ())}


def _cell(table: CsvTable, row: int, column: int | None) -> str:
    cells = table.rows[row]
    return cells[column] if column is not None and column < len(cells) else ""


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _scaled(score: Score, most: float | None) -> str:
    grade = score.score if most is None or not score.max_score else score.score * most / score.max_score
    return f"{grade:.2f}".rstrip("0").rstrip(".")


def _is_points_possible(cells: Sequence[str]) -> bool:
    return bool(cells) and cells[0].strip().casefold() == "points possible"


def _without_number(heading: str) -> str:
    return re.sub(r"\s*\(\d+\)$", "", heading.strip()).casefold()


def _text(value: str | float | datetime | None) -> str:
    return "" if value is None else str(value)
