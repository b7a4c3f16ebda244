"""
Targets, measured: the notebook's own reference is run with many seeds, and the wrong answers that reach for a target.

In a run that measures, a look-up in :mod:`coursekit.targets` gives a bar that anything passes and that says what was
compared with it, so that a notebook is measured by its own tests and not by a second version of them. Other seeds come
to all that calls ``runtime.seed_everything``, and hold-out pictures of its own to each run.
"""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder.audit.bank import Bank
from autograder.audit.bounds import FAILURE_RATE, safe_target
from autograder.audit.extract import extract
from autograder.audit.judging import Bench, Job, Judgement
from autograder.errors import AutograderError
from autograder.grading import Settings
from autograder.paper import Owner, Paper, PaperCell, Role, with_answers
from coursekit.runtime import MEASURING, SEED_OFFSET
from coursekit.targets import read_measured

_LOOK_UP = re.compile(r"\btargets(\[|\.get\()")

LEAST_RUNS = 3
"""A spread needs that many runs at least."""

_HOLDOUT_SEEDS, _STEP = 10_000, 1_000
_WRONG_SHARE = 4  # wrong answers are run with that much fewer seeds
_PATCH = """
import keras as _keras
import numpy as _np

_honest_fit = _keras.Model.fit


def _other_fit(self, x=None, y=None, *more, **options):
    if not self.built:
        self.build((None, *_np.shape(x)[1:]))
    {before}
    history = _honest_fit(self, x, y, *more, **options)
    {after}
    return history


_keras.Model.fit = _other_fit
"""
# What a network that has learned nothing does: known wrong answers of every exercise in which one is trained.
UNTAUGHT: Mapping[str, str] = {
    "an untrained network": _PATCH.format(before="start = self.get_weights()", after="self.set_weights(start)"),
    "labels by chance": _PATCH.format(
        before="y = y if y is None else _np.random.default_rng(7).permutation(_np.asarray(y))", after="pass"
    ),
    "always the majority": _PATCH.format(
        before="shares = _np.bincount(_np.asarray(y).reshape(-1)) if _np.ndim(y) == 1 else _np.sum(y, axis=0)",
        after="last = [each for each in self.layers if len(each.get_weights()) == 2][-1]\n    "
        "last.set_weights([0 * last.get_weights()[0], _np.log(shares / shares.sum())])",
    ),
}
"""Cells that let ``fit`` teach nothing, by what comes of it."""


class CalibrationError(AutograderError):
    """What was run cannot be measured: the message says which answer, and why."""


@dataclass(frozen=True)
class Measured:
    """
    What was measured of one target.

    Attributes
    ----------
    exercise : str
        Its name in the table.
    honest : tuple of float
        What the reference reached, a number a run.
    target : float
        What may be asked.
    wrong : mapping of str to float
        The best that each known wrong answer came to in any run.
    too_good : tuple of str
        The wrong answers that reach all that their test asks, in some run.
    """

    exercise: str
    honest: tuple[float, ...]
    target: float
    wrong: Mapping[str, float] = field(default_factory=dict)
    too_good: tuple[str, ...] = ()

    @property
    def asks_nothing(self) -> bool:
        """Whether honest runs spread so far that no target above zero follows: such a row is not written."""
        return self.target <= 0

    @property
    def best_wrong(self) -> tuple[str, float] | None:
        """The wrong answer that comes furthest, and how far."""
        return max(self.wrong.items(), key=lambda item: item[1], default=None)

    def entry(self, source: str, profile: str) -> dict[str, str | int | float]:
        """Give the row as the table has it."""
        facts: dict[str, str | int | float] = {
            "exercise": self.exercise,
            "source": source,
            "profile": profile,
            "n": len(self.honest),
            "mean": round(statistics.fmean(self.honest), 4),
            "sd": round(statistics.stdev(self.honest), 4),
            "worst": round(min(self.honest), 4),
            "target": self.target,
        }
        if self.best_wrong:
            facts |= {"wrong": round(self.best_wrong[1], 4), "wrong_answer": self.best_wrong[0]}
        return facts


def measure(
    bench: Bench,
    bank: Bank,
    settings: Settings,
    seeds: int,
    tell: Callable[[str], None],
    asked: Mapping[str, float] | None = None,
) -> list[Measured]:
    """
    Measure the targets of an assignment.

    Parameters
    ----------
    bench : Bench
        Where it is run.
    bank : Bank
        The assignment, with its wrong answers.
    settings : Settings
        Data and profile.
    seeds : int
        How many runs of the reference, at least three.
    tell : callable
        Is told in a line of each run.
    asked : mapping of str to float, optional
        Targets that the wrong answers are held against; else those that follow from the runs.

    Raises
    ------
    CalibrationError
        The reference failed a test of its own.
    """

    def told(job: Job, judgement: Judgement) -> None:
        tell(f"{job.name} {judgement.seconds:.1f} s")

    tests = tests_with_targets(bank.reference)
    if not tests:
        return []
    honest = [_job(bank, "the reference", extract(bank.reference, tests), settings, seed) for seed in range(seeds)]
    few = range(max(LEAST_RUNS, seeds // _WRONG_SHARE))
    wrong = {
        name: (about, [_job(bank, name, paper, settings, seed) for seed in few])
        for name, about, paper in _wrong_papers(bank, tests)
    }
    judged = bench.judge([*honest, *(job for _, jobs in wrong.values() for job in jobs)], told)
    return list(
        gather(
            [judged[job.key] for job in honest],
            {name: (about, [judged[job.key] for job in jobs]) for name, (about, jobs) in wrong.items()},
            asked,
        )
    )


def tests_with_targets(paper: Paper) -> tuple[str, ...]:
    """Give the tests that look up a target, themselves or by a helper that they use."""
    return tuple(
        cell.grade_id
        for cell in paper.cells
        if cell.role is Role.TEST
        and any(
            _LOOK_UP.search(each.source) for each in extract(paper, [cell.grade_id]).cells if _may_look_up(each, cell)
        )
    )


def profiles_alike(paper: Paper) -> bool:
    """Whether a notebook is the same for every profile, so that what was measured with one holds for all."""
    return not any(
        _asks_profile(call)
        for cell in paper.cells
        if cell.cell_type == "code"
        for call in ast.walk(ast.parse(cell.source))
        if isinstance(call, ast.Call)
    )


def _asks_profile(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(ast.Name("runtime"), "profile"):
            return True
        case ast.Attribute(ast.Name("runtime"), "budget"):
            return len({ast.dump(number) for number in (*call.args, *(each.value for each in call.keywords))}) > 1
    return False


def gather(
    honest: Sequence[Judgement],
    wrong: Mapping[str, tuple[Collection[str], Sequence[Judgement]]],
    asked: Mapping[str, float] | None = None,
) -> Iterator[Measured]:
    """
    Gather what was reached, by target; those that a test asks for together are taken together.

    Parameters
    ----------
    honest : sequence of Judgement
        Runs of the reference.
    wrong : mapping of str to (collection of str, sequence of Judgement)
        Of each wrong answer, the tests that it must fail, and its runs. What it reaches in others is no concern.
    asked : mapping of str to float, optional
        Targets that the wrong answers are held against; else those that follow from the runs.

    Raises
    ------
    CalibrationError
        The reference failed, so that what it reached says nothing, or it reached the same in all runs.
    """
    for number, run in enumerate(honest):
        for cell in run.cells.values():
            if not run.passes([cell.grade_id]):
                what = f"{cell.outcome.value}: {cell.message or cell.staff_note}"
                raise CalibrationError(f"{cell.grade_id} refuses the reference itself, with seed {number} ({what})")
    places = {exercise: test for test, text in honest[0].outputs.items() for exercise in read_measured(text)}
    together = {test: [each for each in places if places[each] == test] for test in places.values()}
    for test, exercises in together.items():
        values = {
            exercise: tuple(read_measured(run.outputs.get(test, ""))[exercise] for run in honest)
            for exercise in exercises
        }
        for exercise, reached_in_runs in values.items():
            if len(set(reached_in_runs)) == 1:
                raise CalibrationError(
                    f"{exercise}: every run reached {reached_in_runs[0]:.3f}, since neither seeds nor hold-out "
                    "pictures change anything here. That says nothing of other honest solutions; no target follows."
                )
        safe = {each: safe_target(values[each], FAILURE_RATE / len(exercises)) for each in exercises}
        bars = safe if asked is None else {each: asked[each] for each in exercises if each in asked}
        reached = {
            name: [_reached(run, test) for run in runs] for name, (about, runs) in wrong.items() if test in about
        }
        too_good = tuple(name for name, runs in reached.items() if any(_reaches_all(each, bars) for each in runs))
        for exercise in exercises:
            best = {
                name: max(each[exercise] for each in runs if exercise in each)
                for name, runs in reached.items()
                if any(exercise in each for each in runs)
            }
            yield Measured(exercise, values[exercise], safe[exercise], best, too_good)


def write_targets(
    table: Path, measured: Sequence[Measured], *, source: str, profile: str, seen: Collection[str] = ()
) -> list[str]:
    """
    Put what was measured into the table of targets, in place of what it had for this data source and profile.

    Parameters
    ----------
    table : Path
        The table.
    measured : sequence of Measured
        What was measured. A target that a wrong answer reaches is not written, nor one that asks nothing.
    source, profile : str
        On what.
    seen : collection of str
        Targets that may not stay even if they are not in `measured`.

    Returns
    -------
    list of str
        The targets that were refused.
    """
    text = table.read_text(encoding="utf-8")
    head = text.partition("\n[[target]]")[0].rstrip() + "\n\n"
    new = {each.exercise for each in measured} | set(seen)
    kept = [
        row
        for row in tomllib.loads(text).get("target", [])
        if (row["source"], row["profile"]) != (source, profile) or row["exercise"] not in new
    ]
    entries = [each.entry(source, profile) for each in measured if not (each.too_good or each.asks_nothing)]
    merged = sorted([*kept, *entries], key=lambda row: (row["source"], row["profile"], row["exercise"]))
    table.write_text(head + as_toml(merged), encoding="utf-8")
    return [each.exercise for each in measured if each.too_good]


def as_toml(entries: Sequence[Mapping[str, str | int | float]]) -> str:
    """Write rows as TOML."""
    tables = []
    for each in entries:
        lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in each.items()]
        tables.append("\n".join(["[[target]]", *lines]))
    return "\n\n".join(tables) + "\n"


def _job(bank: Bank, name: str, paper: Paper, settings: Settings, seed: int) -> Job:
    measuring = replace(
        settings,
        environment=(*settings.environment, (MEASURING, "1"), (SEED_OFFSET, str(_STEP * seed))),
        examiner_environment=(("COURSE_HOLDOUT_SEED", str(_HOLDOUT_SEEDS + seed)),),
    )
    label = f"{bank.assignment.name}: {name}, seed {seed}"
    return Job(label, bank.notebook, paper, settings.limits_of(bank.assignment), measuring)


def _wrong_papers(bank: Bank, tests: Sequence[str]) -> Iterator[tuple[str, Sequence[str], Paper]]:
    for answer in bank.answers:
        if answer.reaches:
            paper = with_answers(bank.reference, {answer.exercise: answer.code})
            about = [test for test in tests if test in (answer.fails or bank.exercise(answer.exercise).tests)]
            if not about:
                raise CalibrationError(
                    f"{bank.assignment.name} {answer.exercise}: '{answer.name}' is said to reach for a target, but no "
                    "test that it must fail looks one up."
                )
            yield answer.name, about, extract(paper, about, [answer.exercise])
    paper = extract(bank.reference, tests)
    if any(".fit(" in cell.source for cell in paper.cells if cell.role is not Role.TEST):
        for name, source in UNTAUGHT.items():
            first = PaperCell("untaught", "code", source, Role.GIVEN, Owner.CANDIDATE)
            yield name, tests, replace(paper, cells=(first, *paper.cells))


def _may_look_up(cell: PaperCell, test: PaperCell) -> bool:
    return cell.role is Role.GIVEN or cell.grade_id == test.grade_id


def _reached(run: Judgement, test: str) -> dict[str, float]:
    """Give what a run reached, with nothing but 0 where another check of the same test refuses it."""
    return read_measured(run.outputs.get(test, "")) | ({} if run.passes([test]) else {"": 0.0})


def _reaches_all(reached: Mapping[str, float], asked: Mapping[str, float]) -> bool:
    return "" not in reached and all(reached.get(each, 0.0) >= asked[each] for each in asked)
