"""The student edition: all that a class needs, and nothing that is for staff."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

from autograder.course import find_course, load_course
from autograder.notebook import notebook_text
from autograder.publish import PublishError, leaks, make_edition, write_edition
from autograder.publish.edition import LIST
from tests.conftest import Cells

COURSE = load_course(find_course(Path(__file__).parent))
SOLUTION = "return sum(number for number in numbers)"
HIDDEN = "assert total([1, -1, 5]) == 5, 'negative numbers'"
MASTER = Cells.notebook(
    Cells.text("# Adding up", "title"),
    Cells.answer(
        f'def total(numbers):\n    """Add up."""\n    ### BEGIN SOLUTION\n    {SOLUTION}\n    ### END SOLUTION', "total"
    ),
    Cells.test(f"assert total([]) == 0\n### BEGIN HIDDEN TESTS\n{HIDDEN}\n### END HIDDEN TESTS", "test_total"),
)


@pytest.fixture(scope="module")
def edition():
    """The edition of this repository's own course."""
    return make_edition(COURSE, COURSE.assignments, repository="uni/deep-learning")


@pytest.fixture
def course(make_course):
    """A course of somebody else's: a folder with a course.toml and masters, and nothing besides."""
    return make_course({"01_a/a.ipynb": MASTER, "02_b/b.ipynb": MASTER})


def released():
    notebook = copy.deepcopy(MASTER)
    notebook.cells[1].source = "def total(numbers):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    notebook.cells[2].source = "assert total([]) == 0"
    return notebook


def as_file(notebook):
    return {"01_a/a.ipynb": notebook_text(notebook).encode()}


def test_what_was_released_gives_nothing_away():
    assert leaks(as_file(released()), [MASTER]) == []


@pytest.mark.parametrize("secret", [SOLUTION, HIDDEN])
@pytest.mark.parametrize("place", ["cell", "output", "text", "workflow"])
def test_a_line_of_a_solution_or_hidden_test_is_found_wherever_it_stands(secret, place):
    notebook = released()
    files = as_file(notebook)
    if place == "cell":
        notebook.cells[1].source += f"\n        {secret}"
        files = as_file(notebook)
    elif place == "output":
        notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"first\n{secret}\n")]
        files = as_file(notebook)
    else:
        files["README.md" if place == "text" else ".github/workflows/check.yml"] = f"see:\n  {secret}\n".encode()
    (found,) = leaks(files, [MASTER])
    assert found.endswith(secret)
    assert found.split(":")[0].split(",")[0] in files


def test_a_forgotten_marker_is_found_although_what_it_held_is_known_to_all():
    assert leaks({"a.py": b"### BEGIN SOLUTION\nreturn x\n### END SOLUTION\n"}, [MASTER]) == [
        "a.py: ### BEGIN SOLUTION",
        "a.py: ### END SOLUTION",
    ]


def test_lines_that_everybody_knows_are_no_secrets():
    assert leaks({"coursekit/a.py": f"    {SOLUTION}\n".encode()}, [MASTER], known=[f"{SOLUTION}\n"]) == []
    shown = Cells.notebook(*MASTER.cells, Cells.locked(SOLUTION, "shown"))
    assert leaks({"coursekit/a.py": f"    {SOLUTION}\n".encode()}, [shown]) == []


def test_an_edition_of_this_course_gives_nothing_away_and_has_every_notebook(edition):
    assert [entry.assignment for entry in edition.notebooks] == [each.name for each in COURSE.assignments]
    assert {entry.points for entry in edition.notebooks} == {20.0}
    assert not [
        name for name in edition.files if name.startswith(("autograder", "source", "solutions", "tests", "samples"))
    ]
    for name in ("coursekit/__init__.py", "coursekit/backbone.npz", "coursekit/targets.toml", "environment.yml"):
        assert name in edition.files


def test_what_notebooks_and_coursekit_import_is_asked_for(edition):
    texts = [data.decode() for name, data in edition.files.items() if name.endswith((".py", ".ipynb"))]
    imported = {name for text in texts for name in re.findall(r'^[\s"]*(?:import|from) (\w+)', text, re.M)}
    project = tomllib.loads(edition.files["pyproject.toml"].decode())["project"]
    asked = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    ours = {re.split(r"[<>=]", line)[0] for line in _dependencies()}
    named = {"PIL": "pillow"}
    assert {named.get(name, name) for name in imported} & ours <= asked
    assert asked <= ours | {"ipykernel"}


def _dependencies():
    return tomllib.loads((COURSE.root / "pyproject.toml").read_text())["project"]["dependencies"]


def test_only_what_was_asked_for_goes_out_but_all_masters_are_secrets(course):
    first, _ = course.assignments
    edition = make_edition(course, [first])
    assert [entry.path for entry in edition.notebooks] == ["01_a/a.ipynb"]
    assert not [name for name in edition.files if name.startswith("02_b")]
    (course.root / "source" / "01_a" / "help.txt").write_text(HIDDEN)
    with pytest.raises(PublishError, match=r"01_a/help.txt: assert total"):
        make_edition(course, [first])


def test_links_and_the_cell_for_colab_are_there_for_a_repository_alone(course):
    plain, linked = make_edition(course, course.assignments), make_edition(course, course.assignments, repository="u/c")
    assert b"colab" not in plain.files["README.md"]
    link = b"(https://colab.research.google.com/github/u/c/blob/main/01_a/a.ipynb)"
    assert link in linked.files["README.md"]
    cells = json.loads(linked.files["01_a/a.ipynb"])["cells"]
    assert "git+https://github.com/u/c@main" in "".join(cells[0]["source"])
    assert len(cells) == len(MASTER.cells) + 1
    with pytest.raises(PublishError, match="owner/name"):
        make_edition(course, course.assignments, repository="https://github.com/u/c")


def test_the_table_in_the_readme_is_one(course):
    readme = make_edition(course, course.assignments, repository="u/c").files["README.md"].decode()
    rows = [line for line in readme.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {row.count("|") for row in rows} == {5}
    assert rows[2].startswith("| [01_a](01_a/a.ipynb) | Adding up | 2 |")


def test_the_workflow_is_yaml_and_the_environment_names_the_project(course):
    files = make_edition(course, course.assignments).files
    workflow = yaml.safe_load(files[".github/workflows/check.yml"])
    assert workflow["jobs"]["check"]["steps"][-1]["run"].count("nbgrader validate") == 1
    assert yaml.safe_load(files["environment.yml"])["dependencies"][-1] == {"pip": ["--editable ."]}
    needs = tomllib.loads(files["pyproject.toml"].decode())["project"]["dependencies"]
    assert set(needs) < set(_dependencies())
    assert not [need for need in needs if need.startswith(("sqlalchemy", "pytest"))]


def test_the_next_edition_replaces_its_own_files_and_leaves_others_alone(course, tmp_path):
    folder = tmp_path / "students"
    (folder / ".git").mkdir(parents=True)
    write_edition(make_edition(course, course.assignments), folder)
    (folder / "notes.md").write_text("of the instructor")
    told = []
    write_edition(make_edition(course, course.assignments[:1]), folder, tell=told.append)
    assert told == ["README.md", "02_b/b.ipynb"]
    assert not (folder / "02_b" / "b.ipynb").exists()
    assert (folder / "notes.md").read_text() == "of the instructor"
    assert "02_b/b.ipynb" not in (folder / LIST).read_text()


def test_a_folder_with_something_else_is_left_alone(course, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    with pytest.raises(PublishError, match=r"not empty .* \(thesis.tex"):
        write_edition(make_edition(course, course.assignments), folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    with pytest.raises(PublishError, match="is a file"):
        write_edition(make_edition(course, course.assignments), folder / "thesis.tex")


def test_a_list_that_somebody_made_up_takes_nothing_away_outside_of_the_folder(course, tmp_path):
    folder = tmp_path / "students"
    folder.mkdir()
    (tmp_path / "precious.txt").write_text("x")
    (folder / LIST).write_text("../precious.txt\n")
    write_edition(make_edition(course, course.assignments), folder)
    assert (tmp_path / "precious.txt").exists()
