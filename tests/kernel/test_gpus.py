"""`autograder grade --profile gpu` on a machine whose GPUs are made up: who has which, and what is told."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_notebook

from autograder.course import Limits
from autograder.kernels.gpus import Gpu, Slot
from autograder.sandbox import default_readable
from autograder.sealed import session
from autograder.sealed.session import Conditions, try_gpu
from tests.kernel.conftest import Exercise, verdict_on
from tests.kernel.test_grade_command import KERNEL, RIGHT, Class, code, submission

TWO = "echo '0, GPU-aaaa, 16000'\necho '1, GPU-bbbb, 16000'"
# Where a paper says which GPU it has, from when to when; the sandbox is off in runs that look there.
NOTE = """\
import os, time
begin = time.monotonic()
time.sleep(0.4)
with open('PLACE', 'a') as file:
    file.write(f"{os.environ['CUDA_VISIBLE_DEVICES']} {begin} {time.monotonic()}\\n")
"""
LONG_MASTER = new_notebook(
    metadata=KERNEL,
    cells=[
        code("gpu", "### BEGIN SOLUTION\nseen = 1\n### END SOLUTION", solution=True),
        code("test_gpu", "import os\nassert seen\nassert os.environ['CUDA_VISIBLE_DEVICES'] == EXAMINERS", points=4),
    ],
)


class LongClass(Class):
    """A class with a second assignment, which needs a GPU."""

    def __init__(self, root: Path, settings: str = "", examiners: str = "-1") -> None:
        super().__init__(root)
        self.notes = root / "notes"
        master = nbformat.from_dict(LONG_MASTER)
        master.cells[1].source = master.cells[1].source.replace("EXAMINERS", repr(examiners))
        (root / "source" / "02_long").mkdir()
        nbformat.write(master, root / "source" / "02_long" / "long.ipynb")
        with (root / "course.toml").open("a") as file:
            file.write(f"[assignments]\n02_long.gpu = true\n{settings}")

    def hand_in_long(self, student: str, answer: str = "") -> None:
        notebook = nbformat.from_dict(LONG_MASTER)
        notebook.cells[0].source = f"{answer or NOTE.replace('PLACE', str(self.notes))}\nseen = 1"
        path = self.root / "submitted" / student / "02_long" / "long.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)

    def scores(self, *options: str) -> tuple[dict[tuple[str, str], float], str]:
        """Grade; the scores by student and assignment, and what was printed."""
        file = self.root / "verdicts.json"
        done = self.run("grade", "--json", str(file), *options)
        assert done.returncode in {0, 1}, done.stderr
        records = json.loads(file.read_text())
        return {(each["student"], each["assignment"]): each["score"] for each in records}, done.stdout + done.stderr


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Give the machine a tool that lists GPUs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(script: str = TWO) -> None:
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "nvidia-smi").chmod(0o755)

    return make


def lent(notes: Path) -> list[tuple[str, float, float]]:
    rows = [line.split() for line in notes.read_text().splitlines()]
    return sorted((gpu, float(begin), float(end)) for gpu, begin, end in rows)


@pytest.mark.slow
def test_two_gpus_are_with_one_paper_each_at_a_time_while_others_go_on(tmp_path, made_up):
    made_up()
    class_ = LongClass(tmp_path / "course", "[grading]\ngpu_memory = 16000\n")
    for student in ("ada", "ben", "cleo", "dan", "eva"):
        class_.hand_in_long(student)
        class_.hand_in(student, submission(**RIGHT))

    scores, printed = class_.scores("--profile", "gpu", "--sandbox", "off", "--jobs", "4")

    assert set(scores.values()) == {4, 5}, printed
    uses = lent(class_.notes)
    assert {gpu for gpu, _, _ in uses} == {"GPU-aaaa", "GPU-bbbb"}
    assert len(uses) == 5
    for (gpu, _, end), (other, begin, _) in itertools.pairwise(uses):
        assert gpu != other or end <= begin
    # Papers that need no GPU did not come after all that do.
    order = re.findall(r"^\[\d+/10\] graded \w+ (\w+)/", printed, re.MULTILINE)
    assert "02_long" in order[order.index("01_twice") :], order
    facts = json.loads((class_.root / "reports" / "run.json").read_text())
    assert facts["Jobs"].endswith(", 2 of them on 2 GPU(s)")


def test_papers_that_fit_share_a_gpu_and_in_the_sandbox_it_is_the_same(tmp_path, made_up):
    made_up()
    class_ = LongClass(tmp_path / "course", "[grading]\ngpu_memory = 8000\n")
    look = (
        "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == 'GPU-bbbb'\n"
        "assert os.environ['XLA_PYTHON_CLIENT_MEM_FRACTION'] == '0.468'"
    )
    for student in ("ada", "ben"):
        class_.hand_in_long(student, look)
    class_.hand_in(
        "ada", submission(half=f"import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == '-1'\n{RIGHT['half']}")
    )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "1")
        scores, printed = class_.scores("--profile", "gpu", "--jobs", "2")

    assert scores == {("ada", "02_long"): 4, ("ben", "02_long"): 4, ("ada", "01_twice"): 5}, printed
    facts = json.loads((class_.root / "reports" / "run.json").read_text())
    assert facts["Jobs"].endswith(", 2 of them on 1 GPU(s)")


def test_the_examiner_has_the_candidates_gpu_where_the_course_says_so(tmp_path, made_up):
    made_up("echo '0, GPU-aaaa, 16000'")
    class_ = LongClass(tmp_path / "course", "[grading]\nexaminer_gpu = true\n", examiners="GPU-aaaa")
    class_.hand_in_long("ada", "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == 'GPU-aaaa'")

    assert class_.scores("--profile", "gpu")[0] == {("ada", "02_long"): 4}


def test_a_slot_comes_back_from_kernels_that_died_and_from_those_that_took_too_long(tmp_path, made_up):
    made_up("echo '0, GPU-aaaa, 16000'")
    class_ = LongClass(tmp_path / "course", "[grading]\ngpu_memory = 16000\n")
    class_.hand_in_long("ada", "import os; os.kill(os.getpid(), 9)")
    class_.hand_in_long(
        "ben", "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException: pass"
    )
    class_.hand_in_long("cleo", "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == 'GPU-aaaa'")

    scores, printed = class_.scores("--profile", "gpu", "--cell-timeout", "2")

    assert scores == {("ada", "02_long"): 0, ("ben", "02_long"): 0, ("cleo", "02_long"): 4}, printed


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 9", "No GPU was found. What trains at full size does so on the processor"),
        ("echo '0, GPU-aaaa, 2048'", "GPU 0 is not used: it has 2,048 MiB, and gpu_memory in course.toml is 4,096."),
    ],
)
def test_where_no_gpu_can_be_had_it_is_told_and_the_processor_does_it(tmp_path, made_up, script, told):
    made_up(script)
    class_ = LongClass(tmp_path / "course")
    class_.hand_in_long("ada", "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == '-1'")

    scores, printed = class_.scores("--profile", "gpu")

    assert scores == {("ada", "02_long"): 4}, printed
    assert told in printed


@pytest.mark.parametrize("options", [(), ("--profile", "gpu")])
def test_without_a_paper_that_needs_one_nobody_looks_for_a_gpu(tmp_path, made_up, options):
    made_up(f"touch {tmp_path / 'asked'}; {TWO}")
    class_ = LongClass(tmp_path / "course")
    class_.hand_in("ada", submission(**RIGHT))
    if not options:
        class_.hand_in_long("ada", "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == '-1'")

    scores, printed = class_.scores(*options)

    assert set(scores.values()) <= {4, 5}
    assert not (tmp_path / "asked").exists()
    assert "GPU" not in printed


@pytest.mark.slow
def test_doctor_says_of_each_gpu_whether_keras_can_use_it(tmp_path, made_up):
    made_up()
    class_ = LongClass(tmp_path / "course")

    done = class_.run("doctor", "--json", str(tmp_path / "found.json"))

    assert done.returncode == 0, done.stderr  # the sandbox is sound
    found = {each["name"]: each for each in json.loads((tmp_path / "found.json").read_text())}
    assert [name for name in found if name.startswith("GPU")] == ["GPU 0", "GPU 1"]
    assert not found["GPU 0"]["works"]
    assert "TensorFlow sees no GPU" in found["GPU 0"]["reason"]


# A kernel of this machine, which has Keras and no GPU that it could use.


def slot(**more: object) -> Slot:
    return Slot(Gpu(0, "GPU-aaaa", 16_000, **more), 16_000)


@pytest.mark.parametrize("readable", [None, default_readable()], ids=["free", "confined"])
def test_a_gpu_that_keras_cannot_use_is_told_in_a_line(readable):
    reason = try_gpu(Conditions(readable=readable, gpu=slot()))

    assert reason.startswith("RuntimeError: TensorFlow sees no GPU. ")
    assert "\n" not in reason


def test_a_gpu_without_its_device_file_is_told_in_a_line():
    reason = try_gpu(Conditions(readable=default_readable(), gpu=slot(devices=("/dev/nvidia99",))))

    assert "/dev/nvidia99" in reason
    assert "\n" not in reason


def test_what_is_in_files_of_memory_counts_as_memory(monkeypatch):
    monkeypatch.setattr(session, "_MEBIBYTES_FOR_CUDA", 0)
    keep = (
        "import os, time\nheld = [os.memfd_create('held') for _ in range(8)]\n"
        "written = [os.write(each, bytes(100 * 2**20)) for each in held]\ntime.sleep(5)"
    )
    lent = Conditions(readable=default_readable(), gpu_users=("candidate",), gpu=slot())
    verdict = verdict_on(Exercise(keep, "assert written"), limits=Limits(memory_limit=300), conditions=lent)

    assert "memory" in verdict.message
    assert verdict.score == 0
