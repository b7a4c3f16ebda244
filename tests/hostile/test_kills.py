"""
What a killed process costs: time, and never a verdict.

The grader, its fork server and its kernels are killed at moments drawn at random. A long run:
``python -m pytest tests/hostile/test_kills.py --kills 100``.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import nbgrader.api
import psutil
import pytest

from autograder.course import load_course
from autograder.gradebook import open_gradebook
from tests.hostile.conftest import marked
from tests.kernel.test_grade_command import AUTOGRADER, RIGHT, Class, submission

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone"),
    pytest.mark.slow,
]

ANSWERS = {
    5: RIGHT,
    3: {"double": "def double(x):\n    return x ** 2"},
    2: {"half": "def half(x):\n    return x // 2"},
    0: {"double": "double = None", "half": "half = None"},
}
SCORES = {f"student{number:02}": score for number, score in enumerate(list(ANSWERS) * 5)}
# That it is three on a machine at leisure is for test_damage.py to say.
SECONDS_AFTER_A_SIGNAL = 10
SECONDS_TO_TIDY_UP = 20


class Kept:
    """A class that is graded, and everything that grading leaves on the machine."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.class_ = Class(root)
        self.course = load_course(root)
        self.temporary = temporary
        for student, score in SCORES.items():
            self.class_.hand_in(student, submission(**ANSWERS[score]))

    def start_anew(self) -> None:
        """Forget all grading."""
        self.course.gradebook.unlink(missing_ok=True)
        shutil.rmtree(self.course.autograded, ignore_errors=True)

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Begin to grade; what is printed goes to a file, where nothing of it is lost with the process."""
        with (self.class_.root / "printed.txt").open("w") as printed:
            return subprocess.Popen(
                # Whoever runs this in the background has Ctrl-C ignored, and all that they start.
                [
                    *("env", "--default-signal=INT", AUTOGRADER, "--course"),
                    self.class_.root,
                    "grade",
                    "--jobs=2",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "TMPDIR": str(self.temporary)},
            )

    def printed(self) -> str:
        """What the last run printed."""
        return (self.class_.root / "printed.txt").read_text()

    def told(self, step: str) -> set[str]:
        """The students of whom the last run told this."""
        return set(re.findall(rf"^\[\d+/20\] {step} (\w+) ", self.printed(), re.MULTILINE))

    def grade(self, *options: str) -> int:
        """Grade to the end and give the exit code."""
        return self.start(*options).wait(timeout=120)

    def results(self) -> dict[str, Any]:
        """All that grading leaves in the course, as each reader of it sees it, but for times."""
        with open_gradebook(self.course) as gradebook:
            recorded = {
                who: (
                    stored.fingerprint,
                    stored.verdict.status,
                    stored.verdict.message,
                    [(cell.grade_id, cell.score, cell.max_score, cell.outcome) for cell in stored.verdict.cells],
                )
                for who, stored in gradebook.recorded("01_twice").items()
            }
            points = gradebook.points("01_twice")
            scores = [(score.student, score.score, score.max_score) for score in gradebook.scores()]
        with nbgrader.api.Gradebook(f"sqlite:///{self.course.gradebook}") as theirs:
            submissions = sorted(
                (each.student.id, each.score, [(grade.name, grade.auto_score) for grade in notebook.grades])
                for each in theirs.assignment_submissions("01_twice")
                for notebook in each.notebooks
            )
        with closing(sqlite3.connect(self.course.gradebook)) as connection:
            rows = {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                for table in ("student", "submitted_assignment", "submitted_notebook", "grade", "autograder_verdicts")
            }
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {
            "recorded": recorded,
            "points": points,
            "scores": scores,
            "nbgrader's": submissions,
            "rows": rows,
            "executed": {
                str(path.relative_to(self.course.autograded)): executed(path)
                for path in sorted(self.course.autograded.rglob("*"))
                if not path.is_dir()
            },
            "beside the gradebook": sorted(path.name for path in self.course.root.glob("gradebook*")),
        }

    def wait_until_tidy(self) -> None:
        """Wait until no process of any run is there, and nothing in the temporary folder."""
        deadline = time.monotonic() + SECONDS_TO_TIDY_UP
        while left := [*marked(str(self.temporary)), *self.temporary.iterdir()]:
            assert time.monotonic() < deadline, left
            for process in left:
                if isinstance(process, psutil.Process):
                    with suppress(psutil.Error):
                        process.wait(timeout=max(0.0, deadline - time.monotonic()))


def executed(path: Path) -> list[Any]:
    """The cells of an executed notebook and how each ended; the file is read as nbgrader reads it."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    errors = [[output.get("ename") for output in cell.get("outputs", ())] for cell in notebook.cells]
    return [(cell.id, cell.source, names) for cell, names in zip(notebook.cells, errors, strict=True)]


def the_server(grader: psutil.Process) -> list[psutil.Process]:
    return [child for child in grader.children() if "autograder.kernels.server" in child.cmdline()]


def kernels(who: str) -> Callable[[psutil.Process], list[psutil.Process]]:
    """Find the processes of all kernels of a kind: a guardian, the first of the namespace, and the kernel itself."""

    def find(grader: psutil.Process) -> list[psutil.Process]:
        found = []
        for process in grader.children(recursive=True):
            with suppress(psutil.Error, OSError):
                if Path(f"/proc/{process.pid}/cwd").readlink().name == who:
                    found.append(process)
        return found

    return find


@dataclass(frozen=True)
class Target:
    """Whom to kill, and what that may cost."""

    find: Callable[[psutil.Process], list[psutil.Process]]
    signum: int
    ends_the_run: bool = False
    is_the_students: bool = False


TARGETS = {
    "the grader": Target(lambda grader: [grader], signal.SIGKILL, ends_the_run=True),
    "Ctrl-C": Target(lambda grader: [grader], signal.SIGINT, ends_the_run=True),
    "the fork server": Target(the_server, signal.SIGKILL),
    "an examiner": Target(kernels("examiner"), signal.SIGKILL),
    # Nothing tells it from a kernel that the student's code has killed.
    "a candidate": Target(kernels("candidate"), signal.SIGKILL, is_the_students=True),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    temporary = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))  # a socket's path must be short
    yield Kept(tmp_path_factory.mktemp("kills") / "course", temporary)
    shutil.rmtree(temporary, ignore_errors=True)


@pytest.fixture(scope="module")
def undisturbed(kept: Kept) -> tuple[dict[str, Any], float]:
    """What a run leaves that nobody disturbs, and the seconds that it takes."""
    begin = time.monotonic()
    assert kept.grade() == 0, kept.printed()
    seconds = time.monotonic() - begin
    kept.wait_until_tidy()
    results = kept.results()
    assert {student: score for student, score, _ in results["scores"]} == SCORES
    assert len(results["executed"]) == len(results["recorded"]) == len(SCORES)
    return results, seconds


def kill(run: subprocess.Popen[str], target: Target, at: float, draw: random.Random) -> bool:
    """Wait for a moment, kill a process of the run, and tell whether there was still one to be killed."""
    with suppress(subprocess.TimeoutExpired):
        run.wait(at)
    while run.poll() is None:
        with suppress(psutil.Error):
            if found := target.find(psutil.Process(run.pid)):
                os.kill(draw.choice(found).pid, target.signum)
                return True
        with suppress(subprocess.TimeoutExpired):
            run.wait(0.005)  # until there is one
    return False


def test_no_kill_at_any_moment_loses_doubles_or_tears_a_verdict(
    kept: Kept, undisturbed: tuple[dict[str, Any], float], pytestconfig: pytest.Config
) -> None:
    expected, seconds = undisturbed
    kills = pytestconfig.getoption("--kills")
    counts = dict.fromkeys(TARGETS, 0)
    draw = random.Random(kills)
    while sum(counts.values()) < kills:
        # Each in its turn, so that a short run has them all.
        name = min(counts, key=lambda each: counts[each])
        target = TARGETS[name]
        at = draw.uniform(0, seconds)
        situation = f"{name} was killed after {at:.3f} s, kill {sum(counts.values()) + 1}"
        kept.start_anew()
        run = kept.start()
        if not kill(run, target, at, draw):
            continue  # it had ended
        counts[name] += 1
        code = run.wait(timeout=SECONDS_AFTER_A_SIGNAL if target.ends_the_run else 120)
        before = kept.told("graded")
        printed = kept.printed()

        if target.ends_the_run:
            # Before and after its work, when Python itself begins and ends, there is nothing to tell.
            if target.signum == signal.SIGINT and before and "Scores" not in printed:
                assert code == 130, (situation, code, printed)
                assert "goes on where this one stopped" in printed, (situation, printed)
            assert kept.grade() == 0, (situation, kept.printed())
            again = kept.told("kept")
            assert before <= again, situation
            # The last one may have been recorded and not told any more.
            assert len(again - before) <= 1, situation
            assert kept.told("graded") == set(SCORES) - again, situation
        else:
            assert "Traceback" not in printed, (situation, printed)
            assert before == set(SCORES), (situation, printed)
            assert code == (1 if "not graded" in printed else 0), (situation, printed)
        if target.is_the_students:
            forgive(kept, situation)

        assert kept.grade() == 0 if code == 1 else True, (situation, kept.printed())
        kept.wait_until_tidy()
        assert kept.results() == expected, situation
        print(f"kill {sum(counts.values())} of {kills}: {name}, {at:.3f} s")
    print(", ".join(f"{name} {count} times" for name, count in counts.items()))


def forgive(kept: Kept, situation: str) -> None:
    """Grade the student again whose kernel was killed; nobody else may have lost a point."""
    with open_gradebook(kept.course) as gradebook:
        stored = {student: each.verdict for (student, _), each in gradebook.recorded("01_twice").items()}
    hit = [student for student, verdict in stored.items() if verdict.score != SCORES[student]]
    assert len(hit) <= 1, (situation, hit)
    for student in [name for name, verdict in stored.items() if verdict.message or name in hit]:
        assert "kernel died" in stored[student].message, situation
        assert kept.grade("--force", "--student", student) == 0, situation
