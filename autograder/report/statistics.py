"""What a class's verdicts and points say when they are looked at together: counts and means, no input or output."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from autograder.verdict import CellVerdict, Outcome, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autograder.gradebook import Points, Score

BINS = 10
"""Bars of a score distribution, each a tenth of the points; full marks belong to the last."""

MOST_FREQUENT = 3
"""Messages that are shown of a cell."""

FEWEST = 10
"""Students without whom a correlation says nothing: with fewer it is mostly chance."""

LOW, HARD = 0.2, 0.3
"""Below this discrimination, or this mean share of the points, a cell is worth a look."""

_DID_NOT_RUN = frozenset((Outcome.MISSING, Outcome.NOT_REACHED, Outcome.MANUAL))

_Key = tuple[str, str]  # notebook and grade id

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

    @cached_property
    def state(self) -> State:
        """Whether it could be graded, and whether there was anything to grade."""
        if self.verdict.status is Status.FAILED:
            return State.FAILED
        cells = self.verdict.cells
        if cells and all(cell.outcome is Outcome.MISSING for cell in cells):
            return State.MISSING
        return State.GRADED


@dataclass(frozen=True)
class MessageCount:
    """
    A message that students were given for one cell.

    Attributes
    ----------
    text : str
        Its most frequent wording; wordings that differ in numbers alone are one message.
    students : int
        How many got it.
    """

    text: str
    students: int


@dataclass(frozen=True)
class CellStatistics:
    """
    How hard one graded cell was, how well it tells students apart, what they were told, and how long it took.

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
    discrimination : float or None
        Correlation with the rest of the assignment: :func:`discrimination`.
    median_seconds, max_seconds : float or None
        How long the cell ran, wall clock; None for one that never runs.
    messages : tuple of MessageCount
        The most frequent, first the one that most students got.
    """

    notebook: str
    grade_id: str
    max_score: float
    full: int
    partial: int
    zero: int
    waiting: int
    share: float | None
    discrimination: float | None
    median_seconds: float | None
    max_seconds: float | None
    messages: tuple[MessageCount, ...]

    @property
    def count(self) -> int:
        """Submissions that have points."""
        return self.full + self.partial + self.zero

    @property
    def is_odd(self) -> bool:
        """It is worth a look: hardly anybody has its points, or not those who have the others'."""
        is_hard = self.share is not None and self.share < HARD
        return is_hard or (self.discrimination is not None and self.discrimination < LOW)


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
    shares : tuple of float
        Of those who are graded, the share of the points, in rising order.
    cells : tuple of CellStatistics
        In the order of the notebooks, over the submissions that are graded.
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
    shares: tuple[float, ...]
    cells: tuple[CellStatistics, ...]
    median_seconds: float | None
    max_seconds: float | None
    waiting: int

    @property
    def mean_share(self) -> float | None:
        """Mean share of the points, 0 to 1."""
        return None if self.mean is None or not self.max_score else self.mean / self.max_score

    @property
    def bins(self) -> tuple[int, ...]:
        """Those who are graded, counted by tenths of the points."""
        return distribution(self.shares)


@dataclass(frozen=True)
class Result:
    """What one student has in one assignment; ``share`` is of the points to be had and can pass 1."""

    state: State
    score: float
    max_score: float
    waiting: bool
    submissions: tuple[Submission, ...] = ()

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

    @property
    def share(self) -> float | None:
        """Share of all points; None where there are none to be had."""
        return self.score / self.max_score if self.max_score else None


@dataclass(frozen=True)
class CourseStatistics:
    """All that the report shows."""

    assignments: tuple[AssignmentStatistics, ...]
    students: tuple[StudentRow, ...]
    problems: tuple[Problem, ...]
    waiting: tuple[Waiting, ...]

    @property
    def odd(self) -> list[tuple[int, AssignmentStatistics, CellStatistics]]:
        """The cells that are worth a look, with their assignments and these' numbers from 1."""
        return [
            (number, assignment, cell)
            for number, assignment in enumerate(self.assignments, start=1)
            for cell in assignment.cells
            if cell.is_odd
        ]


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
    mine: dict[tuple[str, str], list[Submission]] = defaultdict(list)
    for name in names:
        for (student, _), submission in submissions.get(name, {}).items():
            mine[name, student].append(submission)
    results = {
        name: {student: _result(score, mine[name, student]) for student, score in by_assignment[name].items()}
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
    """Look at each cell of an assignment, over the submissions that are graded; points that a person gave count."""
    graded = [submission for submission in submissions if submission.state is State.GRADED]
    cells: dict[_Key, list[tuple[Submission, CellVerdict]]] = defaultdict(list)
    for submission in graded:
        for cell in submission.verdict.cells:
            cells[submission.verdict.notebook, cell.grade_id].append((submission, cell))
    scores = _scores_by_student(graded)
    messages = frequent_messages(graded)
    return tuple(_cell(key, answers, scores, messages.get(key, ())) for key, answers in cells.items())


def _cell(
    key: _Key,
    answers: Sequence[tuple[Submission, CellVerdict]],
    scores: Mapping[str, Mapping[_Key, tuple[float, float]]],
    messages: tuple[MessageCount, ...],
) -> CellStatistics:
    shares, pairs = [], []
    for known in scores.values():
        if key not in known:
            continue
        score, maximum = known[key]
        shares.append(score / maximum)
        others = [of for other, of in known.items() if other != key]
        if possible := sum(most for _, most in others):
            # As shares: an answer that waits for a person is then missing from both, points and points to be had.
            pairs.append((score / maximum, sum(points for points, _ in others) / possible))
    seconds = [cell.seconds for _, cell in answers if cell.outcome not in _DID_NOT_RUN]
    return CellStatistics(
        *key,
        max_score=answers[-1][1].max_score,
        full=sum(share >= 1 for share in shares),
        partial=sum(0 < share < 1 for share in shares),
        zero=sum(share <= 0 for share in shares),
        waiting=sum(waits(cell, submission.points) for submission, cell in answers),
        share=statistics.fmean(shares) if shares else None,
        discrimination=discrimination(pairs),
        median_seconds=statistics.median(seconds) if seconds else None,
        max_seconds=max(seconds, default=None),
        messages=messages,
    )


def discrimination(pairs: Sequence[tuple[float, float]], *, fewest: int = FEWEST) -> float | None:
    r"""
    Say how well a cell tells those who do well from those who do not: the corrected item-total correlation.

    With :math:`x_s` the points of student :math:`s` in this cell and :math:`r_s` those in all other cells of the
    assignment (the total without the cell itself, which is the correction: a cell correlates with itself), it is
    Pearson's

    .. math:: \frac{\sum_s (x_s - \bar x)(r_s - \bar r)}
                   {\sqrt{\sum_s (x_s - \bar x)^2} \sqrt{\sum_s (r_s - \bar r)^2}}

    It does not change if both are written as shares of the points to be had.

    Parameters
    ----------
    pairs : sequence of tuple of float
        For each student the share of the points in the cell, and in the rest of the assignment.
    fewest : int
        Students without whom nothing is said.

    Returns
    -------
    float or None
        -1 to 1; None with too few students, or when all have the same in the cell or in the rest.

    References
    ----------
    S. Henrysson, "Correction of item-total correlations in item analysis", Psychometrika 28 (1963), 211-218,
    https://doi.org/10.1007/BF02289618.
    """
    # Sums of the same points in another order differ in their last digits, and would pass for a difference.
    items, rests = [[round(each, 9) for each in column] for column in zip(*pairs, strict=True)] or [[], []]
    if len(items) < fewest or len(set(items)) == 1 or len(set(rests)) == 1:
        return None
    return statistics.correlation(items, rests)


def frequent_messages(
    submissions: Iterable[Submission], *, limit: int = MOST_FREQUENT
) -> dict[_Key, tuple[MessageCount, ...]]:
    """
    Give the messages that most students got, by notebook and cell; those that differ in numbers alone are one.

    A file that could not be graded, or was not there, says nothing about an exercise, so it is not counted.
    """
    wordings: dict[_Key, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for submission in submissions:
        for cell in submission.verdict.cells if submission.state is State.GRADED else ():
            if cell.message.strip() and cell.outcome is not Outcome.NOT_REACHED:
                text = cell.message.strip()
                wordings[submission.verdict.notebook, cell.grade_id][_NUMBER.sub("#", text)][text] += 1
    found = {}
    for key, alike in wordings.items():
        counts = [MessageCount(texts.most_common(1)[0][0], texts.total()) for texts in alike.values()]
        found[key] = tuple(sorted(counts, key=lambda each: -each.students)[:limit])
    return found


def distribution(shares: Iterable[float], *, bins: int = BINS) -> tuple[int, ...]:
    """Count shares of the points by equal steps; what is below 0 or above 1 belongs to the first or the last."""
    counts = [0] * bins
    for share in shares:
        counts[min(max(int(share * bins), 0), bins - 1)] += 1
    return tuple(counts)


def waits(cell: CellVerdict, points: Mapping[str, Points]) -> bool:
    """Tell whether a person has yet to give a cell its points."""
    known = points.get(cell.grade_id)
    return known.needs_person if known else cell.outcome is Outcome.MANUAL


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
            if waits(cell, submission.points):
                students[verdict.assignment, verdict.notebook, cell.grade_id].append(verdict.student)
    return [Waiting(*where, tuple(sorted(who))) for where, who in students.items()]


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


def _scores_by_student(submissions: Iterable[Submission]) -> dict[str, dict[_Key, tuple[float, float]]]:
    """Give points and points to be had of each student's cells, without those that wait or have none to give."""
    found: dict[str, dict[_Key, tuple[float, float]]] = defaultdict(dict)
    for submission in submissions:
        for cell in submission.verdict.cells:
            if cell.max_score and not waits(cell, submission.points):
                points = submission.points.get(cell.grade_id)
                key = (submission.verdict.notebook, cell.grade_id)
                found[submission.verdict.student][key] = (points.score if points else cell.score, cell.max_score)
    return found


def _result(score: Score, mine: Sequence[Submission]) -> Result:
    states = {each.state for each in mine}
    # A student who handed in one of two notebooks is graded, and one of whose two one cannot be read is not.
    state = next((each for each in (State.FAILED, State.GRADED, State.MISSING) if each in states), State.UNKNOWN)
    waiting = any(waits(cell, each.points) for each in mine for cell in each.verdict.cells)
    return Result(state, score.score, score.max_score, waiting, tuple(mine))


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
        shares=tuple(sorted(result.share for result in graded)),
        cells=cell_statistics(submissions.values()),
        median_seconds=statistics.median(seconds) if seconds else None,
        max_seconds=max(seconds, default=None),
        waiting=sum(result.waiting for result in results.values()),
    )
