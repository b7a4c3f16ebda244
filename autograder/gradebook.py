"""
Verdicts in nbgrader's gradebook.

The database is nbgrader's own, ``gradebook.db`` unless the course says otherwise, and row for row what nbgrader would
leave there, so that formgrader, ``nbgrader export`` and ``nbgrader generate_feedback`` work on it. What nbgrader has no
column for (outcomes, messages, seconds, fingerprints) lies in one table beside its tables. A submission is one
transaction.
"""

from __future__ import annotations

import ast
import json
import math
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from nbgrader.api import (
    Assignment,
    Base,
    BaseCell,
    Comment,
    Grade,
    GradeCell,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import Column, DateTime, Float, Integer, MetaData, String, Table, Text, cast, func, or_, select, text
from sqlalchemy import inspect as inspect_database
from sqlalchemy.exc import SQLAlchemyError

from autograder.database import GradebookError, insert, open_database
from autograder.nbgrader_settings import database_url, late_penalty, load_settings
from autograder.nbgrader_tables import label, read_master, sync_assignment, write_verdict
from autograder.verdict import CellVerdict, Outcome, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection, RowMapping

    from autograder import course as courses
    from autograder.database import Database
    from autograder.nbgrader_settings import Penalty

__all__ = [
    "Gradebook",
    "GradebookError",
    "Points",
    "Score",
    "StoredVerdict",
    "open_gradebook",
    "submission_time",
]

_LONGEST_TIMESTAMP = 100

# In a MetaData of its own: nbgrader's create_all must neither know nor miss this table.
_verdicts = Table(
    "autograder_verdicts",
    MetaData(),
    Column("student", String(128), primary_key=True),
    Column("assignment", String(128), primary_key=True),
    Column("notebook", String(128), primary_key=True),
    # The row counts only as long as nbgrader has the submission that it is about.
    Column("submitted_notebook_id", String(32), nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("cell_seconds", Float, nullable=False),
    Column("cells", Text, nullable=False),
    Column("recorded", DateTime, nullable=False),
)


@dataclass(frozen=True)
class StoredVerdict:
    """
    A verdict as the gradebook keeps it.

    Attributes
    ----------
    verdict : Verdict
        What grading said. The executed notebook is not kept here: ``executed`` is empty.
    fingerprint : str
        What it was graded from; the same fingerprint again means the same verdict again.
    recorded : datetime
        When it was written, in UTC.
    """

    verdict: Verdict
    fingerprint: str
    recorded: datetime


@dataclass(frozen=True)
class Points:
    """
    What one graded cell of a submission counts, a person's points included.

    Attributes
    ----------
    score, max_score : float
        As nbgrader counts them: a person's score goes before the automatic one, extra credit is added.
    by_person : bool
        A person gave a score or extra credit.
    needs_person : bool
        A person has to look at it: it has no automatic score, or it was graded again after a person gave a score.
    """

    score: float
    max_score: float
    by_person: bool
    needs_person: bool


@dataclass(frozen=True)
class Score:
    """
    One student's score in one assignment; there is one for every student and assignment of the gradebook.

    Attributes
    ----------
    assignment, student : str
        Whose it is and what for.
    last_name, first_name, email : str or None
        What the gradebook knows of the student.
    duedate, timestamp : datetime or None
        When the assignment is due without any extension, and when it was handed in, both in UTC.
    raw_score, late_submission_penalty, max_score : float
        Points before the penalty, the penalty, and points to be had.
    submitted : bool
        The gradebook has a submission.
    needs_person : bool
        A cell of it waits for a person.
    """

    assignment: str
    student: str
    last_name: str | None
    first_name: str | None
    email: str | None
    duedate: datetime | None
    timestamp: datetime | None
    raw_score: float
    late_submission_penalty: float
    max_score: float
    submitted: bool
    needs_person: bool

    @property
    def score(self) -> float:
        """Points after the penalty, never below 0."""
        return max(0.0, self.raw_score - self.late_submission_penalty)


@contextmanager
def open_gradebook(
    course: courses.Course, *, patience: float = 30.0, warn: Callable[[str], None] = lambda _line: None
) -> Iterator[Gradebook]:
    """
    Open the course's gradebook, where ``nbgrader_config.py`` says that it lies, and make it if there is none.

    Parameters
    ----------
    course : Course
        Whose it is.
    patience : float
        Seconds to wait for another program that is writing (formgrader, another run).
    warn : callable
        Called with a line for a person when there is such a program to wait for.

    Yields
    ------
    Gradebook
        To be used in the ``with`` block; one thread may write while others read.

    Raises
    ------
    GradebookError
        When it is no gradebook, is damaged, is of another version of nbgrader, or cannot be opened.
    """
    settings = load_settings(course.root)
    database = open_database(database_url(settings, course.root), patience=patience, warn=warn)
    gradebook = Gradebook(database, lambda: late_penalty(settings))
    try:
        gradebook._prepare(course.autograded)
        yield gradebook
    finally:
        database.close()


def submission_time(folder: Path) -> datetime | None:
    """
    Read when a submission was handed in from its ``timestamp.txt``, where nbgrader has it.

    Parameters
    ----------
    folder : Path
        The submission's folder, ``submitted/<student>/<assignment>``.

    Returns
    -------
    datetime or None
        In UTC without a time zone, as nbgrader stores it; None when there is no file or it is empty.

    Raises
    ------
    GradebookError
        When there is something in the file that is no time: ignoring it could forgive a late submission.
    """
    path = folder / "timestamp.txt"
    try:
        if not path.is_file() and path.exists():
            raise ValueError("no ordinary file")
        with path.open("rb") as file:
            data = file.read(_LONGEST_TIMESTAMP + 1)
        if len(data) > _LONGEST_TIMESTAMP:
            raise ValueError(f"more than {_LONGEST_TIMESTAMP} characters")
        written = data.decode("utf-8").strip()
        return _utc(_time(written)) if written else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, OverflowError) as error:  # KeyError: no such time zone
        raise GradebookError(f"{path} holds no time ({error}). Write one such as 2026-01-31 23:59:00 UTC.") from error


class Gradebook:
    """The open gradebook of a course; made by :func:`open_gradebook`."""

    def __init__(self, database: Database, load_penalty: Callable[[], Penalty]) -> None:
        self._database = database
        self._load_penalty = load_penalty

    def sync(self, assignments: Iterable[courses.Assignment]) -> None:
        """
        Bring the gradebook's picture of these assignments up to date with their masters.

        Rows come out as ``nbgrader generate_assignment`` makes them. Where nbgrader refuses to add or remove cells
        once there are submissions, this goes on: submissions get a row for a new cell, and a cell that is no longer
        there goes with its automatic grades.

        Raises
        ------
        GradebookError
            When a master cannot be read, or a cell is gone for which a person has given points or a comment. Nothing
            is changed then.
        """
        masters = {
            assignment.name: {notebook.name: read_master(notebook.path) for notebook in assignment.notebooks}
            for assignment in assignments
        }

        def change(connection: Connection) -> None:
            for name, notebooks in masters.items():
                sync_assignment(connection, name, notebooks)
            # Of notebooks that left the course, and of submissions that were removed with nbgrader's tools.
            present = select(SubmittedNotebook.id)
            connection.execute(_verdicts.delete().where(_verdicts.c.submitted_notebook_id.not_in(present)))

        self._write(change, "The assignments were not brought up to date.")

    def record(self, verdict: Verdict, fingerprint: str, *, timestamp: datetime | None = None) -> None:
        """
        Write one verdict, all of it or nothing.

        The points of every automatic cell replace those of an earlier verdict. What a person gave (score, extra
        credit, comment) is kept, and the cell is marked for a second look as nbgrader does. A cell that waits for a
        person has no automatic score. What the student is told about a test cell ``test_x`` becomes the automatic
        comment on the answer ``x``, where formgrader and nbgrader's feedback show it.

        Parameters
        ----------
        verdict : Verdict
            What grading said. :meth:`sync` has seen its assignment.
        fingerprint : str
            What it was graded from.
        timestamp : datetime, optional
            When it was handed in. Without it the time that is in the gradebook stays. A late submission gets the
            penalty that the course's ``nbgrader_config.py`` sets; nbgrader's default is none.

        Raises
        ------
        GradebookError
            When the gradebook does not know the assignment, notebook or cells, or cannot be written.
        ValueError
            When a score is not between 0 and the cell's maximum.
        """
        verdict = _storable(verdict)

        def change(connection: Connection) -> None:
            submitted_id = write_verdict(connection, verdict, timestamp and _utc(timestamp), self._late_penalty)
            _write_details(connection, verdict, fingerprint, submitted_id)

        self._write(change, f"The verdict on {label(verdict)} was not written.")

    def doubt(self, verdict: Verdict) -> None:
        """
        Take back what an earlier verdict on the same notebook was graded from: it is about to be replaced.

        Whatever then comes in between, the next run does not take the earlier verdict for a new one.

        Raises
        ------
        GradebookError
            When the gradebook cannot be written.
        """
        columns = _verdicts.c
        same = (columns.student == verdict.student) & (columns.assignment == verdict.assignment)
        update = _verdicts.update().where(same & (columns.notebook == verdict.notebook)).values(fingerprint="")
        self._write(lambda connection: connection.execute(update), f"The verdict on {label(verdict)} was not written.")

    def standing(self, assignment: str) -> dict[tuple[str, str], StoredVerdict]:
        """
        Give, of what is recorded for an assignment, the verdicts whose points are still those in nbgrader's tables.

        They are not where a cell left the master and came back in between, or where nbgrader graded by itself.
        """
        points = (
            select(SubmittedAssignment.student_id, Notebook.name, BaseCell.name, Grade.auto_score)
            .select_from(Grade)
            .join(BaseCell.__table__, BaseCell.__table__.c.id == Grade.cell_id)
            .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
            .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
            .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .where(Assignment.name == assignment)
        )
        found: dict[tuple[str, str], dict[str, float | None]] = defaultdict(dict)
        with self._reading() as connection:
            for student, notebook, cell, score in connection.execute(points):
                found[student, notebook][cell] = score
        return {
            key: stored for key, stored in self.recorded(assignment).items() if _points(stored.verdict) == found[key]
        }

    def recorded(self, assignment: str) -> dict[tuple[str, str], StoredVerdict]:
        """
        Give what is recorded for an assignment, by student and notebook.

        A submission that was since removed with nbgrader's tools is not among them.
        """
        present = select(_verdicts).join(
            SubmittedNotebook.__table__, SubmittedNotebook.id == _verdicts.c.submitted_notebook_id
        )
        with self._reading() as connection:
            rows = connection.execute(present.where(_verdicts.c.assignment == assignment)).mappings().all()
        return {(row["student"], row["notebook"]): _stored(row) for row in rows}

    def points(self, assignment: str) -> dict[tuple[str, str], dict[str, Points]]:
        """Give what each graded cell of an assignment counts, by student and notebook, then by grade id."""
        query = (
            select(
                SubmittedAssignment.student_id,
                Notebook.name,
                BaseCell.name,
                Grade.score,
                func.coalesce(GradeCell.__table__.c.max_score, TaskCell.__table__.c.max_score, 0.0),
                or_(Grade.manual_score.is_not(None), Grade.extra_credit.is_not(None)),
                Grade.needs_manual_grade,
            )
            .select_from(Grade)
            .join(BaseCell.__table__, BaseCell.__table__.c.id == Grade.cell_id)
            .outerjoin(GradeCell.__table__, GradeCell.__table__.c.id == Grade.cell_id)
            .outerjoin(TaskCell.__table__, TaskCell.__table__.c.id == Grade.cell_id)
            .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
            .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
            .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .where(Assignment.name == assignment)
        )
        found: dict[tuple[str, str], dict[str, Points]] = defaultdict(dict)
        with self._reading() as connection:
            for student, notebook, cell, score, maximum, by_person, needs_person in connection.execute(query):
                found[student, notebook][cell] = Points(score, maximum, bool(by_person), bool(needs_person))
        return dict(found)

    def comments(self, assignment: str) -> dict[tuple[str, str], dict[str, str]]:
        """Give what people said about answers of an assignment, by student and notebook, then by grade id."""
        query = (
            select(SubmittedAssignment.student_id, Notebook.name, BaseCell.name, Comment.manual_comment)
            .select_from(Comment)
            .join(BaseCell.__table__, BaseCell.__table__.c.id == Comment.cell_id)
            .join(SubmittedNotebook, SubmittedNotebook.id == Comment.notebook_id)
            .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
            .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .where(Assignment.name == assignment, Comment.manual_comment.is_not(None))
        )
        found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        with self._reading() as connection:
            for student, notebook, cell, comment in connection.execute(query):
                if comment.strip():
                    found[student, notebook][cell] = comment
        return dict(found)

    def scores(self) -> tuple[Score, ...]:
        """
        Give every student's score in every assignment, in the order in which nbgrader exports them.

        A student without a submission has 0 points, as with ``nbgrader export``. Assignments go by due date and name,
        students by last name, first name and id.
        """
        assignments = select(
            Assignment.id, Assignment.name, Assignment.duedate, Assignment.max_score.label("max_score")
        ).order_by(Assignment.duedate, Assignment.name)
        students = select(Student.id, Student.last_name, Student.first_name, Student.email).order_by(
            Student.last_name, Student.first_name, Student.id
        )
        penalties = (
            select(
                SubmittedNotebook.assignment_id, func.sum(SubmittedNotebook.late_submission_penalty).label("penalty")
            )
            .group_by(SubmittedNotebook.assignment_id)
            .subquery()
        )
        # One grouped pass: nbgrader's own score properties look through all grades once for every submission.
        submissions = (
            select(
                SubmittedAssignment.assignment_id,
                SubmittedAssignment.student_id,
                SubmittedAssignment.timestamp,
                func.coalesce(func.sum(Grade.score), 0.0),
                func.coalesce(penalties.c.penalty, 0.0),
                func.coalesce(func.max(cast(Grade.needs_manual_grade, Integer)), 0),
            )
            .outerjoin(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .outerjoin(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .outerjoin(penalties, penalties.c.assignment_id == SubmittedAssignment.id)
            .group_by(SubmittedAssignment.id, penalties.c.penalty)
        )
        with self._reading() as connection:
            every_assignment = connection.execute(assignments).all()
            every_student = connection.execute(students).all()
            handed_in = {(row[0], row[1]): row[2:] for row in connection.execute(submissions)}
        return tuple(
            _score(assignment, student, handed_in.get((assignment.id, student.id)))
            for assignment in every_assignment
            for student in every_student
        )

    def _late_penalty(self, student: str, score: float, seconds: float) -> float | None:
        return self._penalty(student, score, seconds)

    @cached_property
    def _penalty(self) -> Penalty:
        return self._load_penalty()

    def _prepare(self, autograded: Path) -> None:
        with self._explained("Nothing was changed."):
            self._database.require_sound(autograded)
        with self._reading() as connection:
            if _verdicts.name in _table_names(connection):
                # Whoever only wants to look must not wait for someone who is writing.
                self._check_schema(connection)
                return
        self._write(self._make_tables, "Nothing was changed.")

    def _make_tables(self, connection: Connection) -> None:
        if not _table_names(connection):
            Base.metadata.create_all(connection)
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": _schema_version()})
        self._check_schema(connection)
        _verdicts.create(connection, checkfirst=True)

    def _check_schema(self, connection: Connection) -> None:
        version = None
        if {"alembic_version", *Base.metadata.tables} <= _table_names(connection):
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version != _schema_version():
            raise GradebookError(
                f"{self._database.name} is not a gradebook of the nbgrader that is installed. If it is an older "
                "one, keep a copy of it and run: nbgrader db upgrade"
            )

    def _write(self, change: Callable[[Connection], object], consequence: str) -> None:
        with self._explained(consequence):
            self._database.write(change)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._explained("Nothing was changed."), self._database.reading() as connection:
            yield connection

    @contextmanager
    def _explained(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split()).rstrip(".")
            remedy = self._database.remedy(error)
            raise GradebookError(f"{self._database.name}: {cause}. {consequence}{remedy}") from error


def _table_names(connection: Connection) -> set[str]:
    return set(inspect_database(connection).get_table_names())


def _schema_version() -> str:
    """
    Give the newest of nbgrader's versions of its tables: the one that no other comes after.

    Read here, since alembic, of which it would be a word, takes as long to import as half of the rest.
    """
    revisions = [_constants(path) for path in Path(ALEMBIC_DIR, "versions").glob("*.py")]
    followed = {each["down_revision"] for each in revisions}
    (newest,) = {each["revision"] for each in revisions} - followed
    return str(newest)


def _constants(path: Path) -> dict[str, object]:
    """Read what a module's names are given at its top level, where that is a text, a number or nothing."""
    return {
        target.id: statement.value.value
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name)
    }


def _time(written: str) -> datetime:
    # Not with nbgrader's own parse_utc: it takes the "+0100" of a time for a hundred seconds.
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        time, _, zone = written.rpartition(" ")
        if zone[:1] in ("+", "-"):
            return datetime.fromisoformat(time + zone)
        return datetime.fromisoformat(time).replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _storable(verdict: Verdict) -> Verdict:
    """Check what databases take, change or refuse: NaN, which can become NULL, and text that is no Unicode."""
    for cell in verdict.cells:
        if not (math.isfinite(cell.score) and 0 <= cell.score <= cell.max_score):
            raise ValueError(f"{cell.grade_id} in {label(verdict)} scores {cell.score} of {cell.max_score} points")
    if _clean(verdict.student) != verdict.student:
        raise GradebookError(f"{label(verdict)!r}: the student's name is no valid text. Rename the folder.")
    cells = (replace(cell, message=_clean(cell.message), staff_note=_clean(cell.staff_note)) for cell in verdict.cells)
    return replace(verdict, message=_clean(verdict.message), cells=tuple(cells))


def _clean(text: str) -> str:
    # Student code can print half of a surrogate pair, which has no UTF-8, and NUL, at which other readers stop.
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _points(verdict: Verdict) -> dict[str, float | None]:
    """Give the automatic points that a verdict leaves in nbgrader's tables, by grade id."""
    return {cell.grade_id: None if cell.outcome is Outcome.MANUAL else cell.score for cell in verdict.cells}


def _write_details(connection: Connection, verdict: Verdict, fingerprint: str, submitted_id: str) -> None:
    columns = {
        "submitted_notebook_id": submitted_id,
        "fingerprint": fingerprint,
        "status": verdict.status.value,
        "message": verdict.message,
        "seconds": verdict.seconds,
        "cell_seconds": verdict.cell_seconds,
        "cells": json.dumps([asdict(cell) for cell in verdict.cells], ensure_ascii=False),
        "recorded": datetime.now(UTC).replace(tzinfo=None),
    }
    key = {"student": verdict.student, "assignment": verdict.assignment, "notebook": verdict.notebook}
    connection.execute(
        insert(connection, _verdicts)
        .values(**key, **columns)
        .on_conflict_do_update(index_elements=list(key), set_=columns)
    )


def _stored(row: RowMapping) -> StoredVerdict:
    cells = tuple(CellVerdict(**{**cell, "outcome": Outcome(cell["outcome"])}) for cell in json.loads(row["cells"]))
    verdict = Verdict(
        student=row["student"],
        assignment=row["assignment"],
        notebook=row["notebook"],
        status=Status(row["status"]),
        message=row["message"],
        cells=cells,
        seconds=row["seconds"],
        cell_seconds=row["cell_seconds"],
    )
    return StoredVerdict(verdict, row["fingerprint"], row["recorded"].replace(tzinfo=UTC))


def _score(assignment: Any, student: Any, submission: Any) -> Score:
    blank = Score(
        assignment=assignment.name,
        student=student.id,
        last_name=student.last_name,
        first_name=student.first_name,
        email=student.email,
        duedate=assignment.duedate,
        timestamp=None,
        raw_score=0.0,
        late_submission_penalty=0.0,
        max_score=assignment.max_score,
        submitted=False,
        needs_person=False,
    )
    if submission is None:
        return blank
    timestamp, raw_score, penalty, needs_person = submission
    return replace(
        blank,
        timestamp=timestamp,
        raw_score=raw_score,
        late_submission_penalty=penalty,
        submitted=True,
        needs_person=bool(needs_person),
    )
