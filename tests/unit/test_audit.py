"""The audit without kernels: the bank's entries, the part of a paper that a test needs, the mutants."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from autograder.audit import auditing, calibration
from autograder.audit.auditing import Audit
from autograder.audit.bank import ANSWERS, LEAST_RIGHT, LEAST_WRONG, TO_COME, read_bank, shortcomings
from autograder.audit.bounds import lower_bound, safe_target, student_quantile
from autograder.audit.calibration import CalibrationError, Measured, gather, write_targets
from autograder.audit.extract import dependent_tests, extract
from autograder.audit.fairness import secrets_in
from autograder.audit.judging import Judgement
from autograder.audit.mutation import mutants, screenings
from autograder.audit.report import write_audit
from autograder.course import CourseError
from autograder.paper import with_answers
from autograder.verdict import CellVerdict, Outcome
from coursekit import checks
from coursekit.runtime import MEASURING
from coursekit.targets import Targets, read_measured, targets
from tests.conftest import Cells

RIGHT = (
    '[[right]]\nexercise = "double"\nname = "right {n}"\nwhy = "because"\n'
    'code = "def double(x): return x + x + {n} * 0"\n'
)
WRONG = (
    '[[wrong]]\nexercise = "double"\nname = "wrong {n}"\nwhy = "because"\nsays = "negative"\n'
    'code = "def double(x): return abs(x) * 2 + {n} * 0"\n'
)


@pytest.fixture
def course_with(make_course, master):
    """A course with one assignment and this bank."""

    def make(*entries, to_come=None):
        course = make_course({"01_a/a.ipynb": master})
        folder = course.root / ANSWERS
        folder.mkdir(parents=True)
        if entries:
            (folder / "01_a.toml").write_text("\n".join(entries))
        if to_come is not None:
            (folder / TO_COME).write_text(f"assignments = {to_come!r}")
        return course, lambda: read_bank(course, course.assignment("01_a"))

    return make


def full(right=LEAST_RIGHT, wrong=LEAST_WRONG):
    return [*(RIGHT.format(n=n) for n in range(right)), *(WRONG.format(n=n) for n in range(wrong))]


def test_a_bank_with_enough_answers_lacks_nothing(course_with):
    course, bank = course_with(*full())
    assert shortcomings(course, [bank()]) == []
    assert sum(answer.is_right for answer in bank().answers) == LEAST_RIGHT
    assert bank().answers[-1].says == ("negative",)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (3, 6, "3 right answers of the 4"),
        (4, 5, "5 wrong answers of the 6"),
        (0, 0, "0 right answers of the 4 that are"),
    ],
)
def test_an_exercise_without_enough_answers_is_named_with_what_is_missing(course_with, right, wrong, words):
    course, bank = course_with(*full(right, wrong))
    (said,) = shortcomings(course, [bank()])
    assert "01_a, exercise 'double'" in said
    assert words in said
    assert f"{ANSWERS}/01_a.toml" in said


def test_an_assignment_whose_answers_are_to_come_may_lack_them_but_not_stay_in_the_list(course_with):
    course, bank = course_with(to_come=["01_a"])
    assert shortcomings(course, [bank()]) == []


def test_an_assignment_that_lacks_nothing_must_leave_the_list(course_with):
    course, bank = course_with(*full(), to_come=["01_a"])
    (said,) = shortcomings(course, [bank()])
    assert "take it out" in said


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (RIGHT.replace("double", "triple", 1), "'triple' is no exercise"),
        (RIGHT.replace("why", "reason"), "it has reason"),
        (WRONG.replace('says = "negative"\n', ""), "wrong 1 needs"),
        (WRONG.replace('"negative"', '""'), "which words"),
        (WRONG + 'fails = ["test_triple"]\n', "no test 'test_triple'"),
        (RIGHT + 'says = "double"\n', "it has says"),
        (RIGHT + RIGHT, "two answers called"),
        ('[[maybe]]\nexercise = "double"', "unknown table maybe"),
        ("[[right]", "cannot be read"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(course_with, entry, words):
    _, bank = course_with(entry)
    with pytest.raises(CourseError, match=words):
        bank()


LONG = (
    Cells.locked("import numpy as np\nnp.random.seed(1)", "setup"),
    Cells.locked("numbers = np.arange(3)", "data"),
    Cells.locked("other = np.arange(4)", "other"),
    Cells.answer("def one(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", "one"),
    Cells.test(
        "assert one(numbers) is not None\n### BEGIN HIDDEN TESTS\nassert one(1) == 1\n### END HIDDEN TESTS", "test_one"
    ),
    Cells.answer("### BEGIN SOLUTION\nmodel = [one(2)]\n### END SOLUTION", "model"),
    Cells.locked("fit(model)", "train"),
    Cells.locked("print(model)", "show"),
    Cells.locked("unrelated = one(5)", "unrelated"),
    Cells.test("assert model\n### BEGIN HIDDEN TESTS\nassert model[0] == 2\n### END HIDDEN TESTS", "test_model"),
    Cells.locked("late = model", "late"),
)


@pytest.fixture
def long_bank(make_course):
    course = make_course({"01_a/a.ipynb": Cells.notebook(Cells.text("# A\n\n### Exercise 1: One", "title"), *LONG)})
    return read_bank(course, course.assignment("01_a"))


def ids(paper):
    return [cell.grade_id for cell in paper.cells]


def test_an_extract_has_what_a_test_needs_and_no_more(long_bank):
    assert ids(extract(long_bank.reference, ["test_one"])) == ["setup", "data", "one", "test_one"]


def test_an_extract_keeps_what_changes_a_value_that_is_used_and_not_what_shows_it(long_bank):
    assert ids(extract(long_bank.reference, ["test_model"])) == ["setup", "one", "model", "train", "test_model"]


def test_an_extract_follows_the_answer_that_was_given_and_not_the_reference(long_bank):
    paper = with_answers(long_bank.reference, {"model": "model = [len(other) - 2]"})
    assert ids(extract(paper, ["test_model"])) == ["setup", "other", "model", "train", "test_model"]
    broken = with_answers(long_bank.reference, {"model": "model = ["})
    assert "model" in ids(extract(broken, ["test_model"], ["model"]))


def test_the_tests_that_need_an_answer_are_its_own_and_those_of_what_is_built_on_it(long_bank):
    assert dependent_tests(long_bank.reference, "one") == ("test_one", "test_model")
    assert dependent_tests(long_bank.reference, "model") == ("test_model",)


SOLUTION = '''def mean(x, axis=0):
    """The mean."""
    ### BEGIN SOLUTION
    total = np.sum(x, axis=0)
    return total / 255 + bias
    ### END SOLUTION


other = 1 + 2
'''


def test_mutants_change_the_solution_alone_and_are_told_by_their_lines():
    found = list(mutants("mean", SOLUTION))
    changed = {mutant.becomes for mutant in found if mutant.line == "return total / 255 + bias"}
    assert {"return total / 255 - bias", "return (total / 255)", "return total + bias", "return bias"} <= changed
    changed = {mutant.becomes for mutant in found if mutant.line == "total = np.sum(x, axis=0)"}
    assert {"total = np.mean(x, axis=0)", "total = np.sum(x, axis=1)"} <= changed
    assert all(
        "other = 1 + 2" in mutant.source and 'axis=0):\n    """The mean."""' in mutant.source for mutant in found
    )


def test_no_two_mutants_mean_the_same_and_none_means_the_reference():
    found = [mutant.source for mutant in mutants("mean", SOLUTION)]
    assert len(set(found)) == len(found)
    assert SOLUTION not in found
    for source in found:
        compile(source, "mutant", "exec")


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ('layer = Conv2D(8, 3, padding="same")', 'layer = Conv2D(8, 3, padding="valid")'),
        ('layer = Conv2D(8, 3, padding="same")', 'layer = Conv2D(8, 3, padding="same", use_bias=False)'),
        ('layer = Conv2D(8, 3, padding="same")', 'layer = Conv2D(3, 8, padding="same")'),
        ('layer = Dense(2, activation="relu")', 'layer = Dense(2, activation="linear")'),
        ("base.trainable = False", "base.trainable = True"),
        ("x = kernel[::-1, ::-1]", "x = kernel[:, ::-1]"),
        ("x = np.flip(kernel)", "x = (kernel)"),
        ("y = x @ w + b", "y = (x @ w)"),
        ("y = x @ w", "y = w @ x"),
        ("y = x.T", "y = x"),
        ("y = x[i, j]", "y = x[j, i]"),
        ("y = x.copy()", "y = x"),
        ("for i in range(0, n, stride): f(i)", "for i in range(0, n, ): f(i)"),
        ("model.fit(data.x_train)", "model.fit(data.x_test)"),
        ("x = x / 255", "x = x"),
        ("y = np.max(x, axis=(1, 2))", "y = np.mean(x, axis=(1, 2))"),
        ("y = np.max(x, axis=(1, 2))", "y = np.max(x, axis=1)"),
        ("y = x // 2", "y = x / 2"),
        ("if x > 0: y = 1", "if False: y = 1"),
    ],
)
def test_there_is_a_mutant_for_each_mistake_of_the_field(line, becomes):
    found = mutants("a", f"### BEGIN SOLUTION\n{line}\n### END SOLUTION\n")
    assert becomes in {mutant.becomes for mutant in found}


def test_what_the_message_must_not_hold(make_course):
    master = Cells.notebook(
        Cells.text("# A\n\n### Exercise 1: Count", "title"),
        Cells.answer("### BEGIN SOLUTION\nparameters = 456\nneurons = 17\n### END SOLUTION", "count"),
        Cells.test("### BEGIN HIDDEN TESTS\nassert parameters == 3 * 152, 'no'\n### END HIDDEN TESTS", "test_count"),
        Cells.text("There are 17 neurons.", "hint"),
    )
    course = make_course({"01_a/a.ipynb": master})
    folder = course.root / ANSWERS
    folder.mkdir(parents=True)
    entry = WRONG.format(n=1).replace("double", "count", 1)
    (folder / "01_a.toml").write_text(entry)
    bank = read_bank(course, course.assignment("01_a"))
    (answer,) = bank.answers
    assert list(secrets_in(bank, answer, "456 are asked")) == ["456"]
    assert list(secrets_in(bank, answer, "line: assert parameters == 3 * 152, 'no'")) == [
        "assert parameters == 3 * 152, 'no'"
    ]
    assert list(secrets_in(bank, answer, "17 neurons, 4567 of them")) == []


def test_every_assignment_of_the_course_has_its_answers_or_is_in_the_list_of_those_to_come():
    from tests.course.conftest import COURSE

    banks = [read_bank(COURSE, assignment) for assignment in COURSE.assignments]
    assert shortcomings(COURSE, banks) == []


def test_screened_mutants_end_with_the_reference(long_bank):
    from autograder.audit.mutation import attacks
    from autograder.grading import Settings

    own = [attack for attack in attacks(long_bank, Settings()) if attack.mutant.exercise == "model"]
    (screening,) = screenings(own)
    cells = screening.job.paper.cells
    answers = [cell for cell in cells if cell.grade_id.startswith("model#")]
    assert len(answers) == len(own) + 1
    assert answers[-1].source == next(cell.source for cell in long_bank.reference.cells if cell.grade_id == "model")
    assert len({cell.cell_id for cell in cells}) == len(cells)
    assert next(cell.answers for cell in cells if cell.grade_id.startswith("test_model#")) == ("model#0",)


def test_a_bar_that_measures_lets_all_pass_and_tells_what_came(monkeypatch, capsys):
    monkeypatch.setenv(MEASURING, "1")
    bar = targets["cnn/litter"]
    assert bar <= 0.25
    assert 0.25 >= bar  # noqa: SIM300 - which side it stands on is the question
    assert not bar > 0.125
    assert bar <= np.float64(0.75) <= 1.0
    assert not np.float64(0.5) < bar
    checks.between(0.625, targets["cnn-recall/litter"], 1.0)
    said = capsys.readouterr().out
    assert read_measured(said) == {"cnn/litter": 0.125, "cnn-recall/litter": 0.625}
    assert said.count("cnn/litter") == 5


def test_a_run_without_the_variable_gets_a_plain_number():
    assert type(targets["cnn/litter"]) is float


def judgement(*reached, passed=True):
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    text = "\n".join(f'measured for the table of targets: ["{name}/dots", {value}]' for name, value in reached)
    return Judgement({"t": CellVerdict("t", 1.0, 1.0, outcome)}, 0.1, {"t": f"hello\n{text}\n"})


HONEST = [judgement(("a", 0.9 + n / 1000), ("b", 0.8 + n / 1000)) for n in range(5)]


@pytest.mark.parametrize(
    ("runs", "too_good"),
    [
        ([judgement(("a", 0.95), ("b", 0.1))], ()),
        ([judgement(("a", 0.95), ("b", 0.1)), judgement(("a", 0.1), ("b", 0.95))], ()),
        ([judgement(("a", 0.95), ("b", 0.95))], ("wrong",)),
        ([judgement(("a", 0.95), ("b", 0.95), passed=False)], ()),
        ([judgement(("a", 0.95))], ()),
    ],
)
def test_a_wrong_answer_is_too_good_when_one_run_reaches_all_that_is_asked_together(runs, too_good):
    found = list(gather(HONEST, {"wrong": (["t"], runs), "of another exercise": (["u"], HONEST)}))
    assert [each.exercise for each in found] == ["a/dots", "b/dots"]
    assert {each.too_good for each in found} == {too_good}
    assert found[0].best_wrong == ("wrong", 0.95)


def test_what_a_reference_reached_that_fails_its_own_test_is_no_measurement():
    with pytest.raises(CalibrationError, match="t refuses the reference itself, with seed 1"):
        list(gather([HONEST[0], judgement(("a", 0.9), ("b", 0.8), passed=False)], {}))


def test_no_target_follows_from_runs_that_are_all_alike():
    with pytest.raises(CalibrationError, match=r"a/dots: every run reached 0\.900"):
        list(gather([judgement(("a", 0.9))] * 5, {}))


def test_an_audit_tells_of_what_cannot_be_measured_and_goes_on(monkeypatch):
    def measure(_bench, bank, *_):
        if bank == "first":
            raise CalibrationError("t refuses the reference itself")
        return [Measured("a/dots", (0.1, 0.1, 0.1), 0.1)]

    monkeypatch.setattr(auditing, "measure", measure)
    bank = SimpleNamespace(assignment=SimpleNamespace(name="02_b"))
    audit = Audit()
    auditing.audit_targets(audit, None, ["first", bank], None, {"a/dots": 0.5}, print)
    assert audit.problems[0] == "t refuses the reference itself"
    assert "02_b, target a/dots: 0.500 is asked" in audit.problems[1]


@pytest.mark.parametrize(
    ("look_up", "is_found"), [('targets["a/dots"]', True), ('targets.get("a/dots")', True), ("my_targets[0]", False)]
)
def test_a_test_with_a_target_is_found_by_its_look_up(make_course, look_up, is_found):
    bar, test = Cells.locked(f"ASKED = {look_up}", "bar"), Cells.test("assert double(1) > ASKED")
    text = Cells.text("# A\n\n### Exercise 1: One", "title")
    course = make_course({"01_a/a.ipynb": Cells.notebook(text, bar, Cells.answer(), test)})
    reference = read_bank(course, course.assignment("01_a")).reference
    assert calibration.tests_with_targets(reference) == (("test_double",) if is_found else ())


@pytest.mark.parametrize(
    ("source", "is_alike"),
    [
        ("EPOCHS = 3", True),
        ("EPOCHS = runtime.budget(cpu=25, gpu=25)", True),
        ("EPOCHS = runtime.budget(cpu=2_5, gpu=25) + len(runtime.budget.__doc__)", True),
        ("EPOCHS = runtime.budget(cpu=5, gpu=25)", False),
        ("EPOCHS = runtime.budget(5, 25)", False),
        ("if runtime.profile() == 'gpu':\n    EPOCHS = 25", False),
    ],
)
def test_what_was_measured_holds_for_all_profiles_where_a_notebook_asks_for_none(make_course, source, is_alike):
    text = Cells.text("# A\n\n### Exercise 1: One", "title")
    cells = Cells.locked(source, "setup"), Cells.answer(), Cells.test("assert double(1) == 2")
    course = make_course({"01_a/a.ipynb": Cells.notebook(text, *cells)})
    assert calibration.profiles_alike(read_bank(course, course.assignment("01_a")).reference) is is_alike


def test_what_was_measured_replaces_the_rows_of_its_source_and_profile_alone(tmp_path):
    table = tmp_path / "targets.toml"
    row = '[[target]]\nexercise = "{}"\nsource = "{}"\nprofile = "cpu"\nn = 3\nmean = 0.5\nsd = 0.1\ntarget = 0.2\n'
    rows = [("a/dots", "stand-in"), ("a/dots", "folder"), ("c/dots", "stand-in"), ("b/dots", "stand-in")]
    table.write_text("# A head.\n\n" + "\n".join(row.format(*each) for each in rows))
    good = Measured("a/dots", (0.9, 0.91, 0.92), 0.7, {"guessing": 0.5, "nothing": 0.1})
    bad = Measured("b/dots", (0.9, 0.91, 0.92), 0.7, {"guessing": 0.8}, ("guessing",))
    idle = Measured("d/dots", (0.1, 0.9, 0.5), -0.3, {"guessing": 0.5})
    assert write_targets(table, [good, bad, idle], source="stand-in", profile="cpu") == ["b/dots"]
    text = table.read_text()
    assert text.startswith("# A head.\n\n[[target]]")
    look_up = Targets(table, source=lambda _: "stand-in", profile=lambda: "cpu")
    assert dict(look_up) == {"a/dots": 0.7, "c/dots": 0.2}
    assert Targets(table, source=lambda _: "folder", profile=lambda: "cpu")["a/dots"] == 0.2
    assert 'wrong = 0.5\nwrong_answer = "guessing"' in text
    assert "worst = 0.9\n" in text


@pytest.mark.parametrize(("p", "freedom", "value"), [(0.975, 10, 2.228), (0.999, 19, 3.579), (0.9995, 120, 3.373)])
def test_the_quantile_of_student_is_that_of_the_tables(p, freedom, value):
    assert student_quantile(p, freedom) == pytest.approx(value, abs=0.001)


def test_of_a_hundred_honest_runs_about_one_falls_below_a_bound_for_one_in_a_hundred():
    rng = np.random.default_rng(5)
    runs = rng.normal(size=(20_000, 20))
    bounds = runs.mean(axis=1) - student_quantile(0.99, 19) * runs.std(axis=1, ddof=1) * np.sqrt(1 + 1 / 20)
    assert lower_bound(list(runs[0]), 0.01) == pytest.approx(bounds[0])
    assert 0.007 < np.mean(rng.normal(size=20_000) < bounds) < 0.013


def test_a_target_lies_below_the_worst_run_too():
    runs = [0.9] * 30 + [0.5]
    assert safe_target(runs) < 0.5 - np.std(runs)


def test_the_report_of_a_part_says_what_was_not_judged_and_does_not_count_it_as_nothing_found(long_bank, make_course):
    audit = Audit()
    audit.of(long_bank, long_bank.exercises[0].grade_id).right = 3

    page = " ".join(write_audit(make_course({}), audit).read_text(encoding="utf-8").split())

    assert "3 answers: 0 false accepts, 0 false rejects." in page
    assert "No mutants were judged in this run." in page
    assert "judgements of the same papers" not in page
    assert "<h2>Exercises</h2>" in page
    assert "<td>3</td><td>0</td>" in page
    assert page.count("<td>\N{EN DASH}</td>") == 5  # four of mutants, and the score


def test_the_report_says_how_often_papers_were_judged_again_and_how_many_scores_changed(make_course):
    page = write_audit(make_course({}), Audit(repeated=12, unsteady=1)).read_text(encoding="utf-8")
    assert "12 judgements of the same papers: 1 score changed." in page
    assert "Exercises" not in page  # of none anything was found
