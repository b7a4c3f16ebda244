"""What the catalogue of attacks shares: a course worth attacking, papers of attacks, and what came of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import nbformat
import psutil
import pytest

from autograder.course import Limits
from autograder.kernels.process import shared_server
from autograder.sandbox import default_readable
from autograder.sealed.session import Conditions
from autograder.verdict import Outcome, Verdict
from tests.kernel.conftest import Exercise, verdict_on

HONEST = "the honest answer"
"""The name of the exercise that stands after all attacks of a paper."""

BRIEF = Limits(cell_timeout=20, notebook_timeout=120, call_timeout=5, memory_limit=2048)
SEED = "918273645"
REPOSITORY = Path(__file__).parents[2]

# A student's own cell: says how an attempt ended, in one line.
ATTEMPT = '''
def attempt(act, *arguments):
    """Try it and say what came of it."""
    try:
        result = act(*arguments)
    except BaseException as error:
        print("denied:", type(error).__name__)
    else:
        print("done:", str(result)[:200])
        return result
'''


@dataclass(frozen=True)
class Attack:
    """
    One attack, in place of an honest answer.

    Attributes
    ----------
    source : str
        What the student hands in.
    test : str
        The test that must not be passed by it.
    """

    source: str
    test: str = "assert double(3) == 6, 'double(3) is 6'"


@dataclass(frozen=True)
class Came:
    """What came of an attack: its score, what the student is told, and what its cell and its test printed."""

    score: float
    outcome: Outcome
    message: str
    said: str


@dataclass(frozen=True)
class Results:
    """What came of a paper of attacks."""

    verdict: Verdict
    by_name: Mapping[str, Came]

    def __getitem__(self, name: str) -> Came:
        return self.by_name[name]


def said(cell: nbformat.NotebookNode) -> str:
    """What a cell printed, and the name of the error in which it ended."""
    return "".join(output.get("text", "") + output.get("ename", "") for output in cell.get("outputs", ()))


def commit(
    attacks: Mapping[str, Attack], conditions: Conditions, *, limits: Limits = BRIEF, before: str = ATTEMPT
) -> Results:
    """Hand in a paper of attacks with an honest answer after them, and have it graded."""
    exercises = [Exercise(attack.source, attack.test) for attack in attacks.values()]
    honest = Exercise("def triple(x):\n    return 3 * x", "assert triple(2) == 6")
    verdict = verdict_on(*exercises, honest, limits=limits, conditions=conditions, before=before)
    cells = {cell.id: said(cell) for cell in nbformat.reads(verdict.executed, 4).cells}
    names = [*attacks, HONEST]
    return Results(
        verdict,
        {
            name: Came(cell.score, cell.outcome, cell.message, cells[f"answer{number}"] + cells[f"test{number}"])
            for number, (name, cell) in enumerate(zip(names, verdict.cells, strict=True), start=1)
        },
    )


# Each attack in a fork of its own: the answer, then the test, in one shell. Nobody sees an error: it has succeeded.
UNSEALED = """
import contextlib, io, json, os, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
succeeded = []
for name, (source, test) in json.load(sys.stdin).items():
    if os.fork() == 0:
        seen = []
        shell._showtraceback = lambda *_: seen.append(1)
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(source, store_history=True)
            before = len(seen)
            shell.run_cell(test, store_history=True)
        os._exit(len(seen) > before)
    if os.waitstatus_to_exitcode(os.wait()[1]) == 0:
        succeeded.append(name)
print(json.dumps(succeeded))
"""


def succeed_unsealed(attacks: Mapping[str, Attack], folder: Path) -> list[str]:
    """Run each attack and its test in one shell, as nbgrader does, and name those that no error tells of."""
    plain = {name: (attack.source, attack.test) for name, attack in attacks.items()}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", UNSEALED],
        input=json.dumps(plain),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    succeeded: list[str] = json.loads(run.stdout.splitlines()[-1])
    return succeeded


@dataclass(frozen=True)
class TargetCourse:
    """
    A course folder with something to steal in each place.

    Attributes
    ----------
    root : Path
        The folder.
    secret : str
        What stands in each of its files.
    """

    root: Path
    secret: str

    @property
    def files(self) -> dict[str, Path]:
        """What there is to be stolen."""
        return {
            "the master": self.root / "source" / "01_a" / "a.ipynb",
            "the gradebook": self.root / "gradebook.db",
            "another student's answers": self.root / "submitted" / "ben" / "01_a" / "a.ipynb",
            "the course's settings": self.root / "course.toml",
        }


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> TargetCourse:
    """A course to attack."""
    course = TargetCourse(tmp_path_factory.mktemp("course"), f"token-{uuid4().hex}")
    for path in course.files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(course.secret, encoding="utf-8")
        path.chmod(0o666)
    return course


@pytest.fixture(scope="session")
def confined(target: TargetCourse) -> Conditions:
    """How a course is graded: both kernels confined, the seed of the hold-out pictures with the examiner alone."""
    return Conditions(examiner_environment={"COURSE_HOLDOUT_SEED": SEED}, readable=default_readable(target.root))


def marked(marker: str) -> list[psutil.Process]:
    """The processes with a marker in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            if process.pid != os.getpid() and marker.encode() in environment:
                found.append(process)
        except OSError:
            continue
    return found


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """After the test the fork server must have no child left, nor a child's child."""
    server = psutil.Process(shared_server().pid)
    before = set(server.children(recursive=True))
    yield
    left = [process for process in server.children(recursive=True) if process not in before]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not [process for process in alive if process.is_running()], alive
