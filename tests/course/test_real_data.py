"""The same notebooks on real pictures: where ``COURSE_DATA`` has them, every reference gets full marks, unchanged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.build import read_master, write_file
from autograder.sample import cases, expected_scores, submission_bytes, write_class

from .conftest import COURSE

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA names no folder with real pictures"),
]

LOADS = re.compile(r"data\.load\([\"'](\w+)[\"']\)")


def data_sets(notebook):
    return {name for cell in read_master(notebook.path).cells for name in LOADS.findall(cell.source)}


def test_the_reference_reaches_on_real_pictures_what_is_asked(assignment, tmp_path):
    (notebook,) = assignment.notebooks
    folder = Path(os.environ["COURSE_DATA"])
    names = data_sets(notebook)
    missing = [name for name in sorted(names) if not (folder / f"{name}.npz").is_file()]
    if not names or missing:
        pytest.skip(f"COURSE_DATA has no {', '.join(missing)}" if names else "it needs no pictures")
    write_class(COURSE, [], tmp_path)
    (reference,) = [case for case in cases(COURSE, assignment) if case.student == "reference"]
    master = read_master(notebook.path)
    path = tmp_path / "submitted" / "reference" / assignment.name / notebook.path.name
    write_file(path, submission_bytes(reference, master))

    command = [str(Path(sys.executable).with_name("autograder")), "--course", str(tmp_path), "grade", assignment.name]
    done = subprocess.run(
        [*command, "--data", "real", "--json", str(tmp_path / "verdicts.json")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = json.loads((tmp_path / "verdicts.json").read_text())
    cells = {cell["grade_id"]: cell for cell in record["cells"]}
    lost = {
        name: cells[name]
        for name, points in expected_scores(reference, master).items()
        if cells[name]["score"] < points
    }
    assert not lost
