"""A run's bookkeeping: what is kept, what is graded anew, and what is left alone when something is in the way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import tracemalloc
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from autograder import conducting, grading
from autograder.build import write_file
from autograder.course import Course, load_course
from autograder.errors import AutograderError
from autograder.gradebook import Gradebook, GradebookError, open_gradebook
from autograder.grading import Settings, Step, grade
from autograder.kernels.kernel import KernelError
from autograder.kernels.process import ForkServerError
from autograder.notebook import notebook_text
from autograder.paper import Paper, Role
from autograder.submitted import find_submissions
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import Cells

TRUSTED = Settings(sandbox=False)  # no kernel is started here
ASSIGNMENT = "01_a"


def made_verdict(paper: Paper) -> Verdict:
    """A verdict without a kernel: an answer that says "right" is right."""
    answers = {cell.grade_id: cell.source for cell in paper.cells}
    cells = tuple(
        CellVerdict(cell.grade_id, cell.points, cell.points, Outcome.PASSED)
        if all("right" in answers[name] for name in cell.answers)
        else CellVerdict(cell.grade_id, 0.0, cell.points, Outcome.FAILED, "That is not right.")
        for cell in paper.cells
        if cell.role is Role.TEST
    )
    executed = Cells.notebook(*(nbformat.v4.new_code_cell(cell.source, id=cell.cell_id) for cell in paper.cells))
    return Verdict(
        paper.student, paper.assignment, paper.notebook, Status.GRADED, "", cells, executed=notebook_text(executed)
    )


class Machine(Executor):
    """Gives made verdicts at once, or the failure of the machine for some students."""

    def __init__(self, failing: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.failing = failing
        self.asked: list[str] = []

    def submit(self, _function: Any, /, paper: Paper, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.asked.append(paper.student)
        if paper.student in self.failing:
            future.set_exception(KernelError("the kernel did not answer."))
        else:
            future.set_result(made_verdict(paper))
        return future


def run(course: Course, students: str = "*", *, machine: Machine | None = None, **options: Any) -> dict[str, Step]:
    """Grade, and say of each student what was done."""
    steps: dict[str, Step] = {}
    submissions = find_submissions(course, course.assignments, students)
    note = options.pop("tell", lambda step, verdict: steps.update({verdict.student: step}))
    grade(course, submissions, TRUSTED, machine or Machine(), tell=note, **options)
    return steps


def lay_out(root: Path, notebook: str, exercises: dict[str, float]) -> Course:
    """Write the course's one master, in place of another."""
    cells = [Cells.locked("import math", "setup")]
    for name, points in exercises.items():
        stub = f"{name} = 'right'  # the reference\n### BEGIN SOLUTION\n...\n### END SOLUTION"
        cells += [Cells.answer(stub, name), Cells.test(f"assert {name}", f"test_{name}", points)]
    folder = root / "source" / ASSIGNMENT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / f"{notebook}.ipynb").write_text(notebook_text(Cells.notebook(*cells)), encoding="utf-8")
    (root / "course.toml").write_text('title = "Small"\n', encoding="utf-8")
    return load_course(root)


def hand_in(course: Course, student: str, **answers: str) -> Path:
    """Hand in the first notebook of the course with these answers."""
    (notebook,) = course.assignments[0].notebooks
    handed_in = nbformat.read(notebook.path, as_version=4)
    for cell in handed_in.cells:
        if cell.id in answers:
            cell.source = f"{cell.id} = {answers[cell.id]!r}"
    path = course.submitted / student / ASSIGNMENT / notebook.path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook_text(handed_in), encoding="utf-8")
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything in a folder; of a link, where it leads."""
    return {
        str(path.relative_to(folder)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def scores(course: Course) -> dict[str, float]:
    with open_gradebook(course) as gradebook:
        return {score.student: score.score for score in gradebook.scores()}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """Two exercises, and two students of whom one has both right."""
    course = lay_out(tmp_path / "course", "a", {"one": 2, "two": 3})
    hand_in(course, "ada", one="right", two="right")
    hand_in(course, "ben", one="wrong", two="right")
    return course


# --- what is in the way -------------------------------------------------------------------------------------------


def refused(course: Course, *words: str) -> None:
    """Grading must say these words, run nothing and change nothing."""
    before = snapshot(course.root)
    machine = Machine()
    with pytest.raises(AutograderError) as caught:
        run(course, machine=machine, force=True)
    for word in (*words, str(course.root)):
        assert word in str(caught.value)
    assert machine.asked == []
    assert snapshot(course.root) == before


def test_nothing_is_written_through_a_link_that_leads_out_of_the_course(course: Course, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / ASSIGNMENT).mkdir(parents=True)
    (outside / ASSIGNMENT / "a.ipynb").write_text("precious")
    course.autograded.mkdir()
    (course.autograded / "ben").symlink_to(outside)
    refused(course, "autograded/ben", "is a link to", "Remove it, then grade again")
    assert snapshot(outside) == {f"{ASSIGNMENT}/a.ipynb": b"precious"}


def test_nothing_is_written_through_a_link_in_place_of_an_assignment(course: Course, tmp_path: Path) -> None:
    (course.autograded / "ben").mkdir(parents=True)
    (course.autograded / "ben" / ASSIGNMENT).symlink_to(tmp_path)
    refused(course, f"autograded/ben/{ASSIGNMENT}", "is a link to")


def test_a_link_in_place_of_a_notebook_is_replaced_and_what_it_leads_to_stays(course: Course, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    place = course.autograded / "ben" / ASSIGNMENT / "a.ipynb"
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "precious")
    run(course)
    assert not place.is_symlink()
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("place", ["autograded", "autograded/ben", f"autograded/ben/{ASSIGNMENT}"])
def test_a_file_where_a_folder_belongs_is_named(course: Course, place: str) -> None:
    path = course.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("what is this?")
    refused(course, place, "Move it away")


def test_a_folder_where_a_notebook_belongs_is_named(course: Course) -> None:
    (course.autograded / "ben" / ASSIGNMENT / "a.ipynb" / "inside").mkdir(parents=True)
    refused(course, "a.ipynb is a folder", "Move it away")


def test_autograded_itself_may_be_a_link_of_the_instructors(course: Course, tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    course.autograded.symlink_to(tmp_path / "large disk")
    run(course)
    assert (tmp_path / "large disk" / "ada" / ASSIGNMENT / "a.ipynb").is_file()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribble(path: Path) -> None:
    """Damage a page that a run does not come to before it records something."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'student'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"x" * size
    path.write_bytes(content)


def change_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '724cde206c17'")


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "remedy"),
    [
        (truncate, "put a backup in its place"),
        (scribble, "put a backup in its place"),
        (lambda path: path.write_bytes(b"garbage " * 1000), "put a backup in its place"),
        (lambda path: path.write_bytes(b""), "put a backup in its place"),
        (change_version, "nbgrader db upgrade"),
        (put_a_folder_there, "Move the folder away"),
    ],
    ids=["truncated", "damaged within", "garbage", "empty", "another version", "a folder"],
)
def test_a_damaged_gradebook_is_named_with_the_remedy_and_left_as_it_is(
    course: Course, damage: Any, remedy: str
) -> None:
    run(course)
    damage(course.gradebook)
    refused(course, "gradebook.db", remedy)


def test_an_empty_file_is_a_gradebook_that_has_just_begun_while_nothing_is_graded(course: Course) -> None:
    course.gradebook.touch()  # what a run leaves that is killed before its first transaction
    run(course)
    assert scores(course) == {"ada": 5, "ben": 3}


def test_a_locked_gradebook_is_waited_for_with_a_word_about_who_has_it(course: Course) -> None:
    run(course)
    said: list[str] = []
    with closing(sqlite3.connect(course.gradebook, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        def hear(line: str) -> None:
            said.append(line)
            other.execute("ROLLBACK")

        with open_gradebook(course, patience=30, warn=hear) as gradebook:
            assert len(gradebook.scores()) == 2
    assert len(said) == 1
    assert str(course.gradebook) in said[0]
    assert "waiting up to 30 s" in said[0]


def test_a_gradebook_that_stays_locked_is_given_up_in_the_end(course: Course) -> None:
    run(course)
    with closing(sqlite3.connect(course.gradebook, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            pytest.raises(GradebookError, match=r"locked.*is writing to it: close formgrader or wait"),
            open_gradebook(course, patience=0.2),
        ):
            pass


# --- what cannot be written ---------------------------------------------------------------------------------------


class BrokenFile:
    """A file of a disk that is full."""

    def __enter__(self) -> BrokenFile:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, _data: bytes) -> None:
        raise OSError(28, os.strerror(28))


def test_a_full_disk_leaves_the_old_file_and_no_half_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_file(path, b"old")
    open_really = Path.open

    def open_(self: Path, *arguments: Any) -> Any:
        open_really(self, *arguments).close()
        return BrokenFile()

    monkeypatch.setattr(Path, "open", open_)
    with pytest.raises(AutograderError, match=rf"{path} could not be written: No space left.* Make room on the disk"):
        write_file(path, b"new")
    monkeypatch.undo()
    assert snapshot(tmp_path) == {"file": b"old"}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_a_killed_process_left_of_a_file_goes_when_the_file_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Path, "replace", lambda *_: os._exit(9))
        write_file(tmp_path / "file", b"half")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list(snapshot(tmp_path).values()) == [b"half"]
    write_file(tmp_path / "file", b"whole")
    assert snapshot(tmp_path) == {"file": b"whole"}


def test_papers_that_are_still_waiting_are_not_run_when_nothing_can_be_recorded(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: Future[Any] = Future()

    class Slow(Machine):
        def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
            done = super().submit(*arguments, **options)
            return waiting if self.asked == ["ada"] else done

    def fail(*_: Any, **__: Any) -> None:
        raise GradebookError("full")

    monkeypatch.setattr(Gradebook, "record", fail)
    with pytest.raises(GradebookError):
        run(course, machine=Slow())
    assert waiting.cancelled()


# --- the machine's failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [KernelError("died"), ForkServerError("gone"), OSError(28, "no space")])
def test_a_paper_is_run_once_more_where_the_machine_failed(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    outcomes: list[Any] = [failure, "the verdict"]

    def conduct(*_: Any) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(conducting, "conduct", conduct)
    assert conducting.conduct_twice(None, None, None) == "the verdict"  # type: ignore[arg-type,comparison-overlap]
    outcomes = [failure, failure]
    with pytest.raises(type(failure)):
        conducting.conduct_twice(None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("failure", [KernelError("It died."), RuntimeError("a fault of the grader's own")])
def test_a_failure_of_the_machine_is_told_and_not_kept_and_the_others_are_graded(
    course: Course, failure: Exception
) -> None:
    class Broken(Machine):
        def submit(self, function: Any, /, paper: Paper, *_: Any, **__: Any) -> Future[Any]:
            future = super().submit(function, paper)
            if paper.student == "ada":
                future = Future()
                future.set_exception(failure)
            return future

    verdicts: dict[str, Verdict] = {}
    run(course, machine=Broken(), tell=lambda _, verdict: verdicts.update({verdict.student: verdict}))
    assert verdicts["ada"].status is Status.FAILED
    assert str(failure) in verdicts["ada"].message
    assert verdicts["ada"].message.endswith("Grade again.")
    assert verdicts["ben"].score == 3
    assert run(course) == {"ada": Step.GRADED, "ben": Step.KEPT}
    assert scores(course) == {"ada": 5, "ben": 3}


# --- large classes ------------------------------------------------------------------------------------------------


def enrol(course: Course, students: int) -> None:
    """Let a class of that size hand in what one student did."""
    handed_in = hand_in(course, "s000", one="right", two="wrong")
    for number in range(1, students):
        folder = course.submitted / f"s{number:03}" / ASSIGNMENT
        folder.mkdir(parents=True)
        shutil.copy(handed_in, folder)


def test_verdicts_are_recorded_while_papers_are_still_handed_out(course: Course) -> None:
    enrol(course, 20)

    class Watching(Machine):
        def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
            recorded.append(len(scores(course)))
            return super().submit(*arguments, **options)

    recorded: list[int] = []
    run(course, machine=Watching())
    assert recorded == list(range(22))


def test_of_a_large_class_only_so_many_papers_are_handed_out_at_a_time(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "_HANDED_OUT", 5)
    enrol(course, 20)

    class Crowded(Machine):
        """Has no verdict before it is as full as it may become."""

        def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
            waiting.append((future := Future(), super().submit(*arguments, **options)))  # type: ignore[var-annotated]
            most.append(len(waiting))
            if len(waiting) == 5 or len(self.asked) == 22:
                for each, done in waiting:
                    each.set_result(done.result())
                waiting.clear()
            return future

    waiting: list[tuple[Future[Any], Future[Any]]] = []
    most: list[int] = []
    steps = run(course, machine=Crowded())
    assert set(steps.values()) == {Step.GRADED}
    assert (len(steps), max(most)) == (22, 5)


def test_the_memory_of_a_run_does_not_grow_with_the_notebooks_that_were_executed(course: Course) -> None:
    enrol(course, 40)
    large = " " * 2**20

    class Large(Machine):
        def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
            verdict = super().submit(*arguments, **options).result()
            future: Future[Any] = Future()
            future.set_result(replace(verdict, executed=verdict.executed + large))
            return future

    tracemalloc.start()
    try:
        run(course, machine=Large())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 15 * len(large)


# --- what is kept -------------------------------------------------------------------------------------------------


def test_a_verdict_whose_executed_notebook_is_gone_is_made_again(course: Course) -> None:
    run(course)
    (course.autograded / "ada" / ASSIGNMENT / "a.ipynb").unlink()
    assert run(course) == {"ada": Step.GRADED, "ben": Step.KEPT}


def test_a_run_that_ends_between_notebook_and_points_does_not_leave_one_answer_with_the_points_of_another(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(course)
    hand_in(course, "ada", one="wrong")
    with monkeypatch.context() as patch:
        patch.setattr(Gradebook, "record", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(course)
    hand_in(course, "ada", one="right", two="right")  # what is recorded
    assert run(course) == {"ada": Step.GRADED, "ben": Step.KEPT}
    assert b"wrong" not in (course.autograded / "ada" / ASSIGNMENT / "a.ipynb").read_bytes()


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_cell_that_leaves_the_master_and_comes_back_has_its_points_again(course: Course) -> None:
    run(course)
    lay_out(course.root, "a", {"one": 2})
    run(load_course(course.root), "ben")  # ada's verdict on two exercises is still recorded
    lay_out(course.root, "a", {"one": 2, "two": 3})
    run(load_course(course.root))
    assert scores(course) == {"ada": 5, "ben": 3}


def test_an_executed_notebook_goes_with_the_name_that_its_master_had(course: Course) -> None:
    run(course)
    course = lay_out(course.root, "b", {"one": 2})
    hand_in(course, "ada", one="right")
    run(course)
    assert sorted(snapshot(course.autograded)) == [f"ada/{ASSIGNMENT}/b.ipynb"]
    with closing(sqlite3.connect(course.gradebook)) as connection:
        assert connection.execute("SELECT DISTINCT notebook FROM autograder_verdicts").fetchall() == [("b",)]


def test_a_submission_that_is_handed_in_later_is_recorded_with_its_new_time(course: Course) -> None:
    run(course)
    (course.submitted / "ada" / ASSIGNMENT / "timestamp.txt").write_text("2026-02-01 12:00:00 UTC")
    assert run(course) == {"ada": Step.GRADED, "ben": Step.KEPT}


# --- any sequence of all that ------------------------------------------------------------------------------------

STUDENTS = st.sampled_from(["ada", "ben"])
EXERCISES = ("one", "two", "three")
ANSWER = st.sampled_from(["right", "wrong"])


class AnySequence(RuleBasedStateMachine):
    """
    Submissions and masters change, runs come to an end or not: a last run leaves what a first one would have left.

    A student whose folder is gone is left out: the gradebook keeps what was last graded, as nbgrader does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="grading-"))
        self.name = "a"
        self.exercises: dict[str, float] = {"one": 2, "two": 3}
        self.course = lay_out(self.root, self.name, self.exercises)

    @rule(student=STUDENTS, one=ANSWER, two=ANSWER)
    def submit(self, student: str, one: str, two: str) -> None:
        hand_in(self.course, student, one=one, two=two)

    @rule(student=STUDENTS)
    def submit_a_broken_file(self, student: str) -> None:
        hand_in(self.course, student).write_bytes(b'{"cells": [')

    @rule(student=STUDENTS)
    def submit_without_the_file(self, student: str) -> None:
        hand_in(self.course, student).unlink()

    @rule(student=STUDENTS)
    def withdraw(self, student: str) -> None:
        shutil.rmtree(self.course.submitted / student, ignore_errors=True)

    @rule(student=STUDENTS, day=st.integers(1, 3))
    def submit_with_a_time(self, student: str, day: int) -> None:
        hand_in(self.course, student).with_name("timestamp.txt").write_text(f"2026-01-0{day} 12:00:00 UTC")

    @rule(exercise=st.sampled_from(EXERCISES), points=st.integers(1, 4))
    def put_an_exercise(self, exercise: str, points: float) -> None:
        self.change_master({**self.exercises, exercise: points})

    @rule(exercise=st.sampled_from(EXERCISES[1:]))
    def remove_an_exercise(self, exercise: str) -> None:
        self.change_master({name: points for name, points in self.exercises.items() if name != exercise})

    @rule(name=st.sampled_from(["a", "b"]))
    def rename_the_notebook(self, name: str) -> None:
        self.name = name
        self.change_master(self.exercises)

    @rule(students=st.sampled_from(["*", "ada", "ben"]), force=st.booleans())
    def grade(self, students: str, force: bool) -> None:
        if self.course.submitted.exists():
            run(self.course, students, force=force)

    @rule(student=STUDENTS, force=st.booleans())
    def grade_on_a_machine_that_fails(self, student: str, force: bool) -> None:
        if self.course.submitted.exists():
            run(self.course, machine=Machine({student}), force=force)

    @rule(count=st.integers(0, 1), place=st.sampled_from(["doubt", "record", "tell"]), force=st.booleans())
    def grade_and_be_interrupted(self, count: int, place: str, force: bool) -> None:
        """Stop before a step of the work on a submission, the first or the second."""
        if not self.course.submitted.exists():
            return
        left = [None] * count

        def stop_or(go_on: Any) -> Any:
            def step(*arguments: Any, **options: Any) -> Any:
                if not left:
                    raise KeyboardInterrupt
                left.pop()
                return go_on(*arguments, **options)

            return step

        with pytest.MonkeyPatch.context() as patch:
            options: dict[str, Any] = {"force": force}
            if place == "tell":
                options["tell"] = stop_or(lambda *_: None)
            else:
                patch.setattr(Gradebook, place, stop_or(getattr(Gradebook, place)))
            try:
                run(self.course, **options)
            except KeyboardInterrupt:
                pass
            else:
                assert len(find_submissions(self.course, self.course.assignments)) <= count or place != "tell"

    @invariant()
    def no_half_of_a_file_lies_about(self) -> None:
        assert not [name for name in snapshot(self.course.root) if name.endswith(".part")]

    def change_master(self, exercises: dict[str, float]) -> None:
        self.exercises = exercises
        self.course = lay_out(self.root, self.name, exercises)

    def teardown(self) -> None:
        try:
            if self.course.submitted.exists():
                self.compare_with_a_first_run()
        finally:
            shutil.rmtree(self.root)

    def compare_with_a_first_run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="grading-") as folder:
            for name in ("source", "submitted"):
                shutil.copytree(self.root / name, Path(folder, name))
            shutil.copy(self.root / "course.toml", folder)
            first = load_course(Path(folder))
            run(first)
            run(self.course)
            present = {path.name for path in self.course.submitted.iterdir()}
            assert results(self.course, present) == results(first, present)
            assert set(run(self.course).values()) <= {Step.KEPT}


def results(course: Course, students: set[str]) -> dict[str, Any]:
    """What grading leaves of these students, but for times of work."""
    with open_gradebook(course) as gradebook:
        recorded = gradebook.recorded(ASSIGNMENT)
        points = gradebook.points(ASSIGNMENT)
        every = gradebook.scores()
    with closing(sqlite3.connect(course.gradebook)) as connection:
        rows = connection.execute("SELECT student, notebook, fingerprint FROM autograder_verdicts").fetchall()
    return {
        "recorded": {
            who: (stored.verdict, stored.fingerprint) for who, stored in recorded.items() if who[0] in students
        },
        "points": {who: each for who, each in points.items() if who[0] in students},
        "scores": {
            each.student: (each.score, each.max_score, each.timestamp) for each in every if each.student in students
        },
        "rows": sorted(row for row in rows if row[0] in students),
        "executed": {
            name: content for name, content in snapshot(course.autograded).items() if Path(name).parts[0] in students
        },
    }


AnySequence.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=timedelta(seconds=20))
TestAnySequence = AnySequence.TestCase


# --- the order ----------------------------------------------------------------------------------------------------


SECONDS = {"01_a": 1.0, "02_b": 60.0, "03_c": 5.0}


class Clock(Machine):
    """Gives made verdicts that took as long as their assignments do, and notes which came when."""

    def submit(self, function: Any, /, paper: Paper, *more: Any, **options: Any) -> Future[Any]:
        made = super().submit(function, paper, *more, **options).result()
        self.asked[-1] = f"{paper.assignment} of {paper.student}"
        future: Future[Any] = Future()
        future.set_result(replace(made, seconds=SECONDS[paper.assignment]))
        return future


def test_the_longest_come_first_and_before_them_what_was_never_graded(course):
    for name in ("02_b", "03_c"):
        shutil.copytree(course.root / "source" / ASSIGNMENT, course.root / "source" / name)
        for student in ("ada", "ben"):
            shutil.copytree(course.submitted / student / ASSIGNMENT, course.submitted / student / name)
    course, first, second = load_course(course.root), Clock(), Clock()
    known = [course.assignment(name) for name in (ASSIGNMENT, "02_b")]

    grade(course, find_submissions(course, known), TRUSTED, first)
    verdicts = grade(course, find_submissions(course, course.assignments), TRUSTED, second, force=True)

    assert second.asked == [f"{name} of {who}" for name in ("03_c", "02_b", ASSIGNMENT) for who in ("ada", "ben")]
    # What is given back is in the order of what was asked for.
    assert [each.assignment for each in verdicts] == [
        each.assignment.name for each in find_submissions(course, course.assignments)
    ]
