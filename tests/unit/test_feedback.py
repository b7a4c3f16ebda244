"""What a student gets back: points and messages, the own work as it ran, and nothing that was hidden."""

from __future__ import annotations

import copy
from dataclasses import replace

import nbformat
import pytest
from bs4 import BeautifulSoup

from autograder.build import release_notebook
from autograder.gradebook import Points, open_gradebook
from autograder.notebook import notebook_text
from autograder.report.feedback import render_feedback, write_feedback
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import Cells

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
MASTER = Cells.notebook(
    Cells.text("# Doubling\n\n### Exercise 1: Double $x$\n\n$$2x$$", "title"),
    Cells.locked("FACTOR = 2", "setup"),
    Cells.answer(),
    Cells.test(),
    Cells.text("### Exercise 2: Why?", "why-text"),
    Cells.text("Because.", "why", grade=True, solution=True, points=4),
)
RELEASED = release_notebook(MASTER)


def executed(answer="def double(x):\n    return x + x", why="So.", outputs=(), extra=()):
    """The student's notebook as it ran: tests as in the master, texts under new ids."""
    notebook = copy.deepcopy(MASTER)
    for cell in notebook.cells:
        if cell.id == "double":
            cell.source, cell.outputs = answer, [nbformat.from_dict(output) for output in outputs]
        if cell.id == "why":
            cell.source = why
        if cell.id == "test_double":
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="the examiner's own words")]
        if cell.id in ("title", "why-text"):
            cell.id = f"own-{cell.id}"
    notebook.cells[3:3] = extra
    return notebook


def verdict(score=0.0, outcome=Outcome.FAILED, message="double(-3) is not right", **more):
    cells = (
        CellVerdict("test_double", score, 2.0, outcome, message, staff_note="for staff alone"),
        CellVerdict("why", 0.0, 4.0, Outcome.MANUAL, "Your instructor grades this answer."),
    )
    return Verdict("anna", "01_a", "a", more.pop("status", Status.GRADED), more.pop("said", ""), cells)


def page(*, notebook=None, points=None, comments=None, **of_verdict):
    html = render_feedback(
        verdict(**of_verdict), RELEASED, notebook or executed(), points or {}, comments or {}, None, title="Small"
    )
    return BeautifulSoup(html, "html.parser")


def text(tag):
    return " ".join(tag.get_text(" ").split())


def test_points_and_message_stand_at_the_cell_and_in_the_table_under_the_exercise_s_heading():
    found = page()
    assert [[text(field) for field in row.find_all(["th", "td"])] for row in found.select("nav tbody tr")] == [
        ["Exercise 1: Double $x$", "not yet", "0 / 2"],
        ["Exercise 2: Why?", "is graded by a person", "0 / 4"],
    ]
    assert text(found.select_one("#test_double .mark")) == "0 / 2 not yet double(-3) is not right"
    assert found.select_one("nav a")["href"] == "#test_double"


def test_hidden_tests_and_what_they_printed_and_notes_for_staff_are_not_in_it():
    html = str(page())
    assert "double(1) == 2" in page().get_text()
    for secret in ("HIDDEN", "negative number", "double(-3) ==", "the examiner's own words", "for staff alone"):
        assert secret not in html


def test_the_student_s_answer_is_shown_as_it_ran_and_marked_as_the_own():
    outputs = [nbformat.v4.new_output("stream", name="stdout", text="\x1b[31mfour\x1b[0m")]
    found = page(notebook=executed("def double(x):\n    return 4", outputs=outputs))
    (own,) = [cell for cell in found.select(".own") if "return 4" in cell.get_text()]
    assert text(own.select_one(".output")) == "four"
    assert "FACTOR" not in " ".join(cell.get_text() for cell in found.select(".own"))
    assert "Doubling" not in " ".join(cell.get_text() for cell in found.select(".own"))


def test_points_and_words_of_a_person_count():
    points = {
        "test_double": Points(1.5, 2.0, by_person=True, needs_person=False),
        "why": Points(0.0, 4.0, by_person=False, needs_person=True),
    }
    found = page(points=points, comments={"why": "Think of <b>odd</b> numbers."})
    assert text(found.select_one("#test_double .mark")).startswith("1.5 / 2 graded by a person")
    assert text(found.select_one("#why .mark")).startswith("\N{EN DASH} / 4 waits for a person")
    assert text(found.select_one("#why .comment")) == "Your instructor says Think of <b>odd</b> numbers."
    assert text(found.select_one(".tiles")).startswith("1.5 of 6 points so far")


def test_whatever_a_student_wrote_is_text():
    picture = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": f'"{HOSTILE}', "text/html": HOSTILE},
    }
    error = nbformat.v4.new_output("error", ename="E", evalue=HOSTILE, traceback=[HOSTILE])
    more = [Cells.text(HOSTILE + "\n\n[link](javascript:alert(3)) ![p](http://elsewhere/x.png)", "more")]
    found = page(notebook=executed(f"'''{HOSTILE}'''", HOSTILE, [picture, error], more), message=HOSTILE, said=HOSTILE)
    assert not found.find_all(["script", "iframe", "object", "link"])
    assert not [tag for tag in found.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert not [
        tag for tag in found.find_all(href=True) if not tag["href"].startswith("#") and "javascript:" in tag["href"]
    ]
    assert "default-src 'none'" in found.select_one("meta[http-equiv]")["content"]
    assert [tag["src"][:15] for tag in found.find_all("img")] == ["data:image/png;"]
    assert "[p]" in found.get_text()
    assert "49" not in found.get_text()
    assert text(found).count("alert(1)") >= 5


def test_formulas_are_mathml_and_one_that_cannot_be_read_is_shown_as_it_is():
    found = page(notebook=executed(extra=[Cells.text("$x_1_2$ and $x^2$", "more")]))
    assert found.select_one('.text math[display="block"]')
    assert found.select(".own msup")
    assert "x_1_2" in found.get_text()


@pytest.mark.parametrize(
    "formula",
    [
        "$\\text{<script>alert(1)</script>}$",
        "$\\text{<meta http-equiv=refresh content=0>}$",
        '$\\color{red"><script>alert(1)</script>}{x}$',
        '$\\class{"><script>}{x}$',
        "$\\href{javascript:alert(1)}{x}$",
        "$\\style{position:fixed}{x}$",
        "$$\\text{&lt;script&gt;}$$",
        "\\begin{a}<script>1</script>\\end{a}",
    ],
)
def test_a_formula_is_nothing_but_a_formula(formula):
    found = page(notebook=executed(extra=[Cells.text(formula, "more")]))
    inside = [tag for math in found.select(".own math") for tag in math.find_all(True)]
    assert inside
    assert {tag.name for tag in inside} <= {"mrow", "mtext", "mi", "mo", "mn", "mstyle", "mspace"}
    assert not [tag for tag in inside if tag.attrs.keys() & {"href", "style", "class", "id"}]
    assert len(found.find_all("meta")) == 3
    assert not found.find_all("script")


def test_of_a_task_the_mark_scheme_is_not_in_it():
    task = Cells.text(
        "Draw.\n\n### BEGIN MARK SCHEME\nfull marks for a cat\n### END MARK SCHEME", "draw", task=True, points=3
    )
    notebook = Cells.notebook(*MASTER.cells, task)
    waits = CellVerdict("draw", 0.0, 3.0, Outcome.MANUAL, "Your instructor grades this answer.")
    verdict_on_it = replace(verdict(), cells=(*verdict().cells, waits))
    html = render_feedback(verdict_on_it, release_notebook(notebook), notebook, {}, {}, None, title="Small")
    assert "Draw." in html
    assert "full marks for a cat" not in html


def test_a_file_that_could_not_be_read_gives_a_page_with_the_reason():
    html = render_feedback(
        verdict(status=Status.FAILED, said="a.ipynb is not a notebook."), RELEASED, None, {}, {}, None, title="Small"
    )
    found = BeautifulSoup(html, "html.parser")
    assert text(found.select_one(".note")) == "a.ipynb is not a notebook."
    assert not found.select(".cell")
    assert len(found.select("nav tbody tr")) == 2


@pytest.fixture
def graded(make_course):
    course = make_course({"01_a/a.ipynb": MASTER})
    missing = Verdict(
        "ben", "01_a", "a", Status.GRADED, "not handed in", (CellVerdict("test_double", 0, 2, Outcome.MISSING),)
    )
    with open_gradebook(course) as gradebook:
        gradebook.sync(course.assignments)
        for each in (verdict(), missing):
            gradebook.record(each, "print")
    path = course.autograded / "anna" / "01_a" / "a.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(notebook_text(executed()))
    return course


def test_pages_are_written_where_nbgrader_has_them_and_only_for_what_was_handed_in(graded):
    told = []
    written = write_feedback(graded, graded.assignments, tell=told.append)
    assert written == told == [graded.feedback / "anna" / "01_a" / "a.html"]
    assert "double(-3) is not right" in written[0].read_text()
    assert write_feedback(graded, graded.assignments, students="b*") == []


def test_a_comment_that_a_person_gave_in_nbgrader_is_in_the_page(graded):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded.gradebook}") as theirs:
        comment = theirs.find_comment("why", "a", "01_a", "anna")
        comment.manual_comment = "Well argued."
        theirs.db.commit()
    (path,) = write_feedback(graded, graded.assignments)
    assert "Well argued." in path.read_text()
