"""
Rows of nbgrader's tables, written as nbgrader writes them.

What ``nbgrader generate_assignment`` (its ``SaveCells``) and ``nbgrader autograde`` (its ``SaveAutoGrades`` and
``AssignLatePenalties``) leave in the gradebook, on a connection whose transaction is the caller's:
:class:`nbgrader.api.Gradebook` commits after every row, and a submission has to be there as a whole or not at all.
"""

from __future__ import annotations

import copy
import json
import textwrap
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbgrader import utils
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Course,
    Grade,
    GradeCell,
    Notebook,
    SolutionCell,
    SourceCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
    new_uuid,
)
from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError, ValidationError
from nbgrader.preprocessors import ClearSolutions, ComputeChecksums
from sqlalchemy import func, select, union

from autograder.database import GradebookError, in_row_order, insert
from autograder.notebook import NotebookError, nbgrader_metadata, read_notebook
from autograder.verdict import Outcome, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbformat import NotebookNode
    from sqlalchemy import CompoundSelect, Connection

    from autograder.nbgrader_settings import Penalty

# The default of nbgrader.api.Gradebook. An assignment that nbgrader made keeps the course it has.
COURSE_ID = "default_course"

_TABLES = {"GradeCell": GradeCell.__table__, "SolutionCell": SolutionCell.__table__, "TaskCell": TaskCell.__table__}


@dataclass(frozen=True)
class MasterRows:
    """What nbgrader stores of a master: cells by kind and name with their columns, and the protected sources."""

    kernelspec: str
    cells: dict[tuple[str, str], dict[str, Any]]
    sources: tuple[dict[str, Any], ...]


def read_master(path: Path) -> MasterRows:
    """
    Give the rows of the master notebook in `path`.

    Raises
    ------
    GradebookError
        When it is no notebook, or its nbgrader metadata or its solution markers are not in order.
    """
    try:
        return master_rows(read_notebook(path))
    except (ValidationError, SchemaTooNewError, SchemaTooOldError) as error:
        # jsonschema puts the metadata in question, and its whole schema, after the line that says what is wrong
        raise GradebookError(f"{path}: the nbgrader metadata is not valid: {str(error).splitlines()[0]}") from error
    except (NotebookError, RuntimeError, KeyError) as error:
        raise GradebookError(f"{path} cannot be taken into the gradebook: {error}") from error


def master_rows(master: NotebookNode) -> MasterRows:
    """
    Give the rows that nbgrader's ``SaveCells`` makes of a master.

    The sources are those without solutions and with the hidden tests, because autograding puts them back.
    """
    MetadataValidator().validate_nb(master)
    notebook = copy.deepcopy(master)
    resources: dict[str, Any] = {}
    for step in (ClearSolutions(), ComputeChecksums()):
        notebook, resources = step.preprocess(notebook, resources)
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    sources = []
    for cell in notebook.cells:
        if not (utils.is_grade(cell) or utils.is_solution(cell) or utils.is_locked(cell) or utils.is_task(cell)):
            continue
        noted = nbgrader_metadata(cell)
        name = noted["grade_id"]
        if utils.is_grade(cell):
            cells["GradeCell", name] = _graded_columns(cell)
        if utils.is_solution(cell):
            cells["SolutionCell", name] = {}
        if utils.is_task(cell):
            cells["TaskCell", name] = _graded_columns(cell)
        sources.append(
            {
                "name": name,
                "cell_type": cell.cell_type,
                "locked": utils.is_locked(cell),
                "source": cell.source,
                "checksum": noted.get("checksum"),
            }
        )
    return MasterRows(json.dumps(notebook.metadata.get("kernelspec", {})), cells, tuple(sources))


def _graded_columns(cell: NotebookNode) -> dict[str, Any]:
    return {"max_score": float(cell.metadata.nbgrader["points"]), "cell_type": cell.cell_type}


def sync_assignment(connection: Connection, name: str, masters: Mapping[str, MasterRows]) -> None:
    """
    Bring an assignment's rows up to date with its masters, given by name, and its submissions with these.

    Raises
    ------
    GradebookError
        When a cell is gone for which a person has given points or a comment.
    """
    connection.execute(insert(connection, Course.__table__).values(id=COURSE_ID).on_conflict_do_nothing())
    assignment_id = connection.execute(select(Assignment.id).where(Assignment.name == name)).scalar()
    if assignment_id is None:
        assignment_id = _insert(connection, Assignment, name=name, course_id=COURSE_ID)
    present: dict[str, str] = dict(
        connection.execute(select(Notebook.name, Notebook.id).where(Notebook.assignment_id == assignment_id)).all()
    )
    for gone in present.keys() - masters.keys():
        _remove_notebook(connection, f"{name}/{gone}", present[gone])
    for notebook, rows in masters.items():
        notebook_id = present.get(notebook)
        if notebook_id is None:
            notebook_id = _insert(connection, Notebook, name=notebook, assignment_id=assignment_id)
        _update(connection, Notebook, notebook_id, kernelspec=rows.kernelspec)
        _sync_cells(connection, f"{name}/{notebook}", notebook_id, rows.cells)
        _sync_sources(connection, notebook_id, rows.sources)
        for submission_id in connection.scalars(_incomplete(assignment_id, notebook_id)).all():
            _ensure_submitted_notebook(connection, notebook_id, submission_id)


def _sync_cells(
    connection: Connection, label: str, notebook_id: str, wanted: Mapping[tuple[str, str], dict[str, Any]]
) -> None:
    present = {
        (kind, name): cell_id
        for kind, name, cell_id in connection.execute(
            select(BaseCell.type, BaseCell.name, BaseCell.id).where(BaseCell.notebook_id == notebook_id)
        )
    }
    _remove_cells(connection, label, {key: cell_id for key, cell_id in present.items() if key not in wanted})
    for (kind, name), columns in wanted.items():
        table = _TABLES[kind]
        if (kind, name) not in present:
            cell_id = _insert(connection, BaseCell, name=name, notebook_id=notebook_id, type=kind)
            connection.execute(table.insert().values(id=cell_id, **columns))
        elif columns:
            connection.execute(table.update().where(table.c.id == present[kind, name]).values(**columns))


def _sync_sources(connection: Connection, notebook_id: str, wanted: tuple[dict[str, Any], ...]) -> None:
    table = SourceCell.__table__
    columns = [table.c.name, table.c.cell_type, table.c.locked, table.c.source, table.c.checksum]
    # nbgrader reads the cells' order off the rows' order, so a changed notebook gets new rows. Nothing refers to them.
    present = connection.execute(
        select(*columns).where(table.c.notebook_id == notebook_id).order_by(in_row_order(connection))
    )
    if [dict(row) for row in present.mappings()] != list(wanted):
        connection.execute(table.delete().where(table.c.notebook_id == notebook_id))
        for row in wanted:
            _insert(connection, SourceCell, notebook_id=notebook_id, **row)


def _remove_cells(connection: Connection, label: str, cells: Mapping[tuple[str, str], str]) -> None:
    for (kind, name), cell_id in cells.items():
        # Locked, where the database locks rows: nobody gives points between the question and the removal.
        points = connection.execute(
            select(Grade.manual_score, Grade.extra_credit).where(Grade.cell_id == cell_id).with_for_update()
        )
        said = connection.scalars(select(Comment.manual_comment).where(Comment.cell_id == cell_id).with_for_update())
        by_people = sum(not (score is None and extra is None) for score, extra in points)
        comments = sum(comment is not None for comment in said)
        if by_people or comments:
            raise GradebookError(
                f"The master of {label} has no cell '{name}' any more, but people gave points for it in {by_people} "
                f"and a comment in {comments} submissions. Put the cell back, or clear these in formgrader first. "
                "Nothing was changed."
            )
        # Last what the others refer to.
        own = _TABLES[kind].c.id
        for column in (Grade.__table__.c.cell_id, Comment.__table__.c.cell_id, own, BaseCell.__table__.c.id):
            connection.execute(column.table.delete().where(column == cell_id))


def _remove_notebook(connection: Connection, label: str, notebook_id: str) -> None:
    _sync_cells(connection, label, notebook_id, {})
    _sync_sources(connection, notebook_id, ())
    for model, column in ((SubmittedNotebook, "notebook_id"), (Notebook, "id")):
        connection.execute(model.__table__.delete().where(model.__table__.c[column] == notebook_id))


def write_verdict(connection: Connection, verdict: Verdict, timestamp: datetime | None, penalty: Penalty) -> str:
    """
    Write a verdict into nbgrader's tables.

    Parameters
    ----------
    connection : Connection
        In a transaction that the caller ends.
    verdict : Verdict
        What to write.
    timestamp : datetime or None
        When it was handed in, in UTC; None keeps the time that is known.
    penalty : callable
        Gives the penalty of a late submission from student, score and seconds.

    Returns
    -------
    str
        The key of the submitted notebook.

    Raises
    ------
    GradebookError
        When the gradebook does not have the verdict's notebook, or has other cells for it.
    """
    notebook_id = _find_notebook(connection, verdict)
    cells = _graded_cells(connection, notebook_id)
    _check_cells(verdict, cells)
    submission_id = _ensure_submission(connection, verdict.assignment, verdict.student)
    if timestamp is not None:
        _update(connection, SubmittedAssignment, submission_id, timestamp=timestamp)
    submitted_id = _ensure_submitted_notebook(connection, notebook_id, submission_id)
    _write_grades(connection, verdict, submitted_id, cells)
    _write_comments(connection, verdict, notebook_id, submitted_id)
    _write_penalty(connection, verdict.student, submission_id, submitted_id, cells, penalty)
    return submitted_id


def label(verdict: Verdict) -> str:
    """Name a verdict in a message."""
    return f"{verdict.assignment}/{verdict.notebook} of {verdict.student}"


def seconds_late(timestamp: datetime | None, duedate: datetime | None, extension: timedelta | None) -> float:
    """Give how late a submission is, in seconds, as nbgrader's ``SubmittedAssignment.total_seconds_late`` does."""
    if timestamp is None or duedate is None:
        return 0.0
    return max(0.0, (timestamp - duedate - (extension or timedelta())).total_seconds())


def _find_notebook(connection: Connection, verdict: Verdict) -> str:
    notebook_id: str | None = connection.execute(
        select(Notebook.id)
        .join(Assignment, Assignment.id == Notebook.assignment_id)
        .where(Assignment.name == verdict.assignment, Notebook.name == verdict.notebook)
    ).scalar()
    if notebook_id is None:
        raise GradebookError(f"The gradebook has no such notebook. {_not_written(verdict)}")
    return notebook_id


@dataclass(frozen=True)
class _GradedCell:
    id: str
    automatic: bool


def _graded_cells(connection: Connection, notebook_id: str) -> dict[str, _GradedCell]:
    answers = set(connection.scalars(select(SolutionCell.name).where(SolutionCell.notebook_id == notebook_id)))
    tests = connection.execute(select(GradeCell.name, GradeCell.id).where(GradeCell.notebook_id == notebook_id))
    tasks = connection.execute(select(TaskCell.name, TaskCell.id).where(TaskCell.notebook_id == notebook_id))
    cells = {name: _GradedCell(cell_id, automatic=name not in answers) for name, cell_id in tests}
    return cells | {name: _GradedCell(cell_id, automatic=False) for name, cell_id in tasks}


def _check_cells(verdict: Verdict, cells: Mapping[str, _GradedCell]) -> None:
    judged = {cell.grade_id for cell in verdict.cells}
    automatic = {name for name, cell in cells.items() if cell.automatic}
    if strange := sorted(judged - cells.keys()) + sorted(automatic - judged):
        raise GradebookError(
            f"The verdict on {label(verdict)} and the gradebook do not speak of the same cells: "
            f"{', '.join(strange)}. {_not_written(verdict)}"
        )


def _not_written(verdict: Verdict) -> str:
    return f"The verdict on {label(verdict)} was not written: bring the gradebook up to date with the masters first."


def _ensure_submission(connection: Connection, assignment: str, student: str) -> str:
    connection.execute(insert(connection, Student.__table__).values(id=student).on_conflict_do_nothing())
    assignment_id = connection.execute(select(Assignment.id).where(Assignment.name == assignment)).scalar_one()
    submission_id: str | None = connection.execute(
        select(SubmittedAssignment.id).where(
            SubmittedAssignment.assignment_id == assignment_id, SubmittedAssignment.student_id == student
        )
    ).scalar()
    if submission_id is None:
        submission_id = _insert(connection, SubmittedAssignment, assignment_id=assignment_id, student_id=student)
        for notebook_id in connection.scalars(select(Notebook.id).where(Notebook.assignment_id == assignment_id)).all():
            _ensure_submitted_notebook(connection, notebook_id, submission_id)
    return submission_id


# What can be given to which cells.
_GIVEN = ((Grade, ("GradeCell", "TaskCell")), (Comment, ("SolutionCell", "TaskCell")))


def _incomplete(assignment_id: str, notebook_id: str) -> CompoundSelect[str]:
    """
    Select the submissions of an assignment in which something of a notebook is not mirrored yet.

    The database finds them, since in a class of thousands nearly all are complete.
    """
    every, mirrored, cell = SubmittedAssignment.__table__, SubmittedNotebook.__table__, BaseCell.__table__.c
    notebooks = every.outerjoin(
        mirrored, (mirrored.c.assignment_id == every.c.id) & (mirrored.c.notebook_id == notebook_id)
    )
    selected = [select(every.c.id).select_from(notebooks).where(mirrored.c.id.is_(None))]
    for model, kinds in _GIVEN:
        given = model.__table__
        cells = notebooks.join(cell.id.table, (cell.notebook_id == notebook_id) & cell.type.in_(kinds)).outerjoin(
            given, (given.c.cell_id == cell.id) & (given.c.notebook_id == mirrored.c.id)
        )
        selected.append(select(every.c.id).select_from(cells).where(given.c.id.is_(None)))
    return union(*(each.where(every.c.assignment_id == assignment_id) for each in selected))


def _ensure_submitted_notebook(connection: Connection, notebook_id: str, submission_id: str) -> str:
    """Mirror a master in a submission as nbgrader does: an empty grade and an empty comment where one can be given."""
    submitted = SubmittedNotebook.__table__
    submitted_id: str | None = connection.execute(
        select(submitted.c.id).where(submitted.c.notebook_id == notebook_id, submitted.c.assignment_id == submission_id)
    ).scalar()
    if submitted_id is None:
        submitted_id = _insert(connection, SubmittedNotebook, notebook_id=notebook_id, assignment_id=submission_id)
    for model, kinds in _GIVEN:
        cells = connection.scalars(
            select(BaseCell.id).where(BaseCell.notebook_id == notebook_id, BaseCell.type.in_(kinds))
        ).all()
        if cells:
            connection.execute(
                insert(connection, model.__table__).on_conflict_do_nothing(),
                [{"cell_id": cell_id, "notebook_id": submitted_id} for cell_id in cells],
            )
    return submitted_id


def _write_grades(
    connection: Connection, verdict: Verdict, submitted_id: str, cells: Mapping[str, _GradedCell]
) -> None:
    grades = Grade.__table__
    for cell in verdict.cells:
        waits = cell.outcome is Outcome.MANUAL
        connection.execute(
            grades.update()
            .where(grades.c.cell_id == cells[cell.grade_id].id, grades.c.notebook_id == submitted_id)
            .values(
                auto_score=None if waits else float(cell.score),
                needs_manual_grade=True if waits else grades.c.manual_score.is_not(None),
            )
        )


def _write_comments(connection: Connection, verdict: Verdict, notebook_id: str, submitted_id: str) -> None:
    comments = Comment.__table__
    texts = _comments(verdict)
    places = connection.execute(
        select(BaseCell.id, BaseCell.name).where(
            BaseCell.notebook_id == notebook_id, BaseCell.type.in_(["SolutionCell", "TaskCell"])
        )
    ).all()
    for cell_id, name in places:
        connection.execute(
            comments.update()
            .where(comments.c.cell_id == cell_id, comments.c.notebook_id == submitted_id)
            .values(auto_comment=texts.get(name))
        )


def _comments(verdict: Verdict) -> dict[str, str]:
    """Give what the student is told, by the answer it is about: the cell itself or, of ``test_x``, the answer ``x``."""
    texts: dict[str, str] = {}
    for cell in verdict.cells:
        told = cell.message or (verdict.message if verdict.status is Status.FAILED else "")
        if told.strip():
            shown = _literal(told)
        elif cell.outcome is Outcome.MISSING:
            shown = "No response."  # nbgrader's words
        else:
            continue
        texts[cell.grade_id] = shown
        texts.setdefault(cell.grade_id.removeprefix("test_"), shown)
    return texts


def _literal(told: str) -> str:
    """Make Markdown that shows a text as it is: nbgrader's feedback would run the HTML that a student's error holds."""
    return textwrap.indent(told.strip(), " " * 4)


def _write_penalty(
    connection: Connection,
    student: str,
    submission_id: str,
    submitted_id: str,
    cells: Mapping[str, _GradedCell],
    penalty: Penalty,
) -> None:
    timestamp, duedate, extension = connection.execute(
        select(SubmittedAssignment.timestamp, Assignment.duedate, SubmittedAssignment.extension)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .where(SubmittedAssignment.id == submission_id)
    ).one()
    points = None
    if (late := seconds_late(timestamp, duedate, extension)) > 0:
        # With the cells, with which the index begins: without them the grades of the whole class are looked through.
        of_cells = Grade.cell_id.in_([cell.id for cell in cells.values()])
        score = connection.execute(
            select(func.coalesce(func.sum(Grade.score), 0.0)).where(of_cells, Grade.notebook_id == submitted_id)
        ).scalar_one()
        points = penalty(student, score, late)
    if points is not None:
        points = min(max(0.0, points), score)
    _update(connection, SubmittedNotebook, submitted_id, late_submission_penalty=points)


def _insert(connection: Connection, model: Any, **columns: Any) -> str:
    key: str = new_uuid()
    connection.execute(model.__table__.insert().values(id=key, **columns))
    return key


def _update(connection: Connection, model: Any, key: str, **columns: Any) -> None:
    table = model.__table__
    connection.execute(table.update().where(table.c.id == key).values(**columns))
