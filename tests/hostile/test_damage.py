"""Disks that fill up or may not be written, and Ctrl-C: what the command says, what it keeps, and how it goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.kernel.test_grade_command import AUTOGRADER, RIGHT, Class, submission
from tests.unit.test_grading import snapshot

STUDENTS = {
    "ada": (RIGHT, 5),
    "ben": ({"half": "half = None"}, 2),
    "eva": ({"double": "double = None"}, 3),
    "ida": (RIGHT, 5),
}
SCORES = {student: score for student, (_, score) in STUDENTS.items()}
WRONG_USAGE, INTERRUPTED = 2, 130
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def may_mount() -> bool:
    """Whether this machine lets a process have mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
needs_mounts = pytest.mark.skipif(not may_mount(), reason="this machine lets nobody have mounts of its own")


def fill_class(root: Path) -> Class:
    class_ = Class(root)
    for student, (answers, _) in STUDENTS.items():
        class_.hand_in(student, submission(**answers))
    return class_


def told(printed: str, step: str) -> set[str]:
    """The students of whom a run told this."""
    return set(re.findall(rf"^\[\d+/{len(STUDENTS)}\] {step} (\w+) ", printed, re.MULTILINE))


# --- a full disk --------------------------------------------------------------------------------------------------

# In mounts of its own: the course on a small disk, which is full when so many submissions are graded, but for so many
# pages. Then there is room again.
STORY = """
import json, os, subprocess, sys
from pathlib import Path
from autograder.course import load_course
from autograder.gradebook import open_gradebook
from tests.hostile.test_damage import AUTOGRADER, fill_class, snapshot
root, graded, pages = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", root], check=True)
course = root / "course"
fill_class(course)
ballast = root / "ballast"

def fill():
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            os.truncate(ballast, file.tell() - pages * 4096)

command = [AUTOGRADER, "--course", str(course), "grade", "--jobs", "1"]
if graded == 0:
    fill()
run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
lines = []
for line in run.stdout:
    lines.append(line)
    if len(lines) == graded:
        fill()
code = run.wait()
ballast.unlink()
again = subprocess.run(command, capture_output=True, text=True)
with open_gradebook(load_course(course)) as gradebook:
    scores = {score.student: score.score for score in gradebook.scores()}
print(json.dumps({
    "code": code, "printed": "".join(lines), "code again": again.returncode, "printed again": again.stdout,
    "scores": scores, "executed": sorted(snapshot(course / "autograded")),
    "gradebook": sorted(path.name for path in course.glob("gradebook*")),
}))
"""


@needs_mounts
@pytest.mark.parametrize(("graded", "pages"), [(0, 0), (0, 40), (1, 0), (2, 1), (2, 3)])
def test_a_full_disk_is_told_and_the_next_run_goes_on_with_nothing_lost(
    tmp_path: Path, graded: int, pages: int
) -> None:
    done = subprocess.run(
        [*OWN_MOUNTS, sys.executable, "-c", STORY, str(tmp_path), str(graded), str(pages)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    printed = story["printed"]
    assert story["code"] == WRONG_USAGE, printed
    assert "Traceback" not in printed
    flat = printed.replace("\n", " ")
    assert re.search(rf"{tmp_path}/course/\S+(gradebook\.db|\.ipynb)|{tmp_path}/course/gradebook\.db", flat), printed
    assert "Make room on the disk of" in flat
    assert "the same command" in flat
    assert len(told(printed, "graded")) >= graded
    assert story["code again"] == 0
    assert told(story["printed again"], "kept") == told(printed, "graded")
    assert story["scores"] == SCORES
    assert story["executed"] == [f"{student}/01_twice/twice.ipynb" for student in STUDENTS]
    assert story["gradebook"] == ["gradebook.db"]


# --- what may not be written --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Class:
    """A class that is graded; a test changes a copy of it."""
    class_ = fill_class(tmp_path_factory.mktemp("damage") / "course")
    assert class_.grade()[0] == 0
    return class_


@pytest.fixture
def class_(graded: Class, tmp_path: Path) -> Class:
    shutil.copytree(graded.root, tmp_path / "course")
    copy = Class.__new__(Class)
    copy.root = tmp_path / "course"
    copy.hand_in("ben", submission(**RIGHT))
    return copy


@needs_mounts
@pytest.mark.parametrize(
    ("place", "named"),
    [
        (".", "autograded"),
        ("autograded", "autograded"),
        ("autograded/ben", "autograded/ben"),
        ("gradebook.db", "gradebook.db"),
    ],
)
def test_what_may_not_be_written_is_named_and_nothing_is_changed(class_: Class, place: str, named: str) -> None:
    before = snapshot(class_.root)
    path = class_.root / place
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    done = subprocess.run(
        [*OWN_MOUNTS, "sh", "-c", script, "sh", str(path), AUTOGRADER, "--course", str(class_.root), "grade"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == WRONG_USAGE, done.stdout + done.stderr
    assert f"{class_.root}/{named}" in done.stderr
    assert re.search("Make it writable for you|Make sure that you may write", done.stderr)
    assert "Traceback" not in done.stderr
    assert "graded ben" not in done.stdout
    assert snapshot(class_.root) == before


def test_a_damaged_gradebook_ends_the_command_with_its_name_and_the_remedy(class_: Class) -> None:
    gradebook = class_.root / "gradebook.db"
    gradebook.write_bytes(gradebook.read_bytes()[:5000])
    before = snapshot(class_.root)
    done = class_.run("grade")
    assert done.returncode == WRONG_USAGE
    assert str(gradebook) in done.stderr
    assert "put a backup in its place" in done.stderr
    assert snapshot(class_.root) == before


# --- Ctrl-C -------------------------------------------------------------------------------------------------------


def start(class_: Class, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [AUTOGRADER, "--course", str(class_.root), "grade", "--jobs", "1", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def interrupt(run: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, wait no more than three seconds, and give what is then printed."""
    run.send_signal(signal.SIGINT)
    begin = time.monotonic()
    said, _ = run.communicate(timeout=20)
    assert time.monotonic() - begin < 3
    assert run.returncode == INTERRUPTED, said
    assert "What is graded is kept; the same command goes on where this one stopped." in said
    assert "Traceback" not in said
    return said


def test_ctrl_c_in_a_cell_that_does_not_end_is_heard(class_: Class) -> None:
    class_.hand_in("ben", submission(double="import time\ntime.sleep(60)"))
    with start(class_) as run:
        next(line for line in run.stdout or () if "kept ida" in line)
        interrupt(run)
    class_.hand_in("ben", submission(**RIGHT))
    _, records, printed = class_.grade()
    assert told(printed, "kept") == {"ada", "eva", "ida"}
    assert records["ben"]["score"] == 5


def test_ctrl_c_is_heard_while_a_locked_gradebook_is_waited_for(class_: Class) -> None:
    with closing(sqlite3.connect(class_.root / "gradebook.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with start(class_) as run:
            line = next(line for line in run.stdout or () if "is in use by" in line)
            interrupt(run)
    assert f"process {os.getpid()} " in line, "who has it is told"
    assert class_.grade()[0] == 0
