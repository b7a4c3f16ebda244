"""What a student gets back: the own notebook as one HTML file, with points and messages at every graded cell."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder.build import read_master, release_notebook, write_file
from autograder.gradebook import open_gradebook
from autograder.notebook import headings, nbgrader_metadata, read_notebook, without_colours
from autograder.report.markdown import to_html
from autograder.report.page import points as written_points
from autograder.report.page import resource
from autograder.verdict import CellVerdict, Outcome, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nbformat import NotebookNode

    from autograder.course import Assignment, Course
    from autograder.gradebook import Points, Score

_MOST_CHARACTERS = 20_000
"""Of one output: the rest of a flood is of no use to anybody."""

WORDS = {
    Outcome.PASSED: "all points",
    Outcome.PARTIAL: "in part",
    Outcome.FAILED: "not yet",
    Outcome.ERROR: "ended with an error",
    Outcome.TIMEOUT: "took too long",
    Outcome.MISSING: "no answer found",
    Outcome.NOT_REACHED: "was not reached",
    Outcome.MANUAL: "is graded by a person",
}
"""What a student is told of an outcome in two words."""


@dataclass(frozen=True)
class Mark:
    """
    What a graded cell counts, and what its student is told.

    Attributes
    ----------
    grade_id, place : str
        The cell, and the heading above it.
    score, max_score : float
        Points, those of a person included.
    outcome : Outcome
        What came of it.
    message : str
        What the tests say.
    waits : bool
        A person has yet to look at it.
    by_person : bool
        A person gave the points.
    """

    grade_id: str
    place: str
    score: float
    max_score: float
    outcome: Outcome
    message: str = ""
    waits: bool = False
    by_person: bool = False

    @property
    def kind(self) -> str:
        """How it is coloured: full, some, none, or open."""
        if self.waits:
            return "open"
        if self.score >= self.max_score:
            return "full"
        return "some" if self.score > 0 else "none"

    @property
    def words(self) -> str:
        """What is said of it in two words."""
        if self.waits:
            return "waits for a person"
        return "graded by a person" if self.by_person else WORDS[self.outcome]


@dataclass(frozen=True)
class Shown:
    """
    A cell as the page shows it.

    Attributes
    ----------
    kind : str
        ``text`` or ``code``.
    html : Markup
        The text or the code, safe to show.
    outputs : tuple of Markup
        What it printed and drew.
    own : bool
        The student wrote it.
    mark : Mark, optional
        Of a graded cell.
    comment : str
        What a person said about it.
    """

    kind: str
    html: Markup
    outputs: tuple[Markup, ...] = ()
    own: bool = False
    mark: Mark | None = None
    comment: str = ""


def write_feedback(
    course: Course,
    assignments: Sequence[Assignment],
    *,
    students: str = "*",
    tell: Callable[[Path], None] = lambda _path: None,
) -> list[Path]:
    """
    Write ``feedback/<student>/<assignment>/<notebook>.html`` for whatever was handed in and graded.

    Parameters
    ----------
    course : Course
        Whose gradebook to look at.
    assignments : sequence of Assignment
        Which.
    students : str
        A pattern for the students' names.
    tell : callable
        Called with each file as it is there.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    GradebookError, BuildError, NotebookError, OSError
        The gradebook, a master or an executed notebook cannot be read, or a file cannot be written. Every file is
        written whole or not at all.
    """
    written = []
    with open_gradebook(course) as gradebook:
        scores = {(score.assignment, score.student): score for score in gradebook.scores()}
        for assignment in assignments:
            recorded = gradebook.recorded(assignment.name)
            points, comments = gradebook.points(assignment.name), gradebook.comments(assignment.name)
            for notebook in assignment.notebooks:
                released = release_notebook(read_master(notebook.path), name=notebook.path.name)
                for (student, name), stored in sorted(recorded.items()):
                    if name != notebook.name or not fnmatch.fnmatchcase(student, students):
                        continue
                    if not _was_handed_in(stored.verdict):
                        continue
                    executed = course.autograded / student / assignment.name / notebook.path.name
                    page = render_feedback(
                        stored.verdict,
                        released,
                        read_notebook(executed) if executed.is_file() else None,
                        points.get((student, name), {}),
                        comments.get((student, name), {}),
                        scores.get((assignment.name, student)),
                        title=course.title,
                    )
                    path = course.feedback / student / assignment.name / f"{notebook.name}.html"
                    write_file(path, page.encode())
                    written.append(path)
                    tell(path)
    return written


def render_feedback(
    verdict: Verdict,
    released: NotebookNode,
    executed: NotebookNode | None,
    points: Mapping[str, Points],
    comments: Mapping[str, str],
    score: Score | None,
    *,
    title: str,
) -> str:
    """
    Give the page of one submission.

    What is the instructor's is shown as it was released, so that no hidden test and nothing that one printed is in it;
    what is the student's is shown as text, whatever HTML it holds, and nothing is loaded from elsewhere.

    Parameters
    ----------
    verdict : Verdict
        What grading said.
    released : NotebookNode
        The assignment as students got it.
    executed : NotebookNode or None
        The student's notebook as it ran; None where it could not be read.
    points : mapping of str to Points
        What each graded cell counts, by grade id.
    comments : mapping of str to str
        What a person said, by grade id.
    score : Score or None
        Of the whole assignment, for the late penalty.
    title : str
        The course's.
    """
    cells = tuple(_cells(verdict, released, executed, points, comments))
    marks = tuple(cell.mark for cell in cells if cell.mark is not None)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["points"] = written_points
    return environment.from_string(resource("feedback.html.j2")).render(
        title=title,
        verdict=verdict,
        failed=verdict.status is Status.FAILED,
        cells=cells if executed is not None else (),
        marks=marks,
        total=sum(mark.score for mark in marks),
        maximum=sum(mark.max_score for mark in marks),
        waiting=sum(mark.waits for mark in marks),
        penalty=score.late_submission_penalty if score else 0.0,
        style=Markup(resource("page.css") + resource("feedback.css") + _code_style()),
        policy="default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    )


def _cells(
    verdict: Verdict,
    released: NotebookNode,
    executed: NotebookNode | None,
    points: Mapping[str, Points],
    comments: Mapping[str, str],
) -> Iterator[Shown]:
    as_released = {cell.id: cell for cell in released.cells}
    # What may be edited comes back as the student's, and is the instructor's as long as nobody did.
    unchanged = {(cell.cell_type, cell.source) for cell in released.cells}
    verdicts = {cell.grade_id: cell for cell in verdict.cells}
    place = ""
    for cell in (executed or released).cells:
        given = as_released.get(cell.id)
        noted = nbgrader_metadata(given) if given is not None else {}
        is_own = bool(noted.get("solution")) or (given is None and (cell.cell_type, cell.source) not in unchanged)
        is_test = bool(noted.get("grade")) and not noted.get("solution")
        # Of the instructor's cells what was released: the executed notebook has hidden tests and mark schemes.
        source = cell.source if is_own or given is None else given.source
        grade_id = str(noted.get("grade_id", ""))
        if not is_own:
            place = [place, *headings(cell)][-1]
        yield Shown(
            "code" if cell.cell_type == "code" else "text",
            _code(source) if cell.cell_type == "code" else to_html(source, trusted=not is_own),
            () if is_test else tuple(_outputs(cell.get("outputs", ()))),
            is_own,
            _mark(verdicts[grade_id], place, points.get(grade_id)) if grade_id in verdicts else None,
            comments.get(grade_id, ""),
        )


def _mark(cell: CellVerdict, place: str, points: Points | None) -> Mark:
    told = "" if cell.outcome is Outcome.PASSED else cell.message
    if points is None:
        return Mark(cell.grade_id, place, cell.score, cell.max_score, cell.outcome, told)
    waits, by_person = points.needs_person, points.by_person
    return Mark(cell.grade_id, place, points.score, points.max_score, cell.outcome, told, waits, by_person)


def _was_handed_in(verdict: Verdict) -> bool:
    """Whether there is a submission: what was never handed in is all missing and has nothing that ran."""
    return verdict.status is Status.FAILED or any(cell.outcome is not Outcome.MISSING for cell in verdict.cells)


def _outputs(outputs: Sequence[NotebookNode]) -> Iterator[Markup]:
    """Give what a cell showed: text and pictures. Its HTML may be a program: the text stands for it."""
    for output in outputs:
        if output.output_type == "stream":
            yield _printed(output.text, "error" if output.name == "stderr" else "")
        elif output.output_type == "error":
            yield _printed("\n".join(output.traceback) or f"{output.ename}: {output.evalue}", "error")
        else:
            data: Mapping[str, Any] = output.data
            if picture := data.get("image/png"):
                encoded = re.sub(r"[^A-Za-z0-9+/=]", "", picture)
                yield Markup('<img alt="{}" src="data:image/png;base64,{}">').format(
                    data.get("text/plain", "picture"), encoded
                )
            elif "text/plain" in data:
                yield _printed(data["text/plain"], "")


def _printed(text: str, kind: str) -> Markup:
    plain = without_colours(text)
    if len(plain) > _MOST_CHARACTERS:
        plain = f"{plain[:_MOST_CHARACTERS]}\n[{len(plain) - _MOST_CHARACTERS:,} more characters]"
    return Markup('<pre class="output {}">{}</pre>').format(kind, plain)


@lru_cache(maxsize=4096)
def _code(source: str) -> Markup:
    """Colour a program; Pygments escapes it."""
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(cssclass="code")))


@cache
def _code_style() -> str:
    light = HtmlFormatter(style="default", cssclass="code").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark", cssclass="code").get_style_defs(".code")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n.code {{ background: none; }}\n"
