"""The report in a real browser: readable, sortable, and alone."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from autograder.gradebook import Score
from autograder.report.page import render
from autograder.report.statistics import Submission, course_statistics
from autograder.verdict import CellVerdict, Outcome, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

HOSTILE = "<img src=x onerror='document.title=`taken`'><script>document.title='taken'</script>"
NAMES = [f"{i:02}_assignment_with_a_name" for i in range(1, 15)]


def a_class(assignments: int, students: int) -> str:
    """Give the report of a class in which the later students are the better ones."""
    submissions: dict[str, dict[tuple[str, str], Submission]] = {}
    scores = []
    for name in NAMES[:assignments]:
        submissions[name] = {}
        for i in range(students):
            student = HOSTILE if i == 0 else f"student {i:03}"
            points = 10 * i / students
            cells = (
                CellVerdict("test_first_exercise", points, 10, Outcome.PARTIAL, f"{points} is too little {HOSTILE}"),
                CellVerdict("essay", 0, 5, Outcome.MANUAL),
            )
            status = Status.FAILED if i == 1 else Status.GRADED
            verdict = Verdict(student, name, "one", status, HOSTILE, cells, seconds=1.5)
            submissions[name][student, "one"] = Submission(verdict, {})
            scores.append(Score(name, student, None, None, None, None, None, points, 0, 15, True, True))
    return render(
        course_statistics(NAMES[:assignments], submissions, scores),
        title="A class",
        run={"Sandbox": "strict", "Data": "stand-in"},
        when=datetime(2026, 2, 1, tzinfo=UTC),
    )


@contextmanager
def shown(browser: Browser, folder: Path, html: str, **settings: object) -> Iterator[tuple[Page, list[str]]]:
    """Open a report and note what it complains of and what it asks for."""
    path = folder / "index.html"
    path.write_text(html, encoding="utf-8")
    page = browser.new_page(**settings)
    noted: list[str] = []
    page.on("console", lambda message: noted.append(message.text))
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("request", lambda request: noted.append(request.url))
    page.goto(path.as_uri())
    noted.remove(path.as_uri())
    yield page, noted
    page.close()


@pytest.mark.parametrize(("assignments", "students"), [(3, 15), (14, 200)])
def test_the_page_opens_without_a_complaint_and_asks_for_no_other_file(
    browser: Browser, tmp_path: Path, assignments: int, students: int
) -> None:
    with shown(browser, tmp_path, a_class(assignments, students)) as (page, noted):
        assert page.title() == "A class: report"
        assert page.locator("#grid tbody tr").count() == students
        assert noted == []


@pytest.mark.parametrize("width", [360, 800, 1280])
@pytest.mark.parametrize(("assignments", "students"), [(3, 15), (14, 200)])
def test_the_page_never_scrolls_sideways_as_a_whole(
    browser: Browser, tmp_path: Path, width: int, assignments: int, students: int
) -> None:
    with shown(browser, tmp_path, a_class(assignments, students), viewport={"width": width, "height": 800}) as (
        page,
        _,
    ):
        assert page.evaluate("document.documentElement.scrollWidth") <= width


CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (color, under) => {
    canvas.fillStyle = `rgb(${under.join(" ")})`; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (color) => {
    const [r, g, b] = color.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => element
    ? rgb(getComputedStyle(element).backgroundColor, ground(element.parentElement)) : [255, 255, 255];
  const texts = [...document.querySelectorAll("h1, h2, h3, h4, p, th, td, dt, dd, a, summary, code, .said, .tiles b")];
  return texts.filter((each) => each.textContent.trim() && each.getClientRects().length).map((each) => {
    const behind = ground(each);
    const pair = [light(rgb(getComputedStyle(each).color, behind)), light(behind)].sort((a, b) => b - a);
    return [(pair[0] + 0.05) / (pair[1] + 0.05), each.tagName + " " + each.textContent.trim().slice(0, 30)];
  });
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser: Browser, tmp_path: Path, scheme: str) -> None:
    """WCAG 2.2, success criterion 1.4.3 (level AA): a contrast of 4.5 at least."""
    with shown(browser, tmp_path, a_class(3, 15), color_scheme=scheme) as (page, _):
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 100
        assert [text for contrast, text in contrasts if contrast < 4.5] == []


def test_the_dark_page_is_dark_and_the_light_one_is_light(browser: Browser, tmp_path: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        with shown(browser, tmp_path, a_class(1, 3), color_scheme=scheme) as (page, _):
            color = page.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds.append(sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")) / 3)
    assert grounds[0] > 230
    assert grounds[1] < 40


def first_column(page: Page) -> list[str]:
    return page.locator("#grid tbody th").all_inner_texts()


def test_a_click_on_a_head_sorts_the_table_and_another_turns_it_round(browser: Browser, tmp_path: Path) -> None:
    with shown(browser, tmp_path, a_class(3, 15)) as (page, _):
        total = page.locator("#grid thead button", has_text="Total")
        total.click()
        assert first_column(page)[:2] == [HOSTILE, "student 001"]
        total.click()
        assert first_column(page)[0] == "student 014"
        assert page.locator("#grid thead th[aria-sort]").inner_text().startswith("Total")


def test_the_heads_can_be_reached_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    with shown(browser, tmp_path, a_class(3, 15)) as (page, _):
        page.locator("#grid thead button", has_text="Student").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert first_column(page)[0] == "student 014"


def test_the_page_says_everything_without_script(browser: Browser, tmp_path: Path) -> None:
    with shown(browser, tmp_path, a_class(3, 15), java_script_enabled=False) as (page, _):
        assert page.locator("#grid tbody tr").count() == 15
        assert page.locator("#grid thead th").first.inner_text() == "Student"
        page.locator("#waiting summary").first.click()
        assert page.locator("#waiting details").first.inner_text().count("student 0") == 14


def test_what_a_student_wrote_does_nothing(browser: Browser, tmp_path: Path) -> None:
    with shown(browser, tmp_path, a_class(3, 15)) as (page, noted):
        assert HOSTILE in first_column(page)
        assert page.title() == "A class: report"
        assert noted == []


def test_a_script_that_slipped_in_would_not_run(browser: Browser, tmp_path: Path) -> None:
    leaky = a_class(1, 3).replace("<h2 id=", f"{HOSTILE}<h2 id=", 1)
    with shown(browser, tmp_path, leaky) as (page, _):
        page.wait_for_load_state("load")
        assert page.locator("img").count() == 1
        assert page.title() == "A class: report"
