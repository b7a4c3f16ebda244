"""
The sample class: made-up students whose scores are known beforehand.

Each student of ``samples/<assignment>.toml`` is a described case: which answers differ from the reference, and what the
grader must say to them. To these come the cases that every assignment has: the reference, the untouched release and
damaged files. A class serves for trying the grader out and for holding it to what it should say.
"""

from __future__ import annotations

import copy
import shutil
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from nbformat import NotebookNode

from autograder.build import read_master, release_notebook, write_file
from autograder.course import SETTINGS, Assignment, Course, CourseError
from autograder.notebook import nbgrader_metadata, notebook_text
from autograder.paper import Role, blank
from autograder.verdict import Status

CASES = "samples"
"""Folder of the course with a file of cases for each assignment."""

MARK = ".sample-class"
"""File in ``submitted/`` that says: all this may be replaced by the next sample class."""

_BASES = ("reference", "release")
_NBGRADER = "nbgrader_config.py"
_OWN_GRADEBOOK = b"""
# The made-up class has a gradebook of its own.
import pathlib

get_config().CourseDirectory.db_url = f"sqlite:///{pathlib.Path(__file__).resolve().with_name('gradebook.db')}"
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """
    A made-up student and what the grader must say.

    Attributes
    ----------
    student : str
        The name.
    about : str
        What is special, in a sentence.
    base : str
        ``reference`` or ``release``: what stands in the answers that are not given.
    answers : mapping
        Sources of answer cells, by grade id.
    delete, duplicate : tuple of str
        Grade ids of cells that are removed, or that stand there a second time (as the release has them).
    add_cells : tuple of mapping
        Cells of the student's own: ``after`` (a grade id) and ``source``.
    damage : callable, optional
        What happens to the file's bytes.
    scores : mapping
        Points of each test that does not get full points, by grade id.
    says : mapping
        Words that the message of a cell must hold, by grade id; of the whole submission under ``""``.
    score : float, optional
        The sum, where a case says it; held against the cells' own.
    status : Status
        Whether it can be graded at all.
    """

    student: str
    about: str
    base: str = "reference"
    answers: Mapping[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()
    add_cells: tuple[Mapping[str, str], ...] = ()
    damage: Callable[[bytes], bytes] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    score: float | None = None
    status: Status = Status.GRADED


def cases(course: Course, assignment: Assignment) -> tuple[Case, ...]:
    """
    Give the sample class of an assignment.

    Raises
    ------
    CourseError
        Its file of cases cannot be read, or says something that does not fit the master.
    """
    (notebook, *more) = assignment.notebooks
    if more:
        raise CourseError(f"{assignment.name} has several notebooks; a sample class is made for one.")
    master = read_master(notebook.path)
    path = course.root / CASES / f"{assignment.name}.toml"
    own: list[Case] = []
    if path.is_file():
        own = read_entries(path, "case", Case, needed=("student", "about"), computed=("damage", "status"))
    for case in own:
        _check(case, master, path)
    return (*own, *_general_cases(master))


def expected_scores(case: Case, master: NotebookNode) -> dict[str, float]:
    """Give the points that a case deserves for each graded cell that a machine grades."""
    tests = {cell.grade_id: cell.points for cell in blank(master) if cell.role is Role.TEST}
    if case.status is Status.FAILED:
        return dict.fromkeys(tests, 0.0)
    return {grade_id: float(case.scores.get(grade_id, points)) for grade_id, points in tests.items()}


def submission_bytes(case: Case, master: NotebookNode) -> bytes:
    """Give the file that the student of a case hands in."""
    notebook = release_notebook(master)
    originals = {nbgrader_metadata(cell).get("grade_id"): cell for cell in master.cells}
    cells = []
    for cell in notebook.cells:
        grade_id = nbgrader_metadata(cell).get("grade_id", "")
        stub = copy.deepcopy(cell)
        if nbgrader_metadata(cell).get("solution"):
            if case.base == "reference":
                cell.source = originals[grade_id].source
            cell.source = case.answers.get(grade_id, cell.source)
        if grade_id not in case.delete:
            cells.append(cell)
        cells += [
            _new_cell(added["source"], f"own-{len(cells)}") for added in case.add_cells if added["after"] == grade_id
        ]
        if grade_id in case.duplicate:
            stub.id = f"{stub.id}-again"[:64]
            cells.append(stub)
    notebook.cells = cells
    data = notebook_text(notebook).encode()
    return case.damage(data) if case.damage else data


def write_class(course: Course, assignments: Sequence[Assignment], to: Path) -> list[Path]:
    """
    Write the sample class of some assignments into the ``submitted/`` folder of a course folder.

    Parameters
    ----------
    course : Course
        Where masters and cases come from.
    assignments : sequence of Assignment
        Whose class.
    to : Path
        The course's own root, or another folder, which becomes a course folder with the same masters.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    CourseError
        There are submissions in `to` that are no sample.
    """
    submitted = to / "submitted"
    if submitted.is_dir() and any(submitted.iterdir()) and not (submitted / MARK).exists():
        raise CourseError(
            f"{submitted} holds submissions that are no sample class; they are left alone. Name another folder: --to."
        )
    if to.resolve() != course.root:
        _copy_course(course, to)
    shutil.rmtree(submitted, ignore_errors=True)
    write_file(submitted / MARK, b"Made by 'autograder sample'; the next call replaces it.\n")
    written = []
    for assignment in assignments:
        (notebook,) = assignment.notebooks
        master = read_master(notebook.path)
        for case in cases(course, assignment):
            path = submitted / case.student / assignment.name / notebook.path.name
            write_file(path, submission_bytes(case, master))
            written.append(path)
    return written


def _copy_course(course: Course, to: Path) -> None:
    shutil.rmtree(to / course.source.name, ignore_errors=True)
    copy_settings(course, to)
    # All of them: the settings may speak of any.
    for folder in (course.source, course.root / CASES):
        if folder.is_dir():
            shutil.copytree(folder, to / folder.name, dirs_exist_ok=True)


def copy_settings(course: Course, to: Path) -> None:
    """Copy what is set for a course and for nbgrader, but not where the gradebook lies: it is the real class's."""
    write_file(to / SETTINGS, (course.root / SETTINGS).read_bytes())
    path = course.root / _NBGRADER
    write_file(to / _NBGRADER, (path.read_bytes() if path.is_file() else b"") + _OWN_GRADEBOOK)


def _new_cell(source: str, cell_id: str) -> NotebookNode:
    from nbformat.v4 import new_code_cell

    return new_code_cell(source, id=cell_id)


def read_entries(
    path: Path, table: str, kind: type[T], *, needed: Iterable[str], computed: Iterable[str] = ()
) -> list[T]:
    """
    Read the ``[[table]]`` entries of a TOML file as values of a dataclass.

    Parameters
    ----------
    path : Path
        The file.
    table : str
        Which entries.
    kind : type
        A dataclass; its fields are the keys that an entry may have.
    needed, computed : iterable of str
        Keys that an entry must have, and fields that it may not give.

    Raises
    ------
    CourseError
        The file cannot be read, or an entry lacks a key or has an unknown one.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be read: {error}.") from error
    allowed = {entry.name for entry in fields(kind)} - set(computed)  # type: ignore[arg-type]
    found = []
    for number, given in enumerate(content.get(table, []), start=1):
        unknown = set(given) - allowed
        if unknown or not set(needed) <= set(given):
            raise CourseError(
                f"{path}: {table} {number} needs {' and '.join(needed)}, and may have {', '.join(sorted(allowed))}"
                + (f"; it has {', '.join(sorted(unknown))}." if unknown else ".")
            )
        values: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in given.items()}
        found.append(kind(**values))
    return found


def _check(case: Case, master: NotebookNode, path: Path) -> None:
    frame = {cell.grade_id: cell for cell in blank(master)}
    used = [*case.answers, *case.delete, *case.duplicate, *case.scores, *filter(None, case.says)]
    for grade_id in [*used, *(added["after"] for added in case.add_cells)]:
        if grade_id not in frame:
            raise CourseError(f"{path}: {case.student} speaks of '{grade_id}', which the master does not have.")
    if case.base not in _BASES:
        raise CourseError(f"{path}: {case.student} has base {case.base!r}; it may be {' or '.join(_BASES)}.")
    total = sum(expected_scores(case, master).values())
    if case.score is not None and abs(case.score - total) > 1e-9:
        raise CourseError(f"{path}: {case.student} should score {case.score:g}, but its cells add up to {total:g}.")


def _general_cases(master: NotebookNode) -> Iterator[Case]:
    """Give the cases that every assignment has."""
    frame = blank(master)
    tests = [cell for cell in frame if cell.role is Role.TEST]
    answers = [cell for cell in frame if cell.role is Role.ANSWER]
    nothing = dict.fromkeys((cell.grade_id for cell in tests), 0.0)
    yield Case("reference", "The reference itself")
    deleted, doubled = ([cell.grade_id for cell in some[:1]] for some in (tests, answers))
    yield Case(
        "Zoë Ångström",
        "The reference by a student whose name has a space and letters beyond ASCII. A test was deleted: the master's "
        "counts. An answer is there twice, the second time empty: the one that stands where it belongs counts",
        delete=tuple(deleted),
        duplicate=tuple(doubled),
        says={"": f"'{doubled[0]}' is there 2 times"} if doubled else {},
    )
    yield Case("untouched", "The release as it was handed out", base="release", scores=nothing)
    yield Case(
        "not-json",
        "A text document in place of a notebook",
        damage=lambda _data: b"My answers are in the other file.\n",
        scores=nothing,
        says={"": "not a notebook"},
        status=Status.FAILED,
    )
    yield Case(
        "cut-off",
        "The upload broke off in the middle",
        damage=lambda data: data[: len(data) // 2],
        scores=nothing,
        says={"": "not a notebook"},
        status=Status.FAILED,
    )
