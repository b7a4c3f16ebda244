"""``solutions/`` belongs to ``source/`` and still works."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.course import find_course, load_course
from autograder.notebook import notebook_text, read_notebook
from autograder.solve import MAX_BYTES

from .conftest import SHORT

COURSE = load_course(find_course(Path(__file__).parent))
NOTEBOOKS = [notebook for assignment in COURSE.assignments for notebook in assignment.notebooks]
REMEDY = "Run `make solve`."

every_notebook = pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda source: source.assignment)


def solution_path(source):
    return COURSE.solutions / source.assignment / source.path.name


def nbval(*paths, kernel, cwd):
    """Run nbval as its users do, apart from how this repository's own tests are run."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COURSE_"))}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-kernel-name", kernel),
            *("-o", "addopts=", "-o", "filterwarnings=default", "-p", "no:cacheprovider", "--color", "no", "--quiet"),
            *map(str, paths),
        ],
        env=environment | {"COURSE_DATA_SOURCE": "standin"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@every_notebook
def test_a_solution_is_the_current_master_with_outputs(source):
    solution = read_notebook(solution_path(source))
    for cell in solution.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None

    assert solution == read_notebook(source.path), REMEDY


@every_notebook
def test_every_cell_was_run_in_order_and_none_failed(source):
    code = [cell for cell in read_notebook(solution_path(source)).cells if cell.cell_type == "code"]

    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), REMEDY
    assert [cell.id for cell in code for output in cell.outputs if output.output_type == "error"] == []


@every_notebook
def test_there_are_pictures_and_they_do_not_bloat_the_repository(source):
    path = solution_path(source)

    assert "image/png" in path.read_text(encoding="utf-8")
    assert path.stat().st_size <= MAX_BYTES


@every_notebook
def test_nothing_of_the_machine_is_left_in_the_outputs(source):
    for cell in read_notebook(solution_path(source)).cells:
        for output in cell.get("outputs", []):
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert not re.search(r"(?<![\w.])/(home|root|tmp|usr|Users|work)/|ipykernel_\d|0x[0-9a-f]{8}", text), (
                cell.id
            )
            assert output.get("name") != "stderr", f"{cell.id} writes to standard error: {text}"


def test_no_solution_is_left_over():
    present = {path.relative_to(COURSE.solutions).as_posix() for path in COURSE.solutions.rglob("*.ipynb")}

    assert present == {f"{source.assignment}/{source.path.name}" for source in NOTEBOOKS}


@pytest.mark.slow
@pytest.mark.parametrize(
    "sources",
    [
        pytest.param([source for source in NOTEBOOKS if COURSE.assignment(source.assignment) in SHORT], id="short"),
        # The references among their cells are run and marked with the sample class, each time.
        pytest.param(
            [source for source in NOTEBOOKS if COURSE.assignment(source.assignment) not in SHORT],
            id="trained",
            marks=pytest.mark.long,
        ),
    ],
)
def test_nbval_runs_the_solutions_on_warm_kernels_and_finds_the_same_tagged_outputs(sources):
    outcome = nbval(*map(solution_path, sources), kernel="warm", cwd=COURSE.root)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    code = sum(cell.cell_type == "code" for source in sources for cell in read_notebook(source.path).cells)
    assert f"{code} passed" in outcome.stdout


def test_nbval_would_notice_a_tagged_output_that_is_not_the_same(cells, tmp_path):
    shown = cells.code("print(1 + 1)", "shown")
    shown.metadata["tags"] = ["nbval-check-output"]
    shown.execution_count = 1
    shown.outputs = [nbformat.v4.new_output("stream", text="2\n")]
    right, wrong = cells.notebook(shown), cells.notebook(copy.deepcopy(shown))
    wrong.cells[0].outputs[0].text = "3\n"
    (tmp_path / "right.ipynb").write_text(notebook_text(right), encoding="utf-8")
    (tmp_path / "wrong.ipynb").write_text(notebook_text(wrong), encoding="utf-8")

    outcome = nbval("right.ipynb", "wrong.ipynb", kernel="python3", cwd=tmp_path)

    assert outcome.returncode == 1
    assert "1 failed, 1 passed" in outcome.stdout
    assert "FAILED wrong.ipynb::Cell 0" in outcome.stdout
