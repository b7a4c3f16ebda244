"""A class's download from Moodle or Canvas is collected, graded and exported: row by row the platform's own list."""

from __future__ import annotations

import csv
import io
import random
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.build import release_notebook
from autograder.notebook import notebook_text
from tests.conftest import Cells
from tests.downloads import canvas_class, moodle_class, saved, zipped

AUTOGRADER = str(Path(sys.executable).with_name("autograder"))
MASTER = Cells.notebook(
    Cells.answer("a = 42\n### BEGIN SOLUTION\n### END SOLUTION", "a"),
    Cells.test("assert a % 2 == 0, 'an even number is asked'", "test_even", points=4),
    Cells.test("assert a >= 30, 'it is too small'", "test_large", points=6),
)
# By their names in the platform's list: their number there, and the number that they answered. None: nothing came that
# can be graded.
MOODLE = {f"Student {n:02} Ätz": (1000 + n, n) for n in range(52)} | {
    "Zip Maker": (2000, 90),
    "Re Namer": (2001, 91),
    "Repe Ater": (2002, 93),
    "Bro Ken": (2003, "broken"),
    "Pa Per": (2004, None),
    "Other Course": (2005, None),
    "Na Mesake": (2006, 95),
    "Na Mesake ": (2007, 96),  # of one name: only the number keeps them apart
    "No Body": (2008, None),
}
CANVAS = {f"Ätz, Student{n:02}": (100 + n, n) for n in range(52)} | {
    "Maker, Zip": (200, 90),
    "Last, Late": (201, 91),
    "Ater, Repe": (202, 93),
    "Broken, Ann": (203, "broken"),
    "Writer, W.": (204, None),
    "Paper, P.": (205, None),
    "Nym, Ano": (206, None),  # handed in anonymously: nobody can tell whose it is
    "One, Other": (207, None),
    "Body, No": (208, None),
}


def handed_in(number):
    notebook = release_notebook(MASTER)
    notebook.cells[0].source = f"a = {number}"
    return notebook_text(notebook).encode()


def deserved(answer):
    """Points of the ten; None for who has handed in nothing that can be marked."""
    if answer is None:
        return None
    return 0.0 if answer == "broken" else 4.0 * (answer % 2 == 0) + 6.0 * (answer >= 30)


def moodle_list(rows):
    head = [
        "Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
        "Last modified (submission)", "Last modified (grade)", "Feedback comments",
    ]  # fmt: skip
    lines = [
        [
            f"Participant {number}",
            name.strip(),
            f"p{number}@uni.example",
            "Submitted",
            "",
            "100.00",
            "Yes",
            "-",
            "-",
            "",
        ]
        for name, (number, _) in rows
    ]
    return [head, *lines], 4, 10.0, 1


def canvas_list(rows):
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "01_a (4711)", "Essay (4712)", "Final Score"]
    possible = ["    Points Possible", "", "", "", "", "20", "5", "(read only)"]
    lines = [[name, str(number), f"s{number}", f"p{number}", "A", "", "4", "80"] for name, (number, _) in rows]
    return [head, possible, *lines], 5, 2.0, 2


def as_csv(lines):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("platform", "download", "rows", "make_list"),
    [
        pytest.param("moodle", moodle_class, MOODLE, moodle_list, id="moodle"),
        # Marking a class takes most of the time, and is the same.
        pytest.param("canvas", canvas_class, CANVAS, canvas_list, id="canvas", marks=pytest.mark.long),
    ],
)
def test_a_class_of_sixty_goes_there_and_back(make_course, tmp_path, platform, download, rows, make_list):
    course = make_course({"01_a/a.ipynb": MASTER}, 'title = "A"\npreload = ["autograder.sealed.candidate"]\n')
    listed = list(rows.items())
    random.Random(7).shuffle(listed)
    lines, column, scale, head = make_list(listed)
    roster = tmp_path / "Grades.csv"
    roster.write_text(as_csv(lines), encoding="utf-8", newline="")
    archive = saved(tmp_path, zipped(download(handed_in)[0]))

    def run(*arguments):
        done = subprocess.run(
            [AUTOGRADER, "--course", str(course.root), *arguments], capture_output=True, text=True, check=False,
            timeout=300,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    code, said = run("collect", str(archive), "--roster", str(roster))
    assert code == 1, said
    told = said[said.index("Nothing from") :]
    assert [number for number, answer in rows.values() if answer is None and f"p{number}" not in told] == []
    code, said = run("grade")
    assert code == 1, said
    written = tmp_path / "back.csv"
    code, said = run("export", "--to", platform, "--roster", str(roster), "--output", str(written))
    assert code == 0, said

    with written.open(encoding="utf-8", newline="") as file:
        back = list(csv.reader(file))
    assert [[cell for at, cell in enumerate(line) if at != column] for line in back] == [
        [cell for at, cell in enumerate(line) if at != column] for line in lines
    ]
    grades = {name: line[column] for (name, _), line in zip(listed, back[head:], strict=True)}
    assert {name: float(grade) if grade else None for name, grade in grades.items()} == {
        name: None if deserved(answer) is None else deserved(answer) * scale for name, (_, answer) in rows.items()
    }
