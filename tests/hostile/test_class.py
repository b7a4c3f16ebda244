"""Half of a class attacks the grader; the other half is marked beside them as if nothing were the matter."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from autograder.course import load_course
from autograder.gradebook import open_gradebook
from tests.hostile import test_cheating, test_exhausting_and_outliving, test_limits
from tests.hostile.conftest import ATTEMPT, marked
from tests.kernel.test_grade_command import AUTOGRADER, RIGHT, Class, submission

HONEST = {
    5: RIGHT,
    3: {"double": "def double(x):\n    return x ** 2"},
    2: {"half": "def half(x):\n    return x // 2"},
    0: {"double": "double = None", "half": "half = None"},
}
SCORES = {f"honest{number:02}": score for number, score in enumerate(list(HONEST) * 10)}
LIMITS = """
[limits]
cell_timeout = 8
call_timeout = 4
notebook_timeout = 60
memory_limit = 600
process_limit = 100
output_limit = 500_000
"""


def attacks():
    """Every attack of the catalogue that an answer can make, by name."""
    of_answers = [
        test_cheating.IN_THE_SHELL,
        test_cheating.IN_THE_LIBRARIES,
        test_exhausting_and_outliving.TALK,
        test_exhausting_and_outliving.OUTLIVERS,
    ]
    sources = {
        **{name: getattr(each, "source", each) for table in of_answers for name, each in table.items()},
        **{name: source for name, (source, _) in (test_limits.SURVIVED | test_limits.FATAL).items()},
        "a cell that ignores interrupts": test_limits.STUBBORN,
        "a call that ignores interrupts": test_limits.OVERDUE["a call that ignores interrupts"].answer.replace(
            "value", "double"
        ),
        "leaving": "import os\nos._exit(0)",
        "killing everything": "import os\nos.kill(-1, 9)",
        "killing the parent": "import os, signal\nos.kill(os.getppid(), 9)\nos.killpg(0, 9)",
        "crashing": "import ctypes\nctypes.string_at(0)",
    }
    return {f"hostile{number:02}": (name, source) for number, (name, source) in enumerate(sources.items())}


@pytest.fixture
def short_folder():
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:  # a socket's path must be short
        yield Path(folder)


def test_a_hostile_class_takes_no_point_and_costs_nobody_one(tmp_path, short_folder):
    class_ = Class(tmp_path / "course")
    with (class_.root / "course.toml").open("a") as settings:
        settings.write(LIMITS)
    hostile = attacks()
    for number, student in enumerate(sorted([*SCORES, *hostile], key=lambda name: name[-2:])):
        answers = HONEST[SCORES[student]] if student in SCORES else {**RIGHT, "double": ATTEMPT + hostile[student][1]}
        # In no order of kinds: whoever attacks has honest students beside them.
        class_.hand_in(f"{number:03}{student}", submission(**answers))
    begin = {path: path.read_bytes() for path in class_.root.rglob("*") if path.is_file()}
    file = tmp_path / "verdicts.json"

    done = subprocess.run(
        [AUTOGRADER, "--course", str(class_.root), "grade", "--jobs", "4", "--json", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(short_folder)},
    )

    assert done.returncode == 0, done.stdout + done.stderr
    records = {record["student"][3:]: record for record in json.loads(file.read_text())}
    assert {name: records[name]["score"] for name in SCORES} == SCORES
    assert all(not records[name]["message"] for name in SCORES)
    for student, (name, _) in hostile.items():
        double, half = records[student]["cells"]
        assert double["score"] == 0, (name, double)
        # Right, unless the attack broke its own kernel.
        assert half["score"] in {0, 3}, (name, half)
    with open_gradebook(load_course(class_.root)) as gradebook:
        recorded = {score.student[3:]: score.score for score in gradebook.scores()}
    assert recorded == {name: record["score"] for name, record in records.items()}
    assert {path: path.read_bytes() for path in begin} == begin
    psutil.wait_procs(marked(str(short_folder)), timeout=10)
    assert marked(str(short_folder)) == []
    assert list(short_folder.iterdir()) == []
