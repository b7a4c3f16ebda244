"""What the tests make of the bank's answers: right ones refused, wrong ones accepted, and what the messages say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import zip_longest

from autograder.audit.bank import Answer, Bank
from autograder.audit.extract import dependent_tests, extract, is_for_want_of, without_given
from autograder.audit.judging import Job, Judgement
from autograder.build import release_notebook
from autograder.grading import Settings
from autograder.notebook import notebook_text
from autograder.paper import with_answers
from autograder.verdict import LOST, Outcome

_SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
_HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])\d[\d_,]*(?:\.\d+)?(?![\w])")
# A shorter line of code may be in any sentence.
_LEAST_CHARACTERS = 16
_LEAST_DIGITS = 2


class Fault(StrEnum):
    """What can be wrong with a test."""

    ACCEPTS = "false accept"
    REFUSES = "false reject"
    SILENT = "does not name the mistake"
    TELLS = "gives away"
    OWN = "the test itself failed"


@dataclass(frozen=True)
class Finding:
    """
    A fault that an answer has brought to light.

    Attributes
    ----------
    assignment, exercise : str
        Where.
    answer : str
        Which answer of the bank.
    fault : Fault
        What is wrong.
    text : str
        What came of it.
    """

    assignment: str
    exercise: str
    answer: str
    fault: Fault
    text: str

    def __str__(self) -> str:
        return f"{self.assignment} {self.exercise} <- {self.answer}: {self.fault.value}: {self.text}"


@dataclass(frozen=True)
class Trial:
    """
    An answer and the job that judges it.

    Attributes
    ----------
    bank : Bank
        Whose.
    answer : Answer
        The answer.
    tests : tuple of str
        The tests that are looked at: of a right answer all that need it, of a wrong one those that it must fail.
    job : Job
        How it is judged.
    """

    bank: Bank
    answer: Answer
    tests: tuple[str, ...]
    job: Job


def trials(bank: Bank, settings: Settings) -> list[Trial]:
    """Give the trials of all answers of a bank."""
    found = []
    for answer in bank.answers:
        paper = with_answers(bank.reference, {answer.exercise: answer.code})
        own = bank.exercise(answer.exercise).tests
        tests = dependent_tests(paper, answer.exercise) if answer.is_right else answer.fails or own
        part = extract(paper, tests, [answer.exercise])
        name = f"{bank.assignment.name} {answer.exercise}: {answer.name}"
        job = Job(name, bank.notebook, part, settings.limits_of(bank.assignment), settings)
        found.append(Trial(bank, answer, tests, job))
    return found


@dataclass(frozen=True)
class Screening:
    """
    A wrong answer that is judged without what the notebook does with it: no network is trained to see it fail.

    Attributes
    ----------
    trial : Trial
        The answer.
    job : Job
        How it is judged.
    missing : frozenset of str
        Names that are not there.
    """

    trial: Trial
    job: Job
    missing: frozenset[str]

    def decides(self, judgement: Judgement) -> bool:
        """Whether each test has failed before it came to a name that is missing."""
        return all(
            verdict.outcome in LOST and not verdict.staff_note and not is_for_want_of(verdict, self.missing)
            for verdict in (judgement.cells[test] for test in self.trial.tests)
        )


def screenings(alone: Sequence[Trial]) -> Iterator[Screening]:
    """Give the wrong answers of which something can be left out."""
    for trial in alone:
        if not trial.answer.is_right:
            paper, missing = without_given(trial.job.paper, trial.answer.exercise)
            if missing:
                job = replace(trial.job, name=f"{trial.job.name}, before training", paper=paper)
                yield Screening(trial, job, missing)


@dataclass(frozen=True)
class Company:
    """
    Right answers to different exercises that stand in one paper.

    Attributes
    ----------
    trials : tuple of Trial
        One for each of the answers.
    job : Job
        How all of them are judged at once.
    """

    trials: tuple[Trial, ...]
    job: Job

    def accepts(self, trial: Trial, judgement: Judgement) -> bool:
        """Whether an answer got full points in this company; if it did not, one of the others may be to blame."""
        return judgement.passes(trial.tests) and not any(judgement.cells[test].staff_note for test in trial.tests)


def companies(alone: Sequence[Trial]) -> list[Company]:
    """
    Put the right answers of a bank together: the first ones of all exercises, the second ones, and so on.

    They are to get full points, as a student has written them all. So a training is paid for once, and not again for
    each answer that a network is made with.
    """
    of_exercise: dict[str, list[Trial]] = {}
    for trial in alone:
        if trial.answer.is_right:
            of_exercise.setdefault(trial.answer.exercise, []).append(trial)
    found: list[Company] = []
    for row in zip_longest(*of_exercise.values()):
        together = tuple(trial for trial in row if trial is not None)
        if len(together) > 1:
            first = together[0]
            answers = {trial.answer.exercise: trial.answer.code for trial in together}
            tests = tuple(dict.fromkeys(test for trial in together for test in trial.tests))
            paper = extract(with_answers(first.bank.reference, answers), tests, list(answers))
            name = f"{first.bank.assignment.name}: right answers, number {len(found) + 1}"
            found.append(Company(together, replace(first.job, name=name, paper=paper)))
    return found


def findings(trial: Trial, judgement: Judgement) -> Iterator[Finding]:
    """Compare what came of an answer with what should have come."""
    answer = trial.answer

    def found(fault: Fault, text: str) -> Finding:
        return Finding(trial.bank.assignment.name, answer.exercise, answer.name, fault, text)

    verdicts = [judgement.cells[test] for test in trial.tests]
    for verdict in verdicts:
        if verdict.staff_note:
            yield found(Fault.OWN, f"{verdict.grade_id}: {verdict.staff_note}")
        if answer.is_right and verdict.outcome is not Outcome.PASSED:
            yield found(Fault.REFUSES, f"{verdict.grade_id}: {verdict.message}")
        if not answer.is_right and verdict.outcome is Outcome.PASSED:
            yield found(Fault.ACCEPTS, f"{verdict.grade_id} gives full points. {answer.why}")
    if answer.is_right or judgement.passes(trial.tests):
        return
    said = "\n".join(verdict.message for verdict in verdicts)
    for words in answer.says:
        if words not in said:
            yield found(Fault.SILENT, f"{words!r} is not in {said!r}")
    for secret in secrets_in(trial.bank, answer, said):
        yield found(Fault.TELLS, f"{secret!r} in {said!r}")


def secrets_in(bank: Bank, answer: Answer, message: str) -> Iterator[str]:
    """
    Find what a student's message must not hold.

    Lines of the reference and of hidden tests; and numbers that the reference sets as answers and that neither the
    released notebook nor the student's own answer has.
    """
    tests = bank.exercise(answer.exercise).tests
    for line in dict.fromkeys(_secret_lines(bank, answer.exercise, tests)):
        if line in message and line not in answer.code:
            yield line
    known = _numbers_in(_released(bank)) | _numbers_in(answer.code)
    for number in sorted(_answer_numbers(bank, answer.exercise) - known):
        if number in _numbers_in(message):
            yield number


def _secret_lines(bank: Bank, exercise: str, tests: Sequence[str]) -> Iterator[str]:
    for cell in bank.master.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        pattern = _SOLUTION if grade_id == exercise else _HIDDEN if grade_id in tests else None
        for region in pattern.findall(cell.source) if pattern else ():
            lines = (line.strip() for line in region.splitlines())
            yield from (line for line in lines if len(line) >= _LEAST_CHARACTERS)


def _answer_numbers(bank: Bank, exercise: str) -> set[str]:
    """Give the numbers that the reference of an exercise assigns, as plain numbers, to names."""
    source = next(cell.source for cell in bank.reference.cells if cell.grade_id == exercise)
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and not any(
            isinstance(each, ast.Call | ast.Name) for each in ast.walk(node.value)
        ):
            found |= _numbers_in(ast.unparse(node.value))
    return found


def _numbers_in(text: str) -> set[str]:
    plain = (re.sub(r"[_,]", "", number) for number in _NUMBER.findall(text))
    return {number for number in plain if len(number) >= _LEAST_DIGITS}


def _released(bank: Bank) -> str:
    return _released_text(notebook_text(bank.master))


@lru_cache(maxsize=32)
def _released_text(text: str) -> str:
    from autograder.notebook import parse_notebook

    released = release_notebook(parse_notebook(text, name="the master"))
    return "\n".join(cell.source for cell in released.cells)


def reference_trial(bank: Bank, settings: Settings) -> Job:
    """Give the job that judges the whole reference."""
    name = f"{bank.assignment.name}: the reference"
    return Job(name, bank.notebook, bank.reference, settings.limits_of(bank.assignment), settings)


def unsteady(judgements: Sequence[Judgement]) -> Mapping[str, list[float]]:
    """Give the tests whose score is not the same in all judgements, with the scores."""
    scores = {test: [judgement.cells[test].score for judgement in judgements] for test in judgements[0].cells}
    return {test: found for test, found in scores.items() if len(set(found)) > 1}
