"""The report: what it counts, and that nothing of a student's can do more in it than be read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bs4 import BeautifulSoup

from autograder.gradebook import Points, Score, open_gradebook
from autograder.report import figures, write_report
from autograder.report.grid import MOST_LETTERS, class_grid
from autograder.report.page import breakable, duration, percent, points, render, shorten
from autograder.report.statistics import (
    CourseStatistics,
    MessageCount,
    Problem,
    State,
    Submission,
    Waiting,
    cell_statistics,
    course_statistics,
    discrimination,
    distribution,
    find_problems,
    find_waiting,
    frequent_messages,
)
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.made_up_class import EXERCISES, made_up_class, masters, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Cells

    from autograder.course import Course

NOTHING = "\N{EN DASH}"
WHEN = datetime(2026, 2, 1, 9, 5, tzinfo=UTC)


def cell(
    score: float, outcome: Outcome = Outcome.FAILED, *, grade_id: str = "test_a", message: str = ""
) -> CellVerdict:
    return CellVerdict(grade_id, score, 4, outcome, message)


def submission(
    student: str, *cells: CellVerdict, notebook: str = "one", seconds: float = 2, **given: Points
) -> Submission:
    return Submission(Verdict(student, "01_one", notebook, Status.GRADED, "", cells, seconds), given)


def failed(student: str) -> Submission:
    whole = submission(student, cell(0))
    return replace(whole, verdict=replace(whole.verdict, status=Status.FAILED, message="not JSON"))


def score(student: str, raw_score: float, *, assignment: str = "01_one", **other: float) -> Score:
    return Score(
        assignment=assignment,
        student=student,
        last_name=None,
        first_name=None,
        email=None,
        duedate=None,
        timestamp=None,
        raw_score=raw_score,
        late_submission_penalty=other.get("penalty", 0.0),
        max_score=other.get("max_score", 4.0),
        submitted=True,
        needs_person=False,
    )


def by_student(*submissions: Submission) -> dict[tuple[str, str], Submission]:
    return {(each.verdict.student, each.verdict.notebook): each for each in submissions}


# --- cells --------------------------------------------------------------------------------------------------------


def test_a_cells_difficulty_counts_full_partial_and_no_points() -> None:
    submissions = [submission(name, cell(points)) for name, points in (("a", 4), ("b", 1), ("c", 0), ("d", 3))]
    (found,) = cell_statistics(submissions)
    assert (found.full, found.partial, found.zero, found.count, found.waiting) == (1, 2, 1, 4, 0)
    assert found.share == 0.5


def test_points_that_a_person_gave_go_before_those_of_the_verdict() -> None:
    given = Points(3, 4, by_person=True, needs_person=False)
    (found,) = cell_statistics([submission("a", cell(0), test_a=given)])
    assert (found.partial, found.share) == (1, 0.75)


def test_extra_credit_counts_as_full_points() -> None:
    (found,) = cell_statistics([submission("a", cell(4), test_a=Points(5, 4, by_person=True, needs_person=False))])
    assert (found.full, found.share) == (1, 1.25)


def test_cells_that_wait_for_a_person_are_counted_apart() -> None:
    waiting = Points(0, 4, by_person=False, needs_person=True)
    (found,) = cell_statistics([submission(each, cell(0, Outcome.MANUAL), test_a=waiting) for each in "ab"])
    assert (found.waiting, found.count, found.share) == (2, 0, None)


def test_submissions_that_could_not_be_graded_or_were_not_handed_in_make_no_cell_harder() -> None:
    (found,) = cell_statistics([submission("a", cell(4)), failed("b"), submission("c", cell(0, Outcome.MISSING))])
    assert (found.count, found.share) == (1, 1)


def test_a_cell_missing_from_a_submission_that_was_graded_has_no_points() -> None:
    there, gone = cell(4), cell(0, Outcome.MISSING, grade_id="test_b")
    found = cell_statistics([submission("a", there, gone)])
    assert [(each.grade_id, each.zero) for each in found] == [("test_a", 0), ("test_b", 1)]


# --- discrimination -----------------------------------------------------------------------------------------------


def test_discrimination_is_the_correlation_of_a_cell_with_the_rest() -> None:
    """By hand: the products of the deviations add up to 2, their squares to 1 and 5; 2 / sqrt(1 * 5) = 0.894."""
    assert discrimination([(0, 1), (0, 2), (1, 3), (1, 4)], fewest=4) == pytest.approx(0.8944, abs=1e-4)


def test_a_cell_that_the_better_fail_discriminates_the_wrong_way() -> None:
    assert discrimination([(1, 1), (1, 2), (0, 3), (0, 4)], fewest=4) == pytest.approx(-0.8944, abs=1e-4)


# Points of ten students in two cells.
TEN = [(4, 4), (4, 4), (4, 4), (4, 2), (4, 1), (0, 3), (0, 2), (0, 1), (0, 0), (0, 0)]


def test_a_cells_own_points_are_not_in_the_rest() -> None:
    """
    By hand, in points: the means are 2 and 2.1, the products of the deviations add up to 18, their squares to 40 and
    22.9; 18 / sqrt(40 * 22.9) = 0.5947.

    With the total instead of the rest it would be 58 / sqrt(40 * 98.9) = 0.922.
    """
    found = cell_statistics(submission(f"s{i}", cell(a), cell(b, grade_id="test_b")) for i, (a, b) in enumerate(TEN))
    assert [each.discrimination for each in found] == [pytest.approx(0.5947, abs=1e-4)] * 2


def test_an_answer_that_waits_for_a_person_does_not_change_the_others_discrimination() -> None:
    waiting = Points(0, 4, by_person=False, needs_person=True)
    found = cell_statistics(
        submission(f"s{i}", cell(a), cell(b, grade_id="test_b"), cell(0, Outcome.MANUAL, grade_id="c"), c=waiting)
        for i, (a, b) in enumerate(TEN)
    )
    assert [each.discrimination for each in found] == [pytest.approx(0.5947, abs=1e-4)] * 2 + [None]


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 1), (0, 2), (1, 3), (1, 4)],
        [(1, i / 12) for i in range(12)],
        [(i / 12, 0.3) for i in range(6)] + [(i / 12, 0.1 + 0.2) for i in range(6)],
        [],
    ],
    ids=["too few", "all the same here", "all the same elsewhere", "nobody"],
)
def test_where_nothing_can_be_said_of_discrimination_nothing_is(pairs: list[tuple[float, float]]) -> None:
    assert discrimination(pairs) is None


@pytest.mark.parametrize(
    ("points", "others", "is_odd"),
    [
        ([4] * 5 + [0] * 5, [4, 4, 4, 2, 1, 3, 2, 1, 0, 0], False),
        ([4] * 5 + [0] * 5, [0, 0, 1, 2, 3, 1, 2, 4, 4, 4], True),
        ([4] * 2 + [0] * 8, [4, 4, 3, 2, 1, 3, 2, 1, 0, 0], True),
    ],
    ids=["telling", "the wrong way", "hardly anybody has its points"],
)
def test_an_exercise_is_worth_a_look_if_it_is_very_hard_or_does_not_tell(
    points: list[float], others: list[float], is_odd: bool
) -> None:
    both = zip(points, others, strict=True)
    first, _ = cell_statistics(submission(f"s{i}", cell(a), cell(b, grade_id="b")) for i, (a, b) in enumerate(both))
    assert first.is_odd is is_odd


# --- times --------------------------------------------------------------------------------------------------------


def test_times_are_of_the_cells_that_ran() -> None:
    took = [(Outcome.PASSED, 1), (Outcome.FAILED, 2), (Outcome.TIMEOUT, 120), (Outcome.NOT_REACHED, 0)]
    (found,) = cell_statistics(
        submission(f"s{i}", replace(cell(0, outcome), seconds=seconds)) for i, (outcome, seconds) in enumerate(took)
    )
    assert (found.median_seconds, found.max_seconds) == (2, 120)


def test_a_cell_that_never_runs_has_no_time() -> None:
    (found,) = cell_statistics([submission("a", cell(0, Outcome.MANUAL))])
    assert (found.median_seconds, found.max_seconds) == (None, None)


# --- messages -----------------------------------------------------------------------------------------------------


A, B = ("one", "test_a"), ("one", "test_b")


def test_messages_that_differ_in_numbers_alone_are_one_message() -> None:
    said = ["reached 0.61 of 0.7", "reached 0.52 of 0.7", "reached 0.52 of 0.7", "the flip is missing"]
    found = frequent_messages(submission(str(i), cell(0, message=text)) for i, text in enumerate(said))
    assert found == {A: (MessageCount("reached 0.52 of 0.7", 3), MessageCount("the flip is missing", 1))}


def test_messages_are_counted_for_each_cell() -> None:
    found = frequent_messages(
        [submission("a", cell(0, message="no"), cell(0, message="no", grade_id="test_b")), submission("b", cell(4))]
    )
    assert found == {A: (MessageCount("no", 1),), B: (MessageCount("no", 1),)}


def test_only_the_most_frequent_messages_are_given() -> None:
    submissions = [submission(f"{a}{b}", cell(0, message="x" * a)) for a in (1, 2, 3) for b in range(a)]
    assert [each.students for each in frequent_messages(submissions, limit=2)[A]] == [3, 2]


def test_a_file_that_was_not_graded_says_nothing_about_an_exercise() -> None:
    broken = submission("a", cell(0, Outcome.ERROR, message="no notebook"))
    broken = replace(broken, verdict=replace(broken.verdict, status=Status.FAILED))
    absent = submission("b", cell(0, Outcome.MISSING, message="not handed in"))

    assert frequent_messages([broken, absent]) == {}


def test_cells_that_were_not_reached_say_nothing_about_the_class() -> None:
    assert frequent_messages([submission("a", cell(0, Outcome.NOT_REACHED, message="the kernel died"))]) == {}


# --- distribution -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "bar"), [(0, 0), (0.0999, 0), (0.1, 1), (0.55, 5), (0.999, 9), (1, 9), (1.2, 9), (-0.1, 0)]
)
def test_a_share_of_the_points_falls_into_its_tenth(share: float, bar: int) -> None:
    assert distribution([share]) == tuple(int(i == bar) for i in range(10))


# --- where a person is needed -------------------------------------------------------------------------------------


def test_a_submission_with_several_problems_is_named_once_by_the_first() -> None:
    late = cell(0, Outcome.TIMEOUT, grade_id="test_b", message="took longer than 120 s")
    after = cell(0, Outcome.NOT_REACHED, grade_id="test_c")
    found = find_problems(by_student(submission("a", cell(4), late, after)))
    assert found == [Problem("01_one", "one", "a", Outcome.TIMEOUT, "test_b", "took longer than 120 s")]


def test_a_submission_that_could_not_be_graded_is_a_problem_with_its_message() -> None:
    assert find_problems(by_student(failed("a"))) == [Problem("01_one", "one", "a", Outcome.FAILED, "", "not JSON")]


def test_what_only_the_staff_is_told_is_a_problem() -> None:
    odd = replace(cell(0), staff_note="scored 7 of 4 points")
    assert [each.text for each in find_problems(by_student(submission("a", odd)))] == ["scored 7 of 4 points"]


def test_wrong_answers_and_what_was_not_handed_in_are_no_problems() -> None:
    submissions = by_student(submission("a", cell(0)), submission("b", cell(0, Outcome.MISSING)))
    assert find_problems(submissions) == []


def test_answers_that_wait_are_gathered_by_cell() -> None:
    waiting = Points(0, 4, by_person=False, needs_person=True)
    done = Points(4, 4, by_person=True, needs_person=False)
    submissions = [
        submission(name, cell(0, Outcome.MANUAL), test_a=has)
        for name, has in (("b", waiting), ("c", done), ("a", waiting))
    ]
    assert find_waiting(by_student(*submissions)) == [Waiting("01_one", "one", "test_a", ("a", "b"))]


def test_a_cell_graded_again_after_a_person_gave_points_waits() -> None:
    again = Points(2, 4, by_person=True, needs_person=True)
    assert len(find_waiting(by_student(submission("a", cell(4, Outcome.PASSED), test_a=again)))) == 1


# --- the whole ----------------------------------------------------------------------------------------------------


def look_at(submissions: Mapping[tuple[str, str], Submission], *scores: Score) -> CourseStatistics:
    return course_statistics(["01_one"], {"01_one": submissions}, scores)


def test_means_are_of_the_submissions_that_were_graded() -> None:
    submissions = by_student(
        submission("a", cell(4), seconds=1),
        submission("b", cell(1), seconds=3),
        submission("c", cell(1), seconds=8),
        failed("d"),
        submission("e", cell(0, Outcome.MISSING), seconds=0),
    )
    course = look_at(submissions, *(score(who, has) for who, has in zip("abcdef", (4, 1, 1, 0, 0, 0), strict=True)))
    (one,) = course.assignments
    assert (one.graded, one.failed, one.missing, one.unknown) == (3, 1, 1, 1)
    assert (one.mean, one.median, one.mean_share) == (2, 1, 0.5)
    assert (one.median_seconds, one.max_seconds) == (3, 8)
    assert sum(one.bins) == 3
    states = [row.results[0].state for row in course.students]
    assert states == [State.GRADED] * 3 + [State.FAILED, State.MISSING, State.UNKNOWN]


def test_a_late_penalty_is_taken_off_in_the_report() -> None:
    course = look_at(by_student(submission("a", cell(4))), score("a", 4, penalty=1))
    assert course.students[0].score == course.assignments[0].mean == 3


def test_one_notebook_of_two_that_cannot_be_read_makes_the_assignment_failed() -> None:
    other = replace(failed("a"), verdict=replace(failed("a").verdict, notebook="two"))
    assert look_at(by_student(submission("a", cell(4)), other), score("a", 4)).assignments[0].failed == 1


def test_an_assignment_that_nobody_handed_in_has_no_mean() -> None:
    (one,) = look_at({}).assignments
    assert (one.mean, one.median, one.mean_share, one.median_seconds, one.cells) == (None, None, None, None, ())


def test_students_are_called_by_their_names_where_these_are_known() -> None:
    known = replace(score("a1", 4), last_name="Ng", first_name="Anna")
    assert [row.name for row in look_at({}, known, score("b2", 4)).students] == ["Ng, Anna", "b2"]


def test_assignments_that_left_the_course_are_passed_over() -> None:
    course = look_at({}, score("a", 4), score("a", 4, assignment="00_old"), score("gone", 4, assignment="00_old"))
    assert [row.student for row in course.students] == ["a"]
    assert course.students[0].max_score == 4


# --- the page -----------------------------------------------------------------------------------------------------


def page_of(course: CourseStatistics, **run: str) -> BeautifulSoup:
    return BeautifulSoup(render(course, title="Deep learning", run=run, when=WHEN), "html.parser")


def rows(page: BeautifulSoup, table: str) -> list[list[str]]:
    return [
        [" ".join(field.get_text().split()) for field in row.find_all(["th", "td"])]
        for row in page.select(f"#{table} tbody tr")
    ]


def test_the_page_says_what_course_when_and_how() -> None:
    page = page_of(look_at({}), Sandbox="strict", Data="stand-in")
    assert page.h1.get_text() == "Deep learning"
    assert page.time.get_text() == "1 February 2026, 09:05 UTC"
    assert [(each.dt.get_text(), each.dd.get_text()) for each in page.select(".run div")] == [
        ("Sandbox", "strict"),
        ("Data", "stand-in"),
    ]


def test_the_page_shows_the_class_in_tables() -> None:
    submissions = by_student(
        submission("anna", cell(4)),
        submission("bo", cell(1.5, message="half")),
        failed("cy"),
        submission("di", cell(0, Outcome.MISSING)),
    )
    page = page_of(
        look_at(
            submissions, *(score(who, has) for who, has in (("anna", 4), ("bo", 1.5), ("cy", 0), ("di", 0), ("ed", 0)))
        )
    )
    assert rows(page, "overview") == [["01_one", "2", "2", "1", "2.75", "2.75", "4", "69 %", "", "0", "2.0 s"]]
    assert [row[0:2] for row in rows(page, "grid")] == [
        ["anna", "4"],
        ["bo", "1.5"],
        ["cy", "✕"],
        ["di", NOTHING],
        ["ed", "·"],
    ]
    assert rows(page, "problems") == [["cy", "01_one", "could not be graded", "not JSON"]]
    assert [" ".join(each.get_text(" ").split()) for each in page.select(".messages dl > div")] == [
        "test_ a 1 student half"
    ]


def test_the_page_says_so_when_nobody_is_needed() -> None:
    page = page_of(look_at(by_student(submission("a", cell(4))), score("a", 4)))
    assert not page.select("#problems, #waiting")
    assert "Nowhere" in page.select_one("#person + p").get_text()


def test_a_course_without_a_single_student_makes_a_page() -> None:
    page = page_of(course_statistics([], {}, []))
    assert [tile.b.get_text() for tile in page.select(".tiles .card")] == ["0", "0", "0", NOTHING, "0", "0"]


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>&amp;{{ 7*7 }}"


def test_whatever_a_student_writes_is_text() -> None:
    odd = replace(cell(0, message=HOSTILE), staff_note=HOSTILE)
    manual = Points(0, 4, by_person=False, needs_person=True)
    both = by_student(
        submission(HOSTILE, odd), submission("w", cell(0, Outcome.MANUAL, grade_id="essay"), essay=manual), failed("x")
    )
    course = look_at(both, replace(score(HOSTILE, 0), first_name=HOSTILE), score("w", 0), score("x", 0))
    course = replace(course, waiting=tuple(replace(each, students=(HOSTILE,) * 9) for each in course.waiting))
    page = page_of(course, Note=HOSTILE)
    assert [script.get("type") for script in page.find_all("script")] == ["application/json", None]
    assert not page.find_all(["img", "iframe", "object", "link", "b"], string=re.compile("amp"))
    assert not page.find_all("img")
    assert not [tag for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert rows(page, "problems")[0][0] == HOSTILE
    assert rows(page, "grid")[0][0].startswith(HOSTILE)
    assert "49" not in rows(page, "grid")[0][0]
    data = page.find(id="data").string
    assert not set("<>&'") & set(data)
    assert HOSTILE in json.loads(data)["messages"]


def test_the_page_asks_for_nothing_and_runs_only_its_own_script() -> None:
    html = render(look_at(by_student(submission("a", cell(4))), score("a", 4)), title="T", run={}, when=WHEN)
    page = BeautifulSoup(html, "html.parser")
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not page.find_all(attrs={"src": True})
    assert not page.find_all(attrs={"style": True})
    assert all(link["href"].startswith("#") for link in page.find_all(attrs={"href": True}))
    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html


def test_every_link_within_the_page_leads_somewhere() -> None:
    page = page_of(look_at(by_student(submission("a", cell(4))), score("a", 4)))
    links = page.find_all("a")
    assert links
    assert all(page.select_one(link["href"]) for link in links)


@pytest.mark.parametrize(
    ("value", "shown"), [(7, "7"), (7.5, "7.5"), (1 / 3, "0.33"), (0, "0"), (10, "10"), (100.0, "100"), (0.001, "0")]
)
def test_points_have_no_more_decimals_than_they_need(value: float, shown: str) -> None:
    assert points(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(None, NOTHING), (0, "0 %"), (0.714, "71 %"), (0.9999, "99 %"), (1, "100 %"), (1.25, "125 %")]
)
def test_less_than_everything_is_never_shown_as_a_hundred_percent(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, NOTHING), (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s")],
)
def test_times_are_written_as_people_read_them(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_long_messages_are_cut_and_short_ones_are_not() -> None:
    assert shorten("a\nb\n") == "a\nb"
    assert shorten("x" * 1000) == "x" * 400 + " …"
    assert shorten("\n".join("abcdefghi")) == "a\nb\nc\nd\ne\nf …"


def test_a_name_breaks_between_its_words_and_is_escaped() -> None:
    assert breakable("test_<b>_x") == "test_<wbr>&lt;b&gt;_<wbr>x"


# --- the heat map -------------------------------------------------------------------------------------------------


def placed(grid: dict[str, Any], student: int) -> list[tuple[str, float, str]]:
    """What the heat map has of a student: words, points and message of each exercise."""
    messages = [*grid["messages"], ""]  # -1 is none
    return [
        (grid["kinds"][kind].words, score, messages[message])
        for kind, score, _seconds, message in grid["students"][student][5]
    ]


def test_the_heat_map_has_a_place_for_every_student_and_exercise() -> None:
    waiting = Points(0, 4, by_person=False, needs_person=True)
    given = Points(3, 4, by_person=True, needs_person=False)
    both = [
        submission("a", cell(4, Outcome.PASSED), cell(0, Outcome.MANUAL, grade_id="essay"), essay=waiting),
        submission(
            "b", cell(1, Outcome.PARTIAL, message="half"), cell(0, Outcome.MANUAL, grade_id="essay"), essay=given
        ),
        submission("c", cell(0, Outcome.TIMEOUT, message="too slow")),
        failed("d"),
        submission("e", cell(0, Outcome.MISSING)),
    ]
    grid = class_grid(look_at(by_student(*both), *(score(each, 0) for each in "abcdef")))
    assert [exercise[0] for exercise in grid["assignments"][0][3]] == ["test_a", "essay"]
    assert [placed(grid, student)[0] for student in range(6)] == [
        ("all points", 4, ""),
        ("a part of the points", 1, "half"),
        ("time ran out", 0, "too slow"),
        ("could not be graded", 0, ""),
        ("not handed in", 0, ""),
        ("nothing on record", 0, ""),
    ]
    assert [placed(grid, student)[1][:2] for student in (0, 1, 2)] == [
        ("waits for a person", 0),
        ("points from a person", 3),
        ("nothing on record", 0),
    ]


def test_the_heat_map_names_each_message_once_and_cuts_long_ones() -> None:
    both = [submission(each, cell(0, message="no " * 200)) for each in "ab"]
    grid = class_grid(look_at(by_student(*both), score("a", 0), score("b", 0)))
    assert len(grid["messages"]) == 1
    assert len(grid["messages"][0]) <= MOST_LETTERS + 2


def test_many_long_messages_are_cut_the_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.report.grid.LETTERS_IN_ALL", 40)
    both = [submission(each, cell(0, message=each * 100)) for each in "abcd"]
    grid = class_grid(look_at(by_student(*both), *(score(each, 0) for each in "abcd")))
    assert grid["messages"] == [f"{each * 10} …" for each in "abcd"]


# --- plots --------------------------------------------------------------------------------------------------------


def test_a_histogram_says_its_bars_in_words_and_in_figures() -> None:
    svg = BeautifulSoup(figures.histogram([0.05, 0.51, 0.55, 1]), "html.parser").svg
    assert svg["aria-label"].endswith("1 from 0 %, 2 from 50 %, 1 from 90 %")
    assert [text.get_text() for text in svg.find_all("text")].count("2") == 1


def test_plots_are_of_the_pages_colours_and_have_no_style_of_their_own() -> None:
    course = look_at(
        by_student(*(submission(f"s{i}", cell(a), cell(b, grade_id="test_b")) for i, (a, b) in enumerate(TEN))),
        *(score(f"s{i}", a + b, max_score=8) for i, (a, b) in enumerate(TEN)),
    )
    (one,) = course.assignments
    for plot in (figures.histogram(one.shares), figures.boxes([one]), figures.items(one.cells)):
        page = BeautifulSoup(plot, "html.parser")
        assert not page.find_all(attrs={"style": True})
        painted = {each.get(name) for each in page.find_all(True) for name in ("fill", "stroke")} - {None, "none"}
        assert painted
        assert all(color.startswith("var(--") for color in painted)


def test_an_assignments_name_is_no_formula_in_a_plot() -> None:
    (one,) = look_at(by_student(submission("a", cell(4))), score("a", 4)).assignments
    page = BeautifulSoup(figures.boxes([replace(one, name="a$b$<i>")]), "html.parser")
    assert "a$b$<i>" in [text.get_text() for text in page.find_all("text")]


# --- from the gradebook to the file -------------------------------------------------------------------------------


@pytest.fixture
def course(cells: type[Cells], make_course: Callable[..., Course]) -> Course:
    return make_course({"01_one/one.ipynb": cells.notebook(cells.answer(), cells.test(points=4))})


def test_the_report_is_written_from_the_gradebook(course: Course) -> None:
    with open_gradebook(course) as gradebook:
        gradebook.sync(course.assignments)
        passed = CellVerdict("test_double", 4, 4, Outcome.PASSED)
        for student in ("Zoë van der Berg", "<b>bobby</b>"):
            gradebook.record(Verdict(student, "01_one", "one", Status.GRADED, "", (passed,), seconds=2), "f")
    path = write_report(course, run={"Profile": "cpu"}, when=WHEN)
    assert path == course.root / "reports" / "index.html"
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert page.h1.get_text() == course.title
    assert rows(page, "grid") == [["<b>bobby</b>", "4", "4", "100 %"], ["Zoë van der Berg", "4", "4", "100 %"]]


def test_a_made_up_class_is_in_the_gradebook_what_it_is_in_the_tests(make_course: Callable[..., Course]) -> None:
    course, few = make_course(masters()), made_up_class(4)
    record(course, few)
    with open_gradebook(course) as gradebook:
        found = {
            name: {
                key: Submission(stored.verdict, gradebook.points(name)[key])
                for key, stored in gradebook.recorded(name).items()
            }
            for name in EXERCISES
        }
        assert found == few.submissions()
        scores = {(each.assignment, each.student): each.score for each in gradebook.scores()}
    assert scores == {(each.assignment, each.student): each.score for each in few.scores()}


def test_a_report_of_an_empty_gradebook_names_the_assignments(course: Course) -> None:
    page = BeautifulSoup(write_report(course, run={}).read_text(encoding="utf-8"), "html.parser")
    assert rows(page, "overview") == [["01_one", "0", "0", "0", NOTHING, NOTHING, "0", NOTHING, "", "0", NOTHING]]
