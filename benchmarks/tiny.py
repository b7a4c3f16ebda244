"""A made-up course with one exercise: what is left of a submission's time when its cells take none."""

from __future__ import annotations

import shutil
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook

from autograder.build import read_master, release_notebook
from autograder.course import Course
from autograder.notebook import nbgrader_metadata, notebook_text

ASSIGNMENT = "01_tiny"
ANSWER = "def double(x):\n    return 2 * x"

_NOTEBOOK = "tiny.ipynb"
_STUB = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
_TEST = "assert double(2) == 4"


def make_course(course: Course, folder: Path, students: int, *, package: str = "math", answer: str = ANSWER) -> None:
    """
    Make a course folder with a class that gives the same answer.

    Parameters
    ----------
    course : Course
        Whose settings it gets.
    folder : Path
        Where; it must not exist.
    students : int
        Size of the class.
    package : str
        What the notebook imports: with ``keras`` warm kernels have TensorFlow, else they do without.
    answer : str
        The students' answer.
    """
    cells = [
        _cell(f"import {package}", "setup", locked=True),
        _cell(_STUB, "double", solution=True),
        _cell(_TEST, "test_double", grade=True, locked=True, points=1),
    ]
    master = folder / "source" / ASSIGNMENT / _NOTEBOOK
    master.parent.mkdir(parents=True)
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    master.write_text(notebook_text(notebook), encoding="utf-8")
    settings = course.root / "course.toml"
    # What is said of single assignments is about others.
    general = settings.read_text(encoding="utf-8").partition("[assignments.")[0]
    (folder / settings.name).write_text(general, encoding="utf-8")
    shutil.copy(course.root / "nbgrader_config.py", folder)
    released = release_notebook(read_master(master))
    for cell in released.cells:
        if nbgrader_metadata(cell)["grade_id"] == "double":
            cell.source = answer
    handed_in = notebook_text(released).encode()
    for number in range(students):
        path = folder / "submitted" / f"s{number:05}" / ASSIGNMENT / _NOTEBOOK
        path.parent.mkdir(parents=True)
        path.write_bytes(handed_in)


def _cell(source: str, grade_id: str, **flags: bool | int) -> object:
    plain = {"grade": False, "solution": False, "locked": False, "task": False}
    cell = new_code_cell(source, id=grade_id)
    cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": grade_id, **plain, **flags}
    return cell
