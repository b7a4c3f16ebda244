"""An instructor opens our gradebook in nbgrader's formgrader, grades a report by hand, and grading again keeps that."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.build import release_notebook
from autograder.course import find_course, load_course
from autograder.export import export_csv
from autograder.notebook import notebook_text
from autograder.report.feedback import write_feedback
from tests.conftest import Cells

from .jupyter import PATIENCE, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

MASTER = Cells.notebook(
    Cells.text("# Doubling\n\n## Exercises\n\n### Exercise 1: Double", "title"),
    Cells.locked("import matplotlib.pyplot as plt", "setup"),
    Cells.answer(),
    Cells.test(),
    Cells.locked("plt.plot([double(x) for x in range(5)])\nplt.show()", "show"),
    Cells.text("### Exercise 2: Write a report\n\nWhat is $2x$?", "about_report"),
    Cells.text("It is a line.", "report", grade=True, solution=True, points=6),
)
REPORT = "**Results.** Twice $x$ is even:\n\n$$\\frac{2x}{2} = x$$"
COMMENT = "A good report; say what you measured."

SCRIPT = "document.title=`taken`"
IMAGE = f"<img src=x onerror={SCRIPT}>"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload='{SCRIPT}'><script>{SCRIPT}</script></svg>"
DISPLAYS = [
    ({"text/html": f"{IMAGE}<script>{SCRIPT}</script>"}, {}),
    ({"text/html": f"<script>{SCRIPT}</script>"}, {"text/html": {"isolated": True}}),
    ({"text/markdown": IMAGE}, {}),
    ({"application/javascript": SCRIPT}, {}),
    ({"image/svg+xml": SVG}, {}),
    ({"image/png": "AAAA"}, {"image/png": {"width": f"1 onerror={SCRIPT}"}}),
    ({"text/html": "text"}, {"text/html": 7, "filenames": 7}),
]
DOUBLE = "def double(x):\n    return x + x"
HOSTILE = "\n".join(
    [
        "import json",
        "from IPython.display import display",
        f"for data, metadata in json.loads({json.dumps(DISPLAYS)!r}):",
        "    display(data, metadata=metadata, raw=True)",
        DOUBLE,
    ]
)
SUBMISSIONS = {
    "anna": {"double": DOUBLE, "report": REPORT},
    "eve": {"double": HOSTILE, "report": f"{IMAGE}\n\n<script>{SCRIPT}</script>\n\nEve's report."},
}


def grade(root: Path, *options: str) -> None:
    command = [str(Path(sys.executable).with_name("autograder")), "--course", str(root), "grade", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def total(root: Path) -> str:
    """Give anna's points, as our export has them."""
    export_csv(load_course(root), root / "grades.csv")
    with (root / "grades.csv").open(encoding="utf-8", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["student_id"] == "anna"]
    return f"{row['score']} of {row['max_score']}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course that has been graded; nbgrader finds it by the course's own nbgrader_config.py."""
    root = tmp_path_factory.mktemp("class") / "course"
    files = {root / "source" / "01_double" / "double.ipynb": MASTER}
    for student, answers in SUBMISSIONS.items():
        notebook = release_notebook(MASTER)
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
        files[root / "submitted" / student / "01_double" / "double.ipynb"] = notebook
    for path, notebook in files.items():
        path.parent.mkdir(parents=True)
        path.write_text(notebook_text(notebook), encoding="utf-8")
    (root / "course.toml").write_text('title = "Small"\npreload = ["matplotlib.pyplot"]\n')
    shutil.copy(find_course(Path(__file__).parent) / "nbgrader_config.py", root)
    grade(root)
    return root


@pytest.fixture(scope="module")
def jupyter(root: Path) -> Iterator[str]:
    with served(root) as address:
        yield address


@pytest.fixture
def page(browser: Browser, jupyter: str) -> Iterator[Page]:
    """The list of submissions in formgrader, reached from its front page; nothing but this machine is asked."""
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.route(lambda url: not url.startswith(jupyter.partition("{")[0]), lambda route: route.abort())
    page.goto(jupyter.format(page="formgrader"))
    page.click("text=Manual Grading")
    page.click("#main-table a:text-is('01_double')")
    page.click("#main-table a:text-is('double')")
    show_names(page)
    yield page
    page.close()


def show_names(page: Page) -> None:
    """Show who the submissions are by; the button knows only of those that are listed already."""
    page.wait_for_selector("#main-table td.name a")
    page.click("text=Show All Names")


def open_submission(page: Page, student: str) -> None:
    """Open a submission, and wait for the points and comments that come after the page."""
    page.click(f"#main-table a:text-is('{student}')")
    page.wait_for_selector("#test_double[placeholder='2']")
    page.wait_for_selector("#report-comment[placeholder]")


def waits(page: Page, student: str) -> bool:
    """Whether a submission waits for a person, as the list says."""
    row = page.locator("#main-table tr", has=page.locator(f"a:text-is('{student}')"))
    return row.locator(".needs-manual-grade .glyphicon-ok").count() == 1


def test_points_and_comment_given_by_hand_count_and_stay_when_the_class_is_graded_again(page: Page, root: Path) -> None:
    assert total(root) == "2.0 of 8.0"
    assert waits(page, "anna")
    open_submission(page, "anna")
    cell = page.locator(".nbgrader_cell", has=page.locator("#report"))
    assert "Twice" in cell.inner_text()
    assert cell.locator("math mfrac").count() == 1, "formulas are drawn without a network"
    picture = page.locator(".output_png img")
    assert picture.evaluate("picture => picture.naturalWidth") > 100, "what the student's code drew is there to see"

    with page.expect_response("**/api/grade/*"):
        page.fill("#report", "5")
        page.press("#report", "Tab")
    with page.expect_response("**/api/comment/*"):
        page.fill("#report-comment", COMMENT)
        page.press("#report-comment", "Tab")
    assert total(root) == "7.0 of 8.0"

    grade(root, "--force", "--student", "anna")

    assert total(root) == "7.0 of 8.0"
    page.reload()
    page.wait_for_function("document.querySelector('#report').value !== ''")
    assert page.input_value("#report") == "5"
    assert page.input_value("#report-comment") == COMMENT
    course = load_course(root)
    write_feedback(course, course.assignments, students="anna")
    assert COMMENT in (root / "feedback" / "anna" / "01_double" / "double.html").read_text(encoding="utf-8")

    # The answer may be another one by now: nbgrader asks for a second look.
    with page.expect_response("**/api/grade/*"):
        cell.locator("text=Resolve").click()
    page.click(".breadcrumb a:text-is('double')")
    show_names(page)
    assert not waits(page, "anna")
    assert total(root) == "7.0 of 8.0"


def test_nothing_that_a_student_wrote_or_put_out_runs_in_the_browser_of_whoever_grades(page: Page) -> None:
    open_submission(page, "eve")

    assert page.title() == "double"
    assert "Eve's report." in page.inner_text("#notebook")
    assert "<script>" in page.inner_text("#notebook"), "HTML is shown, not obeyed"
