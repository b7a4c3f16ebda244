"""
From the masters in ``source/`` to what students get in ``release/``.

The cutting itself is nbgrader's: its preprocessors take out solutions, hidden tests and mark schemes, lock cells and
write checksums. What they would pass in silence, or report without naming the cell, is checked here first.
"""

from __future__ import annotations

import contextlib
import copy
import glob
import math
import os
import platform
import re
import symtable
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import psutil

from autograder.course import CourseError
from autograder.errors import UnwritableError
from autograder.notebook import NotebookError, cell_label, nbgrader_metadata, notebook_text, read_notebook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nbconvert.preprocessors import Preprocessor
    from nbformat import NotebookNode

    from autograder.course import Assignment, Course

KERNEL_NAME = "python3"
"""The kernel that a master names: the one that every student's machine has."""

_SOLUTION, _HIDDEN_TESTS, _MARK_SCHEME = "SOLUTION", "HIDDEN TESTS", "MARK SCHEME"
_MARKERS = {f"{edge} {region}" for edge in ("BEGIN", "END") for region in (_SOLUTION, _HIDDEN_TESTS, _MARK_SCHEME)}
# A comment that someone meant as a marker, however it is spelt.
_MEANT_AS_MARKER = re.compile(r"\s*#+\s*(begin|end)[\s_-]*(solution|hidden[\s_-]*test|mark(ing)?[\s_-]*scheme)", re.I)
_MARKER = re.compile(rf"\s*#+ ({'|'.join(sorted(_MARKERS))})\s*")

# Left behind when an author runs a master; says nothing to a student, and differs from run to run.
_RESIDUE = {"collapsed", "scrolled", "execution", "ExecuteTime"}


class BuildError(CourseError):
    """A master cannot become a release; the message names notebook, cell and remedy."""


class ChangeKind(StrEnum):
    """What happens, or would happen, to a generated file."""

    CREATED = "created"
    UPDATED = "updated"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """
    A generated file that is, or was, not what ``source/`` says.

    Attributes
    ----------
    path : Path
        The file.
    kind : ChangeKind
        What it takes, or took, to put it right.
    """

    path: Path
    kind: ChangeKind


def build(course: Course, assignments: Sequence[Assignment], *, check: bool = False) -> list[Change]:
    """
    Make ``release/`` what ``source/`` says: notebooks cut and locked, other files copied, leftovers removed.

    Nothing is written before everything could be built.

    Parameters
    ----------
    course : Course
        Where things are.
    assignments : sequence of Assignment
        What to build. When these are all the course has, folders of assignments that are gone are removed too.
    check : bool
        Write nothing, only tell what is out of date.

    Returns
    -------
    list of Change
        What was changed, or with `check` would be, by path; empty when the release is up to date.

    Raises
    ------
    BuildError
        When a master cannot be read or is not as it should be, or when there is none.
    """
    if not assignments:
        raise BuildError(f"There is nothing to build: {course.source} holds no folder with a notebook.")
    wanted = {course.release / name: data for each in assignments for name, data in _release_files(course, each)}
    covered = [course.release / assignment.name for assignment in assignments]
    if {assignment.name for assignment in assignments} == {assignment.name for assignment in course.assignments}:
        covered = [course.release]
    present = {path for folder in covered for path in _files(folder)}
    changes = [Change(path, ChangeKind.REMOVED) for path in present - wanted.keys()]
    for path, data in wanted.items():
        if path not in present:
            changes.append(Change(path, ChangeKind.CREATED))
        elif path.read_bytes() != data:
            changes.append(Change(path, ChangeKind.UPDATED))
    if not check:
        for change in changes:
            if change.kind is ChangeKind.REMOVED:
                change.path.unlink()
                _remove_empty_folders(change.path.parent, up_to=course.release)
            else:
                write_file(change.path, wanted[change.path])
    return sorted(changes, key=lambda change: change.path)


def release_notebook(master: NotebookNode, *, name: str = "the notebook") -> NotebookNode:
    """
    Give what students get of a master; the master is left as it is.

    Parameters
    ----------
    master : NotebookNode
        Format 4.5, with nbgrader's metadata of version 3.
    name : str
        What messages call it.

    Raises
    ------
    BuildError
        When the master is not as it should be; the message lists every problem with its cell and remedy.
    """
    if problems := find_problems(master):
        raise BuildError("\n  ".join([f"{name}:", *problems]))
    notebook = copy.deepcopy(master)
    resources: dict[str, Any] = {}
    # The state of widgets holds what the author's last run showed.
    notebook.metadata.pop("widgets", None)
    for preprocessor in _preprocessors():
        try:
            notebook, resources = preprocessor(notebook, resources)
        except RuntimeError as error:
            raise BuildError(f"{name}: {' '.join(str(error).split())}") from error
    for index, (before, after) in enumerate(zip(master.cells, notebook.cells, strict=True)):
        if before.cell_type == "code" and _is_python(before.source) and not _is_python(after.source):
            raise BuildError(
                f"{name}:\n  {cell_label(before, index)}: what is left for students is not valid Python. Indent the "
                "markers like the lines between them, and leave no block without a body."
            )
    return notebook


def find_problems(master: NotebookNode) -> list[str]:
    """
    Say what keeps a master from becoming a release, a line for each problem with its cell and remedy.

    Empty for a sound master.
    """
    if (master.nbformat, master.nbformat_minor) != (4, 5):
        return [
            f"It is in notebook format {master.nbformat}.{master.nbformat_minor}; 4.5 is needed, in which cells have "
            "ids. Open it in a current JupyterLab and save it."
        ]
    from nbformat.validator import iter_validate

    for error in iter_validate(master):
        where = "/".join(str(part) for part in error.relative_path)
        return [f"It is not a valid notebook: {error.message} (at {where}). Open it in JupyterLab and save it."]
    return [
        *_notebook_problems(master),
        *(
            f"{cell_label(cell, index)}: {problem}"
            for index, cell in enumerate(master.cells)
            for problem in (*_marker_problems(cell), *_metadata_problems(cell))
        ),
    ]


def supporting_files(assignment: Assignment) -> Iterator[tuple[str, Path]]:
    """
    Give what an assignment has besides its masters, pictures for instance: each file's path within it, and the file.

    Hidden files and what Python compiles are left out.

    Raises
    ------
    BuildError
        When a notebook lies in a folder further down: copied, it would hand out its solutions.
    """
    masters = {notebook.path for notebook in assignment.notebooks}
    for folder in {path.parent for path in masters}:
        for path in _files(folder):
            if path in masters or "__pycache__" in path.parts:
                continue
            if path.suffix == ".ipynb":
                raise BuildError(
                    f"{path}: a notebook below the assignment's own folder is not built and would be handed out with "
                    f"its solutions. Move it to {folder} or out of source/."
                )
            yield path.relative_to(folder).as_posix(), path


def write_file(path: Path, data: bytes) -> None:
    """
    Put a file in place at once: whoever reads it meanwhile finds the old one or the new one, never a half.

    What an earlier process left of the same file when it was killed goes.

    Raises
    ------
    UnwritableError
        When it cannot be written; the old one is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_halves(path)
        with _half(path).open("wb") as file:
            file.write(data)
        _half(path).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            _half(path).unlink()
        raise UnwritableError(path, error) from error


# Not a file of the same name elsewhere: it is to be moved into place, which needs the same disk.
_HALF = "part"


def _half(path: Path) -> Path:
    """Name the file that is written first; each process has its own."""
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.{_HALF}")


def _remove_halves(path: Path) -> None:
    """Remove what processes of this machine that are gone have left."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(platform.node())}.*.{_HALF}"):
        pid = left.suffixes[-2].removeprefix(".")
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            left.unlink()


def read_master(path: Path) -> NotebookNode:
    """
    Read a master.

    Raises
    ------
    BuildError
        When it is not a notebook.
    """
    try:
        return read_notebook(path)
    except NotebookError as error:
        raise BuildError(str(error)) from error


def _release_files(course: Course, assignment: Assignment) -> Iterator[tuple[str, bytes]]:
    for notebook in assignment.notebooks:
        name = str(notebook.path.relative_to(course.root))
        released = release_notebook(read_master(notebook.path), name=name)
        yield f"{assignment.name}/{notebook.path.name}", notebook_text(released).encode()
    for name, path in supporting_files(assignment):
        yield f"{assignment.name}/{name}", path.read_bytes()


def _preprocessors() -> Iterator[Preprocessor]:
    """
    Give nbgrader's steps in its own order.

    What is left out writes to the gradebook or reads templates; the first checksums are left out too, because they
    serve the gradebook alone and are computed again at the end. So is the check of metadata: :func:`find_problems` has
    done it.
    """
    # These take seconds to import; whoever only asks for a Change should not wait for them.
    from nbgrader.preprocessors import (
        ClearHiddenTests,
        ClearMarkScheme,
        ClearOutput,
        ClearSolutions,
        ComputeChecksums,
        LockCells,
    )

    yield LockCells()
    yield ClearSolutions()
    yield ClearOutput(remove_metadata_fields=_RESIDUE)
    yield ClearHiddenTests()
    yield ClearMarkScheme()
    yield ComputeChecksums()


def _notebook_problems(master: NotebookNode) -> Iterator[str]:
    kernel = master.metadata.get("kernelspec", {}).get("name")
    if kernel != KERNEL_NAME:
        yield (
            f"It names the kernel {kernel!r}; students have {KERNEL_NAME!r}. Choose 'Python 3 (ipykernel)' in "
            "JupyterLab and save it."
        )
    for cell_id in _repeated(cell.id for cell in master.cells):
        yield f"The cell id '{cell_id}' is used more than once. Give each cell its own."
    grade_ids = (nbgrader_metadata(cell).get("grade_id") for cell in master.cells if _has_part(cell))
    for grade_id in _repeated(grade_id for grade_id in grade_ids if grade_id):
        places = [
            str(index + 1)
            for index, cell in enumerate(master.cells)
            if nbgrader_metadata(cell).get("grade_id") == grade_id
        ]
        yield f"The grade_id '{grade_id}' is used by cells {', '.join(places)}. Give each cell its own."


def _metadata_problems(cell: NotebookNode) -> Iterator[str]:
    if "nbgrader" not in cell.metadata:
        return
    from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError, ValidationError

    noted = nbgrader_metadata(cell)
    if noted.get("grade") and "points" not in noted:
        yield "It is graded but has no points. Give it points in JupyterLab's 'Create Assignment' sidebar."
        return
    try:
        MetadataValidator().validate_cell(cell)
    except (SchemaTooOldError, SchemaTooNewError):
        yield "Its nbgrader metadata are of another version. Run `nbgrader update` on the notebook."
    except ValidationError as error:
        yield f"Its nbgrader metadata are not valid: {error.message}."
    else:
        yield from _role_problems(cell, noted)


def _role_problems(cell: NotebookNode, noted: Mapping[str, Any]) -> Iterator[str]:
    grade, solution = noted["grade"], noted["solution"]
    if grade and not 0 < noted["points"] < math.inf:
        yield f"It is worth {noted['points']} points. Give it points above 0, or make it a read-only cell."
    if grade and not solution:
        if cell.cell_type != "code":
            yield "It is a test but not a code cell. Make it a code cell."
        if not noted["locked"]:
            yield 'It is a test that students could change. Set "locked": true in its nbgrader metadata.'
    if solution and not grade and f"BEGIN {_SOLUTION}" not in cell.source:
        yield (
            "It is an answer without a marked solution. Put the reference between '### BEGIN SOLUTION' and "
            "'### END SOLUTION', and leave outside what students are to see."
        )
    if solution and cell.cell_type == "code" and _is_python(cell.source):
        from autograder.names import BUILTINS, names

        for name in sorted(names(cell.source).bound & BUILTINS):
            yield f"It binds '{name}', which Python has already: a test would use Python's own. Choose another name."


def _marker_problems(cell: NotebookNode) -> Iterator[str]:
    noted = nbgrader_metadata(cell)
    home = {
        _SOLUTION: (noted.get("solution"), "an answer"),
        _HIDDEN_TESTS: (noted.get("grade"), "a test"),
        _MARK_SCHEME: (noted.get("task"), "a task"),
    }
    inside = dict.fromkeys(home, 0)
    for number, line in enumerate(cell.source.splitlines(), start=1):
        found = _MARKER.fullmatch(line)
        if found is None:
            # nbgrader cuts wherever a line contains a marker's words, and nowhere else.
            if _MEANT_AS_MARKER.match(line) or any(marker in line for marker in _MARKERS):
                yield (
                    f"Line {number}, '{line.strip()}', looks like a marker but is none. Write it alone on its line: "
                    "### BEGIN or ### END, then SOLUTION, HIDDEN TESTS or MARK SCHEME, in capitals."
                )
            continue
        edge, region = found[1].split(" ", maxsplit=1)
        belongs, kind = home[region]
        if not belongs:
            yield f"Line {number} marks '{region}' in a cell that is not {kind}. Make it {kind} or take the marker out."
        if edge == "BEGIN" and inside[region]:
            yield (
                f"Line {number} begins '{region}' inside the one begun in line {inside[region]}. End that first: "
                f"### END {region}."
            )
        if edge == "END" and not inside[region]:
            yield f"Line {number} ends '{region}', but nothing begins it. Put ### BEGIN {region} above it."
        inside[region] = number if edge == "BEGIN" else 0
    for region, number in inside.items():
        if number:
            yield f"Line {number} begins '{region}', but nothing ends it. Put ### END {region} below it."


def _has_part(cell: NotebookNode) -> bool:
    """Tell whether nbgrader has a say in a cell: only then must its ``grade_id`` be its own."""
    noted = nbgrader_metadata(cell)
    return any(noted.get(flag) for flag in ("grade", "solution", "locked", "task"))


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _is_python(source: str) -> bool:
    try:
        # Not ast.parse: in Python 3.11 two threads that make syntax trees at once can fail each other.
        symtable.symtable(source, "<cell>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _files(folder: Path) -> Iterator[Path]:
    """Give the files in a folder and below, but for hidden ones and those in hidden folders."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _remove_empty_folders(folder: Path, *, up_to: Path) -> None:
    while folder != up_to and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
