"""
Many papers judged in parallel, and what came of each kept, so that a run that was cut off goes on where it stopped.

A judgement is found again by a key of all that it was made from: the cells that ran, limits, settings, the targets that
may be looked up, the code that judges and the course's package.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autograder.conducting import conduct_twice
from autograder.course import Course, Limits, NotebookSource
from autograder.grading import Settings, conditions, data_folder
from autograder.paper import Paper
from autograder.verdict import CellVerdict, Outcome, Verdict
from autograder.versions import versions
from coursekit.runtime import MEASURING
from coursekit.targets import TABLE

STATE = "build/audit/judgements.jsonl"
"""Where judgements are kept, below the course's folder."""

# What judges. What runs the cells (kernels, sandbox, session) comes to the same verdicts, as tests of its own see to.
_CODE = (
    "coursekit",
    *(f"autograder/sealed/{name}.py" for name in ("candidate", "examiner", "models", "scoring", "values")),
)


@dataclass(frozen=True)
class Job:
    """
    A paper to be judged.

    Attributes
    ----------
    name : str
        What it is called while it runs.
    notebook : NotebookSource
        Of which master.
    paper : Paper
        What is run.
    limits : Limits
        How long it may take.
    settings : Settings
        How it is run.
    round : int
        The how manieth judgement of the same paper it is.
    """

    name: str
    notebook: NotebookSource
    paper: Paper
    limits: Limits
    settings: Settings
    round: int = 0

    @property
    def key(self) -> str:
        """Identify all that the judgement is made from."""
        cells = [(cell.source, cell.owner, cell.grade_id, cell.points, cell.needs) for cell in self.paper.cells]
        how = (self.settings.environment, self.settings.examiner_environment, self.limits, self.round)
        rows = _rows(self.paper, dict(self.settings.environment))
        return hashlib.sha256(repr((self.paper.assignment, cells, how, _versions(), rows)).encode()).hexdigest()


@dataclass(frozen=True)
class Judgement:
    """
    What came of a paper.

    Attributes
    ----------
    cells : dict of str to CellVerdict
        The verdicts on its tests, by grade id.
    seconds : float
        How long it took.
    outputs : dict of str to str
        What its tests printed, by grade id.
    """

    cells: Mapping[str, CellVerdict]
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)

    def passes(self, tests: Sequence[str]) -> bool:
        """Whether all of these tests gave full points."""
        return all(self.cells[test].outcome is Outcome.PASSED for test in tests)


class Bench:
    """
    Where papers are judged.

    Parameters
    ----------
    course : Course
        Of which course.
    jobs : int
        How many at the same time.
    state : Path, optional
        File that keeps judgements; else the course's own.
    """

    def __init__(self, course: Course, *, jobs: int = 1, state: Path | None = None) -> None:
        self._course = course
        self._jobs = jobs
        self._path = state or course.root / STATE
        self._kept = _read(self._path)

    def kept(self, job: Job) -> Judgement | None:
        """Give the judgement of a job if there is one already."""
        return self._kept.get(job.key)

    def judge(self, jobs: Sequence[Job], tell: Callable[[Job, Judgement], None]) -> dict[str, Judgement]:
        """
        Judge what has not been judged before, and give all judgements by the jobs' keys.

        Raises
        ------
        KernelError, ForkServerError, OSError
            The machine failed twice.
        """
        waiting = {job.key: job for job in jobs}
        for key in list(waiting):
            if key in self._kept:
                tell(waiting.pop(key), self._kept[key])
        # The settings of one bench differ in seeds alone: the pictures lie in one place.
        settings = next((job.settings for job in waiting.values()), Settings())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with data_folder(settings) as data, ThreadPoolExecutor(self._jobs) as pool, self._path.open("a") as file:
            running = {
                pool.submit(
                    conduct_twice,
                    job.paper,
                    job.limits,
                    conditions(self._course, job.notebook, job.paper, job.settings, data),
                ): job
                for job in waiting.values()
            }
            try:
                for future in as_completed(running):
                    job = running[future]
                    judgement = _judgement(future.result())
                    self._kept[job.key] = judgement
                    file.write(_line(job.key, judgement))
                    file.flush()
                    tell(job, judgement)
            finally:
                for future in running:
                    future.cancel()
        return {job.key: self._kept[job.key] for job in jobs}


def _judgement(verdict: Verdict) -> Judgement:
    # As it is kept, so that one which is found again is the same.
    cells = {cell.grade_id: replace(cell, seconds=round(cell.seconds, 3)) for cell in verdict.cells}
    return Judgement(cells, round(verdict.seconds, 3), _printed(verdict))


def _printed(verdict: Verdict) -> dict[str, str]:
    tests = {cell.grade_id for cell in verdict.cells}
    found = {}
    for cell in json.loads(verdict.executed)["cells"] if verdict.executed else ():
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        texts = [output["text"] for output in cell.get("outputs", ()) if output.get("name") == "stdout"]
        text = "".join("".join(text) for text in texts)
        if grade_id in tests and text:
            found[grade_id] = text
    return found


def _line(key: str, judgement: Judgement) -> str:
    cells = [
        (
            cell.grade_id,
            cell.score,
            cell.max_score,
            cell.outcome.value,
            cell.message,
            cell.seconds,
            cell.staff_note,
        )
        for cell in judgement.cells.values()
    ]
    content = {"key": key, "cells": cells, "seconds": judgement.seconds, "outputs": dict(judgement.outputs)}
    return json.dumps(content, ensure_ascii=False) + "\n"


def _read(path: Path) -> dict[str, Judgement]:
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue  # the line at which a run was cut off
        cells = {
            grade_id: CellVerdict(grade_id, score, most, Outcome(outcome), message, seconds, note)
            for grade_id, score, most, outcome, message, seconds, note in content["cells"]
        }
        found[content["key"]] = Judgement(cells, content["seconds"], content["outputs"])
    return found


@cache
def _versions() -> tuple[object, ...]:
    digest = hashlib.sha256()
    for place in _CODE:
        module, _, inside = place.partition("/")
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent / inside
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.suffix in {".py", ".toml", ".npz", ".keras"} and path != TABLE:
                digest.update(f"{path.relative_to(Path(spec.origin).parent)}\0".encode())
                digest.update(path.read_bytes())
    return (digest.hexdigest(), *versions().items())


def _rows(paper: Paper, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give the targets that a paper may look up, so that others can be measured without judging it again."""
    # A run that measures asks for nothing: one which writes the table does not begin again.
    if MEASURING in environment:
        return []
    profile = environment.get("COURSE_PROFILE", "cpu")
    text = "\n".join(cell.source for cell in paper.cells)
    return [row for row in _table() if row["profile"] == profile and f"/{row['exercise'].partition('/')[2]}" in text]


@cache
def _table() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["target"]
    return rows
