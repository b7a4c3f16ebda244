"""What the run of a test cell is worth, and what the student is told."""

from __future__ import annotations

import json
from fractions import Fraction
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from autograder.kernels.kernel import CellRun, End
from autograder.paper import Owner, PaperCell, Role, State
from autograder.sealed.examiner import Examiner
from autograder.sealed.scoring import Answered, Trouble, judge
from autograder.verdict import Outcome

CELL = PaperCell(
    "test_f", "code", "", Role.TEST, Owner.EXAMINER, grade_id="test_f", points=4.0, needs=("f",), answers=("f",)
)
ANSWERED = Answered({"f": State.ANSWERED})
FAULT = "The test of this cell is at fault. Please tell your instructor."


def report(number=None, where=""):
    return json.dumps({"number": number, "where": where})


def judged(end=End.OK, said=None, answered=ANSWERED, cell=CELL, **run):
    return judge(cell, CellRun(end, seconds=1.5, **run), report() if said is None else said, answered)


def failed(name, message="", where="", answered=ANSWERED, cell=CELL):
    return judged(End.ERROR, report(where=where), answered, cell, error_name=name, error_message=message)


# A test that ends


def test_a_test_that_ends_without_a_number_gives_full_points():
    verdict = judged()

    assert (verdict.grade_id, verdict.score, verdict.max_score) == ("test_f", 4.0, 4.0)
    assert (verdict.outcome, verdict.message, verdict.staff_note, verdict.seconds) == (Outcome.PASSED, "", "", 1.5)


@pytest.mark.parametrize(
    ("number", "score", "outcome", "message"),
    [
        (4.0, 4.0, Outcome.PASSED, ""),
        (2.5, 2.5, Outcome.PARTIAL, "2.5 of 4 points."),
        (1e-9, 1e-9, Outcome.PARTIAL, "1e-09 of 4 points."),
        (0.0, 0.0, Outcome.FAILED, "0 of 4 points."),
    ],
)
def test_a_number_within_the_range_is_the_score(number, score, outcome, message):
    verdict = judged(said=report(number))

    assert (verdict.score, verdict.outcome, verdict.message, verdict.staff_note) == (score, outcome, message, "")


@pytest.mark.parametrize("number", [-0.5, 4.000001, float("nan"), float("inf"), float("-inf")])
def test_a_number_outside_the_range_gives_nothing_and_the_instructor_is_told(number):
    verdict = judged(said=report(number))

    assert (verdict.score, verdict.outcome, verdict.message) == (0.0, Outcome.ERROR, FAULT)
    assert verdict.staff_note == f"the test: it ended with {number}, which is no score between 0 and 4"


def test_a_test_without_a_report_gives_nothing_for_nobody_knows_how_it_ended():
    verdict = judged(said="")

    assert (verdict.score, verdict.outcome, verdict.message) == (0.0, Outcome.ERROR, FAULT)
    assert verdict.staff_note == "the test: it left no report"


def test_what_is_on_standard_error_costs_nothing():
    said = [{"output_type": "stream", "name": "stderr", "text": "a warning"}]

    assert judged(outputs=said).score == 4.0


# A test that fails


@pytest.mark.parametrize("name", ["AssertionError", "CheckFailed"])
def test_a_failed_check_speaks_for_itself(name):
    verdict = failed(name, "the biases are missing")

    assert (verdict.score, verdict.outcome, verdict.message) == (0.0, Outcome.FAILED, "the biases are missing")


def test_an_assertion_without_words_gets_some():
    assert failed("AssertionError").message == "The result is not right."


def test_an_error_is_told_with_the_students_line_where_it_came_from_there():
    verdict = failed("ValueError", "bad shape", "in f, line 3: x.reshape(2)")

    assert verdict.outcome is Outcome.ERROR
    assert verdict.message == "ValueError: bad shape (in f, line 3: x.reshape(2))"


def test_an_error_without_a_text_is_told_by_name():
    assert failed("ZeroDivisionError").message == "ZeroDivisionError"


def test_a_call_that_did_not_end_is_a_timeout():
    verdict = failed("CallTimeoutError", "your code did not end within 10 seconds")

    assert (verdict.outcome, verdict.message) == (Outcome.TIMEOUT, "Your code did not end within 10 seconds.")


def test_a_test_that_was_stopped_is_a_timeout():
    verdict = judged(End.TIMEOUT, error_name="KeyboardInterrupt", overdue=True)

    assert (verdict.score, verdict.outcome) == (0.0, Outcome.TIMEOUT)
    assert verdict.message == "The test was stopped after 2 s: your code takes too long."


def test_a_test_that_could_not_even_be_stopped_is_a_timeout_too():
    assert judged(End.DIED, overdue=True).outcome is Outcome.TIMEOUT


def test_a_test_whose_kernel_died_is_the_instructors_to_look_at():
    verdict = judged(End.DIED)

    assert (verdict.score, verdict.outcome, verdict.message) == (0.0, Outcome.ERROR, FAULT)
    assert verdict.staff_note == "the test: its kernel died"


def test_a_message_has_an_end():
    assert len(failed("ValueError", "x" * 100_000).message) == 2000


# No answer


def test_an_untouched_stub_is_no_answer_yet():
    verdict = failed("NotImplementedError", where="in f, line 2: raise NotImplementedError()")

    assert (verdict.outcome, verdict.message) == (Outcome.FAILED, "There is no answer yet.")


def test_an_untouched_answer_is_no_answer_yet_however_the_test_fails():
    verdict = failed("TypeError", "no", answered=Answered({"f": State.UNTOUCHED}))

    assert (verdict.outcome, verdict.message) == (Outcome.FAILED, "There is no answer yet.")


def test_a_test_that_judges_no_answer_of_its_own_is_not_excused_so():
    cell = PaperCell("t", "code", "", Role.TEST, Owner.EXAMINER, grade_id="t", points=1.0)

    assert failed("TypeError", "no", cell=cell).message == "TypeError: no"


def test_a_deleted_answer_is_missing_and_the_student_is_told_what_to_do():
    verdict = failed("NameError", "name 'f' is not defined", answered=Answered({"f": State.MISSING}))

    assert (verdict.score, verdict.outcome) == (0.0, Outcome.MISSING)
    assert verdict.message == (
        "The answer cell 'f' is not in the notebook. Download it again and copy your answers into it."
    )


def test_a_deleted_answer_that_stands_in_another_cell_gets_its_points():
    assert judged(answered=Answered({"f": State.MISSING})).score == 4.0


def test_where_one_of_two_answers_is_missing_the_error_is_told():
    cell = PaperCell("t", "code", "", Role.TEST, Owner.EXAMINER, grade_id="t", points=1.0, answers=("f", "g"))
    verdict = failed("TypeError", "no", answered=Answered({"f": State.MISSING, "g": State.ANSWERED}), cell=cell)

    assert (verdict.outcome, verdict.message) == (Outcome.ERROR, "TypeError: no")


# A name that is not there


def test_a_missing_name_asks_after_its_spelling():
    assert failed("NameError", "name 'f' is not defined").message == (
        "NameError: name 'f' is not defined. Is it defined in your answer, under exactly this name?"
    )


def test_a_missing_name_is_explained_by_the_cell_that_should_have_bound_it():
    troubles = (
        Trouble("", frozenset({"g"}), "Cell 2 ended with ValueError: g."),
        Trouble("", frozenset({"f"}), "Cell 3 ended with ValueError: f."),
    )

    verdict = failed("NameError", "name 'f' is not defined", answered=Answered({"f": State.ANSWERED}, troubles))

    assert verdict.message == "NameError: name 'f' is not defined. Cell 3 ended with ValueError: f."


def test_a_missing_name_is_explained_by_trouble_in_the_answer_under_test_whatever_it_binds():
    troubles = (Trouble("f", frozenset(), "Cell 3 ('f') ended with SyntaxError: invalid syntax."),)

    verdict = failed("NameError", "name 'f' is not defined", answered=Answered({"f": State.ANSWERED}, troubles))

    assert verdict.message.endswith("Cell 3 ('f') ended with SyntaxError: invalid syntax.")


def test_a_name_missing_in_the_students_own_code_is_told_with_its_line():
    verdict = failed("NameError", "name 'nump' is not defined", "in f, line 2: return nump.sum(x)")

    assert verdict.message == "NameError: name 'nump' is not defined (in f, line 2: return nump.sum(x))"


# The number that a cell ends with


class Shell:
    """What an examiner needs of a kernel's shell."""

    def __init__(self):
        self.user_ns = {}
        self.events = SimpleNamespace(register=self._register)

    def _register(self, _event, note):
        self.note = note


def reported(value):
    """What an examiner reports of a cell whose last expression is this value."""
    shell = Shell()
    examiner = Examiner(shell, SimpleNamespace(close=lambda: None))
    shell.note(SimpleNamespace(info=SimpleNamespace(silent=False), result=value, error_in_exec=None))
    return json.loads(examiner.report())["number"]


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        Fraction(2),
        np.float64(2),
        np.float16(2),
        np.int8(2),
        np.uint64(2),
        np.longdouble(2),
        np.array(2.0),
        ml_dtypes.bfloat16(2),
        tf.constant(2.0),
        tf.constant(2),
        tf.constant(2.0, tf.bfloat16),
        tf.Variable(2.0),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_every_kind_of_real_number_is_one(value):
    assert reported(value) == 2.0


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        np.True_,
        np.array(True),
        tf.constant(True),
        "2",
        2 + 0j,
        np.complex64(2),
        [2],
        np.array([2.0]),
        np.array("2"),
        np.datetime64("2024-01-01"),
        tf.constant([2.0]),
        tf.constant("2"),
        float,
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_everything_else_is_no_number(value):
    assert reported(value) is None


def test_a_number_too_large_to_be_one_is_out_of_every_range():
    assert reported(10**400) == float("inf")
    assert judged(said=report(reported(10**400))).score == 0.0


def test_a_cell_without_a_last_expression_forgets_the_number_before_it():
    shell = Shell()
    examiner = Examiner(shell, SimpleNamespace(close=lambda: None))
    for value in (2.0, None):
        shell.note(SimpleNamespace(info=SimpleNamespace(silent=False), result=value, error_in_exec=None))

    assert json.loads(examiner.report())["number"] is None


def test_a_silent_run_of_the_graders_own_does_not_count():
    shell = Shell()
    examiner = Examiner(shell, SimpleNamespace(close=lambda: None))
    shell.note(SimpleNamespace(info=SimpleNamespace(silent=False), result=2.0, error_in_exec=None))
    shell.note(SimpleNamespace(info=SimpleNamespace(silent=True), result=3.0, error_in_exec=None))

    assert json.loads(examiner.report())["number"] == 2.0
