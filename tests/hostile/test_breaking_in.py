"""Breaking in through what is handed in: links to what is another's, files that are none, and odd names."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.kernel.test_grade_command import RIGHT, Class, submission


@pytest.fixture
def class_(tmp_path):
    made = Class(tmp_path / "course")
    made.hand_in("ada", submission(**RIGHT))
    return made


def place(class_, student):
    """A student's assignment folder, which is not there yet."""
    folder = class_.root / "submitted" / student / "01_twice"
    folder.parent.mkdir(parents=True)
    return folder


def as_file(make):
    """Make something in the place of the notebook."""

    def lay(class_, student):
        folder = place(class_, student)
        folder.mkdir()
        make(folder / "twice.ipynb", class_.root)

    return lay


def as_folder(target):
    """Make the assignment folder a link to another one."""
    return lambda class_, student: place(class_, student).symlink_to(target(class_.root), target_is_directory=True)


def student_folder(class_, student):
    (class_.root / "submitted" / student).symlink_to(class_.root / "submitted" / "ada", target_is_directory=True)


INTRUDERS = {
    "a link to the master": as_file(lambda path, root: path.symlink_to(root / "source" / "01_twice" / "twice.ipynb")),
    "a link to another's answers": as_file(
        lambda path, root: path.symlink_to(root / "submitted" / "ada" / "01_twice" / "twice.ipynb")
    ),
    "a link to nothing": as_file(lambda path, _: path.symlink_to("nowhere")),
    "a link to itself": as_file(lambda path, _: path.symlink_to(path.name)),
    "a folder that is the master's": as_folder(lambda root: root / "source" / "01_twice"),
    "a folder that is another's": as_folder(lambda root: root / "submitted" / "ada" / "01_twice"),
    "a student's folder that is another's": student_folder,
    "a pipe": as_file(lambda path, _: os.mkfifo(path)),
    "a folder": as_file(lambda path, _: path.mkdir()),
    "a device": as_file(lambda path, _: os.mknod(path, 0o20666, os.makedev(1, 5))),
    "a file of a terabyte": as_file(lambda path, _: path.touch() or os.truncate(path, 2**40)),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class with one honest student, every intruder, and students with odd names; and what came of it."""
    class_ = Class(tmp_path_factory.mktemp("break-in") / "course")
    class_.hand_in("ada", submission(**RIGHT))
    left_out = set()
    for number, (name, lay) in enumerate(INTRUDERS.items()):
        try:
            lay(class_, f"intruder{number}")
        except PermissionError:  # only root makes devices
            left_out.add(name)
            shutil.rmtree(class_.root / "submitted" / f"intruder{number}")
    before = (class_.root / "source" / "01_twice" / "twice.ipynb").read_bytes()
    code, records, printed = class_.grade()
    assert (class_.root / "source" / "01_twice" / "twice.ipynb").read_bytes() == before
    return code, records, printed, left_out


@pytest.mark.parametrize("name", INTRUDERS)
def test_what_is_no_file_of_ones_own_is_refused_with_words(graded, name):
    code, records, printed, left_out = graded
    if name in left_out:
        pytest.skip("only root can make one")
    record = records[f"intruder{list(INTRUDERS).index(name)}"]

    assert (record["status"], record["score"]) == ("failed", 0), record
    assert any(words in record["message"] for words in ("is a link", "no ordinary file", "is a folder", "MB")), record
    assert "/" not in record["message"].replace("Edit, Clear", ""), "a student is told of no path"
    assert code == 1, printed


def test_the_honest_student_beside_them_has_full_marks(graded):
    assert graded[1]["ada"]["score"] == 5


NAMES = ["-rf", "--force", "con", "a b", "$(touch pwned)", "`id`", "x;y", "naïve", "李 明", "🦆", "a'b\"c"]
NAMES += ["<b>bold<b>", "[red]x"]


def test_odd_names_are_names(class_):
    for name in NAMES:
        class_.hand_in(name, submission(**RIGHT))
    folder = class_.root / "submitted" / "odd-file" / "01_twice"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"\xff\xfe.ipynb")).write_bytes(submission())

    code, records, printed = class_.grade()

    assert code == 0, printed
    assert {name: records[name]["score"] for name in NAMES} == dict.fromkeys(NAMES, 5)
    assert "twice.ipynb was not handed in. There is ??.ipynb" in records["odd-file"]["message"]
    assert not list(class_.root.rglob("pwned"))
    assert class_.run("report").returncode == 0
    assert class_.run("export").returncode == 0
