"""The audit itself: what is judged, in which order, and what came of it for each exercise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autograder.audit import mutation
from autograder.audit.bank import Bank, Exercise
from autograder.audit.calibration import CalibrationError, measure, tests_with_targets
from autograder.audit.fairness import (
    Company,
    Fault,
    Finding,
    Trial,
    companies,
    findings,
    reference_trial,
    screenings,
    trials,
    unsteady,
)
from autograder.audit.judging import Bench, Job, Judgement
from autograder.audit.mutation import Attack, Mutant, attacks, limited, reference_job, stale
from autograder.grading import Settings

Tell = Callable[[str], None]
CHEAP_TIMES, DEAR_TIMES, CHEAP_SECONDS = 100, 10, 10.0
"""How often a reference is judged to see whether its scores are steady, and what counts as cheap."""
RIGHT_ANSWERS_SHARE = 10
"""A right answer is judged that many times less often than a reference when the scores' steadiness is looked at."""


@dataclass
class ExerciseAudit:
    """
    What the audit found of one exercise.

    Attributes
    ----------
    assignment : str
        Its assignment.
    exercise : Exercise
        Which.
    right, wrong : int
        How many answers of either kind were judged.
    findings : list of Finding
        The faults that they brought to light.
    mutants : int
        How many mutants there are.
    survivors : list of Mutant
        Those that the tests accept, without an explanation.
    explained : list of (Mutant, str)
        Those that they accept, and why they do the same as the reference.
    seconds : float
        How long all of it took.
    """

    assignment: str
    exercise: Exercise
    right: int = 0
    wrong: int = 0
    findings: list[Finding] = field(default_factory=list)
    mutants: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    explained: list[tuple[Mutant, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def score(self) -> float | None:
        """Share of the mutants that were killed, of those that can be; None where there are none."""
        possible = self.mutants - len(self.explained)
        return (possible - len(self.survivors)) / possible if possible else None

    @property
    def killed(self) -> int:
        """How many mutants lost points."""
        return self.mutants - len(self.explained) - len(self.survivors)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many false accepts, false rejects and faults in messages."""
        faults = [finding.fault for finding in self.findings]
        accepts, refuses = faults.count(Fault.ACCEPTS), faults.count(Fault.REFUSES)
        return accepts, refuses, len(faults) - accepts - refuses


@dataclass
class Audit:
    """
    What the audit found.

    Attributes
    ----------
    exercises : dict of (str, str) to ExerciseAudit
        By assignment and exercise.
    problems : list of str
        What is wrong beyond single exercises: missing answers, stale entries, scores that change.
    repeated : int
        How many judgements were made to see whether scores are steady.
    unsteady : int
        How many scores changed.
    """

    exercises: dict[tuple[str, str], ExerciseAudit] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    repeated: int = 0
    unsteady: int = 0

    def of(self, bank: Bank, grade_id: str) -> ExerciseAudit:
        """Give what was found of an exercise."""
        key = (bank.assignment.name, grade_id)
        return self.exercises.setdefault(key, ExerciseAudit(bank.assignment.name, bank.exercise(grade_id)))

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found that has to be mended."""
        return not self.problems and not any(each.findings or each.survivors for each in self.exercises.values())


def audit_bank(audit: Audit, bench: Bench, banks: Sequence[Bank], settings: Settings, tell: Tell) -> None:
    """Judge the answers of the banks: right ones of different exercises together, all others alone."""
    every = [trials(bank, settings) for bank in banks]
    accepted = {trial.job.key for trial in _accepted_together(bench, every, tell)}
    planned: dict[str, Trial] = {}
    for trial in (each for of_bank in every for each in of_bank):
        if trial.job.key in accepted:
            audit.of(trial.bank, trial.answer.exercise).right += 1
        else:
            planned[trial.job.key] = trial
    judged = _screened(bench, list(planned.values()), tell)
    judged |= _judge(bench, [trial.job for key, trial in planned.items() if key not in judged], tell)
    for key, judgement in judged.items():
        trial = planned[key]
        entry = audit.of(trial.bank, trial.answer.exercise)
        entry.right += trial.answer.is_right
        entry.wrong += not trial.answer.is_right
        entry.findings += findings(trial, judgement)
        entry.seconds += judgement.seconds


def _screened(bench: Bench, alone: Sequence[Trial], tell: Tell) -> dict[str, Judgement]:
    """Judge the wrong answers that fail before anything is trained, by the keys of their whole jobs."""
    planned = {each.job.key: each for each in screenings(alone) if not bench.kept(each.trial.job)}
    judged = _judge(bench, [each.job for each in planned.values()], tell)
    return {each.trial.job.key: judged[key] for key, each in planned.items() if each.decides(judged[key])}


def _accepted_together(bench: Bench, every: Sequence[Sequence[Trial]], tell: Tell) -> list[Trial]:
    """Give the right answers that were accepted in company; whatever was judged alone before is left to that."""
    found = [company for alone in every for company in companies(alone)]
    planned = {
        company.job.key: company
        for company in found
        if bench.kept(company.job) or not all(bench.kept(trial.job) for trial in company.trials)
    }
    judged = _judge(bench, [company.job for company in planned.values()], tell)
    return [
        trial for key, company in planned.items() for trial in company.trials if company.accepts(trial, judged[key])
    ]


def _right_together(every: Sequence[Trial]) -> list[Trial | Company]:
    """Give the right answers, those of different exercises in one paper, so that each training is paid for once."""
    found = companies(every)
    placed = {trial.job.key for company in found for trial in company.trials}
    alone = [trial for trial in every if trial.answer.is_right and trial.job.key not in placed]
    return [*found, *alone]


def audit_mutants(audit: Audit, bench: Bench, banks: Sequence[Bank], settings: Settings, tell: Tell) -> None:
    """Judge the mutants of the references: screen them together, then those that passed each alone."""
    references = {
        job.key: (bank, exercise)
        for bank in banks
        for exercise in bank.exercises
        for job in [reference_job(bank, exercise, settings)]
    }
    jobs = [reference_job(bank, exercise, settings) for bank, exercise in references.values()]
    seconds = {}
    for key, judgement in _judge(bench, jobs, tell).items():
        bank, exercise = references[key]
        seconds[bank.assignment.name, exercise.grade_id] = judgement.seconds
        audit.of(bank, exercise.grade_id).seconds += judgement.seconds
        if not judgement.passes(exercise.tests):
            said = "; ".join(judgement.cells[test].message for test in exercise.tests)
            audit.problems.append(f"{bank.assignment.name} {exercise.grade_id}: the reference itself fails: {said}")
    planned: dict[tuple[str, str], list[Attack]] = {}
    for bank in banks:
        for attack in attacks(bank, settings):
            place = (bank.assignment.name, attack.mutant.exercise)
            planned.setdefault(place, []).append(limited(attack, seconds[place]))
            audit.of(bank, attack.mutant.exercise).mutants += 1
    screened = {each.job.key: each for of_one in planned.values() for each in mutation.screenings(of_one)}
    alone: list[Attack] = []
    for key, judgement in _judge(bench, [each.job for each in screened.values()], tell).items():
        screening = screened[key]
        first = screening.attacks[0]
        audit.of(first.bank, first.mutant.exercise).seconds += judgement.seconds
        alone += screening.undecided(judgement)
    judged = _judge(bench, [attack.job for attack in alone], tell)
    survived = []
    for attack in alone:
        entry = audit.of(attack.bank, attack.mutant.exercise)
        entry.seconds += judged[attack.job.key].seconds
        if attack.is_survived(judged[attack.job.key]):
            survived.append(attack.mutant)
            if attack.explanation:
                entry.explained.append((attack.mutant, attack.explanation))
            else:
                entry.survivors.append(attack.mutant)
    for bank in banks:
        audit.problems += [
            f"{bank.path.name}: the equivalent mutant of '{each.exercise}', {each.line!r} -> {each.becomes!r}, is none "
            "any more: no such mutant is made, or a test kills it. Take the entry out."
            for each in stale(bank, survived)
        ]
        measured = tests_with_targets(bank.reference) if bank.free else ()
        audit.problems += [
            f"{bank.path.name}: '{each.exercise}' cannot be free: no test of it looks up a target. Say of each mutant "
            "that the tests accept why it does the same, as [[equivalent]]."
            for each in bank.free
            if not set(measured) & set(bank.exercise(each.exercise).tests)
        ]


def audit_steadiness(
    audit: Audit, bench: Bench, banks: Sequence[Bank], settings: Settings, times: int | None, tell: Tell
) -> None:
    """
    Judge references many times and right answers some times: no score may change.

    Parameters
    ----------
    times : int, optional
        How often a reference is judged; else a hundred times where it takes seconds, and ten times where it takes long.
    """
    first = _judge(bench, [reference_trial(bank, settings) for bank in banks], tell)
    planned: list[tuple[Bank, str, list[Job]]] = []
    for bank in banks:
        job = reference_trial(bank, settings)
        often = times or (CHEAP_TIMES if first[job.key].seconds < CHEAP_SECONDS else DEAR_TIMES)
        planned.append((bank, "the reference", _rounds(job, often)))
        some = max(2, often // RIGHT_ANSWERS_SHARE)
        planned += [
            (bank, each.job.name.removeprefix(f"{bank.assignment.name}: "), _rounds(each.job, some))
            for each in _right_together(trials(bank, settings))
        ]
    judged = _judge(bench, [job for *_, jobs in planned for job in jobs], tell)
    for bank, name, jobs in planned:
        audit.repeated += len(jobs)
        for test, scores in unsteady([judged[job.key] for job in jobs]).items():
            audit.unsteady += 1
            found = ", ".join(f"{score:g} ({scores.count(score)} times)" for score in sorted(set(scores)))
            audit.problems.append(f"{bank.assignment.name}, {name}: the score of {test} changes: {found}.")


def audit_targets(
    audit: Audit,
    bench: Bench,
    banks: Sequence[Bank],
    settings: Settings,
    asked: Mapping[str, float],
    tell: Tell,
    *,
    seeds: int = 8,
) -> None:
    """
    Hold a table of targets against a few runs: honest ones must reach it and wrong answers must not.

    Parameters
    ----------
    asked : mapping of str to float
        What the table asks, by exercise, for the data and the profile of the settings.
    """
    for bank in banks:
        try:
            measured = measure(bench, bank, settings, seeds, tell, asked)
        except CalibrationError as error:
            audit.problems.append(str(error))
            continue
        for each in measured:
            target = asked.get(each.exercise)
            if target is None:
                continue
            where = f"{bank.assignment.name}, target {each.exercise}"
            missed = [value for value in each.honest if value < target]
            if missed:
                audit.problems.append(
                    f"{where}: {target:.3f} is asked, but {len(missed)} of {len(each.honest)} honest runs reach less, "
                    f"{min(missed):.3f} at worst. Measure it again: autograder audit calibrate --write."
                )
            audit.problems += [
                f"{where}: there is no gap: '{name}' reaches all that is asked." for name in each.too_good
            ]


def _rounds(job: Job, times: int) -> list[Job]:
    return [replace(job, round=number) for number in range(times)]


def _judge(bench: Bench, jobs: Sequence[Job], tell: Tell) -> dict[str, Judgement]:
    """Judge jobs and tell of each with its number."""
    done = 0

    def told(job: Job, judgement: Judgement) -> None:
        nonlocal done
        done += 1
        tell(f"[{done}/{len(jobs)}] {job.name} {judgement.seconds:.1f} s")

    return bench.judge(jobs, told)
