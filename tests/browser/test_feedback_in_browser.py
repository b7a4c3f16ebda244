"""A student's page in a real browser: readable on a phone and in the dark, formulas drawn, nothing asked for or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest

from autograder.build import release_notebook
from autograder.report.feedback import render_feedback
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import Cells

from .test_report_in_browser import HOSTILE, shown

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

MASTER = Cells.notebook(
    Cells.text("# Doubling\n\n### Exercise 1: Double\n\n$$f(x) = \\frac{2x}{1}$$", "title"),
    Cells.answer(),
    Cells.test(),
)


def a_page() -> str:
    executed = nbformat.from_dict(MASTER)
    executed.cells[1].source = f"long = '{'x' * 400}'  # {HOSTILE}"
    executed.cells[1].outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="y" * 600),
        nbformat.v4.new_output("display_data", data={"text/html": HOSTILE, "text/plain": HOSTILE}),
    ]
    executed.cells.append(Cells.text(f"{HOSTILE} ![p](http://127.0.0.1:9/x.png)", "mine"))
    cells = (CellVerdict("test_double", 0, 2, Outcome.FAILED, HOSTILE),)
    verdict = Verdict("anna", "01_a", "a", Status.GRADED, "", cells)
    return render_feedback(verdict, release_notebook(MASTER), executed, {}, {}, None, title="A class")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1200])
def test_the_page_is_as_wide_as_the_window_asks_for_nothing_and_runs_nothing(
    browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 900}
    with shown(browser, tmp_path, a_page(), viewport=size, color_scheme=scheme) as (page, noted):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.title() == "01_a: anna"
        assert noted == []


def test_a_formula_is_drawn_as_a_fraction(browser: Browser, tmp_path: Path) -> None:
    with shown(browser, tmp_path, a_page()) as (page, _):
        fraction = page.locator("math mfrac").bounding_box()
        line = page.locator("math mi").first.bounding_box()
        assert fraction["height"] > 1.5 * line["height"]


def test_the_table_leads_to_the_exercise_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    with shown(browser, tmp_path, a_page(), viewport={"width": 900, "height": 300}) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Exercise 1: Double"
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash === '#test_double'")
        assert page.locator("#test_double .mark").is_visible()
