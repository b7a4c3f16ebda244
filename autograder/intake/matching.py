"""Which of the course's notebooks a file is: by the grade ids of its cells, and by its name where they say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autograder.build import read_master
from autograder.course import Assignment, NotebookSource
from autograder.intake.naming import without_counter
from autograder.notebook import nbgrader_metadata
from autograder.paper import SubmissionError, parse_submission

# Of a master's grade ids so many make up for a file's strange name: one in three.
_ENOUGH = 3


@dataclass(frozen=True)
class Master:
    """A notebook of the course, and the grade ids of its cells."""

    source: NotebookSource
    grade_ids: frozenset[str]


@dataclass(frozen=True)
class Content:
    """
    What a file holds, as far as it says whose answers these are.

    Attributes
    ----------
    grade_ids : frozenset of str
        Of its cells.
    fault : str
        Why it cannot be graded; "" if it can.
    """

    grade_ids: frozenset[str] = frozenset()
    fault: str = ""


def read_masters(assignments: Iterable[Assignment]) -> tuple[Master, ...]:
    """
    Read what masters are known by.

    Raises
    ------
    BuildError
        A master cannot be read.
    """
    return tuple(
        Master(
            notebook,
            frozenset(filter(None, (nbgrader_metadata(c).get("grade_id") for c in read_master(notebook.path).cells))),
        )
        for assignment in assignments
        for notebook in assignment.notebooks
    )


def read_content(data: bytes, name: str, masters: Iterable[Master]) -> Content:
    """
    Read what a file holds, of the grade ids those that a master has.

    A file that cannot be graded is told of, not refused: its student is to hear of it too.
    """
    known = frozenset().union(*(master.grade_ids for master in masters))
    try:
        return Content(known & {cell.grade_id for cell in parse_submission(data, name)})
    except SubmissionError as error:
        return Content(fault=str(error))


def match(content: Content, name: str, masters: Sequence[Master]) -> NotebookSource | None:
    """
    Tell which notebook of the course a file is.

    Parameters
    ----------
    content : Content
        What it holds.
    name : str
        The file's own name.
    masters : sequence of Master
        Those that it can be.

    Returns
    -------
    NotebookSource or None
        None when it is none of them, or when it could be several.
    """
    stem = without_ending(name).casefold()
    named = [master for master in masters if stem in _names(master)]
    named = named or [master for master in masters if without_counter(stem)[0] in _names(master)]
    shared = {master: len(content.grade_ids & master.grade_ids) for master in masters}
    most = max(shared.values(), default=0)
    best = [master for master in masters if most and shared[master] == most]
    if len(best) > 1:
        best = [master for master in best if master in named] or best
    if len(best) == 1 and (best[0] in named or most * _ENOUGH >= len(best[0].grade_ids)):
        return best[0].source
    return named[0].source if len(named) == 1 and not best else None


def without_ending(name: str) -> str:
    """Give a file's name without ``.ipynb``."""
    return name[: -len(".ipynb")] if name.lower().endswith(".ipynb") else name


def _names(master: Master) -> tuple[str, str]:
    return master.source.name.casefold(), master.source.assignment.casefold()
