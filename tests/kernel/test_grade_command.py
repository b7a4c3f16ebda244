"""`autograder grade`: who is graded, what is kept, what a broken file does to others, and what the exit code says."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course import load_course
from autograder.gradebook import open_gradebook
from coursekit.targets import targets

AUTOGRADER = str(Path(sys.executable).with_name("autograder"))
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def code(grade_id, source, *, points=None, solution=False):
    facts = {
        "grade_id": grade_id,
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
        "schema_version": 3,
    }
    if points is not None:
        facts["points"] = points
    return new_code_cell(source, id=grade_id, metadata={"nbgrader": facts})


MASTER = new_notebook(
    metadata=KERNEL,
    cells=[
        code("setup", "import math"),
        code("double", "### BEGIN SOLUTION\ndef double(x):\n    return 2 * x\n### END SOLUTION", solution=True),
        code(
            "test_double",
            "assert double(2) == 4, 'twice two is four'\n### BEGIN HIDDEN TESTS\nassert double(21) == 42\n"
            "### END HIDDEN TESTS",
            points=2,
        ),
        code("half", "### BEGIN SOLUTION\ndef half(x):\n    return x / 2\n### END SOLUTION", solution=True),
        code("test_half", "assert half(2) == 1, 'half of two is one'\nassert half(5) == 2.5", points=3),
    ],
)
RIGHT = {"double": "def double(x):\n    return x + x", "half": "def half(x):\n    return x * 0.5"}


def submission(master=MASTER, /, **answers):
    """The file of a student with these answers; the reference stands in the others."""
    notebook = nbformat.from_dict(master)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    return nbformat.writes(notebook).encode()


class Class:
    """A course folder with one assignment, and the command run in it."""

    def __init__(self, root, master=MASTER):
        self.root = root
        source = root / "source" / "01_twice"
        source.mkdir(parents=True)
        nbformat.write(master, source / "twice.ipynb")
        (root / "course.toml").write_text('title = "Twice"\npreload = ["autograder.sealed.candidate"]\n')

    def hand_in(self, student, data):
        path = self.root / "submitted" / student / "01_twice" / "twice.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def run(self, *arguments):
        return subprocess.run(
            [AUTOGRADER, "--course", str(self.root), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )

    def grade(self, *options):
        """Grade; the exit code, the records by student, and what was printed."""
        file = self.root / "verdicts.json"
        file.unlink(missing_ok=True)
        done = self.run("grade", "--json", str(file), *options)
        records = json.loads(file.read_text()) if file.exists() else []
        return done.returncode, {record["student"]: record for record in records}, done.stdout + done.stderr


@pytest.fixture
def class_(tmp_path):
    return Class(tmp_path / "course")


def outcomes(record):
    return {cell["grade_id"]: cell["outcome"] for cell in record["cells"]}


def test_a_class_is_graded_and_recorded(class_):
    class_.hand_in("ada", submission(**RIGHT))
    class_.hand_in("ben", submission(half="def half(x):\n    return x // 2"))
    code, records, printed = class_.grade()
    assert code == 0, printed
    assert records["ada"]["score"] == records["ada"]["max_score"] == 5
    assert records["ben"]["score"] == 2
    assert set(records["ada"]) == {
        "student", "assignment", "notebook", "status", "message", "score", "max_score", "seconds", "cells",
    }  # fmt: skip
    assert set(records["ada"]["cells"][0]) == {"grade_id", "score", "max_score", "outcome", "message"}
    assert outcomes(records["ben"]) == {"test_double": "passed", "test_half": "failed"}
    with open_gradebook(load_course(class_.root)) as gradebook:
        assert {score.student: score.score for score in gradebook.scores()} == {"ada": 5.0, "ben": 2.0}
    executed = nbformat.read(class_.root / "autograded" / "ada" / "01_twice" / "twice.ipynb", as_version=4)
    assert [cell.source for cell in executed.cells if cell.id == "double"] == [RIGHT["double"]]


BROKEN = {
    "not JSON": (b"My answers are in the mail.", "no valid JSON|stops being JSON|not a notebook"),
    "truncated": (submission()[:-200], "cut off"),
    "UTF-16": (submission().decode().encode("utf-16"), "UTF-16"),
    "a list at the top": (b"[1, 2, 3]", "not a notebook"),
    "format 3": (
        json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}).encode(),
        "format 3",
    ),
    "no cells": (nbformat.writes(new_notebook(metadata=KERNEL)).encode(), "no cells"),
    "5,000 cells": (
        nbformat.writes(new_notebook(cells=[new_markdown_cell("x") for _ in range(5000)], metadata=KERNEL)).encode(),
        "5,000 cells",
    ),
    "empty": (b"", "empty"),
}


def test_a_broken_submission_gives_one_clear_message_and_the_others_are_marked(class_):
    for number, (data, _) in enumerate(BROKEN.values()):
        class_.hand_in(f"broken-{number}", data)
    class_.hand_in("Zoë Ångström", submission(**RIGHT))
    class_.hand_in("李 明", b"{")
    code, records, printed = class_.grade()
    assert code == 1, printed
    assert records["Zoë Ångström"]["score"] == 5
    for number, (kind, (_, words)) in enumerate(BROKEN.items()):
        record = records[f"broken-{number}"]
        assert record["status"] == "failed", kind
        assert record["score"] == 0
        assert any(word in record["message"] for word in words.split("|")), (kind, record["message"])
        assert record["message"].count("twice.ipynb") == 1, (kind, record["message"])
        assert str(class_.root) not in record["message"], "a student is told of no staff path"
        assert printed.count(f"not graded broken-{number} ") == 1
    assert records["李 明"]["status"] == "failed"
    with open_gradebook(load_course(class_.root)) as gradebook:
        assert len(gradebook.scores()) == len(BROKEN) + 2


def test_what_was_graded_is_not_graded_again_until_something_changes(class_):
    class_.hand_in("ada", submission(**RIGHT))
    class_.hand_in("ben", submission(**RIGHT))
    assert "[1/2] graded" in class_.grade()[2]
    _, records, printed = class_.grade()
    assert printed.count("] kept") == 2
    assert records["ada"]["score"] == 5
    class_.hand_in("ben", submission(half="half = None"))
    _, records, printed = class_.grade()
    assert printed.count("] kept") == 1
    assert printed.count("] graded") == 1
    assert records["ben"]["score"] == 2, "a regrade leaves no stale points"
    assert class_.grade("--force")[2].count("] graded") == 2
    assert class_.grade("--cell-timeout", "50")[2].count("] graded") == 2, "other settings, another verdict"


def test_a_changed_master_is_graded_anew(class_):
    class_.hand_in("ada", submission(**RIGHT))
    class_.grade()
    master = nbformat.read(class_.root / "source" / "01_twice" / "twice.ipynb", as_version=4)
    master.cells[-1].source = "assert half(2) == 17, 'another test'"
    nbformat.write(master, class_.root / "source" / "01_twice" / "twice.ipynb")
    _, records, printed = class_.grade()
    assert "graded ada" in printed
    assert records["ada"]["score"] == 2


def test_a_notebook_that_was_not_handed_in_is_a_record_with_missing_cells(class_):
    (class_.root / "submitted" / "ada" / "01_twice").mkdir(parents=True)
    (class_.root / "submitted" / "ada" / "01_twice" / "homework.ipynb").write_bytes(submission())
    code, records, printed = class_.grade()
    assert code == 0, printed
    assert records["ada"]["score"] == 0
    assert set(outcomes(records["ada"]).values()) == {"missing"}
    assert "homework.ipynb" in records["ada"]["message"]


def test_a_cell_that_never_ends_meets_its_limit_and_the_rest_is_judged(class_):
    class_.hand_in("ada", submission(double="while True:\n    pass"))
    code, records, printed = class_.grade("--cell-timeout", "2")
    assert code == 0, printed
    assert outcomes(records["ada"]) == {"test_double": "error", "test_half": "passed"}
    assert "was stopped after 2 s" in records["ada"]["cells"][0]["message"]


def test_a_dead_kernel_loses_only_the_cells_after_it(class_):
    class_.hand_in("ada", submission(half="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"))
    class_.hand_in("ben", submission())
    _, records, _ = class_.grade()
    assert outcomes(records["ada"]) == {"test_double": "passed", "test_half": "not-reached"}
    assert "died in cell 4" in records["ada"]["cells"][1]["message"]
    assert records["ben"]["score"] == 5


def test_the_student_option_chooses_by_pattern(class_):
    for student in ("ada", "alan", "ben"):
        class_.hand_in(student, submission())
    assert set(class_.grade("--student", "a*")[1]) == {"ada", "alan"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grade"], "There is no folder"),
        (["grade", "99_nothing"], "There is no assignment '99_nothing'"),
        (["grade", "--jobs", "0"], "--jobs"),
        (["grade", "--profile", "tpu"], "tpu"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_2(class_, arguments, words):
    done = class_.run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupted_keeps_what_was_graded_and_leaves_no_process(class_):
    class_.hand_in("ada", submission(**RIGHT))
    class_.hand_in("ben", submission(double="import time\ntime.sleep(60)"))
    command = [AUTOGRADER, "--course", str(class_.root), "grade", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        line = next(line for line in process.stdout if "graded ada" in line)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)
    assert line.startswith("[1/2]")
    assert process.returncode == 130
    kept = class_.grade("--student", "ada")[2]
    assert "kept ada" in kept


def test_killed_in_the_middle_it_goes_on_where_it_stopped(class_):
    class_.hand_in("ada", submission(**RIGHT))
    class_.hand_in("ben", submission(double="import time\ntime.sleep(60)"))
    command = [AUTOGRADER, "--course", str(class_.root), "grade", "--jobs", "1"]
    with (
        tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder,  # a socket's path must be short
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder}) as process,
    ):
        next(line for line in process.stdout if "graded ada" in line)
        (server,) = psutil.Process(process.pid).children()
        process.kill()
        server.wait(timeout=30)
        assert list(Path(folder).iterdir()) == []
    assert "kept ada" in class_.grade("--student", "ada")[2]


# The sandbox


def test_the_run_is_confined_unless_that_is_switched_off(class_):
    reach = "from pathlib import Path\nassert Path('SOURCE').is_dir()".replace("SOURCE", str(class_.root / "source"))
    class_.hand_in("ada", submission(half=f"{reach}\n{RIGHT['half']}"))

    assert class_.grade()[1]["ada"]["score"] == 2  # the course is not there for the student's code
    facts = json.loads((class_.root / "reports" / "run.json").read_text())
    assert facts["Layers of the sandbox"] == "namespaces, limits, view, landlock, privileges, calls"
    assert class_.grade("--sandbox", "off")[1]["ada"]["score"] == 5
    facts = json.loads((class_.root / "reports" / "run.json").read_text())
    assert facts["Sandbox"] == "off: submissions ran with the rights of whoever graded"
    assert "Layers of the sandbox" not in facts


def test_what_models_had_to_reach_is_kept_for_the_report(class_, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "standin")
    monkeypatch.setenv("COURSE_PROFILE", "cpu")
    class_.hand_in("ada", submission(**RIGHT))

    class_.grade()
    facts = json.loads((class_.root / "reports" / "run.json").read_text())
    assert facts["Targets"] == ", ".join(f"{name} {target:g}" for name, target in targets.items())


def test_where_there_is_no_sandbox_nothing_is_graded_and_the_refusal_says_what_to_do(class_):
    class_.hand_in("ada", submission(**RIGHT))
    forbidden = """
import os, sys
from pathlib import Path
from autograder.sandbox import system
user = os.getuid()
system.unshare(0x10000000)
Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
Path("/proc/sys/user/max_user_namespaces").write_text("0")
os.execv(sys.argv[1], sys.argv[1:])
"""
    command = [AUTOGRADER, "--course", str(class_.root), "grade"]
    done = subprocess.run(
        [sys.executable, "-c", forbidden, *command], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 2
    assert "The sandbox's layer 'namespaces' cannot be applied" in done.stderr
    assert "--sandbox off" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (class_.root / "autograded").exists()


def test_doctor_tries_every_layer(class_):
    done = class_.run("doctor")

    assert done.returncode == 0, done.stdout
    for layer in ("namespaces", "limits", "view", "landlock", "privileges"):
        assert f"│ {layer} " in done.stdout


# Pictures

PLOT = "import matplotlib.pyplot as plt\nplt.subplots()[1].plot([1, 2])\nplt.show()"


def pictures(class_, student):
    """The outputs of the cell that shows a picture."""
    executed = nbformat.read(class_.root / "autograded" / student / "01_twice" / "twice.ipynb", as_version=4)
    (cell,) = [cell for cell in executed.cells if cell.source == PLOT]
    (output,) = cell.outputs
    return dict(output.data)


def test_pictures_are_drawn_on_request_and_otherwise_told_in_words(class_):
    plotting = submission(double=PLOT, half=RIGHT["half"])
    class_.hand_in("ada", plotting)

    class_.grade()
    assert set(pictures(class_, "ada")) == {"text/plain"}
    assert "Figure size" in pictures(class_, "ada")["text/plain"]

    _, records, _ = class_.grade("--pictures")  # another request, so graded again
    assert set(pictures(class_, "ada")) == {"text/plain", "image/png"}
    assert records["ada"]["score"] == 3


def test_pictures_are_drawn_where_a_person_has_cells_to_grade(class_):
    answer = new_markdown_cell("YOUR ANSWER HERE", id="why", metadata={"nbgrader": {
        "grade_id": "why", "grade": True, "solution": True, "locked": False, "task": False, "schema_version": 3,
        "points": 4,
    }})  # fmt: skip
    master = nbformat.from_dict(MASTER)
    master.cells.append(answer)
    nbformat.write(master, class_.root / "source" / "01_twice" / "twice.ipynb")
    handed_in = nbformat.reads(submission(double=PLOT).decode(), as_version=4)
    handed_in.cells.append(nbformat.from_dict({**answer, "source": "Because."}))
    class_.hand_in("ada", nbformat.writes(handed_in).encode())

    class_.grade()

    assert "image/png" in pictures(class_, "ada")
