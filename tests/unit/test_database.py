"""Where the gradebook lies: what nbgrader's settings say of it, and what a PostgreSQL server asks of a grader."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from nbgrader.apps import NbGraderAPI
from nbgrader.apps.baseapp import NbGrader
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import NullPool, create_engine, make_url, text

from autograder.course import load_course
from autograder.database import open_database
from autograder.gradebook import Gradebook, GradebookError, open_gradebook
from autograder.nbgrader_settings import load_settings
from autograder.sample import write_class
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import gradebook_url
from tests.postgresql import GUARDED, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbformat import NotebookNode
    from sqlalchemy import Connection

    from autograder.course import Course
    from tests.postgresql import Server


@pytest.fixture
def course(make_course: Callable[..., Course], master: NotebookNode) -> Course:
    return make_course({"01_double/double.ipynb": master})


def configure(course: Course, url: object) -> None:
    """Do what an instructor does in the course's folder."""
    (course.root / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.db_url = {url!r}\n")


def verdict_for(student: str, score: float = 2) -> Verdict:
    cell = CellVerdict("test_double", score, 2, Outcome.PASSED)
    return Verdict(student, "01_double", "double", Status.GRADED, "", (cell,))


def opened(course: Course) -> None:
    with open_gradebook(course):
        pass


# --- what is set for nbgrader -------------------------------------------------------------------------------------


def test_without_a_word_the_gradebook_is_a_file_in_the_course(course: Course) -> None:
    opened(course)
    assert course.gradebook.is_file()
    assert gradebook_url(course) == CourseDirectory(root=str(course.root)).db_url


@pytest.mark.parametrize("written", ["{}/elsewhere.db", "elsewhere.db"], ids=["absolute", "from the course's folder"])
def test_the_gradebook_is_the_file_that_db_url_names(
    course: Course, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configure(course, f"sqlite:///{written.format(course.root)}")
    opened(course)
    assert (course.root / "elsewhere.db").is_file()
    assert not course.gradebook.exists()


@pytest.mark.parametrize("places", [["course"], ["user"], ["course", "user"]], ids=" and ".join)
@pytest.mark.parametrize("ending", ["py", "json"])
def test_it_is_read_from_where_nbgrader_reads_it(
    course: Course, places: list[str], ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.chdir(course.root)
    for place in places:
        url = f"sqlite:////{place}.db"
        words = {
            "py": f"get_config().CourseDirectory.db_url = {url!r}",
            "json": f'{{"CourseDirectory": {{"db_url": "{url}"}}}}',
        }
        folder = {"course": course.root, "user": tmp_path}[place]
        (folder / f"nbgrader_config.{ending}").write_text(words[ending])
    theirs = NbGrader()
    theirs.initialize([], root=str(course.root))
    assert gradebook_url(course) == theirs.coursedir.db_url == f"sqlite:////{places[0]}.db"


def test_another_course_in_which_one_stands_has_no_say(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nbgrader_config.py").write_text("get_config().CourseDirectory.db_url = 'sqlite:////other.db'")
    monkeypatch.chdir(tmp_path)
    assert gradebook_url(course) == f"sqlite:///{course.gradebook}"


def test_a_configuration_that_fails_is_named_and_no_gradebook_is_made(course: Course) -> None:
    (course.root / "nbgrader_config.py").write_text("c.Something = 1 / 0\n")
    with pytest.raises(GradebookError, match=r"nbgrader_config\.py cannot be used: division by zero"):
        opened(course)
    assert not course.gradebook.exists()


def test_a_made_up_class_does_not_come_into_the_gradebook_of_the_real_one(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nbgrader_config.py").write_text("get_config().CourseDirectory.db_url = 'sqlite:////users.db'")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    for where in ("sqlite:////real.db", "postgresql://db.example.org/real"):
        configure(course, where)
        write_class(course, [], tmp_path / "sample")
        assert gradebook_url(load_course(tmp_path / "sample")) == f"sqlite:///{tmp_path}/sample/gradebook.db"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://anna:s3cret@db.example.org/course", "sqlite or postgresql"),
        ("postgresql://anna:s3cret@db.example.org:s3cret/course", "no URL of a database"),
        ("postgresql://anna:p@s3cret@db.example.org/course", "@ as %40"),
        ("anna:s3cret", "no URL of a database"),
        ("", "no URL of a database"),
        (b"postgresql://anna:s3cret@db.example.org/course", "no URL of a database"),
        ({"password": "s3cret"}, "no URL of a database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_and_not_repeated(course: Course, url: object, words: str) -> None:
    configure(course, url)
    with pytest.raises(GradebookError, match=words) as caught:
        opened(course)
    assert "s3cret" not in str(caught.value)


def test_a_driver_that_is_missing_is_told_with_what_to_install(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    configure(course, "postgresql://anna:s3cret@db.example.org/course")
    with pytest.raises(GradebookError, match=r"pip install 'deep-learning-course\[postgres\]'") as caught:
        opened(course)
    assert "s3cret" not in str(caught.value)


# --- a server -----------------------------------------------------------------------------------------------------


@pytest.fixture
def served(course: Course, postgresql: Server) -> Course:
    """The course with its gradebook on a server."""
    configure(course, postgresql.new("course"))
    return course


@contextmanager
def synced(course: Course, **settings: object) -> Iterator[Gradebook]:
    with open_gradebook(course, **settings) as gradebook:
        gradebook.sync(course.assignments)
        yield gradebook


@contextmanager
def other_program(course: Course) -> Iterator[Connection]:
    """In the midst of a change, as nbgrader's tools are for a moment."""
    engine = create_engine(gradebook_url(course), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


GIVE = text("UPDATE grade SET manual_score = 1")


def wait_until_waiting(course: Course) -> None:
    """Return as soon as someone waits for a lock; there is nothing but asking."""
    with other_program(course) as connection:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not connection.execute(waiting).scalar_one():
            connection.rollback()  # statistics are the same throughout a transaction


def test_a_plain_address_is_enough_for_nbgrader_and_for_us(served: Course) -> None:
    assert gradebook_url(served).startswith("postgresql://")
    with synced(served) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
    api = NbGraderAPI(CourseDirectory(root=str(served.root), config=load_settings(served.root)))
    with api.gradebook as theirs:
        assert [(each.id, each.score) for each in theirs.students] == [("anna", 2)]
    assert not served.gradebook.exists()


def test_a_password_is_used_and_never_shown(course: Course, postgresql: Server) -> None:
    postgresql.new("course")
    configure(course, postgresql.url("course", user=GUARDED, password=PASSWORD))
    opened(course)
    for database, user, password in (
        ("course", GUARDED, "wr0ng"),
        ("no_such", GUARDED, PASSWORD),
        ("course", "no_such", PASSWORD),
    ):
        configure(course, postgresql.url(database, user=user, password=password))
        with pytest.raises(GradebookError, match=rf"^postgresql://\S+/{database}: .* db_url .* is right") as caught:
            opened(course)
        assert password not in str(caught.value)
        assert "%40" not in str(caught.value)


def test_a_password_among_the_options_is_not_shown(course: Course) -> None:
    configure(course, "postgresql://anna@localhost:1/course?password=s3cret")
    with pytest.raises(
        GradebookError, match=r"^postgresql://localhost:1/course: .*Make sure that the server runs"
    ) as caught:
        opened(course)
    assert "s3cret" not in str(caught.value)


def test_who_may_not_make_tables_is_told_whose_the_database_should_be(course: Course, postgresql: Server) -> None:
    postgresql.new("course")
    postgresql.run("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    postgresql.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database="course")
    configure(course, postgresql.url("course", user="guest"))
    with pytest.raises(GradebookError, match=r"permission denied.*own the database"):
        opened(course)


def test_a_name_that_is_too_long_for_nbgraders_columns_is_told(served: Course) -> None:
    with synced(served) as gradebook, pytest.raises(GradebookError, match="128 characters there: rename"):
        gradebook.record(verdict_for("a" * 129), "f1")


def test_a_connection_that_was_cut_between_two_verdicts_is_made_anew(served: Course) -> None:
    with synced(served) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        with other_program(served) as connection:
            mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'autograder'"
            assert connection.execute(text(mine)).all() == [(True,)]
        gradebook.record(verdict_for("bo"), "f1")
        assert set(gradebook.recorded("01_double")) == {("anna", "double"), ("bo", "double")}


def test_a_grader_waits_for_its_turn_and_says_so_when_it_takes_long(served: Course) -> None:
    said: list[str] = []
    with synced(served) as first, synced(served, warn=lambda line: (said.append(line), done.set())) as second:
        begun, done = threading.Event(), threading.Event()
        first_change = threading.Thread(target=first._database.write, args=(lambda _: (begun.set(), done.wait(60)),))
        first_change.start()
        begun.wait(60)
        second.record(verdict_for("anna"), "f1")
        first_change.join()
        assert set(second.recorded("01_double")) == {("anna", "double")}
    assert len(said) == 1
    assert said[0].startswith("postgresql://")
    assert said[0].endswith("is in use by another grader: waiting up to 30 s.")


def test_a_row_that_another_program_does_not_let_go_is_given_up_in_the_end(served: Course) -> None:
    with synced(served, patience=0.1) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        with other_program(served) as formgrader:
            formgrader.execute(GIVE)
            with pytest.raises(GradebookError, match=r"double of anna was not written. .* close formgrader or wait"):
                gradebook.record(verdict_for("anna", 1), "f2")
            assert [score.raw_score for score in gradebook.scores()] == [2], "looking on is still possible"
        gradebook.record(verdict_for("anna", 1), "f2")
        assert gradebook.recorded("01_double")["anna", "double"].fingerprint == "f2"


def test_what_a_person_gives_while_a_verdict_is_written_counts(served: Course) -> None:
    with synced(served) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        with other_program(served) as formgrader:
            formgrader.execute(GIVE)
            grader = threading.Thread(target=gradebook.record, args=(verdict_for("anna", 0), "f2"))
            grader.start()
            wait_until_waiting(served)
            formgrader.commit()
            grader.join()
        points = gradebook.points("01_double")["anna", "double"]["test_double"]
        assert (points.score, points.by_person, points.needs_person) == (1, True, True)


def test_a_cell_for_which_a_person_gives_points_at_this_moment_is_not_removed(
    served: Course, make_course: Callable[..., Course], master: NotebookNode
) -> None:
    raised: list[GradebookError] = []

    def sync_without_the_test() -> None:
        del master.cells[-1]
        changed = make_course({"01_double/double.ipynb": master})
        with pytest.raises(GradebookError, match="people gave points for it in 1") as caught:
            gradebook.sync(changed.assignments)
        raised.append(caught.value)

    with synced(served) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        with other_program(served) as formgrader:
            formgrader.execute(GIVE)
            grader = threading.Thread(target=sync_without_the_test)
            grader.start()
            wait_until_waiting(served)
            formgrader.commit()
            grader.join()
        assert gradebook.points("01_double")["anna", "double"]["test_double"].score == 1
    assert len(raised) == 1


@pytest.mark.parametrize("student_is_known", [True, False])
def test_a_submission_that_nbgrader_makes_at_this_moment_is_the_one_that_is_marked(
    served: Course, student_is_known: bool
) -> None:
    new = "INSERT INTO submitted_assignment (id, assignment_id, student_id) SELECT 'theirs', id, 'anna' FROM assignment"
    with synced(served) as gradebook, other_program(served) as nbgrader:
        nbgrader.execute(text("INSERT INTO student (id) VALUES ('anna')"))
        if student_is_known:
            nbgrader.commit()
        nbgrader.execute(text(new))
        grader = threading.Thread(target=gradebook.record, args=(verdict_for("anna"), "f1"))
        grader.start()
        wait_until_waiting(served)
        nbgrader.commit()
        grader.join()
        assert [score.raw_score for score in gradebook.scores()] == [2]
        assert nbgrader.execute(text("SELECT id FROM submitted_assignment")).all() == [("theirs",)]


def test_a_deadlock_with_another_program_costs_no_verdict(served: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds what the other waits for, and of the two the grader is rolled back."""
    from autograder import nbgrader_tables

    write_comments = nbgrader_tables._write_comments
    others: list[threading.Thread] = []

    def give_and_commit() -> None:
        formgrader.execute(GIVE)
        formgrader.commit()

    def with_points_written(*arguments: object) -> None:
        if not others:
            formgrader.execute(text("UPDATE comment SET manual_comment = 'Well done'"))
            others.append(threading.Thread(target=give_and_commit))
            others[0].start()
            wait_until_waiting(served)
        write_comments(*arguments)

    with synced(served) as gradebook, other_program(served) as formgrader:
        gradebook.record(verdict_for("anna"), "f1")
        monkeypatch.setattr(nbgrader_tables, "_write_comments", with_points_written)
        formgrader.execute(text("SET deadlock_timeout = '1min'"))
        gradebook.record(verdict_for("anna", 0), "f2")
        others[0].join()
        assert gradebook.recorded("01_double")["anna", "double"].fingerprint == "f2"
        assert gradebook.comments("01_double")["anna", "double"] == {"double": "Well done"}
        assert gradebook.points("01_double")["anna", "double"]["test_double"].score == 1


def test_who_reads_sees_one_state(served: Course) -> None:
    with synced(served) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        database = open_database(make_url(gradebook_url(served)), patience=1, warn=print)
        count = text("SELECT count(*) FROM student")
        with database.reading() as reader:
            assert reader.execute(count).scalar() == 1
            gradebook.record(verdict_for("bo"), "f1")
            assert reader.execute(count).scalar() == 1
        with database.reading() as reader:
            assert reader.execute(count).scalar() == 2
        database.close()
