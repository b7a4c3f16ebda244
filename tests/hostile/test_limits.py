"""Every limit: what hits it is stopped, the student is told in words, and what comes after it is graded."""

from __future__ import annotations

import time

import numpy as np
import pytest

from autograder.course import Limits
from autograder.datafolder import DataFolderError, without_holdout
from autograder.kernels.process import shared_server
from autograder.verdict import Outcome
from tests.hostile.conftest import HONEST, Attack, commit
from tests.kernel.conftest import Exercise, told, verdict_on

LIMITS = Limits(
    cell_timeout=20,
    notebook_timeout=100,
    call_timeout=2,
    memory_limit=600,
    process_limit=100,
    file_limit=2,
    folder_limit=6,
    output_limit=50_000,
    message_limit=50,
)

# What the student's cell does, and what they are told: these leave the kernel alive.
SURVIVED = {
    "memory of one process": (
        "import numpy as np\nvalue = np.ones(2**27)",
        "A notebook may use 600 MiB of memory.",
    ),
    "processes": (
        "import subprocess\n"
        "children = []\n"
        "try:\n"
        "    while True:\n"
        "        children.append(subprocess.Popen(['sleep', '600']))\n"
        "finally:\n"
        "    for child in children:\n"
        "        child.kill()\n"
        "        child.wait()\n"
        "value = 1",
        "A notebook may have 100 processes and threads.",
    ),
    "a file": ("value = open('large', 'wb').write(bytes(3 * 2**20))", "A file may have 2 MiB."),
    "all files": (
        "value = [open(f'part{number}', 'wb').write(bytes(2**20)) for number in range(7)]",
        "All files together may have 6 MiB.",
    ),
    "open files": ("value = [open('/dev/null') for _ in range(2000)]", "Close files"),
    "output": ("print('x' * 60_000)\nwhile True:\n    pass", "it printed or showed more than 50,000 characters"),
    "messages": (
        "from IPython.display import display\nwhile True:\n    display(1)",
        "it printed or showed something more than 50 times a second",
    ),
}


def test_what_hits_a_limit_is_told_in_words_and_the_next_exercise_is_graded(confined):
    attacks = {name: Attack(source, "assert value") for name, (source, _) in SURVIVED.items()}

    results = commit(attacks, confined, limits=LIMITS, before="")

    assert {name: results[name].score for name in attacks} == dict.fromkeys(attacks, 0)
    for name, (_, words) in SURVIVED.items():
        assert words in results[name].message, (name, results[name])
    assert results[HONEST].outcome is Outcome.PASSED
    assert list(shared_server().workplace.iterdir()) == []


def test_a_limit_that_is_hit_in_a_call_is_told_too(confined):
    (cell,) = told(
        Exercise("def value():\n    return bytes(2**30)", "assert value()"), limits=LIMITS, conditions=confined
    )

    assert cell.message.startswith("MemoryError")
    assert cell.message.endswith("A notebook may use 600 MiB of memory.")


# These end the kernel: nobody asks the student's code any more.
FATAL = {
    "memory that processes share": (
        "import mmap\npages = mmap.mmap(-1, 2**30)\nwhile True:\n    pages[::mmap.PAGESIZE] = b'x' * 2**18",
        "it used more than 600 MiB of memory",
    ),
    "memory of several processes": (
        "import os, signal\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        held = bytearray(b'x') * (350 * 2**20)\n"
        "        signal.pause()\n"
        "while True:\n"
        "    pass",
        "it used more than 600 MiB of memory",
    ),
    "sockets without end": (
        "import os, socket\n"
        "from ipykernel import get_connection_file\n"
        "folder = os.path.dirname(get_connection_file())\n"
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    with socket.socket(socket.AF_UNIX) as one:\n"
        "        one.bind(f'{folder}/{number}')\n",
        "it made files where its connection is",
    ),
}


@pytest.mark.parametrize("name", FATAL)
def test_a_kernel_that_takes_too_much_ends_and_the_student_is_told_why(name, confined, nothing_left):
    source, words = FATAL[name]
    begin = time.monotonic()

    results = commit({name: Attack(source, "assert value")}, confined, limits=LIMITS)

    assert results[name].outcome is Outcome.NOT_REACHED
    assert words in results[name].message
    assert words in results.verdict.message
    assert time.monotonic() - begin < 15
    assert list(shared_server().workplace.iterdir()) == []


def test_what_all_kernels_share_is_nobodys(confined):
    # Ten children have all of the kernel's memory once more, at first glance.
    source = (
        "import os, signal, time\n"
        "children = []\n"
        "for _ in range(10):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        signal.pause()\n"
        "    children.append(child)\n"
        "time.sleep(1)\n"
        "for child in children:\n"
        "    os.kill(child, signal.SIGKILL)\n"
        "    os.waitpid(child, 0)\n"
        "value = 1"
    )

    results = commit({"ten children": Attack(source, "assert value")}, confined, limits=LIMITS)

    assert results["ten children"].score == 1, results["ten children"]


# The limit of a notebook

STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        continue"
OVERDUE = {
    "a cell": Exercise("while True:\n    pass", "assert value"),
    "a cell that ignores interrupts": Exercise(STUBBORN, "assert value"),
    "a call": Exercise("def value():\n    while True:\n        pass", "assert value()"),
    "a call that ignores interrupts": Exercise(
        "def value():\n" + "".join(f"    {line}\n" for line in STUBBORN.split("\n")), "assert value()"
    ),
    "a test": Exercise("value = 1", "while value:\n    pass"),
    "a test that ignores interrupts": Exercise("value = 1", f"value\n{STUBBORN}"),
    "cells that sleep": Exercise("import time\ntime.sleep(60)", "assert value"),
}


@pytest.mark.parametrize("name", OVERDUE)
def test_a_notebook_ends_within_two_seconds_of_its_limit(name, confined, nothing_left):
    limits = Limits(cell_timeout=60, notebook_timeout=3, call_timeout=60)
    begin = time.monotonic()

    verdict = verdict_on(OVERDUE[name], Exercise("late = 1", "assert late"), limits=limits, conditions=confined)

    seconds = time.monotonic() - begin
    assert 3 <= seconds < 5
    assert 3 <= verdict.seconds < 5
    assert [cell.score for cell in verdict.cells] == [0, 0]
    assert verdict.cells[1].outcome is Outcome.NOT_REACHED
    assert "it did not end within 3 s" in verdict.message


# Data


def test_a_candidate_gets_the_data_without_the_pictures_on_which_it_is_judged(confined, tmp_path):
    given, held_out = np.arange(6).reshape(2, 3), np.full((2, 3), 7)
    (tmp_path / "data" / "weights").mkdir(parents=True)
    np.savez(tmp_path / "data" / "litter.npz", x_train=given, x_holdout=held_out, y_holdout=held_out)
    np.savez(tmp_path / "data" / "mnist.npz", x_train=given)
    (tmp_path / "data" / "weights" / "some.h5").write_text("weights", encoding="ascii")

    folder = without_holdout(tmp_path / "data", tmp_path / "copy")

    conditions = type(confined)(
        candidate_environment={"COURSE_DATA": folder.path},
        examiner_environment={"COURSE_DATA": str(tmp_path / "data")},
        readable=confined.readable,
        candidate_readable=folder.readable,
        examiner_readable=(str(tmp_path / "data"),),
    )
    look = (
        "import os, numpy as np\n"
        "folder = os.environ['COURSE_DATA']\n"
        "litter = np.load(f'{folder}/litter.npz')\n"
        "arrays = sorted(litter.files)\n"
        "sum_ = int(litter['x_train'].sum()) + int(np.load(f'{folder}/mnist.npz')['x_train'].sum())\n"
        "weights = open(f'{folder}/weights/some.h5').read()\n"
        "original = []\n"
        f"for name in {[str(tmp_path), str(tmp_path / 'data'), str(tmp_path / 'data' / 'litter.npz')]!r}:\n"
        "    try:\n"
        "        original.append(open(name).read() if name.endswith('npz') else 'litter.npz' in os.listdir(name))\n"
        "    except OSError:\n"
        "        pass"
    )
    test = (
        "import os, numpy as np\n"
        "assert arrays == ['x_train'] and sum_ == 30 and weights == 'weights' and not any(original), original\n"
        "assert np.load(os.environ['COURSE_DATA'] + '/litter.npz')['x_holdout'].tolist() == [[7] * 3] * 2"
    )
    (cell,) = told(Exercise(look, test), conditions=conditions)

    assert (cell.outcome, cell.message) == (Outcome.PASSED, "")


def test_a_data_file_that_is_none_is_named(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "litter.npz").write_text("no archive", encoding="ascii")

    with pytest.raises(DataFolderError, match=r"data/litter\.npz cannot be read as an npz file"):
        without_holdout(tmp_path / "data", tmp_path / "copy")
