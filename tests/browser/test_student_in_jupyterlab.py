"""A student opens a release notebook in JupyterLab, solves a cell, presses Validate, and sees a helpful answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest

from autograder.build import release_notebook
from autograder.notebook import notebook_text

from .jupyter import PATIENCE, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

OVERWRITE = ".jp-Dialog button.jp-mod-warn"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("student")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    """A JupyterLab on loopback; gives the address of a page in it."""
    with served(folder) as address:
        yield address


def hand_out(folder: Path, master: nbformat.NotebookNode, name: str) -> None:
    (folder / name).write_text(notebook_text(release_notebook(master)), encoding="utf-8")


def validate(page: Page) -> str:
    page.click(".validate-button", timeout=PATIENCE)
    page.wait_for_selector(f"{OVERWRITE}, #validation-message", timeout=PATIENCE)
    if page.is_visible(OVERWRITE):
        # Validate saves first, and JupyterLab asks when the copy on disk has another time than the one it opened.
        page.click(OVERWRITE)
        page.wait_for_selector("#validation-message", timeout=PATIENCE)
    message = page.inner_text("#validation-message")
    page.click(".jp-Dialog button.jp-mod-accept")
    return message


def answer(page: Page, code: str) -> None:
    page.locator(".jp-CodeCell .cm-content", has_text="double(x)").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)


def test_validate_says_what_is_missing_what_is_wrong_and_then_that_all_is_well(
    browser: Browser, lab: str, folder: Path, master: nbformat.NotebookNode
) -> None:
    hand_out(folder, master, "twice.ipynb")
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto(lab.format(page="lab/tree/twice.ipynb") + "&reset", timeout=PATIENCE)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=PATIENCE)

    untouched = validate(page)
    assert "double" in untouched, "the message shows where"
    assert "NotImplementedError" in untouched

    answer(page, "def double(x):\n    return x")
    wrong = validate(page)
    assert "AssertionError: double(1) is 2" in wrong, "the test's own words"

    answer(page, "def double(x):\n    return 2 * x")
    right = validate(page)
    assert "Success" in right, right
    page.close()
