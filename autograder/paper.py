"""
From a master and a submission to a paper: the cells to run, in order, and who runs each.

Everything the instructor owns is the master's. Of the submission only two things are taken: the sources of the answer
cells, found by their grade ids, and the cells that belong to nobody, which stay behind the neighbour they followed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.build import release_notebook
from autograder.names import names
from autograder.notebook import (
    NotebookError,
    nbgrader_metadata,
    notebook_text,
    parse_content,
    parse_notebook,
    read_data,
)

CANDIDATE_TAG = "candidate"
"""Tag of an instructor's cell that is dear and of no use to tests: it runs in the candidate alone."""

MAX_CELLS = 1000
MAX_SOURCE_CHARACTERS = 1_000_000

_CELL_TYPES = ("code", "markdown", "raw")


class SubmissionError(Exception):
    """A submitted file cannot be graded; the message is meant for the student."""


class Role(StrEnum):
    """What a cell is there for."""

    GIVEN = "given"
    ANSWER = "answer"
    TEST = "test"
    MANUAL = "manual"
    OWN = "own"


class Owner(StrEnum):
    """Which kernel runs a cell."""

    NOBODY = "nobody"
    CANDIDATE = "candidate"
    EXAMINER = "examiner"
    BOTH = "both"


class State(StrEnum):
    """What the student did with an answer cell."""

    ANSWERED = "answered"
    UNTOUCHED = "untouched"
    MISSING = "missing"


@dataclass(frozen=True)
class SubmittedCell:
    """A cell of a submission: its type, its source, and the grade id it claims (empty if none)."""

    cell_type: str
    source: str
    grade_id: str = ""


@dataclass(frozen=True)
class PaperCell:
    """
    A cell of a paper.

    Attributes
    ----------
    cell_id : str
        Unique in the notebook.
    cell_type : str
        ``code``, ``markdown`` or ``raw``.
    source : str
        What is run, or read.
    role : Role
        ``given``: the instructor's; ``answer``, ``test``, ``manual``: graded ones; ``own``: the student's own addition.
    owner : Owner
        Which kernel runs it.
    grade_id : str
        Its name in the master; empty for a cell without one.
    points : float
        What there is to be had.
    needs : tuple of str
        For a test: the names it uses and does not bind.
    answers : tuple of str
        For a test: the grade ids of the answers it judges.
    state : State
        For an answer: what the student did with it.
    metadata : str
        The master's metadata as JSON.
    """

    cell_id: str
    cell_type: str
    source: str
    role: Role
    owner: Owner
    grade_id: str = ""
    points: float = 0.0
    needs: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    state: State = State.ANSWERED
    metadata: str = "{}"

    @property
    def is_graded(self) -> bool:
        """Whether points are to be had."""
        return self.role in (Role.TEST, Role.MANUAL)


@dataclass(frozen=True)
class Paper:
    """
    What is graded: one student's answers in one master notebook.

    Attributes
    ----------
    student, assignment, notebook : str
        Whose, and of what.
    cells : tuple of PaperCell
        In the order in which they run.
    metadata : str
        The master's notebook metadata as JSON.
    remarks : tuple of str
        What the student should know about the file, a duplicated cell for instance.
    """

    student: str
    assignment: str
    notebook: str
    cells: tuple[PaperCell, ...]
    metadata: str = "{}"
    remarks: tuple[str, ...] = ()


def read_submission(path: Path) -> tuple[SubmittedCell, ...]:
    """
    Read what a student handed in.

    Raises
    ------
    SubmissionError
        It is not a notebook that can be graded, or not the file itself: a link could lead to a master, with all its
        solutions. The message names the file alone, not where it lies.
    """
    try:
        return parse_submission(read_data(path, name=path.name, follow=False), path.name)
    except NotebookError as error:
        raise SubmissionError(str(error)) from error


def parse_submission(data: bytes, name: str) -> tuple[SubmittedCell, ...]:
    """
    Read the bytes of a submitted notebook; as tolerant as can be, since only sources and grade ids are of use.

    Raises
    ------
    SubmissionError
        They are not a notebook that can be graded. The message says what to do.
    """
    try:
        cells = parse_content(data, name=name).get("cells")
    except NotebookError as error:
        raise SubmissionError(str(error)) from error
    if not isinstance(cells, list) or not cells:
        raise SubmissionError(f"{name} holds no cells. Is it the right file?")
    if len(cells) > MAX_CELLS:
        raise SubmissionError(
            f"{name} has {len(cells):,} cells; at most {MAX_CELLS:,} are graded. Remove what you added."
        )
    return tuple(_read_cell(cell, position, name) for position, cell in enumerate(cells, start=1))


def _read_cell(cell: Any, position: int, name: str) -> SubmittedCell:
    bad = SubmissionError(f"{name}: cell {position} is damaged. Download it again and copy your answers into it.")
    if not isinstance(cell, dict) or cell.get("cell_type") not in _CELL_TYPES:
        raise bad
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise bad
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise SubmissionError(
            f"{name}: cell {position} has {len(source):,} characters; at most {MAX_SOURCE_CHARACTERS:,} are graded. "
            "Make it shorter."
        )
    # Half a character, as JSON can hold it, could be neither run nor written.
    source = source.encode("utf-8", "replace").decode()
    metadata = cell.get("metadata")
    claimed = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = claimed.get("grade_id") if isinstance(claimed, dict) else None
    return SubmittedCell(cell["cell_type"], source, grade_id if isinstance(grade_id, str) else "")


def build_paper(
    master: NotebookNode, submission: Sequence[SubmittedCell], *, student: str, assignment: str, notebook: str
) -> Paper:
    """
    Lay a student's answers into the master.

    Parameters
    ----------
    master : NotebookNode
        From ``source/``.
    submission : sequence of SubmittedCell
        What :func:`read_submission` gave; empty for a notebook that was not handed in.
    student, assignment, notebook : str
        Whose, and of what.

    Raises
    ------
    BuildError
        The master is not as it should be.
    """
    frame = blank(master)
    managed = [cell.grade_id for cell in frame if cell.grade_id]
    chosen, remarks = _choose(submission, managed)
    followers = _followers(submission, chosen)
    known = set(managed)
    numbers = count(1)
    cells = [_own_cell(own, "start", known, next(numbers)) for own in followers.get("", ())]
    for cell in frame:
        answer = chosen.get(cell.grade_id)
        cells.append(_fill(cell, None if answer is None else submission[answer].source))
        cells += [_own_cell(own, cell.cell_id, known, next(numbers)) for own in followers.get(cell.grade_id, ())]
    return Paper(student, assignment, notebook, tuple(cells), json.dumps(master.metadata), tuple(remarks))


def with_answers(paper: Paper, answers: Mapping[str, str]) -> Paper:
    """Give a paper in which other sources stand in some answer cells, by grade id; all else is as it was."""
    cells = tuple(
        replace(cell, source=answers[cell.grade_id], state=State.ANSWERED) if cell.grade_id in answers else cell
        for cell in paper.cells
    )
    return replace(paper, cells=cells)


def blank(master: NotebookNode) -> tuple[PaperCell, ...]:
    """
    Give the instructor's part of a paper: the master's cells that have a grade id, with the release's stubs as answers.

    Raises
    ------
    BuildError
        The master is not as it should be.
    """
    return _blank(notebook_text(master))


# A class hands in the same notebook, whose release takes longer to make than all else of a paper.
@lru_cache(maxsize=32)
def _blank(text: str) -> tuple[PaperCell, ...]:
    master = parse_notebook(text, name="the master")
    released = release_notebook(master)
    shared: set[str] = set()
    helpers: dict[str, frozenset[str]] = {}
    judged: list[str] = []
    fresh = True
    cells = []
    for original, stub in zip(master.cells, released.cells, strict=True):
        noted = nbgrader_metadata(original)
        if not noted.get("grade_id"):
            continue
        role = _role(noted)
        cell = PaperCell(
            cell_id=original.id,
            cell_type=original.cell_type,
            source=original.source if role is Role.TEST else stub.source,
            role=role,
            owner=_owner(role, original, stub.source, shared),
            grade_id=noted["grade_id"],
            points=float(noted.get("points", 0)) if role in (Role.TEST, Role.MANUAL) else 0.0,
            metadata=json.dumps(original.metadata),
        )
        if cell.owner is Owner.BOTH:
            shared |= names(cell.source).bound
        if role in (Role.ANSWER, Role.MANUAL):
            judged = [*([] if fresh else judged), cell.grade_id]
            fresh = False
        elif role is Role.TEST:
            found = names(cell.source)
            # A helper of an earlier test brings along what it needs itself.
            needs = found.free.union(*(helpers.get(name, ()) for name in found.free)) - found.bound
            helpers.update(dict.fromkeys(found.bound, needs))
            cell = replace(cell, needs=tuple(sorted(needs)), answers=tuple(judged))
            fresh = True
        cells.append(cell)
    return tuple(cells)


def _role(noted: Mapping[str, Any]) -> Role:
    if noted.get("task") or (noted.get("grade") and noted.get("solution")):
        return Role.MANUAL
    if noted.get("grade"):
        return Role.TEST
    return Role.ANSWER if noted.get("solution") else Role.GIVEN


def _owner(role: Role, cell: NotebookNode, source: str, shared: set[str]) -> Owner:
    """Decide who runs a cell; `shared` are the names bound so far by instructor's cells that run in both kernels."""
    if cell.cell_type != "code":
        return Owner.NOBODY
    if role is Role.TEST:
        return Owner.EXAMINER
    if role is not Role.GIVEN or CANDIDATE_TAG in cell.metadata.get("tags", []):
        return Owner.CANDIDATE
    return Owner.BOTH if names(source).free <= shared else Owner.CANDIDATE


def _choose(submission: Sequence[SubmittedCell], managed: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Find, for each of the master's grade ids, the position of the submitted cell that counts."""
    places: dict[str, list[int]] = {}
    known = set(managed)
    for position, cell in enumerate(submission):
        if cell.grade_id in known:
            places.setdefault(cell.grade_id, []).append(position)
    before = {grade_id: managed[index - 1] if index else "" for index, grade_id in enumerate(managed)}
    chosen, remarks = {}, []
    for grade_id, found in places.items():
        at_home = [position for position in found if _previous(submission, position, known) == before[grade_id]]
        chosen[grade_id] = (at_home or found)[0]
        if len(found) > 1:
            remarks.append(
                f"The cell '{grade_id}' is there {len(found)} times; the one that "
                f"{'stands where it belongs' if at_home else 'comes first'} (cell {chosen[grade_id] + 1}) was graded."
            )
    return chosen, remarks


def _previous(submission: Sequence[SubmittedCell], position: int, known: set[str]) -> str:
    own = submission[position].grade_id
    for cell in reversed(submission[:position]):
        if cell.grade_id in known and cell.grade_id != own:
            return cell.grade_id
    return ""


def _followers(submission: Sequence[SubmittedCell], chosen: dict[str, int]) -> dict[str, list[SubmittedCell]]:
    """Group the cells that are not the master's behind the one they follow ("" for the notebook's start)."""
    counted = set(chosen.values())
    followers: dict[str, list[SubmittedCell]] = {}
    neighbour = ""
    for position, cell in enumerate(submission):
        if position in counted:
            neighbour = cell.grade_id
        else:
            followers.setdefault(neighbour, []).append(cell)
    return followers


def _own_cell(cell: SubmittedCell, neighbour: str, known: set[str], number: int) -> PaperCell:
    # A second cell with a grade id of the master's does not count, so it does not run either: an untouched copy would
    # undo the answer above it.
    runs = cell.cell_type == "code" and cell.grade_id not in known
    owner = Owner.CANDIDATE if runs else Owner.NOBODY
    # A cell id has at most 64 characters; the number keeps two of them apart.
    return PaperCell(f"{neighbour[:48]}-own-{number}", cell.cell_type, cell.source, Role.OWN, owner)


def _fill(cell: PaperCell, answer: str | None) -> PaperCell:
    """Put an answer into its cell; `cell` holds the release's stub."""
    if not json.loads(cell.metadata)["nbgrader"].get("solution"):
        return cell  # a task is the instructor's text; what it asks for stands elsewhere
    if answer is None:
        return replace(cell, source="", state=State.MISSING)
    state = State.UNTOUCHED if answer.strip() == cell.source.strip() else State.ANSWERED
    return replace(cell, source=answer, state=state)
