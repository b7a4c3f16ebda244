from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from autograder.build import release_notebook
from autograder.kernels.kernel import CellRun, End
from autograder.selfcheck import judge, render
from autograder.verdict import Outcome

OK = CellRun(End.OK)


def result(text):
    return CellRun(End.OK, [{"output_type": "execute_result", "data": {"text/plain": text}, "metadata": {}}])


def error(name, message="", traceback=()):
    outputs = [{"output_type": "error", "ename": name, "evalue": message, "traceback": list(traceback)}]
    return CellRun(End.ERROR, outputs, error_name=name, error_message=message)


@pytest.fixture
def report(master):
    """Report on the small master's release, in which the test cell went as told."""

    def make(test, *, setup=OK, answer=OK, change=lambda _: None):
        notebook = release_notebook(master)
        change(notebook)
        return judge(Path("a.ipynb"), notebook, [None, setup, answer, test], timeout=5, seconds=1)

    return make


def text(report):
    console = Console(width=100, color_system=None, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(render(report))
    console.file.close()
    return console.export_text()


def only(report):
    (finding,) = report.findings
    return finding.verdict


def test_a_passed_test_earns_its_points_and_stands_under_its_heading(report):
    found = report(OK)

    assert found.findings[0].place == "Exercise 1: Double"
    assert found.findings[0].cell == 4
    assert only(found).outcome is Outcome.PASSED
    assert (found.points, found.max_points, found.passed) == (2, 2, True)


@pytest.mark.parametrize(
    ("run", "outcome", "message"),
    [
        (error("CheckFailed", "the kernel was not flipped\n"), Outcome.FAILED, "the kernel was not flipped"),
        (error("AssertionError", "double(1) is 2"), Outcome.FAILED, "double(1) is 2"),
        (
            error(
                "AssertionError", "", ["Traceback\n\x1b[32m----> 1\x1b[39m assert double(1) == 2\n", "AssertionError"]
            ),
            Outcome.FAILED,
            "This does not hold: assert double(1) == 2",
        ),
        (error("NotImplementedError"), Outcome.FAILED, "There is no answer yet"),
        (error("NameError", "name 'double' is not defined"), Outcome.ERROR, "NameError: name 'double' is not defined"),
        (error("KeyError"), Outcome.ERROR, "KeyError"),
        (CellRun(End.TIMEOUT, overdue=True), Outcome.TIMEOUT, "It was stopped after 5 s"),
        (CellRun(End.DIED, overdue=True), Outcome.TIMEOUT, "It was stopped after 5 s"),
        (CellRun(End.DIED), Outcome.ERROR, "The kernel died in this cell"),
    ],
)
def test_a_test_that_did_not_pass_says_why_in_its_own_words(report, run, outcome, message):
    found = report(run)

    assert only(found).outcome is outcome
    assert message in only(found).message
    assert "Traceback" not in only(found).message
    assert (found.points, found.passed) == (0, False)


@pytest.mark.parametrize(
    ("shown", "score", "outcome"),
    [
        ("0.5", 0.5, Outcome.PARTIAL),
        ("np.float64(1.5)", 1.5, Outcome.PARTIAL),
        ("2", 2, Outcome.PASSED),
        ("0", 0, Outcome.FAILED),
        ("3", 0, Outcome.FAILED),
        ("-1", 0, Outcome.FAILED),
        ("True", 2, Outcome.PASSED),
        ("'2 apples'", 2, Outcome.PASSED),
        ("1.2.3", 2, Outcome.PASSED),
    ],
)
def test_a_number_at_the_end_of_a_test_is_its_score(report, shown, score, outcome):
    verdict = only(report(result(shown)))

    assert (verdict.score, verdict.outcome) == (score, outcome)


def test_an_error_in_another_cell_is_told_because_it_may_be_the_cause(report):
    found = report(error("NameError", "name 'double' is not defined"), answer=error("SyntaxError", "invalid syntax"))

    assert found.stumbles == ("cell 3 ('double'): SyntaxError: invalid syntax",)
    assert "cell 3 ('double'): SyntaxError: invalid syntax" in text(found)


def test_an_exercise_that_waits_for_its_answer_is_no_error(report):
    assert report(error("NotImplementedError"), answer=error("NotImplementedError")).stumbles == ()


def test_after_the_kernels_death_tests_were_not_reached(report):
    found = report(None, answer=CellRun(End.DIED))

    assert only(found).outcome is Outcome.NOT_REACHED
    assert "the kernel died in cell 3 ('double')" in only(found).message
    assert not found.passed


def test_a_changed_test_is_told_and_an_unchanged_one_is_not(report):
    def weaken(notebook):
        notebook.cells[3].source = "pass"

    assert report(OK).warnings == ()
    (warning,) = report(OK, change=weaken).warnings
    assert warning.startswith("cell 4 ('test_double') was changed. It is graded as it was handed out")


def test_a_changed_setup_is_told_too(report):
    def change(notebook):
        notebook.cells[1].source = "FACTOR = 3"

    assert report(OK, change=change).warnings[0].startswith("cell 2 ('setup') was changed")


def test_what_only_a_person_or_a_hidden_test_judges_counts_neither_way(master, cells):
    master.cells[3].source = "# Judged later.\n### BEGIN HIDDEN TESTS\nassert double(1) == 2\n### END HIDDEN TESTS"
    master.cells.append(cells.text("Because.", "why", grade=True, solution=True, points=3))

    found = judge(Path("a.ipynb"), release_notebook(master), [None, OK, OK, OK, None], timeout=5, seconds=1)

    assert [finding.verdict.outcome for finding in found.findings] == [Outcome.MANUAL, Outcome.MANUAL]
    assert (found.points, found.max_points, found.passed) == (0, 0, True)
    assert "judged later" in text(found)


def test_the_page_shows_exercise_result_points_and_message_and_warns_of_hidden_tests(report):
    page = text(report(error("CheckFailed", "[2] is not (2,)")))

    row = next(line for line in page.splitlines() if "Exercise 1" in line)
    assert row.split() == ["Exercise", "1:", "Double", "4", "failed", "0/2", "[2]", "is", "not", "(2,)"]
    assert "0 of 1 tests passed, 0 of 2 points (1 s)." in page
    assert "hidden tests" in page
