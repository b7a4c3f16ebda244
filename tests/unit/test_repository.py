"""The repository holds together: what is declared, pinned, generated, committed and described says the same thing."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from autograder.build import build
from autograder.course import find_course, load_course

ROOT = find_course(Path(__file__).parent)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = ("3.11", "3.12", "3.13")
# What people read in a browser may be linked to; where packages come from is each machine's own affair.
TEXT = {".cfg", ".ini", ".ipynb", ".json", ".md", ".py", ".toml", ".txt", ".yml", ".yaml", ".sh", ""}


def pins(name, python="3.11"):
    """Versions that a requirements file pins, for Linux and a Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    environment |= {"os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython"}
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            ((pin),) = requirement.specifier
            assert pin.operator == "==", line
            assert canonical(requirement.name) not in found, f"{requirement.name} is pinned twice for Python {python}"
            found[canonical(requirement.name)] = Version(pin.version)
    return found


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def recipes():
    """What the Makefile does for each of its targets."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return {found[1]: found[2] for found in re.finditer(r"^([a-z]+):[^\n]*\n((?:\t[^\n]*\n)+)", text, re.M)}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("requirements-dev.txt", PROJECT["project"]["dependencies"]),
        ("requirements-dev.txt", PROJECT["project"]["optional-dependencies"]["dev"]),
        ("requirements-dev.txt", PROJECT["project"]["optional-dependencies"]["cluster"]),
        ("requirements-dev.txt", PROJECT["project"]["optional-dependencies"]["postgres"]),
        ("requirements-dev.txt", [*PROJECT["build-system"]["requires"], "uv", "editables"]),
    ],
    ids=["runtime", "runtime in dev", "dev", "cluster", "postgres", "set-up"],
)
def test_every_declared_package_is_pinned_within_its_bounds(file, declared, python):
    pinned = pins(file, python)

    for requirement in map(Requirement, declared):
        assert canonical(requirement.name) in pinned, f"{requirement} is not pinned: run `make lock`"
        assert pinned[canonical(requirement.name)] in requirement.specifier, f"{requirement}: run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_tests_run_with_the_versions_that_courses_run_with(python):
    runtime, everything = pins("requirements.txt", python), pins("requirements-dev.txt", python)

    assert {name: everything.get(name) for name in runtime} == runtime


def test_the_pythons_that_are_promised_are_the_ones_that_the_set_up_accepts():
    allowed = Requirement(f"python{PROJECT['project']['requires-python']}").specifier

    assert [minor for minor in range(20) if f"3.{minor}.0" in allowed] == [int(each[2:]) for each in PYTHONS]
    assert "(3, 11) <= sys.version_info < (3, 14)" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert PROJECT["tool"]["mypy"]["python_version"] == PYTHONS[0]


def test_conda_installs_the_same_packages_for_the_same_pythons():
    lines = [
        line.strip().removeprefix("- ")
        for line in (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]

    assert lines[0] == f"name: {PROJECT['project']['name']}"
    assert f"python {PROJECT['project']['requires-python']}" in lines
    assert lines[lines.index("pip:") + 1 :] == ["--requirement requirements.txt", "--editable ."]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_a_pinned_line_is_a_package_and_its_version_and_says_nothing_of_where_it_comes_from(name):
    pinned = re.compile(r"[a-z0-9._-]+(\[[a-z0-9,-]+\])?==[a-z0-9.+!]+( ; [^:/]+)?", re.I)
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()

    assert lines
    assert [line for line in lines if not pinned.fullmatch(line)] == []


@pytest.mark.parametrize("name", ["environment.yml", "Makefile", ".ci/run"])
def test_where_packages_come_from_is_each_machines_own_affair(name):
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_no_file_names_a_place_on_somebodys_machine():
    pattern = re.compile(r"(?<![\w.$<>{}*])/(?:home|root|Users|work|opt)/(?!ada\b)[a-z]", re.M)
    found = {
        path.relative_to(ROOT).as_posix(): match[0]
        for path in tracked_files()
        if path.suffix in TEXT and path != Path(__file__)
        for match in [pattern.search(path.read_text(encoding="utf-8"))]
        if match
    }

    assert found == {}


def test_the_release_is_what_the_masters_say():
    course = load_course(ROOT)

    stale = build(course, course.assignments, check=True)

    assert stale == [], "run `make release`"


def test_every_settings_table_in_course_toml_is_about_an_assignment_that_is_there():
    # Loading refuses any other; what is left to say is that limits stay within what a class can wait for.
    for assignment in load_course(ROOT).assignments:
        assert assignment.limits.call_timeout <= assignment.limits.cell_timeout <= assignment.limits.notebook_timeout


def test_the_readme_names_the_commands_that_people_need():
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    for command in ("make grade", "make test", "autograder build", "autograder grade", "autograder check"):
        assert command in text


def test_every_command_that_the_readme_and_the_makefile_name_is_there():
    from typer.main import get_command

    from autograder.cli import app

    known = set(get_command(app).commands)
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bautograder (?:--course \S+ )?([a-z]+)\b", text))

    assert named
    assert named <= known
    assert set(re.findall(r"`?make ([a-z]+)\b", (ROOT / "README.md").read_text(encoding="utf-8"))) <= set(recipes())


def test_every_folder_of_tests_is_run_by_make_test():
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = set(re.search(r"^TESTS := (.*)$", makefile, re.M)[1].split())

    assert folders <= listed
    assert "$(TESTS)" in recipes()["test"]


def test_ci_runs_what_everyone_runs():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert script[-1] == "exec make test"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
