"""
The answer bank: right and wrong answers to every exercise, and what the tests must make of them.

``tests/answers/<assignment>.toml`` has three kinds of entries. ``[[right]]`` is an answer that must get all points,
``[[wrong]]`` one that must not, and ``[[equivalent]]`` explains a mutant of the reference that no test can kill:

    [[wrong]]
    exercise = "sigmoid"                  # the answer cell that it replaces; all others hold the reference
    name = "e^x"
    why = "the sign of the exponent is forgotten"
    says = "the sign of the exponent"     # words, or a list of them, that the student's message must hold
    code = '''
    def sigmoid(x):
        return 1 / (1 + np.exp(x))
    '''
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from autograder.build import read_master
from autograder.course import Assignment, Course, CourseError, NotebookSource
from autograder.paper import Paper, Role, blank, build_paper, parse_submission
from autograder.sample import Case, read_entries, submission_bytes

ANSWERS = "tests/answers"
"""Folder of the course with a file of answers for each assignment."""

TO_COME = "to_come.toml"
"""File in it with the names of the assignments whose answers are still to be written."""

LEAST_RIGHT, LEAST_WRONG = 4, 6
"""How many answers of either kind an exercise needs."""


@dataclass(frozen=True)
class Answer:
    """
    An answer to one exercise, and what is to come of it.

    Attributes
    ----------
    exercise : str
        Grade id of the answer cell that it replaces.
    name : str
        What it is called; unlike the exercise's others.
    why : str
        What is special in it, or wrong with it.
    code : str
        The cell.
    is_right : bool
        Whether it must get all points.
    fails : tuple of str
        Of a wrong one: the tests that must not give full points; the exercise's own where it names none.
    says : tuple of str
        Of a wrong one: words that the messages of these tests must hold.
    reaches : bool
        Of a wrong one: whether it reaches for a target, so that calibration must know how far it comes.
    """

    exercise: str
    name: str
    why: str
    code: str
    is_right: bool = False
    fails: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    reaches: bool = False


@dataclass(frozen=True)
class Equivalent:
    """
    A mutant of the reference that no test can tell from it, and why.

    Attributes
    ----------
    exercise : str
        Grade id of the answer cell.
    line, becomes : str
        The changed line or lines before and after, without indentation. Line numbers play no part.
    why : str
        Why it does the same.
    """

    exercise: str
    line: str
    becomes: str
    why: str


@dataclass(frozen=True)
class Free:
    """
    An exercise that asks for a result and leaves the way to it free: a mutant that comes so far is right as well.

    Attributes
    ----------
    exercise : str
        Grade id of the answer cell.
    why : str
        What is free, and what is asked.
    """

    exercise: str
    why: str


@dataclass(frozen=True)
class Exercise:
    """
    An answer cell and the tests that judge it.

    Attributes
    ----------
    grade_id : str
        The answer cell.
    tests : tuple of str
        Grade ids of its tests.
    points : float
        What they are worth together.
    """

    grade_id: str
    tests: tuple[str, ...]
    points: float


@dataclass(frozen=True)
class Bank:
    """
    All that is known of the answers to an assignment.

    Attributes
    ----------
    assignment : Assignment
        Which.
    notebook : NotebookSource
        Its master's place.
    reference : Paper
        The master with its own solutions as answers.
    master : NotebookNode
        The master.
    exercises : tuple of Exercise
        What is to be answered, in the master's order.
    answers : tuple of Answer
        The bank's entries.
    equivalents : tuple of Equivalent
        The explained mutants.
    free : tuple of Free
        The exercises in which all mutants are explained that reach what is asked.
    path : Path
        The bank's file, whether it is there or not.
    """

    assignment: Assignment
    notebook: NotebookSource
    reference: Paper
    master: NotebookNode = field(hash=False, compare=False)
    exercises: tuple[Exercise, ...]
    answers: tuple[Answer, ...]
    equivalents: tuple[Equivalent, ...]
    free: tuple[Free, ...]
    path: Path

    def exercise(self, grade_id: str) -> Exercise:
        """Give the exercise of an answer cell."""
        return next(each for each in self.exercises if each.grade_id == grade_id)


def read_bank(course: Course, assignment: Assignment) -> Bank:
    """
    Read the answers to an assignment; none where it has no file.

    Raises
    ------
    CourseError
        The file cannot be read, or speaks of a cell that the master does not have.
    """
    (notebook, *more) = assignment.notebooks
    if more:
        raise CourseError(f"{assignment.name} has several notebooks; an answer bank is made for one.")
    master = read_master(notebook.path)
    path = course.root / ANSWERS / f"{assignment.name}.toml"
    answers: list[Answer] = []
    equivalents: list[Equivalent] = []
    free: list[Free] = []
    if path.is_file():
        _allow_tables(path)
        needed = ("exercise", "name", "why", "code")
        right = read_entries(path, "right", Answer, needed=needed, computed=("is_right", "fails", "says", "reaches"))
        wrong = read_entries(path, "wrong", Answer, needed=(*needed, "says"), computed=("is_right",))
        answers = [_as_right(each) for each in right] + [_with_tuples(each) for each in wrong]
        needed = ("exercise", "line", "becomes", "why")
        equivalents = read_entries(path, "equivalent", Equivalent, needed=needed)
        free = read_entries(path, "free", Free, needed=("exercise", "why"))
    bank = Bank(
        assignment,
        notebook,
        reference_paper(assignment, notebook, master),
        master,
        tuple(_exercises(master)),
        tuple(answers),
        tuple(equivalents),
        tuple(free),
        path,
    )
    _check(bank)
    return bank


def reference_paper(assignment: Assignment, notebook: NotebookSource, master: NotebookNode) -> Paper:
    """Give the paper of the student who hands in the reference."""
    submission = parse_submission(submission_bytes(Case("reference", "The reference itself"), master), "the reference")
    return build_paper(master, submission, student="reference", assignment=assignment.name, notebook=notebook.path.stem)


def shortcomings(course: Course, banks: Sequence[Bank]) -> list[str]:
    """
    Say what is missing in the banks: each exercise needs right and wrong answers.

    An assignment that ``to_come.toml`` lists may lack them; one that lacks nothing may not be listed.
    """
    to_come = _to_come(course)
    found = []
    for bank in banks:
        missing = list(_missing(bank))
        if bank.assignment.name not in to_come:
            found += missing
        elif not missing:
            found.append(f"{bank.assignment.name} has all its answers now: take it out of {ANSWERS}/{TO_COME}.")
    return found


def _missing(bank: Bank) -> Iterator[str]:
    for exercise in bank.exercises:
        own = [answer for answer in bank.answers if answer.exercise == exercise.grade_id]
        right = sum(answer.is_right for answer in own)
        wrong = len(own) - right
        lacks = [
            f"{count} {kind} answers of the {least} that are needed"
            for count, kind, least in ((right, "right", LEAST_RIGHT), (wrong, "wrong", LEAST_WRONG))
            if count < least
        ]
        if lacks:
            yield (
                f"{bank.assignment.name}, exercise '{exercise.grade_id}': there are {' and '.join(lacks)}. Write them "
                f"into {ANSWERS}/{bank.path.name}, as [[right]] and [[wrong]]; a wrong one is a mistake that students "
                "make, with words of the message that names it."
            )


def _to_come(course: Course) -> frozenset[str]:
    path = course.root / ANSWERS / TO_COME
    if not path.is_file():
        return frozenset()
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return frozenset(content["assignments"])


def _exercises(master: NotebookNode) -> Iterator[Exercise]:
    frame = blank(master)
    tests = [cell for cell in frame if cell.role is Role.TEST]
    for cell in frame:
        own = [test for test in tests if cell.grade_id in test.answers]
        if cell.role is Role.ANSWER and own:
            yield Exercise(cell.grade_id, tuple(test.grade_id for test in own), sum(test.points for test in own))


def _allow_tables(path: Path) -> None:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be read: {error}.") from error
    known = ("right", "wrong", "equivalent", "free")
    unknown = set(content) - set(known)
    if unknown:
        there = ", ".join(f"[[{name}]]" for name in known)
        raise CourseError(f"{path}: unknown table {', '.join(sorted(unknown))}. There are {there}.")


def _as_right(answer: Answer) -> Answer:
    return Answer(answer.exercise, answer.name, answer.why, answer.code, is_right=True)


def _with_tuples(answer: Answer) -> Answer:
    fails, says = _texts(answer.fails), _texts(answer.says)
    return Answer(answer.exercise, answer.name, answer.why, answer.code, False, fails, says, answer.reaches)


def _texts(value: object) -> tuple[str, ...]:
    """Give what a file has as one text or as a list of them."""
    return (value,) if isinstance(value, str) else tuple(map(str, value)) if isinstance(value, tuple) else ()


def _check(bank: Bank) -> None:
    exercises = {exercise.grade_id for exercise in bank.exercises}
    tests = {test for exercise in bank.exercises for test in exercise.tests}
    seen = set()
    entries: tuple[Answer | Equivalent | Free, ...] = (*bank.answers, *bank.equivalents, *bank.free)
    for grade_id in (each.exercise for each in entries):
        if grade_id not in exercises:
            raise CourseError(f"{bank.path}: '{grade_id}' is no exercise. There are {', '.join(sorted(exercises))}.")
    for answer in bank.answers:
        for test in answer.fails:
            if test not in tests:
                raise CourseError(f"{bank.path}: {answer.exercise}, {answer.name}: there is no test '{test}'.")
        if (answer.exercise, answer.name) in seen:
            raise CourseError(f"{bank.path}: {answer.exercise} has two answers called '{answer.name}'.")
        seen.add((answer.exercise, answer.name))
        if not answer.is_right and not (answer.says and all(words.strip() for words in answer.says)):
            raise CourseError(
                f"{bank.path}: {answer.exercise}, {answer.name}: a wrong answer says which words the message must hold."
            )
