"""
Mutants: the reference with one small mistake. A hidden test that lets one pass would let a student's mistake pass.

mutmut's operators make the mistakes of any program, :mod:`autograder.audit.operators` those of this field.

Mutants of an exercise are first screened together: one session runs answer and test for each of them, and for the
reference at the end. What the notebook itself does between answer and test, which is to train a network as a rule, is
left out there: the reference passes, or it comes as far as the first name that is missing for that. A mutant that
failed before that is killed. All others, those that passed above all, are judged once more, each in a session of its
own, and with all its cells unless the reference passes without them.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autograder.audit.bank import Bank, Equivalent, Exercise
from autograder.audit.extract import extract, is_for_want_of, without_given
from autograder.audit.judging import Job, Judgement
from autograder.errors import AutograderError
from autograder.grading import Settings
from autograder.paper import PaperCell, with_answers
from autograder.verdict import LOST, Outcome

if TYPE_CHECKING:
    from libcst import CSTNode

_BEGIN, _END = "### BEGIN SOLUTION", "### END SOLUTION"
# One that never ends is killed by its limits; the reference of an exercise needs a small part of these.
_CALL_SECONDS, _LEAST_SECONDS, _TIMES_AS_LONG = 5.0, 20.0, 10.0
_AT_ONCE = 20
# These make a program that ends at once with an error, which says nothing about a test.
_TOO_CRUDE = frozenset({"operator_assignment"})


class MutationError(AutograderError):
    """Mutants cannot be made; the message says what is missing."""


@dataclass(frozen=True)
class Mutant:
    """
    A reference with one mistake.

    Attributes
    ----------
    exercise : str
        Grade id of the answer cell.
    source : str
        The cell with the mistake.
    line, becomes : str
        What was changed, without indentation: the line or lines before and after.
    diff : str
        The change, for people.
    """

    exercise: str
    source: str
    line: str
    becomes: str
    diff: str

    def fits(self, entry: Equivalent) -> bool:
        """Whether an entry of the bank speaks of this mutant."""
        return (self.exercise, self.line, self.becomes) == (entry.exercise, _bare(entry.line), _bare(entry.becomes))


@dataclass(frozen=True)
class Attack:
    """
    A mutant and the job that judges it.

    Attributes
    ----------
    bank : Bank
        Whose reference.
    mutant : Mutant
        The mutant.
    tests : tuple of str
        The tests of its exercise: one of them must not give full points.
    job : Job
        How it is judged.
    """

    bank: Bank
    mutant: Mutant
    tests: tuple[str, ...]
    job: Job

    def is_survived(self, judgement: Judgement) -> bool:
        """Whether the tests took the mutant for the reference."""
        return judgement.passes(self.tests)

    def shortened(self) -> Attack:
        """Give the same attack without what the notebook does after the answer."""
        paper, _ = without_given(self.job.paper, self.mutant.exercise)
        return replace(self, job=replace(self.job, paper=paper))

    @property
    def explanation(self) -> str:
        """Why the mutant is as good as the reference, if the bank says so; else empty."""
        own = [entry.why for entry in self.bank.equivalents if self.mutant.fits(entry)]
        free = [entry.why for entry in self.bank.free if entry.exercise == self.mutant.exercise]
        return next(iter([*own, *free]), "")


@dataclass(frozen=True)
class Screening:
    """
    Mutants of one exercise that are judged one after the other in one session.

    Attributes
    ----------
    attacks : tuple of Attack
        The mutants; the session ends with the reference.
    job : Job
        How they are judged.
    missing : frozenset of str
        Names that are not there, because the cells that bind them are left out.
    """

    attacks: tuple[Attack, ...]
    job: Job
    missing: frozenset[str] = frozenset()

    def undecided(self, judgement: Judgement) -> list[Attack]:
        """Give the mutants that are not surely killed: all, if the reference suffered from them."""
        *of_mutants, of_reference = (
            [judgement.cells[_marked(test, number)] for test in self.attacks[0].tests]
            for number in range(len(self.attacks) + 1)
        )
        if not all(cell.outcome is Outcome.PASSED or is_for_want_of(cell, self.missing) for cell in of_reference):
            return list(self.attacks)
        left = [
            attack
            for attack, of_one in zip(self.attacks, of_mutants, strict=True)
            if not any(cell.outcome in LOST and not is_for_want_of(cell, self.missing) for cell in of_one)
        ]
        needs_nothing_more = all(cell.outcome is Outcome.PASSED for cell in of_reference)
        return [attack.shortened() for attack in left] if needs_nothing_more else left


def attacks(bank: Bank, settings: Settings) -> list[Attack]:
    """Give the attacks by all mutants of an assignment's reference."""
    found = []
    for exercise in bank.exercises:
        source = next(cell.source for cell in bank.reference.cells if cell.grade_id == exercise.grade_id)
        for number, mutant in enumerate(mutants(exercise.grade_id, source), start=1):
            answered = with_answers(bank.reference, {exercise.grade_id: mutant.source})
            paper = extract(answered, exercise.tests, [exercise.grade_id])
            name = f"{bank.assignment.name} {exercise.grade_id}: mutant {number}"
            job = Job(name, bank.notebook, paper, settings.limits_of(bank.assignment), settings)
            found.append(Attack(bank, mutant, exercise.tests, job))
    return found


def reference_job(bank: Bank, exercise: Exercise, settings: Settings) -> Job:
    """Give the job that judges the reference by the tests of one exercise."""
    paper = extract(bank.reference, exercise.tests, [exercise.grade_id])
    name = f"{bank.assignment.name} {exercise.grade_id}: the reference"
    return Job(name, bank.notebook, paper, settings.limits_of(bank.assignment), settings)


def limited(attack: Attack, seconds: float) -> Attack:
    """Give an attack that ends soon, knowing how many seconds the reference needs for the same cells."""
    limits = attack.job.limits
    most = max(_LEAST_SECONDS, _TIMES_AS_LONG * seconds)
    short = replace(
        limits,
        cell_timeout=min(limits.cell_timeout, most),
        notebook_timeout=min(limits.notebook_timeout, 2 * most),
        call_timeout=min(limits.call_timeout, max(_CALL_SECONDS, seconds)),
    )
    return replace(attack, job=replace(attack.job, limits=short))


def screenings(attacks_of_one: Sequence[Attack]) -> Iterator[Screening]:
    """Put the attacks on one exercise together for screening."""
    for start in range(0, len(attacks_of_one), _AT_ONCE):
        batch = tuple(attacks_of_one[start : start + _AT_ONCE])
        first = batch[0]
        grade_id = first.mutant.exercise
        source = next(cell.source for cell in first.bank.reference.cells if cell.grade_id == grade_id)
        short, missing = without_given(first.job.paper, grade_id)
        cells = short.cells
        begin = next(index for index, cell in enumerate(cells) if cell.grade_id == grade_id)
        variants = [*(attack.mutant.source for attack in batch), source]
        repeated = [
            _numbered(cell, number, {grade_id, *first.tests}, variant if cell.grade_id == grade_id else cell.source)
            for number, variant in enumerate(variants)
            for cell in cells[begin:]
        ]
        limits = first.job.limits
        longer = replace(limits, notebook_timeout=len(variants) * limits.notebook_timeout)
        paper = replace(short, cells=(*cells[:begin], *repeated))
        name = f"{first.bank.assignment.name} {grade_id}: mutants {start + 1} to {start + len(batch)}"
        yield Screening(batch, replace(first.job, name=name, paper=paper, limits=longer), missing)


def _numbered(cell: PaperCell, number: int, marked: Collection[str], source: str) -> PaperCell:
    """Give a cell that may stand several times in a paper."""
    return replace(
        cell,
        cell_id=f"{cell.cell_id[:56]}-{number}",
        grade_id=_marked(cell.grade_id, number) if cell.grade_id in marked else cell.grade_id,
        answers=tuple(_marked(answer, number) if answer in marked else answer for answer in cell.answers),
        source=source,
    )


def _marked(grade_id: str, number: int) -> str:
    return f"{grade_id}#{number}"


def stale(bank: Bank, survivors: Sequence[Mutant]) -> list[Equivalent]:
    """Give the entries of equivalent mutants that explain none: the reference was changed, or a test kills it."""
    return [entry for entry in bank.equivalents if not any(mutant.fits(entry) for mutant in survivors)]


def mutants(exercise: str, source: str) -> Iterator[Mutant]:
    """
    Give the mutants of an answer cell, each different from the others and from the reference.

    Parameters
    ----------
    exercise : str
        Grade id of the cell.
    source : str
        The cell, with the marks of its solution; only what stands between them is changed.
    """
    seen = {_meaning(source)}
    for code in _variants(source):
        try:
            meaning = _meaning(code)
        except (SyntaxError, ValueError):
            continue
        if meaning not in seen:
            seen.add(meaning)
            yield _mutant(exercise, source, code)


def _variants(source: str) -> Iterator[str]:
    try:
        import libcst as cst
        from libcst.metadata import MetadataWrapper, PositionProvider
        from mutmut.mutation.mutators import mutation_operators

        from autograder.audit.operators import OPERATORS
    except ImportError as error:
        raise MutationError(f"Mutants need mutmut: install the course with its 'dev' extra ({error}).") from error
    inside = _solution_lines(source)
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    operators = [each for each in mutation_operators if each[1].__name__ not in _TOO_CRUDE] + [*OPERATORS]
    nodes = [node for node in _walk(wrapper.module) if node in positions]
    for node in nodes:
        place = positions[node]
        if not (place.start.line in inside and place.end.line in inside) or isinstance(node, cst.Annotation):
            continue
        for kind, operator in operators:
            if isinstance(node, kind):
                for other in operator(node):
                    yield wrapper.module.deep_replace(node, other).code


def _walk(node: CSTNode) -> Iterator[CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _solution_lines(source: str) -> frozenset[int]:
    inside, lines = False, set()
    for number, line in enumerate(source.splitlines(), start=1):
        if line.strip() == _BEGIN:
            inside = True
        elif line.strip() == _END:
            inside = False
        elif inside:
            lines.add(number)
    return frozenset(lines)


def _meaning(source: str) -> str:
    return ast.dump(ast.parse(source))


def _mutant(exercise: str, source: str, code: str) -> Mutant:
    diff = list(difflib.unified_diff(source.splitlines(), code.splitlines(), lineterm="", n=1))[2:]
    before = "\n".join(line[1:] for line in diff if line.startswith("-"))
    after = "\n".join(line[1:] for line in diff if line.startswith("+"))
    return Mutant(exercise, code, _bare(before), _bare(after), "\n".join(diff))


def _bare(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())
