"""
A grading run: submissions become papers, an executor turns papers into verdicts, the gradebook keeps them.

One loop writes; the work in between is :func:`autograder.sealed.session.conduct`, a function of plain values that any
:class:`concurrent.futures.Executor` can run. Each verdict is kept as it comes, with a fingerprint of all that it
was made from, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from statistics import fmean

from nbformat import NotebookNode

from autograder.build import read_master, supporting_files, write_file
from autograder.conducting import conduct_twice
from autograder.course import Assignment, Course, Limits, NotebookSource
from autograder.datafolder import DataFolder, without_holdout
from autograder.errors import AutograderError
from autograder.gradebook import Gradebook, GradebookError, StoredVerdict, open_gradebook, submission_time
from autograder.kernels.outputs import clean
from autograder.kernels.pictures import NO_PICTURES
from autograder.paper import Paper, PaperCell, Role, SubmissionError, blank, build_paper, read_submission
from autograder.sandbox import default_readable
from autograder.sealed.session import Conditions
from autograder.submitted import Submission
from autograder.temporary import HeldFolder
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from autograder.versions import versions

# Papers that are handed out at a time: enough for hundreds of workers, and a class of thousands is not all in memory.
_HANDED_OUT = 500


class GradingError(AutograderError):
    """Executed notebooks cannot be put where they belong; the message names the place and the remedy."""


class Step(StrEnum):
    """What a run tells of while it goes on."""

    KEPT = "kept"
    GRADED = "graded"


@dataclass(frozen=True)
class Settings:
    """
    How a run grades.

    Attributes
    ----------
    environment : tuple of (str, str)
        Variables for both kernels: profile, data source.
    examiner_environment : tuple of (str, str)
        Variables for the examiner alone: the seed of the hold-out pictures.
    threads : int
        Threads that TensorFlow and NumPy may use in a kernel; of no influence on a score, so no part of a fingerprint.
    limits : tuple of (str, float)
        Fields of :class:`Limits`, in place of the course's and the assignments' own.
    sandbox : bool
        Confine the kernels; else submissions run with the rights of whoever grades.
    pictures : bool
        Draw every picture into the executed notebooks. Else those alone in which a person has cells to grade: drawing
        can take longer than all the rest, and no test looks at pictures.
    gpu_users : tuple of str
        Which kernels have a GPU in assignments that need one: see :class:`Conditions`. No part of a fingerprint either.
    """

    environment: tuple[tuple[str, str], ...] = ()
    examiner_environment: tuple[tuple[str, str], ...] = ()
    threads: int = 1
    limits: tuple[tuple[str, float], ...] = ()
    sandbox: bool = True
    pictures: bool = False
    gpu_users: tuple[str, ...] = ()

    def limits_of(self, assignment: Assignment) -> Limits:
        """Give the limits of an assignment in this run."""
        return replace(assignment.limits, **dict(self.limits))


def grade(
    course: Course,
    submissions: Sequence[Submission],
    settings: Settings,
    executor: Executor,
    *,
    force: bool = False,
    tell: Callable[[Step, Verdict], None] = lambda _step, _verdict: None,
    warn: Callable[[str], None] = lambda _line: None,
) -> list[Verdict]:
    """
    Grade submissions and keep the verdicts in the gradebook.

    Parameters
    ----------
    course : Course
        Whose gradebook, and where executed notebooks go.
    submissions : sequence of Submission
        What :func:`find_submissions` gave.
    settings : Settings
        How.
    executor : Executor
        Where papers are run.
    force : bool
        Grade again what was graded from the same submission, master and settings before.
    tell : callable
        Called with each verdict as it is there.
    warn : callable
        Called with a line for a person where the run has to wait for another program.

    Returns
    -------
    list of Verdict
        One for each submission, in their order; ``executed`` is empty, for it lies in ``autograded/``.

    Raises
    ------
    CourseError, GradebookError, GradingError, UnwritableError
        A master, the gradebook or ``autograded/`` is not as it should be, or cannot be written. What was recorded
        before is kept, and the next call goes on there.
    """
    _require_places(course, submissions)
    verdicts: dict[Submission, Verdict] = {}
    assignments = list(dict.fromkeys(submission.assignment for submission in submissions))
    masters = {notebook: read_master(notebook.path) for assignment in assignments for notebook in assignment.notebooks}
    files = {assignment: _files_print(assignment) for assignment in assignments}
    running: dict[Future[Verdict], tuple[Submission, str]] = {}
    done: SimpleQueue[Future[Verdict]] = SimpleQueue()
    with (
        open_gradebook(course, warn=warn) as gradebook,
        data_folder(settings) as data,
        _cancelling(running),
    ):
        gradebook.sync(assignments)
        stored = {assignment.name: gradebook.standing(assignment.name) for assignment in assignments}

        def keep(submission: Submission, verdict: Verdict, fingerprint: str) -> None:
            verdicts[submission] = _keep(course, gradebook, submission, verdict, fingerprint)
            tell(Step.GRADED, verdicts[submission])

        def keep_next() -> None:
            future = done.get()
            submission, fingerprint = running.pop(future)
            try:
                verdict = future.result()
            except Exception as error:  # noqa: BLE001 - whatever it was, the others are graded
                # The machine's failure, not the student's. Without a fingerprint the next call grades it again.
                verdict, fingerprint = _not_run(submission, masters[submission.notebook], error), ""
            keep(submission, verdict, fingerprint)

        for submission in _longest_first(submissions, stored):
            paper = _paper(submission, masters[submission.notebook])
            fingerprint = _fingerprint(paper, settings, submission, files[submission.assignment])
            earlier = stored[submission.assignment.name].pop((submission.student, submission.notebook.name), None)
            is_run = isinstance(paper, Paper)
            # The executed notebook is a part of what was made: it is there exactly where the paper was run.
            is_whole = earlier is not None and _executed_path(course, submission).is_file() == is_run
            if earlier is not None and is_whole and earlier.fingerprint == fingerprint and not force:
                verdicts[submission] = earlier.verdict
                tell(Step.KEPT, earlier.verdict)
            elif isinstance(paper, Verdict):
                keep(submission, paper, fingerprint)
            else:
                under = conditions(course, submission.notebook, paper, settings, data)
                future = executor.submit(conduct_twice, paper, settings.limits_of(submission.assignment), under)
                running[future] = (submission, fingerprint)
                future.add_done_callback(done.put)
            while len(running) >= _HANDED_OUT or not done.empty():
                keep_next()
        while running:
            keep_next()
    return [verdicts[submission] for submission in submissions]


def _longest_first(
    submissions: Sequence[Submission], stored: Mapping[str, Mapping[tuple[str, str], StoredVerdict]]
) -> list[Submission]:
    """
    Order submissions so that no core has a long one left when the others have nothing more to do.

    How long a notebook takes is taken from what was graded of it before. New ones come first: they may be long.
    """
    seconds: dict[tuple[str, str], list[float]] = {}
    for assignment, verdicts in stored.items():
        for (_, notebook), earlier in verdicts.items():
            if earlier.verdict.seconds:  # what was not run says nothing
                seconds.setdefault((assignment, notebook), []).append(earlier.verdict.seconds)
    means = {notebook: fmean(each) for notebook, each in seconds.items()}
    return sorted(
        submissions, key=lambda each: means.get((each.assignment.name, each.notebook.name), math.inf), reverse=True
    )


@contextmanager
def _cancelling(running: Mapping[Future[Verdict], object]) -> Iterator[None]:
    """Let no paper be run for a loop that has failed and will not record it."""
    try:
        yield
    finally:
        for future in running:
            future.cancel()


def _require_places(course: Course, submissions: Iterable[Submission]) -> None:
    """Make sure, before anything is graded, that executed notebooks can be put in place, and nowhere else."""
    for submission in submissions:
        path = _executed_path(course, submission)
        # The folder autograded itself may be a link of the instructor's, to a larger disk perhaps.
        for folder in (path.parents[1], path.parent):
            if folder.is_symlink():
                raise GradingError(
                    f"{folder} is a link to {folder.readlink()}, and nothing is written through a link. Remove it, "
                    "then grade again."
                )
        for folder in (path.parents[2], path.parents[1], path.parent):
            if folder.exists() and not folder.is_dir():
                raise GradingError(f"{folder} is a file where a folder belongs. Move it away, then grade again.")
        if path.is_dir():
            raise GradingError(f"{path} is a folder where a notebook belongs. Move it away, then grade again.")
        nearest = next(folder for folder in path.parents if folder.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise GradingError(
                f"{nearest} may not be written: it is another user's, or its disk is read-only. Executed notebooks go "
                "there. Make it writable for you, then grade again."
            )


def _executed_path(course: Course, submission: Submission) -> Path:
    return course.autograded / submission.student / submission.assignment.name / submission.notebook.path.name


def _paper(submission: Submission, master: NotebookNode) -> Paper | Verdict:
    """Make a paper; a submission that cannot be one has its verdict already."""
    try:
        if not os.path.lexists(submission.path):
            os.scandir(submission.path.parent).close()  # where nothing may be read, nothing is known to be missing
            others = sorted(clean(path.name) for path in submission.path.parent.glob("*.ipynb"))
            found = f" There is {', '.join(others)}: rename it and hand it in again." if others else ""
            message = f"{submission.path.name} was not handed in.{found}"
            return _without_run(submission, master, Status.GRADED, Outcome.MISSING, message)
        _require_own_folder(submission)
        submission_time(submission.path.parent)
        return build_paper(
            master,
            read_submission(submission.path),
            student=submission.student,
            assignment=submission.assignment.name,
            notebook=submission.notebook.name,
        )
    except (SubmissionError, GradebookError) as error:
        return _without_run(submission, master, Status.FAILED, Outcome.ERROR, str(error))
    except OSError as error:
        message = f"{submission.path.name} cannot be read: {error.strerror}. The user who grades must be able to."
        return _without_run(submission, master, Status.FAILED, Outcome.ERROR, message)


def _require_own_folder(submission: Submission) -> None:
    """Make sure that what was handed in lies where it was handed in, and is no master's or other student's file."""
    folder = submission.path.parent
    if folder.resolve() != folder.parents[1].resolve() / folder.parent.name / folder.name:
        raise SubmissionError(
            f"The folder {folder.name} that was handed in is a link to another one. The files themselves are needed."
        )


def _not_run(submission: Submission, master: NotebookNode, error: Exception) -> Verdict:
    what = str(error) if isinstance(error, AutograderError | OSError) else repr(error)
    message = f"The notebook could not be run on this machine: {what} Grade again."
    return _without_run(submission, master, Status.FAILED, Outcome.NOT_REACHED, message)


def _without_run(
    submission: Submission, master: NotebookNode, status: Status, outcome: Outcome, message: str
) -> Verdict:
    cells = tuple(CellVerdict(cell.grade_id, 0.0, cell.points, outcome, message) for cell in _graded(blank(master)))
    return Verdict(submission.student, submission.assignment.name, submission.notebook.name, status, message, cells)


def _graded(cells: Iterable[PaperCell]) -> Iterator[PaperCell]:
    return (cell for cell in cells if cell.is_graded)


def _keep(course: Course, gradebook: Gradebook, submission: Submission, verdict: Verdict, fingerprint: str) -> Verdict:
    """
    Write what came of a submission: first the executed notebook, then, in one transaction, the points.

    The earlier verdict is put in doubt before its notebook goes, so that a run that ends in between is seen. What is
    given back is the verdict without that notebook, of which thousands would fill the memory.
    """
    path = _executed_path(course, submission)
    gradebook.doubt(verdict)
    if verdict.executed:
        write_file(path, verdict.executed.encode())
    else:
        _remove(path)  # of an earlier, readable submission: it must not pass for this one
    # Under names that masters had: nbgrader would make feedback of them.
    names = {notebook.path.name for notebook in submission.assignment.notebooks}
    for left in path.parent.glob("*.ipynb"):
        if left.name not in names:
            _remove(left)
    gradebook.record(verdict, fingerprint, timestamp=_handed_in(submission.path.parent))
    return replace(verdict, executed="")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise GradingError(f"{path} could not be removed: {error.strerror}. Remove it, then grade again.") from error


def conditions(
    course: Course, notebook: NotebookSource, paper: Paper, settings: Settings, data: DataFolder | None
) -> Conditions:
    """Give the conditions under which a paper of a notebook is run; `data` is what :func:`data_folder` gave."""
    draws = settings.pictures or any(cell.role is Role.MANUAL for cell in paper.cells)
    common = kernel_conditions(course, settings)
    return replace(
        common,
        environment={**common.environment, **({} if draws else NO_PICTURES)},
        candidate_environment={"COURSE_DATA": data.path} if data else {},
        examiner_environment=dict(settings.examiner_environment),
        files=str(notebook.path.parent),
        candidate_readable=data.readable if data else (),
        examiner_readable=(dict(settings.environment)["COURSE_DATA"],) if data else (),
        gpu_users=settings.gpu_users if course.assignment(notebook.assignment).gpu else (),
    )


def kernel_conditions(course: Course, settings: Settings) -> Conditions:
    """Give the conditions of any kernel, whatever its paper: threads, profile, what it may read."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return Conditions(
        environment={**dict.fromkeys(names, str(settings.threads)), **dict(settings.environment)},
        readable=_python(course.root) if settings.sandbox else None,
    )


@contextmanager
def data_folder(settings: Settings) -> Iterator[DataFolder | None]:
    """Make the candidates' own data folder, where there is a data folder at all."""
    folder = Path(dict(settings.environment).get("COURSE_DATA", ""))
    if not folder.is_absolute() or not folder.is_dir():
        yield None
        return
    with HeldFolder("data") as place:
        yield without_holdout(folder, place / "data")


@cache
def _python(course: Path) -> tuple[str, ...]:
    return default_readable(course)


def _fingerprint(paper: Paper | Verdict, settings: Settings, submission: Submission, files: str) -> str:
    """Identify all that a verdict is made from: answers, their time, master, files beside it, settings, versions."""
    surroundings = (settings.environment, settings.examiner_environment, settings.sandbox, settings.pictures)
    when = _handed_in(submission.path.parent)
    made_from = (paper, surroundings, settings.limits_of(submission.assignment), files, when)
    return hashlib.sha256(repr((made_from, _versions())).encode()).hexdigest()


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    return tuple(versions("deep-learning-course").items())


def _files_print(assignment: Assignment) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(supporting_files(assignment)):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _handed_in(folder: Path) -> datetime | None:
    try:
        return submission_time(folder)
    except GradebookError:
        return None  # told already: such a submission is not graded
