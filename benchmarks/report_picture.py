"""
Take the picture of a report that README shows: what it says of one assignment.

``make grade && python -m benchmarks.report_picture build/sample 02_sigmoid_neuron``
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

from autograder.course import find_course, load_course

CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1400, 840
_ABOVE = 24  # what is left free above the assignment's heading


def take(report: Path, assignment: str, to: Path) -> None:
    """Open a report and photograph it from an assignment's heading downwards, in the light colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        box = page.get_by_role("heading", name=assignment).first.bounding_box()
        if box is None:
            raise SystemExit(f"{report} says nothing about {assignment}: grade it first.")
        clip = {"x": 0, "y": box["y"] - _ABOVE, "width": WIDTH, "height": HEIGHT}
        page.screenshot(path=to, full_page=True, clip=clip)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("course", type=Path, help="a course folder with a report")
    parser.add_argument("assignment", help="which assignment")
    chosen = parser.parse_args()
    to = find_course(Path(__file__).parent) / "docs" / "report.png"
    take(load_course(chosen.course).reports / "index.html", chosen.assignment, to)


if __name__ == "__main__":
    main()
