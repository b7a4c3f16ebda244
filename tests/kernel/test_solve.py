"""Solving with real kernels."""

from __future__ import annotations

import nbformat
import pytest

from autograder.build import BuildError
from autograder.solve import kernel_name, solve


def solved(course):
    solve(course, course.assignments, progress=lambda _: None)
    return nbformat.read(course.solutions / "01_a" / "a.ipynb", as_version=4)


def test_a_master_is_run_on_the_warm_kernel_and_written_with_outputs(make_course, master, cells):
    master.cells.append(cells.code("print(double(21), double)", "show"))
    told = []
    course = make_course({"01_a/a.ipynb": master})

    written = solve(course, course.assignments, progress=told.append)

    assert kernel_name() == "warm"
    assert written == [course.solutions / "01_a" / "a.ipynb"]
    solution = nbformat.read(written[0], as_version=4)
    assert solution.cells[-1].outputs[0].text == "42 <function double at 0x...>\n"
    assert [cell.get("execution_count") for cell in solution.cells] == [None, 1, 2, 3, 4]
    assert told[0] == "01_a/a: running on the kernel 'warm'"
    assert told[1].startswith("01_a/a: done in ")


def test_solving_twice_gives_the_same_bytes(make_course, master, cells):
    master.cells.append(
        cells.code("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint(object())", "plot")
    )
    course = make_course({"01_a/a.ipynb": master})
    solved(course)
    first = (course.solutions / "01_a" / "a.ipynb").read_bytes()
    solution = solved(course)

    assert (course.solutions / "01_a" / "a.ipynb").read_bytes() == first
    assert "image/png" in solution.cells[-1].outputs[0].data


def test_it_works_on_a_copy_of_the_assignments_files(make_course, master, cells):
    master.cells.append(
        cells.code("from pathlib import Path\nprint(Path('d/t.txt').read_text())\nPath('new').touch()", "files")
    )
    course = make_course({"01_a/a.ipynb": master})
    (course.source / "01_a" / "d").mkdir()
    (course.source / "01_a" / "d" / "t.txt").write_text("seen")

    solution = solved(course)

    assert solution.cells[-1].outputs[0].text == "seen\n"
    assert not list(course.root.rglob("new"))
    assert (course.solutions / "01_a" / "d" / "t.txt").read_text() == "seen"


def test_the_stand_in_data_are_used_unless_someone_asks_for_others(make_course, master, cells, monkeypatch):
    master.cells.append(cells.code("import os\nprint(os.environ['COURSE_DATA_SOURCE'])", "source"))
    course = make_course({"01_a/a.ipynb": master})

    monkeypatch.delenv("COURSE_DATA_SOURCE", raising=False)
    assert solved(course).cells[-1].outputs[0].text == "standin\n"
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    assert solved(course).cells[-1].outputs[0].text == "real\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", r"source/01_a/a\.ipynb, cell 5 \('extra'\): ZeroDivisionError: division by zero\n\n.*1 / 0"),
        ("while True: pass", r"cell 5 \('extra'\): it was stopped\. A cell may take 1 s and a notebook 60 s"),
        ("import os; os.kill(os.getpid(), 9)", r"cell 5 \('extra'\): the kernel died in it"),
    ],
)
def test_a_cell_that_fails_is_named_and_nothing_is_written(make_course, master, cells, source, message):
    extra = cells.locked(source, "extra")
    extra.metadata["tags"] = ["skip-execution"]
    master.cells.append(extra)
    course = make_course({"01_a/a.ipynb": master}, "[limits]\ncell_timeout = 1\nnotebook_timeout = 60")

    with pytest.raises(BuildError, match=f"(?s){message}") as caught:
        solved(course)

    assert "\x1b" not in str(caught.value)
    assert not course.solutions.exists()


def test_the_notebooks_own_limit_ends_it_too(make_course, master, cells):
    master.cells += [cells.code("import time; time.sleep(0.6)", f"wait{number}") for number in range(6)]
    course = make_course({"01_a/a.ipynb": master}, "[limits]\nnotebook_timeout = 2")

    with pytest.raises(BuildError, match=r"it was stopped\. A cell may take 120 s and a notebook 2 s"):
        solved(course)


def test_a_solution_that_would_bloat_the_repository_is_refused(make_course, master, cells):
    master.cells.append(cells.code("print(('x' * 999 + chr(10)) * 2000)", "much"))
    course = make_course({"01_a/a.ipynb": master})

    with pytest.raises(BuildError, match=r"the solution has 2,0\d\d,\d+ bytes; 2,000,000 are allowed"):
        solved(course)

    assert not course.solutions.exists()
