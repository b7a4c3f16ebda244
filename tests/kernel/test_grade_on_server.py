"""The commands on a gradebook that lies on a PostgreSQL server: two machines grade a class, one makes the rest."""

from __future__ import annotations

import csv
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.kernel.test_grade_command import RIGHT, Class, submission
from tests.postgresql import GUARDED, PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgresql import Server

WRONG = {"half": "def half(x):\n    return x // 2"}
HANDED_IN = [{"ada": RIGHT, "ben": WRONG}, {"cy": WRONG, "dee": RIGHT}]
SCORES = {"ada": 5.0, "ben": 2.0, "cy": 2.0, "dee": 5.0}


@pytest.fixture
def machines(tmp_path: Path, postgresql: Server) -> list[Class]:
    """The same course on two machines, each with a half of the class."""
    postgresql.new("course")
    url = postgresql.url("course", user=GUARDED, password=PASSWORD)
    machines = [Class(tmp_path / name / "course") for name in ("one", "two")]
    for machine, students in zip(machines, HANDED_IN, strict=True):
        (machine.root / "nbgrader_config.py").write_text(f"get_config().CourseDirectory.db_url = {url!r}\n")
        for student, answers in students.items():
            machine.hand_in(student, submission(**answers))
    return machines


@pytest.mark.slow
def test_two_machines_grade_at_once_into_one_gradebook_and_every_command_reads_it(machines: list[Class]) -> None:
    with ThreadPoolExecutor() as at_once:
        graded = list(at_once.map(Class.grade, machines))
    assert [code for code, _, _ in graded] == [0, 0], graded
    assert {student: record["score"] for _, records, _ in graded for student, record in records.items()} == SCORES

    one = machines[0]
    _, _, again = one.grade()
    assert again.count("kept") >= 2, "what is graded is not graded again"
    said = [*(printed for _, _, printed in graded), again]
    for command in ("report", "export", "feedback"):
        done: subprocess.CompletedProcess[str] = one.run(command)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout + done.stderr)
    with (one.root / "grades.csv").open(newline="") as file:
        assert {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)} == SCORES
    report = (one.root / "reports" / "index.html").read_text()
    assert all(student in report for student in SCORES)
    assert sorted(path.name for path in (one.root / "feedback").iterdir()) == sorted(SCORES)
    for machine in machines:
        assert not list(machine.root.glob("gradebook.db*"))
        written = [path for path in machine.root.rglob("*") if path.is_file() and path.name != "nbgrader_config.py"]
        said += [path.read_bytes().decode(errors="replace") for path in written]
    secrets = (PASSWORD, PASSWORD.replace("@", "%40").replace(":", "%3A").replace("/", "%2F"))
    assert not any(secret in each for secret in secrets for each in said)


def test_a_server_that_cannot_be_reached_ends_the_command_with_what_to_do(tmp_path: Path) -> None:
    one = Class(tmp_path / "course")
    one.hand_in("ada", submission(**RIGHT))
    url = f"postgresql://ada:s3cret@/course?host={tmp_path}"
    (one.root / "nbgrader_config.py").write_text(f"get_config().CourseDirectory.db_url = {url!r}\n")
    for command in ("grade", "report", "export", "feedback"):
        done = one.run(command)
        assert done.returncode == 2
        assert "Make sure that the server runs" in " ".join(done.stderr.split())
        assert "s3cret" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
