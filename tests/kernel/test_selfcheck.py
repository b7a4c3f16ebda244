"""The self-check with a real kernel."""

from __future__ import annotations

import pytest

from autograder.build import release_notebook
from autograder.notebook import NotebookError, notebook_text
from autograder.selfcheck import check
from autograder.verdict import Outcome


@pytest.fixture
def handed_in(master, tmp_path):
    """The small master's release, far from any course, with an answer."""

    def write(answer=None, *, change=lambda _: None):
        notebook = release_notebook(master)
        if answer is not None:
            notebook.cells[2].source = answer
        change(notebook)
        path = tmp_path / "elsewhere" / "a.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(notebook_text(notebook), encoding="utf-8")
        return path

    return write


def test_a_right_answer_passes_and_the_file_stays_as_it_is(handed_in):
    path = handed_in("def double(x): return x + x")
    before = path.read_bytes()
    told = []

    report = check(path, progress=told.append)

    assert (report.passed, report.points, report.max_points) == (True, 2, 2)
    assert report.stumbles == report.warnings == ()
    assert told == ["cell 2 of 4", "cell 3 of 4", "cell 4 of 4"]
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_wrong_answer_is_told_in_the_tests_words(handed_in):
    report = check(handed_in("def double(x): return x"))

    assert report.findings[0].verdict.outcome is Outcome.FAILED
    assert report.findings[0].verdict.message == "double(1) is 2"


def test_an_untouched_notebook_says_that_the_answer_is_missing(handed_in):
    report = check(handed_in())

    assert not report.passed
    assert "no answer yet" in report.findings[0].verdict.message


def test_an_assertion_without_words_shows_itself(handed_in):
    def silence(notebook):
        notebook.cells[3].source = "x = double(1)\nassert x == 2"

    report = check(handed_in("def double(x): return x", change=silence))

    assert report.findings[0].verdict.message == "This does not hold: assert x == 2"


def test_an_endless_loop_is_stopped_and_what_follows_still_runs(handed_in, cells):
    def loop_first(notebook):
        notebook.cells.insert(1, cells.code("while True: pass", "loop"))

    report = check(handed_in("def double(x): return 2 * x", change=loop_first), timeout=1)

    assert report.stumbles == ("cell 2: It was stopped after 1 s. Is there a loop that does not end?",)
    assert report.findings[0].verdict.outcome is Outcome.PASSED


def test_a_kernel_that_dies_ends_the_check_with_words(handed_in):
    report = check(handed_in("import os\nos.kill(os.getpid(), 9)"))

    assert report.stumbles == ("cell 3 ('double'): The kernel died in this cell. Did it run out of memory?",)
    assert report.findings[0].verdict.outcome is Outcome.NOT_REACHED


def test_the_notebook_runs_where_it_lies_and_may_use_pictures_there(handed_in):
    path = handed_in("from pathlib import Path\ndouble = lambda x: int(Path('two.txt').read_text()) * x")
    (path.parent / "two.txt").write_text("2")

    assert check(path).passed


def test_a_cell_tagged_to_be_skipped_is_run_all_the_same(handed_in):
    def tag(notebook):
        notebook.cells[3].metadata["tags"] = ["skip-execution"]

    assert not check(handed_in("def double(x): return x", change=tag)).passed


@pytest.mark.parametrize("backend", ["agg", "module://matplotlib_inline.backend_inline"])
def test_pictures_are_drawn_into_the_notebook_whatever_the_terminal_prefers(handed_in, monkeypatch, backend):
    monkeypatch.setenv("MPLBACKEND", backend)
    answer = "import matplotlib\ndef double(x): return 2 * x\nassert 'inline' in matplotlib.get_backend()"

    assert check(handed_in(answer)).stumbles == ()


def test_a_notebook_without_tests_is_told(handed_in):
    def empty(notebook):
        del notebook.cells[3]

    with pytest.raises(NotebookError, match=r"a\.ipynb has no tests\. Is it the notebook that was handed out"):
        check(handed_in(change=empty))


def test_a_test_without_points_is_told(handed_in):
    def damage(notebook):
        del notebook.cells[3].metadata.nbgrader["points"]

    with pytest.raises(NotebookError, match="a test has lost its points"):
        check(handed_in(change=damage))
