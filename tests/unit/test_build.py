from __future__ import annotations

import copy
import os
import stat
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.build import BuildError, Change, ChangeKind, build, find_problems, release_notebook
from autograder.notebook import notebook_text


def released(course, name="01_a/a.ipynb"):
    return nbformat.read(course.release / name, as_version=4)


class TestWhatStudentsGet:
    def test_the_stub_stands_where_the_solution_was(self, master):
        answer = release_notebook(master).cells[2]

        assert answer.source == (
            'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE\n    raise NotImplementedError()'
        )

    def test_the_visible_test_is_left_of_a_test(self, master):
        assert release_notebook(master).cells[3].source == 'assert double(1) == 2, "double(1) is 2"'

    def test_nothing_else_changes_but_locks_and_checksums(self, master):
        release = release_notebook(master)

        assert [cell.id for cell in release.cells] == ["title", "setup", "double", "test_double"]
        assert release.metadata == master.metadata
        assert [cell.metadata.get("deletable", True) for cell in release.cells] == [True, False, False, False]
        assert [cell.metadata.get("editable", True) for cell in release.cells] == [True, False, True, False]
        for before, after in zip(master.cells[1:], release.cells[1:], strict=True):
            noted = dict(after.metadata.nbgrader)
            assert len(noted.pop("checksum")) == 32
            assert noted.pop("cell_type") == "code"
            assert noted == before.metadata.nbgrader

    def test_the_master_is_left_as_it_is(self, master):
        before = copy.deepcopy(master)

        release_notebook(master)

        assert master == before

    def test_what_the_author_saw_when_running_the_master_is_gone(self, master):
        master.cells[2].outputs = [nbformat.v4.new_output("stream", text="the answer is 42")]
        master.cells[2].execution_count = 7
        master.cells[2].metadata["execution"] = {"shell.execute_reply": "2024-01-01T00:00:00Z"}
        master.cells[2].metadata["collapsed"] = True
        master.metadata["widgets"] = {"state": "the answer is 42"}

        text = notebook_text(release_notebook(master))

        assert "42" not in text
        assert "execution" not in text.replace("execution_count", "")
        assert release_notebook(master).cells[2].execution_count is None

    def test_an_essay_keeps_its_points_and_loses_its_model_answer(self, master, cells):
        master.cells.append(cells.text("The slope is what a step changes.", "why", grade=True, solution=True, points=3))

        essay = release_notebook(master).cells[-1]

        assert essay.source == "YOUR ANSWER HERE"
        assert essay.metadata.nbgrader.points == 3

    def test_a_task_loses_its_mark_scheme(self, master, cells):
        source = "Write a page.\n### BEGIN MARK SCHEME\n1 point for a picture\n### END MARK SCHEME"
        master.cells.append(cells.text(source, "page", task=True, locked=True, points=3))

        assert release_notebook(master).cells[-1].source == "Write a page."

    def test_tags_stay(self, master):
        master.cells[1].metadata["tags"] = ["candidate", "nbval-check-output"]

        assert release_notebook(master).cells[1].metadata.tags == ["candidate", "nbval-check-output"]

    @given(
        st.lists(
            st.tuples(st.sampled_from(["", "SOLUTION"]), st.lists(st.integers(0, 10**9), max_size=4)), min_size=1
        ).filter(lambda parts: any(region for region, _ in parts))
    )
    def test_no_line_between_markers_is_ever_released_and_every_other_line_is(self, cells, parts):
        lines, secret, public = [], [], []
        for region, numbers in parts:
            named = [f"x{len(secret) + len(public) + place} = {number}" for place, number in enumerate(numbers)]
            (secret if region else public).extend(named)
            lines += [f"### BEGIN {region}", *named, f"### END {region}"] if region else named

        release = release_notebook(cells.notebook(cells.answer("\n".join(lines)), cells.test()))

        kept = release.cells[0].source.splitlines()
        assert not set(secret) & set(kept)
        assert [line for line in kept if line.startswith("x")] == public


class TestFaultsInMasters:
    """Each is told with its cell and what to do about it."""

    @staticmethod
    def message(master):
        with pytest.raises(BuildError, match=r"^source/a:") as caught:
            release_notebook(master, name="source/a")
        return str(caught.value)

    def test_a_sound_master_has_none(self, master):
        assert find_problems(master) == []

    def test_all_of_them_are_told_at_once(self, master):
        del master.cells[3].metadata.nbgrader["points"]
        master.cells[2].source = "def double(x): return 2 * x"

        assert len(self.message(master).splitlines()) == 3

    def test_a_grade_id_used_twice(self, master):
        master.cells[1].metadata.nbgrader["grade_id"] = "double"

        assert "The grade_id 'double' is used by cells 2, 3. Give each cell its own." in self.message(master)

    def test_a_cell_id_used_twice(self, master):
        master.cells[0]["id"] = "double"

        assert "The cell id 'double' is used more than once" in self.message(master)

    def test_a_kernel_that_students_do_not_have(self, master):
        master.metadata.kernelspec.name = "warm"

        assert "It names the kernel 'warm'; students have 'python3'" in self.message(master)

    def test_a_notebook_format_without_cell_ids(self, master):
        master.nbformat_minor = 4

        assert "format 4.4; 4.5 is needed" in self.message(master)

    def test_a_file_that_is_no_valid_notebook(self, master):
        del master.cells[1]["outputs"]

        assert "'outputs' is a required property (at cells/1)" in self.message(master)

    def test_an_answer_with_a_name_that_python_has_already(self, master):
        master.cells[2].source = "### BEGIN SOLUTION\ndef round(x):\n    return 2 * x\n### END SOLUTION"

        assert "cell 3 ('double'): It binds 'round', which Python has already" in self.message(master)

    def test_an_answer_without_markers(self, master):
        master.cells[2].source = "def double(x):\n    return 2 * x"

        assert "cell 3 ('double'): It is an answer without a marked solution. Put the reference" in self.message(master)

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("### BEGIN SOLUTION\nx = 1", "Line 1 begins 'SOLUTION', but nothing ends it"),
            (
                "### BEGIN SOLUTION\n### END SOLUTION\nx = 1\n### END SOLUTION",
                "Line 4 ends 'SOLUTION', but nothing begins it",
            ),
            (
                "### BEGIN SOLUTION\nx = 1\n### BEGIN SOLUTION\n### END SOLUTION",
                "Line 3 begins 'SOLUTION' inside the one begun in line 1",
            ),
            (
                "### BEGIN SOLUTION\n### END SOLUTION\n### begin solution\nx = 1\n### end solution",
                "Line 3, '### begin solution', looks like a marker but is none",
            ),
            (
                "### BEGIN SOLUTION\n### END SOLUTION\nx = 1  # END SOLUTION",
                "Line 3, 'x = 1  # END SOLUTION', looks like a marker but is none",
            ),
            (
                "### BEGIN SOLUTION\n### END SOLUTION\n### BEGIN_SOLUTION",
                "Line 3, '### BEGIN_SOLUTION', looks like a marker but is none",
            ),
            (
                "### BEGIN SOLUTION\n### END SOLUTION\n### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS",
                "Line 3 marks 'HIDDEN TESTS' in a cell that is not a test",
            ),
        ],
    )
    def test_a_marker_in_an_answer_that_would_leak_or_swallow_lines(self, master, source, problem):
        master.cells[2].source = source

        assert f"cell 3 ('double'): {problem}" in self.message(master)

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("### BEGIN HIDDEN TESTS\nassert True", "Line 1 begins 'HIDDEN TESTS', but nothing ends it"),
            ("assert True\n### END HIDDEN TESTS", "Line 2 ends 'HIDDEN TESTS', but nothing begins it"),
            ("### BEGIN HIDDEN TEST\nassert True\n### END HIDDEN TEST", "Line 1, '### BEGIN HIDDEN TEST', looks like"),
            ("### BEGIN SOLUTION\n### END SOLUTION", "Line 1 marks 'SOLUTION' in a cell that is not an answer"),
        ],
    )
    def test_a_marker_in_a_test_that_would_leak_or_swallow_lines(self, master, source, problem):
        master.cells[3].source = source

        assert f"cell 4 ('test_double'): {problem}" in self.message(master)

    def test_a_marker_in_a_cell_of_no_part(self, master):
        master.cells[0].source = "### BEGIN MARK SCHEME\n1 point\n### END MARK SCHEME"

        assert "cell 1: Line 1 marks 'MARK SCHEME' in a cell that is not a task" in self.message(master)

    def test_a_solution_that_is_less_indented_than_its_function(self, master):
        master.cells[2].source = "def double(x):\n### BEGIN SOLUTION\n    return 2 * x\n### END SOLUTION"

        assert "cell 3 ('double'): what is left for students is not valid Python" in self.message(master)

    def test_a_block_whose_body_is_hidden(self, master):
        master.cells[3].source = "for x in (1, 2):\n    ### BEGIN HIDDEN TESTS\n    pass\n    ### END HIDDEN TESTS"

        assert "cell 4 ('test_double'): what is left for students is not valid Python" in self.message(master)

    def test_a_magic_is_no_fault(self, master):
        master.cells[1].source = "%matplotlib inline"

        assert release_notebook(master).cells[1].source == "%matplotlib inline"

    def test_a_test_without_points(self, master):
        del master.cells[3].metadata.nbgrader["points"]

        assert "cell 4 ('test_double'): It is graded but has no points. Give it points" in self.message(master)

    @pytest.mark.parametrize("points", [0, float("inf"), float("nan")])
    def test_a_test_whose_points_are_no_points(self, master, points):
        master.cells[3].metadata.nbgrader["points"] = points

        assert f"cell 4 ('test_double'): It is worth {points} points" in self.message(master)

    def test_a_test_that_students_could_change(self, master):
        master.cells[3].metadata.nbgrader["locked"] = False

        assert "cell 4 ('test_double'): It is a test that students could change" in self.message(master)

    def test_a_test_that_is_no_code(self, master):
        master.cells[3] = nbformat.v4.new_raw_cell("x", id="raw", metadata=master.cells[3].metadata)

        assert "cell 4 ('test_double'): It is a test but not a code cell" in self.message(master)

    def test_metadata_of_an_older_nbgrader(self, master):
        master.cells[3].metadata.nbgrader["schema_version"] = 2

        assert "cell 4 ('test_double'): Its nbgrader metadata are of another version. Run `nbgrader update`" in (
            self.message(master)
        )

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("points", -1, "-1 is less than the minimum"),
            ("grade_id", "", "grade_id is empty"),
            ("grade", "yes", "'yes'"),
        ],
    )
    def test_metadata_that_nbgraders_own_validator_refuses(self, master, key, value, words):
        master.cells[3].metadata.nbgrader[key] = value

        message = self.message(master)
        assert "Its nbgrader metadata are not valid" in message
        assert words in message

    def test_a_picture_in_a_mark_scheme(self, master, cells):
        source = "Write.\n### BEGIN MARK SCHEME\n![](attachment:a.png)\n### END MARK SCHEME"
        master.cells.append(cells.text(source, "page", task=True, locked=True, points=3))

        assert "Encountered an attachment in a marking scheme" in self.message(master)


class TestTheReleaseFolder:
    def test_it_holds_notebooks_and_pictures_and_nothing_that_is_not_the_students(self, make_course, master):
        course = make_course({"01_a/a.ipynb": master, "02_b/b.ipynb": master})
        folder = course.source / "01_a"
        for name in ("cat.png", "data/t.csv", ".secret", "__pycache__/a.pyc", ".ipynb_checkpoints/a-checkpoint.ipynb"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(name.encode())

        changes = build(course, course.assignments)

        present = {path.relative_to(course.release).as_posix() for path in course.release.rglob("*") if path.is_file()}
        assert present == {"01_a/a.ipynb", "01_a/cat.png", "01_a/data/t.csv", "02_b/b.ipynb"}
        assert (course.release / "01_a/cat.png").read_bytes() == b"cat.png"
        assert [change.path.relative_to(course.release).as_posix() for change in changes] == sorted(present)
        assert {change.kind for change in changes} == {ChangeKind.CREATED}
        assert "BEGIN" not in (course.release / "01_a/a.ipynb").read_text(encoding="utf-8")

    def test_building_again_gives_the_same_bytes_and_touches_nothing(self, make_course, master):
        course = make_course({"01_a/a.ipynb": master})
        build(course, course.assignments)
        file = course.release / "01_a/a.ipynb"
        data, times = file.read_bytes(), file.stat().st_mtime_ns

        assert build(course, course.assignments) == []
        assert (file.read_bytes(), file.stat().st_mtime_ns) == (data, times)

        file.unlink()
        build(course, course.assignments)
        assert file.read_bytes() == data

    def test_checking_tells_what_is_out_of_date_and_writes_nothing(self, make_course, master, cells):
        course = make_course({"01_a/a.ipynb": master, "02_b/b.ipynb": master, "03_c/c.ipynb": master})
        build(course, course.assignments)
        master.cells.append(cells.text("More.", "more"))
        (course.source / "01_a/a.ipynb").write_text(notebook_text(master), encoding="utf-8")
        (course.release / "02_b/b.ipynb").unlink()
        (course.release / "03_c/old.ipynb").write_text("old", encoding="utf-8")
        before = {path: path.read_bytes() for path in course.release.rglob("*") if path.is_file()}

        changes = build(course, course.assignments, check=True)

        assert changes == [
            Change(course.release / "01_a/a.ipynb", ChangeKind.UPDATED),
            Change(course.release / "02_b/b.ipynb", ChangeKind.CREATED),
            Change(course.release / "03_c/old.ipynb", ChangeKind.REMOVED),
        ]
        assert {path: path.read_bytes() for path in course.release.rglob("*") if path.is_file()} == before
        assert build(course, course.assignments) == changes
        assert build(course, course.assignments, check=True) == []
        assert not (course.release / "03_c/old.ipynb").exists()

    def test_building_one_assignment_leaves_the_others_alone(self, make_course, master):
        course = make_course({"01_a/a.ipynb": master, "02_b/b.ipynb": master})
        gone = course.release / "00_gone/gone.ipynb"
        gone.parent.mkdir(parents=True)
        gone.write_text("gone", encoding="utf-8")

        build(course, course.select(["02_b"]))
        assert not (course.release / "01_a").exists()
        assert gone.exists()

        build(course, course.assignments)
        assert (course.release / "01_a/a.ipynb").exists()
        assert not gone.parent.exists()

    def test_one_faulty_master_leaves_the_whole_release_as_it_was(self, make_course, master):
        course = make_course({"01_a/a.ipynb": master, "02_b/b.ipynb": master})
        (course.source / "02_b/b.ipynb").write_text("{}", encoding="utf-8")

        with pytest.raises(BuildError, match=r"b\.ipynb is JSON, but not a notebook"):
            build(course, course.assignments)

        assert not course.release.exists()

    def test_a_course_without_masters_does_not_empty_the_release(self, make_course):
        course = make_course({})
        kept = course.release / "01_a/a.ipynb"
        kept.parent.mkdir(parents=True)
        kept.write_text("kept", encoding="utf-8")

        with pytest.raises(BuildError, match="There is nothing to build"):
            build(course, course.assignments)

        assert kept.exists()

    def test_a_notebook_further_down_is_refused_because_it_would_carry_its_solutions_out(self, make_course, master):
        course = make_course({"01_a/a.ipynb": master, "01_a/drafts/b.ipynb": master})

        with pytest.raises(BuildError, match=r"drafts/b\.ipynb: a notebook below the assignment's own folder"):
            build(course, course.assignments)

    def test_a_fault_names_the_master_by_its_path_in_the_course(self, make_course, master):
        master.cells[2].source = "pass"
        course = make_course({"01_a/a.ipynb": master})

        with pytest.raises(BuildError, match=r"^source/01_a/a\.ipynb:\n  cell 3 \('double'\): "):
            build(course, course.assignments)

    def test_files_are_as_readable_as_any_other(self, make_course, master, tmp_path):
        course = make_course({"01_a/a.ipynb": master})
        build(course, course.assignments)
        (tmp_path / "plain").touch()

        mode = (course.release / "01_a/a.ipynb").stat().st_mode

        assert stat.S_IMODE(mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_nbgraders_own_generate_assignment_gives_the_same_notebook(make_course, master, cells, monkeypatch):
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    # nbgrader starts `alembic` by its bare name.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)

    master.cells.append(cells.text("Because.", "why", grade=True, solution=True, points=3))
    course = make_course({"01_a/a.ipynb": master})
    build(course, course.assignments)
    ours = released(course)

    config = Config()
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.release_directory = "nbgrader_release"
    config.CourseDirectory.db_url = f"sqlite:///{course.gradebook}"
    outcome = NbGraderAPI(config=config).generate_assignment("01_a")

    assert outcome["success"], outcome["log"]
    assert nbformat.read(course.root / "nbgrader_release/01_a/a.ipynb", as_version=4) == ours
