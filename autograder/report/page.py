"""The report as one HTML file that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from autograder.build import write_file
from autograder.gradebook import open_gradebook
from autograder.report import figures
from autograder.report.grid import class_grid
from autograder.report.statistics import FEWEST, LOW, CourseStatistics, Submission, course_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from autograder.course import Course

REPORT = "index.html"

NOTHING = "\N{EN DASH}"
"""Where there is no figure to show."""

_LINES, _LETTERS = 6, 400


def write_report(course: Course, *, run: Mapping[str, str], when: datetime | None = None) -> Path:
    """
    Write the report on all assignments of a course to ``reports/index.html``.

    Parameters
    ----------
    course : Course
        Whose gradebook to look at.
    run : mapping of str to str
        How the grading was done, in the order to show it: versions, data source, profile, sandbox.
    when : datetime, optional
        The moment that the report names; now when it is left out.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    GradebookError
        When the gradebook cannot be read.
    OSError
        When the file cannot be written; an old one is then still there.
    """
    names = [assignment.name for assignment in course.assignments]
    with open_gradebook(course) as gradebook:
        scores = gradebook.scores()
        submissions = {}
        for name in names:
            points = gradebook.points(name)
            submissions[name] = {
                key: Submission(stored.verdict, points.get(key, {})) for key, stored in gradebook.recorded(name).items()
            }
    page = render(
        course_statistics(names, submissions, scores),
        title=course.title,
        run=run,
        when=when or datetime.now(UTC).astimezone(),
    )
    path = course.reports / REPORT
    write_file(path, page.encode())
    return path


def render(statistics: CourseStatistics, *, title: str, run: Mapping[str, str], when: datetime) -> str:
    """
    Give the report's HTML.

    Whatever comes from students is escaped, in the page as in the data that its script reads, and should something
    slip through, the page's content security policy lets no script or style work but its own two, and nothing be
    loaded.

    Parameters
    ----------
    statistics : CourseStatistics
        What to show.
    title : str
        The course's.
    run : mapping of str to str
        How the grading was done.
    when : datetime
        The moment that the report names, with its time zone.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "points": points,
        "percent": percent,
        "duration": duration,
        "shorten": shorten,
        "breakable": breakable,
        "correlation": correlation,
    }
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    style, script = resource("page.css"), resource("page.js") + resource("grid.js")
    return environment.from_string(resource("page.html.j2")).render(
        course=statistics,
        grid=class_grid(statistics),
        figures=figures,
        fewest=FEWEST,
        low=LOW,
        title=title,
        run=run,
        when=when,
        # Both are files of this package, nothing of a student's is in them.
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src {_source_hash(style)}; script-src {_source_hash(script)}",
    )


def points(value: float) -> str:
    """Write points with at most two decimals and no more of them than there are: 7, 7.5, 0.33."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(share: float | None) -> str:
    """Write a share of 0 to 1 in whole percent, a dash for none; what is not all is never rounded to 100 %."""
    if share is None:
        return NOTHING
    return f"{99 if 0.99 < share < 1 else round(100 * share)} %"


def correlation(value: float | None) -> str:
    """Write a correlation with two decimals, a dash for none."""
    return NOTHING if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float | None) -> str:
    """Write a time as people read it: 0.4 s, 12 s, 3 min 20 s."""
    if seconds is None:
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def shorten(text: str) -> str:
    """Cut a message to what can be read at a glance."""
    lines = text.strip().splitlines()
    short = "\n".join(lines[:_LINES])[:_LETTERS]
    return short if len(lines) <= _LINES and len(short) == len("\n".join(lines)) else f"{short.rstrip()} …"


def breakable(name: str) -> Markup:
    """Let a name of words and underscores go over several lines between its words."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def resource(name: str) -> str:
    """Give the text of a file that belongs to this package."""
    return files("autograder.report").joinpath(name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
