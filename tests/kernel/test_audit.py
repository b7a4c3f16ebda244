"""The audit with real kernels, on a course whose hidden test is weak, or whose answers are not as the bank says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from autograder.audit.auditing import Audit, audit_bank, audit_mutants, audit_steadiness, audit_targets
from autograder.audit.bank import ANSWERS, read_bank
from autograder.audit.calibration import measure
from autograder.audit.fairness import Fault
from autograder.audit.judging import Bench
from autograder.audit.report import total, write_audit
from autograder.course import Limits
from autograder.grading import Settings
from coursekit.runtime import MEASURING
from tests.conftest import Cells

SOLUTION = '''def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION'''
STRONG = """assert double(1) == 2, "double(1) is 2"
### BEGIN HIDDEN TESTS
assert double(-3) == -6, "a negative number"
### END HIDDEN TESTS"""
WEAK = """assert double(2) == 4, "double(2) is 4"
### BEGIN HIDDEN TESTS
assert double(2.0) == 4
### END HIDDEN TESTS"""


def entry(kind, code, says="", name="one"):
    words = f"says = {says!r}\n" if says else ""
    return f"[[{kind}]]\nexercise = 'double'\nname = '{name}'\nwhy = 'so'\n{words}code = '''\n{code}\n'''\n"


@pytest.fixture
def bank_of(make_course):
    """The bank of a course with one test, and these entries."""

    def make(test, *entries, solution=SOLUTION, between=()):
        title = Cells.text("# A\n\n### Exercise 1: Double", "title")
        master = Cells.notebook(title, Cells.answer(solution), *between, Cells.test(test))
        course = make_course({"01_a/a.ipynb": master})
        folder = course.root / ANSWERS
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "01_a.toml").write_text("\n".join(entries))
        return course, read_bank(course, course.assignment("01_a"))

    return make


def audited(part, course, bank, **more):
    audit, told = Audit(), []
    part(audit, Bench(course, **more), [bank], Settings(), told.append)
    return audit, told


def test_a_strong_test_kills_every_mutant(bank_of):
    audit, _ = audited(audit_mutants, *bank_of(STRONG))
    (found,) = audit.exercises.values()
    assert found.mutants > 3
    assert (found.survivors, found.score, audit.problems) == ([], 1.0, [])


def test_a_weak_test_lets_a_mutant_survive_which_is_shown_with_its_diff(bank_of):
    course, bank = bank_of(WEAK, solution=SOLUTION.replace("2 * x", "2 * x + 0 * (x - 2)"))
    audit, _ = audited(audit_mutants, course, bank)
    (found,) = audit.exercises.values()
    assert 0 < found.score < 1
    assert not audit.is_clean
    assert any("+    return 2 * x + 1 * (x - 2)" in mutant.diff for mutant in found.survivors)
    page = write_audit(course, audit).read_text()
    assert "return 2 * x + 1 * (x - 2)" in page
    assert json.loads((course.reports / "audit.json").read_text())["figures"]["survivors"] == len(found.survivors)


def test_an_explained_survivor_does_not_count_and_a_stale_explanation_is_a_problem(bank_of):
    def equivalent(line):
        return f"[[equivalent]]\nexercise = 'double'\nline = 'return x << 1'\nbecomes = '{line}'\nwhy = 'so'\n"

    one_line = SOLUTION.replace("2 * x", "x << 1")
    lenient = "### BEGIN HIDDEN TESTS\nassert double(1) in (2, 4)\n### END HIDDEN TESTS"
    course, bank = bank_of(lenient, solution=one_line)
    audit, _ = audited(audit_mutants, course, bank)
    (found,) = audit.exercises.values()
    survivors = [mutant.becomes for mutant in found.survivors]
    assert "return x << 2" in survivors
    course, bank = bank_of(
        lenient,
        *map(equivalent, [*survivors, "return x + 1"]),
        solution=one_line,
    )
    audit, _ = audited(audit_mutants, course, bank)
    (found,) = audit.exercises.values()
    assert (found.survivors, len(found.explained), found.score) == ([], len(survivors), 1.0)
    (problem,) = audit.problems
    assert "'return x + 1'" in problem


FREE = "[[free]]\nexercise = 'double'\nwhy = 'any way will do'\n"


def test_only_an_exercise_that_asks_for_a_target_can_be_free(bank_of):
    lenient = "### BEGIN HIDDEN TESTS\nassert double(1) in (2, 4)\n### END HIDDEN TESTS"
    one_line = SOLUTION.replace("2 * x", "x << 1")
    audit, _ = audited(audit_mutants, *bank_of(lenient, FREE, solution=one_line))
    (found,) = audit.exercises.values()
    assert not found.survivors
    assert {why for _, why in found.explained} == {"any way will do"}
    (problem,) = audit.problems
    assert "'double' cannot be free: no test of it looks up a target" in problem
    looking_up = lenient.replace("### END", 'assert "targets[" != "x"\n### END')
    audit, _ = audited(audit_mutants, *bank_of(looking_up, FREE, solution=one_line))
    assert audit.is_clean


def test_a_mutant_that_never_ends_is_killed_and_the_others_are_still_judged(bank_of, monkeypatch):
    from autograder.audit import mutation

    monkeypatch.setattr(mutation, "_LEAST_SECONDS", 2.0)
    monkeypatch.setattr(mutation, "_TIMES_AS_LONG", 0.0)
    monkeypatch.setattr(mutation, "_CALL_SECONDS", 1.0)
    loop = SOLUTION.replace("return 2 * x", "n = 0\n    while n < 1:\n        n += 1\n    return (n + 1) * x")
    audit, _ = audited(audit_mutants, *bank_of(STRONG, solution=loop))
    (found,) = audit.exercises.values()
    assert found.mutants > 8
    assert all("while" in mutant.diff or "n = " in mutant.diff for mutant in found.survivors)


TRAINING = Cells.locked("trained = [double(x) for x in (5, 7)]", "training")
TRAINED = STRONG.replace("### END", "assert trained[1] == 14, 'the training'\n### END")


def ran(audit, monkeypatch, *given):
    """Say for each paper that was run whether the training was in it, and give what the audit found."""
    from autograder.audit import judging

    runs = []
    conduct = judging.conduct_twice
    monkeypatch.setattr(judging, "conduct_twice", lambda *given: runs.append(given[0]) or conduct(*given))
    found, _ = audited(audit, *given)
    return found, [any(cell.grade_id == "training" for cell in paper.cells) for paper in runs]


def test_mutants_that_fail_before_the_training_are_killed_without_it(bank_of, monkeypatch):
    audit, trained = ran(audit_mutants, monkeypatch, *bank_of(TRAINED, between=[TRAINING]))
    (found,) = audit.exercises.values()
    assert audit.is_clean
    assert found.killed == found.mutants > 3
    assert trained == [True, False]  # the reference, and all mutants at once


def test_mutants_that_come_as_far_as_the_training_are_judged_with_it(bank_of, monkeypatch):
    weak = TRAINED.replace("assert double(-3) == -6", "assert double(0) == 0")
    solution = SOLUTION.replace("return 2 * x", "return 2 * x if x < 6 else x + x")
    audit, trained = ran(audit_mutants, monkeypatch, *bank_of(weak, between=[TRAINING], solution=solution))
    (found,) = audit.exercises.values()
    survivors = {mutant.becomes for mutant in found.survivors}
    assert not any(each.endswith("else x - x") for each in survivors)  # the training alone finds it
    assert "return 2 * x if x < 7 else x + x" in survivors
    assert trained.count(False) == -(-found.mutants // 20)
    assert 1 + len(found.survivors) < trained.count(True) < 1 + found.mutants


def test_a_training_that_the_tests_do_not_need_is_left_out_of_all_judgements_of_mutants(bank_of, monkeypatch):
    weak = "### BEGIN HIDDEN TESTS\nseen.append(1)\nassert double(0) == 0\n### END HIDDEN TESTS"
    between = [Cells.locked("seen = []", "seen"), Cells.locked("seen.append(double(5))", "training")]
    audit, trained = ran(audit_mutants, monkeypatch, *bank_of(weak, between=between))
    (found,) = audit.exercises.values()
    assert len(found.survivors) > 1
    assert trained == [True] + [False] * (len(trained) - 1)
    assert len(trained) > 1 + len(found.survivors)


def test_a_wrong_answer_is_judged_with_the_training_only_if_it_comes_so_far(bank_of, monkeypatch):
    early = entry("wrong", "def double(x):\n    return x", says="double(1) is 2", name="early")
    late = entry("wrong", "def double(x):\n    return 2 * x if x < 6 else x", says="the training", name="late")
    audit, trained = ran(audit_bank, monkeypatch, *bank_of(TRAINED, early, late, between=[TRAINING]))
    (found,) = audit.exercises.values()
    assert (found.wrong, found.findings) == (2, [])
    assert trained == [False, False, True]


def test_what_the_tests_make_of_the_banks_answers(bank_of):
    course, bank = bank_of(
        WEAK,
        entry("right", "def double(x):\n    return x + x"),
        entry("right", "def double(x):\n    return str(x)", name="not right"),
        entry("wrong", "def double(x):\n    return x ** 2", says="a square", name="accepted"),
        entry("wrong", "def double(x):\n    return x", says="double(2) is 4", name="refused"),
        entry("wrong", "def double(x):\n    return 3 * x", says="three times", name="silent"),
    )
    audit, told = audited(audit_bank, course, bank)
    (found,) = audit.exercises.values()
    assert (found.right, found.wrong) == (2, 3)
    assert {(each.answer, each.fault) for each in found.findings} == {
        ("not right", Fault.REFUSES),
        ("accepted", Fault.ACCEPTS),
        ("silent", Fault.SILENT),
    }
    assert total(audit)["accepts"] == total(audit)["refuses"] == 1
    assert len(told) == 5


@pytest.fixture
def two_exercises(make_course):
    """The bank of a course whose second exercise uses the first one; these are its right answers."""

    def make(*entries):
        master = Cells.notebook(
            Cells.text("# A", "title"),
            Cells.answer(SOLUTION),
            Cells.test(STRONG),
            Cells.answer(
                "def four(x):\n    ### BEGIN SOLUTION\n    return double(double(x))\n    ### END SOLUTION", "four"
            ),
            Cells.test("assert four(1) == 4", "test_four"),
        )
        course = make_course({"01_a/a.ipynb": master})
        (course.root / ANSWERS).mkdir(parents=True, exist_ok=True)
        (course.root / ANSWERS / "01_a.toml").write_text("\n".join(entries))
        return course, read_bank(course, course.assignment("01_a"))

    return make


def right(exercise, code, name):
    return entry("right", code, name=name).replace("'double'", f"'{exercise}'")


PLUS = right("double", "def double(x):\n    return x + x", "plus")
TIMES = right("four", "def four(x):\n    return 4 * x", "times")


def test_right_answers_to_different_exercises_are_judged_in_one_paper(two_exercises):
    course, bank = two_exercises(PLUS, TIMES, right("four", "def four(x):\n    return x + x + x + x", "plus"))

    audit, told = audited(audit_bank, course, bank)

    assert ([each.right for each in audit.exercises.values()], audit.is_clean) == ([1, 2], True)
    assert ["right answers, number 1" in line for line in told] == [True, False]


def test_right_answers_that_do_not_go_together_are_judged_alone(two_exercises):
    helper = "def twice(x):\n    return {}\n\n\ndef {}(x):\n    return {}"
    first = right("double", helper.format("2 * x", "double", "twice(x)"), "helper")
    second = right("four", helper.format("4 * x", "four", "twice(x) if double(1) == 2 else 0"), "helper")
    bad = right("four", "def four(x):\n    return 4", "hard-coded")
    worse = right("double", "def double(x):\n    return 2", "hard-coded")
    course, bank = two_exercises(first, worse, second, bad)

    audit, _ = audited(audit_bank, course, bank)

    assert [each.right for each in audit.exercises.values()] == [2, 2]
    findings = {finding.answer for each in audit.exercises.values() for finding in each.findings}
    assert findings == {"hard-coded"}


def test_a_second_run_judges_nothing_again_unless_a_test_was_changed(bank_of, monkeypatch):
    from autograder.audit import judging

    right = entry("right", "def double(x):\n    return x + x")
    course, bank = bank_of(WEAK, right)
    first, _ = audited(audit_bank, course, bank)
    runs = []
    conduct = judging.conduct_twice
    monkeypatch.setattr(judging, "conduct_twice", lambda *given: runs.append(given) or conduct(*given))
    again, told = audited(audit_bank, course, bank)
    assert (runs, len(told), again.exercises) == ([], 1, first.exercises)
    course, bank = bank_of(STRONG, right)
    audited(audit_bank, course, bank)
    assert len(runs) == 1


def test_a_run_that_was_cut_off_in_the_middle_of_a_line_goes_on(bank_of):
    course, bank = bank_of(WEAK, entry("right", "def double(x):\n    return x + x"))
    audited(audit_bank, course, bank)
    (state,) = (course.root / "build" / "audit").iterdir()
    state.write_text(state.read_text()[:-20])
    audit, _ = audited(audit_bank, course, bank)
    assert audit.is_clean


def test_a_score_that_changes_is_a_problem(bank_of):
    chance = STRONG.replace("assert double(-3)", "import time\nassert double(-3)")
    chance = chance.replace("### END", "(time.time_ns() // 1000) % 3 / 2\n### END")
    course, bank = bank_of(chance)
    audit = Audit()
    audit_steadiness(audit, Bench(course), [bank], Settings(), 8, lambda _line: None)
    (problem,) = audit.problems
    assert "the score of test_double changes" in problem
    assert (audit.repeated, audit.unsteady) == (8, 1)


def test_a_steady_score_is_none(bank_of):
    course, bank = bank_of(STRONG, entry("right", "def double(x):\n    return x + x"))
    audit = Audit()
    audit_steadiness(audit, Bench(course), [bank], Settings(), 3, lambda _line: None)
    assert audit.is_clean
    assert (audit.repeated, audit.unsteady) == (3 + 2, 0)


def test_limits_are_part_of_what_a_judgement_is_made_from(bank_of):
    from dataclasses import replace

    from autograder.audit.fairness import reference_trial

    _, bank = bank_of(STRONG)
    job = reference_trial(bank, Settings())
    assert job.key != replace(job, limits=Limits(cell_timeout=1)).key != replace(job, round=1).key


def test_another_target_that_may_be_looked_up_is_another_judgement_but_not_of_a_run_that_measures(bank_of, monkeypatch):
    from autograder.audit import judging

    _, bank = bank_of(STRONG.replace("assert double(-3)", 'targets.get("double/dots")\nassert double(-3)'))
    asking, measuring = (
        judging.Job("a", bank.notebook, bank.reference, Limits(), Settings(environment=environment))
        for environment in ((), ((MEASURING, "1"),))
    )
    row = {"exercise": "double/dots", "source": "stand-in", "profile": "cpu", "target": 0.5}
    before = asking.key, measuring.key
    for others in ({"exercise": "double/stripes"}, {"profile": "gpu"}):
        monkeypatch.setattr(judging, "_table", lambda others=others: [{**row, **others}])
        assert asking.key == before[0]
    monkeypatch.setattr(judging, "_table", lambda: [row])
    assert asking.key != before[0]
    assert measuring.key == before[1]


MEASURED = """_reached = guess()
### BEGIN HIDDEN TESTS
if not _reached >= targets["guess/dots"]:
    raise AssertionError("too low")
assert _reached > targets["guess-again/dots"]
### END HIDDEN TESTS"""
GUESS = """def guess():
    ### BEGIN SOLUTION
    return np.float64(0.9) + 0.001 * np.random.rand()
    ### END SOLUTION"""


@pytest.fixture
def guessing(make_course):
    """The bank of a course with an exercise that is trained by luck, and with a wrong answer that comes that far."""

    def make(wrong):
        setup = "import numpy as np\nfrom coursekit import runtime\nfrom coursekit.targets import targets\n"
        master = Cells.notebook(
            Cells.text("# A\n\n### Exercise 1: Guess", "title"),
            Cells.locked(f"{setup}runtime.seed_everything(3)", "setup"),
            Cells.answer(GUESS, "guess"),
            Cells.test(MEASURED, "test_guess"),
        )
        course = make_course({"01_a/a.ipynb": master})
        folder = course.root / ANSWERS
        folder.mkdir(parents=True, exist_ok=True)
        answer = entry("wrong", f"def guess():\n    return {wrong}", says="low").replace("'double'", "'guess'")
        (folder / "01_a.toml").write_text(f"{answer}reaches = true\n")
        return course, read_bank(course, course.assignment("01_a"))

    return make


@pytest.mark.parametrize(("wrong", "refused"), [(0.5, ()), (0.9005, ("one",))])
def test_targets_lie_between_the_honest_runs_and_the_wrong_answers_or_are_refused(guessing, wrong, refused):
    course, bank = guessing(wrong)
    found = measure(Bench(course), bank, Settings(), 4, lambda _line: None)
    assert [each.exercise for each in found] == ["guess/dots", "guess-again/dots"]
    for each in found:
        assert len(set(each.honest)) == 4, "each run has a seed of its own"
        assert all(0.9 <= value <= 0.901 for value in each.honest)
        assert 0.8 < each.target < min(each.honest)
        assert each.best_wrong == ("one", wrong)
        assert each.too_good == refused


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"guess/dots": 0.8, "guess-again/dots": 0.8}, []),
        (
            {"guess/dots": 0.95, "guess-again/dots": 0.8},
            ["guess/dots: 0.950 is asked, but 3 of 3 honest runs reach less"],
        ),
        ({"guess/dots": 0.4}, ["guess/dots: there is no gap: 'one' reaches all that is asked"]),
        ({"guess/dots": 0.4, "guess-again/dots": 0.8}, []),
        ({}, []),
    ],
)
def test_a_table_that_asks_too_much_or_too_little_is_a_problem(guessing, asked, words):
    course, bank = guessing(0.5)
    audit = Audit()
    audit_targets(audit, Bench(course), [bank], Settings(), asked, lambda _line: None, seeds=3)
    assert len(audit.problems) == len(words)
    assert all(word in said for word, said in zip(words, audit.problems, strict=True))


@pytest.mark.parametrize("ends", ["softmax in the last layer", "softmax as a layer of its own"])
def test_a_network_that_always_says_the_majority_says_their_shares_of_whatever_it_is_asked(ends, monkeypatch):
    import keras

    from autograder.audit.calibration import UNTAUGHT

    monkeypatch.setattr(keras.Model, "fit", keras.Model.fit)
    exec(UNTAUGHT["always the majority"], {})
    last = [keras.layers.Dense(3, activation="softmax")] if ends == "softmax in the last layer" else []
    own = [] if last else [keras.layers.Dense(3), keras.layers.Softmax()]
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, activation="relu"), *last, *own])
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(1).random((40, 4)), np.repeat([0, 1, 2], [30, 8, 2])
    model.fit(x, y, verbose=0)
    assert np.asarray(model(x[:5])) == pytest.approx(np.tile([0.75, 0.2, 0.05], (5, 1)), abs=1e-4)
