"""What a class's verdicts and points say when they are looked at together: counts and means, no input or output."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from autograder.verdict import CellVerdict, Outcome, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autograder.gradebook import Points, Score

BINS = 10
"""Bars of a score distribution, each a tenth of the points; full marks belong to the last."""

MOST_FREQUENT = 6
"""Messages that are shown of an assignment."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class State(StrEnum):
    """What there is of a student's work in one assignment."""

    GRADED = "graded"
    FAILED = "failed"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Submission:
    """
    One submitted notebook: what grading said and what its cells count.

    Attributes
    ----------
    verdict : Verdict
        What grading said.
    points : mapping of str to Points
        What the gradebook has, by grade id.
    """

    verdict: Verdict
    points: Mapping[str, Points]

    @property
    def state(self) -> State:
        """Whether it could be graded, and whether there was anything to grade."""
        if self.verdict.status is Status.FAILED:
            return State.FAILED
        cells = self.verdict.cells
        if cells and all(cell.outcome is Outcome.MISSING for cell in cells):
            return State.MISSING
        return State.GRADED


@dataclass(frozen=True)
class CellStatistics:
    """
    How hard one graded cell was.

    Attributes
    ----------
    notebook, grade_id : str
        Which cell.
    max_score : float
        Points to be had.
    full, partial, zero : int
        Submissions with all of the points, some, none.
    waiting : int
        Submissions in which a person has yet to give points; they are in no other figure.
    share : float or None
        Mean share of the points, 0 to 1; None when nobody has points yet.
    """

    notebook: str
    grade_id: str
    max_score: float
    full: int
    partial: int
    zero: int
    waiting: int
    share: float | None

    @property
    def count(self) -> int:
        """Submissions that have points."""
        return self.full + self.partial + self.zero


@dataclass(frozen=True)
class MessageCount:
    """
    A message that students were given for one cell.

    Attributes
    ----------
    notebook, grade_id : str
        Which cell.
    text : str
        Its most frequent wording; wordings that differ in numbers alone are one message.
    students : int
        How many got it.
    """

    notebook: str
    grade_id: str
    text: str
    students: int


@dataclass(frozen=True)
class Problem:
    """
    A submission that a person should look at.

    Attributes
    ----------
    assignment, notebook, student : str
        Which one.
    outcome : Outcome
        What went wrong first: ``failed`` for the whole submission, else that of a cell.
    grade_id : str
        The cell; empty when it is the whole submission.
    text : str
        What the student was told, or what only the staff is told.
    """

    assignment: str
    notebook: str
    student: str
    outcome: Outcome
    grade_id: str
    text: str


@dataclass(frozen=True)
class Waiting:
    """A cell for which a person has yet to give points, and the students whose submissions wait."""

    assignment: str
    notebook: str
    grade_id: str
    students: tuple[str, ...]


@dataclass(frozen=True)
class AssignmentStatistics:
    """
    One assignment.

    Attributes
    ----------
    name : str
        Which one.
    max_score : float
        Points to be had.
    graded, failed, missing, unknown : int
        Students by what there is of their work; ``unknown`` are those of whom grading has said nothing yet.
    mean, median : float or None
        Of the points of those who are graded; None when there is nobody.
    bins : tuple of int
        Those who are graded, counted by tenths of the points.
    cells : tuple of CellStatistics
        In the order of the notebooks, over the submissions that are graded.
    messages : tuple of MessageCount
        The most frequent, first the one that most students got.
    median_seconds, max_seconds : float or None
        How long grading one submission took, wall clock.
    waiting : int
        Students of whom a cell waits for a person.
    """

    name: str
    max_score: float
    graded: int
    failed: int
    missing: int
    unknown: int
    mean: float | None
    median: float | None
    bins: tuple[int, ...]
    cells: tuple[CellStatistics, ...]
    messages: tuple[MessageCount, ...]
    median_seconds: float | None
    max_seconds: float | None
    waiting: int

    @property
    def mean_share(self) -> float | None:
        """Mean share of the points, 0 to 1."""
        return None if self.mean is None or not self.max_score else self.mean / self.max_score


@dataclass(frozen=True)
class Result:
    """What one student has in one assignment; ``share`` is of the points to be had and can pass 1."""

    state: State
    score: float
    max_score: float
    waiting: bool

    @property
    def share(self) -> float:
        """Share of the points."""
        return self.score / self.max_score if self.max_score else 0.0


@dataclass(frozen=True)
class StudentRow:
    """One student: the name to show, and the results in the order of the assignments."""

    student: str
    name: str
    results: tuple[Result, ...]

    @property
    def score(self) -> float:
        """Points in all assignments."""
        return sum(result.score for result in self.results)

    @property
    def max_score(self) -> float:
        """Points to be had in all assignments."""
        return sum(result.max_score for result in self.results)


@dataclass(frozen=True)
class CourseStatistics:
    """All that the report shows."""

    assignments: tuple[AssignmentStatistics, ...]
    students: tuple[StudentRow, ...]
    problems: tuple[Problem, ...]
    waiting: tuple[Waiting, ...]


def course_statistics(
    names: Sequence[str],
    submissions: Mapping[str, Mapping[tuple[str, str], Submission]],
    scores: Iterable[Score],
) -> CourseStatistics:
    """
    Look at a class as a whole.

    Parameters
    ----------
    names : sequence of str
        The assignments to look at, in the order to show them.
    submissions : mapping
        Those of each assignment, by student and notebook.
    scores : iterable of Score
        Every student's score in every assignment; others than `names` are passed over.
    """
    by_assignment: dict[str, dict[str, Score]] = {name: {} for name in names}
    students: dict[str, str] = {}
    for score in scores:
        if score.assignment in by_assignment:
            by_assignment[score.assignment][score.student] = score
            students[score.student] = shown_name(score)
    results = {
        name: {student: _result(score, submissions.get(name, {})) for student, score in by_assignment[name].items()}
        for name in names
    }
    nothing = Result(State.UNKNOWN, 0.0, 0.0, waiting=False)
    return CourseStatistics(
        assignments=tuple(_assignment(name, submissions.get(name, {}), results[name]) for name in names),
        students=tuple(
            StudentRow(student, name, tuple(results[assignment].get(student, nothing) for assignment in names))
            for student, name in students.items()
        ),
        problems=tuple(problem for name in names for problem in find_problems(submissions.get(name, {}))),
        waiting=tuple(each for name in names for each in find_waiting(submissions.get(name, {}))),
    )


def shown_name(score: Score) -> str:
    """Give a student's name as people write it, and the id where no name is known."""
    return ", ".join(part for part in (score.last_name, score.first_name) if part) or score.student


def cell_statistics(submissions: Iterable[Submission]) -> tuple[CellStatistics, ...]:
    """Say how hard each cell was, over the submissions that are graded; points that a person gave count."""
    shares: dict[tuple[str, str], list[float]] = {}
    waiting: Counter[tuple[str, str]] = Counter()
    maxima: dict[tuple[str, str], float] = {}
    for submission in submissions:
        if submission.state is not State.GRADED:
            continue
        for cell in submission.verdict.cells:
            key = (submission.verdict.notebook, cell.grade_id)
            known = shares.setdefault(key, [])
            maxima[key] = cell.max_score
            if _waits(cell, submission.points):
                waiting[key] += 1
            elif cell.max_score:
                points = submission.points.get(cell.grade_id)
                known.append((points.score if points else cell.score) / cell.max_score)
    return tuple(
        CellStatistics(
            notebook=notebook,
            grade_id=grade_id,
            max_score=maxima[notebook, grade_id],
            full=sum(share >= 1 for share in known),
            partial=sum(0 < share < 1 for share in known),
            zero=sum(share <= 0 for share in known),
            waiting=waiting[notebook, grade_id],
            share=statistics.fmean(known) if known else None,
        )
        for (notebook, grade_id), known in shares.items()
    )


def frequent_messages(submissions: Iterable[Submission], *, limit: int = MOST_FREQUENT) -> tuple[MessageCount, ...]:
    """
    Give the messages that most students got; those that differ in their numbers alone are counted as one.

    A file that could not be graded, or was not there, says nothing about an exercise, so it is not counted.
    """
    wordings: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for submission in submissions:
        for cell in submission.verdict.cells if submission.state is State.GRADED else ():
            if cell.message.strip() and cell.outcome is not Outcome.NOT_REACHED:
                text = cell.message.strip()
                wordings[submission.verdict.notebook, cell.grade_id, _NUMBER.sub("#", text)][text] += 1
    counts = [
        MessageCount(notebook, grade_id, texts.most_common(1)[0][0], texts.total())
        for (notebook, grade_id, _), texts in wordings.items()
    ]
    return tuple(sorted(counts, key=lambda each: -each.students)[:limit])


def distribution(shares: Iterable[float], *, bins: int = BINS) -> tuple[int, ...]:
    """Count shares of the points by equal steps; what is below 0 or above 1 belongs to the first or the last."""
    counts = [0] * bins
    for share in shares:
        counts[min(max(int(share * bins), 0), bins - 1)] += 1
    return tuple(counts)


def find_problems(submissions: Mapping[tuple[str, str], Submission]) -> list[Problem]:
    """
    Give the submissions that a person should look at, each once.

    Those that could not be graded, whose time ran out, whose kernel died, or whose test did something that only the
    staff is told. Cells that wait for points are :func:`find_waiting`'s.
    """
    return [problem for key in sorted(submissions) for problem in _problem(submissions[key])]


def find_waiting(submissions: Mapping[tuple[str, str], Submission]) -> list[Waiting]:
    """Give the cells for which a person has yet to give points."""
    students: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for submission in submissions.values():
        verdict = submission.verdict
        for cell in verdict.cells:
            if _waits(cell, submission.points):
                students[verdict.assignment, verdict.notebook, cell.grade_id].append(verdict.student)
    return [Waiting(*where, tuple(sorted(who))) for where, who in students.items()]


def _waits(cell: CellVerdict, points: Mapping[str, Points]) -> bool:
    known = points.get(cell.grade_id)
    return known.needs_person if known else cell.outcome is Outcome.MANUAL


def _problem(submission: Submission) -> list[Problem]:
    verdict = submission.verdict
    place = (verdict.assignment, verdict.notebook, verdict.student)
    if submission.state is State.FAILED:
        return [Problem(*place, Outcome.FAILED, "", verdict.message)]
    for cell in verdict.cells:
        if cell.outcome in (Outcome.TIMEOUT, Outcome.NOT_REACHED):
            # What follows in the same submission is nearly always its consequence
            return [Problem(*place, cell.outcome, cell.grade_id, cell.message)]
    for cell in verdict.cells:
        if cell.staff_note:
            return [Problem(*place, cell.outcome, cell.grade_id, cell.staff_note)]
    return []


def _result(score: Score, submissions: Mapping[tuple[str, str], Submission]) -> Result:
    mine = [each for (student, _), each in submissions.items() if student == score.student]
    states = {each.state for each in mine}
    # A student who handed in one of two notebooks is graded, and one of whose two one cannot be read is not.
    state = next((each for each in (State.FAILED, State.GRADED, State.MISSING) if each in states), State.UNKNOWN)
    waiting = any(_waits(cell, each.points) for each in mine for cell in each.verdict.cells)
    return Result(state, score.score, score.max_score, waiting)


def _assignment(
    name: str, submissions: Mapping[tuple[str, str], Submission], results: Mapping[str, Result]
) -> AssignmentStatistics:
    states = Counter(result.state for result in results.values())
    graded = [result for result in results.values() if result.state is State.GRADED]
    scores = [result.score for result in graded]
    seconds = [each.verdict.seconds for each in submissions.values() if each.state is State.GRADED]
    return AssignmentStatistics(
        name=name,
        max_score=max((result.max_score for result in results.values()), default=0.0),
        graded=states[State.GRADED],
        failed=states[State.FAILED],
        missing=states[State.MISSING],
        unknown=states[State.UNKNOWN],
        mean=statistics.fmean(scores) if scores else None,
        median=statistics.median(scores) if scores else None,
        bins=distribution(result.share for result in graded),
        cells=cell_statistics(submissions.values()),
        messages=frequent_messages(submissions.values()),
        median_seconds=statistics.median(seconds) if seconds else None,
        max_seconds=max(seconds, default=None),
        waiting=sum(result.waiting for result in results.values()),
    )
