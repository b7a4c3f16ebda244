"""The tests of the cheap assignments accept every right answer of the bank and refuse every wrong one by its name."""

import pytest

from autograder.audit.auditing import Audit, audit_bank
from autograder.audit.bank import read_bank
from autograder.audit.judging import Bench
from autograder.grading import Settings
from autograder.kernels.process import shared_server

from .conftest import COURSE

pytestmark = pytest.mark.slow

BANKS = ("02_sigmoid_neuron", pytest.param("06_parameter_counts", marks=pytest.mark.long))
"""One stands for all in a short run; the others' banks are judged by ``make audit``."""


@pytest.mark.parametrize("name", BANKS)
def test_no_right_answer_is_refused_and_no_wrong_one_accepted(name, tmp_path):
    shared_server(COURSE.preload)
    settings = Settings(
        environment=(("COURSE_DATA_SOURCE", "standin"), ("COURSE_PROFILE", "cpu")),
        examiner_environment=(("COURSE_HOLDOUT_SEED", str(COURSE.holdout_seed)),),
    )
    audit, bank = Audit(), read_bank(COURSE, COURSE.assignment(name))
    audit_bank(audit, Bench(COURSE, jobs=2, state=tmp_path / "state"), [bank], settings, lambda _line: None)
    assert [str(finding) for each in audit.exercises.values() for finding in each.findings] == []
    assert sum(each.right + each.wrong for each in audit.exercises.values()) >= 90
