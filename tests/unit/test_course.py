from __future__ import annotations

import pickle

import pytest

from autograder.course import CourseError, Limits, find_course, load_course


def test_every_folder_with_a_notebook_is_an_assignment_in_the_order_of_names(make_course, master):
    course = make_course({"02_b/b.ipynb": master, "01_a/z.ipynb": master, "01_a/a.ipynb": master})
    (course.source / "03_pictures_only").mkdir()
    (course.source / "03_pictures_only" / "cat.png").write_bytes(b"png")

    course = load_course(course.root)

    assert [assignment.name for assignment in course.assignments] == ["01_a", "02_b"]
    assert [notebook.name for notebook in course.assignment("01_a").notebooks] == ["a", "z"]
    assert course.assignment("02_b").notebooks[0].path == course.root / "source" / "02_b" / "b.ipynb"


def test_settings_say_which_assignments_need_a_gpu_and_how_much_of_one(make_course, master):
    notebooks = {"01_a/a.ipynb": master, "02_b/b.ipynb": master}
    plain = make_course(notebooks)
    assert not any(assignment.gpu for assignment in plain.assignments)
    assert (plain.gpu_memory, plain.gpu_users) == (4096, ("candidate",))

    course = make_course(
        notebooks, "[grading]\ngpu_memory = 9000\nexaminer_gpu = true\n[assignments.02_b]\ngpu = true\n"
    )
    assert [assignment.gpu for assignment in course.assignments] == [False, True]
    assert (course.gpu_memory, course.gpu_users) == (9000, ("candidate", "examiner"))


def test_copies_that_jupyter_keeps_are_no_assignments(make_course, master):
    course = make_course(
        {
            "01_a/a.ipynb": master,
            "01_a/.ipynb_checkpoints/a-checkpoint.ipynb": master,
            ".ipynb_checkpoints/b.ipynb": master,
            "01_a/.hidden.ipynb": master,
        }
    )

    assert [(each.name, len(each.notebooks)) for each in course.assignments] == [("01_a", 1)]


def test_an_assignments_own_limits_lie_over_those_of_the_course(make_course, master):
    course = make_course(
        {"01_a/a.ipynb": master, "02_b/b.ipynb": master},
        "[limits]\ncell_timeout = 60\n[assignments.02_b.limits]\ncell_timeout = 7.5\nnotebook_timeout = 30\n",
    )

    assert course.assignment("01_a").limits == Limits(cell_timeout=60)
    assert course.assignment("02_b").limits == Limits(cell_timeout=7.5, notebook_timeout=30)


def test_without_a_title_the_course_is_called_like_its_folder(make_course, master):
    assert make_course({"01_a/a.ipynb": master}, "").title == "course"


def test_the_seed_of_the_held_out_pictures_is_the_courses_own(make_course, master):
    assert make_course({"01_a/a.ipynb": master}, "holdout_seed = 7").holdout_seed == 7


def test_selecting_nothing_selects_all_and_names_may_come_in_any_order(make_course, master):
    course = make_course({"01_a/a.ipynb": master, "02_b/b.ipynb": master, "03_c/c.ipynb": master})

    assert course.select() == course.assignments
    assert [each.name for each in course.select(["03_c", "01_a", "03_c"])] == ["01_a", "03_c"]


def test_an_unknown_assignment_is_told_with_the_known_ones(make_course, master):
    course = make_course({"01_a/a.ipynb": master, "02_b/b.ipynb": master})

    with pytest.raises(CourseError, match=r"no assignment '2_b'.*Known: 01_a, 02_b\."):
        course.select(["01_a", "2_b"])


def test_the_course_is_found_from_any_folder_in_it(make_course, master, tmp_path):
    course = make_course({"01_a/a.ipynb": master})

    assert find_course(course.source / "01_a") == course.root
    assert find_course(course.root) == course.root
    with pytest.raises(CourseError, match="--course DIR"):
        find_course(tmp_path)


def test_a_course_is_a_value_that_can_go_to_another_process(make_course, master):
    course = make_course({"01_a/a.ipynb": master}, 'preload = ["keras"]')

    assert pickle.loads(pickle.dumps(course)) == course


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('titel = "x"', r"unknown key 'titel'. Allowed here: assignments, grading, holdout_seed, limits, "),
        (
            "[limits]\ncell_time = 3",
            r"unknown key 'limits.cell_time'. Allowed here: call_timeout, cell_timeout, file_limit, ",
        ),
        ("[assignments.01_a]\npoints = 3", r"unknown key 'assignments.01_a.points'. Allowed here: gpu, limits\."),
        ("[assignments.01_a]\ngpu = 1", r"assignments.01_a.gpu is 1; it must be true or false"),
        ("[grading]\ngpus = 2", r"unknown key 'grading.gpus'. Allowed here: examiner_gpu, gpu_memory\."),
        ("[grading]\ngpu_memory = 8.5", r"grading.gpu_memory is 8.5; it must be a whole number of MiB, 1024 at least"),
        ("[grading]\ngpu_memory = 8", r"grading.gpu_memory is 8; it must"),
        ('[grading]\nexaminer_gpu = "yes"', r"grading.examiner_gpu is 'yes'; it must be true or false"),
        ("[assignments.01_a.limits]\nspeed = 3", r"unknown key 'assignments.01_a.limits.speed'"),
        ("[assignments.09_z.limits]\ncell_timeout = 3", r"\[assignments.09_z\].*not in source/. Known: 01_a\."),
        ("[limits]\ncell_timeout = 0", r"limits.cell_timeout is 0; it must be a number above 0"),
        ("[limits]\ncell_timeout = true", r"limits.cell_timeout is True"),
        ("[limits]\ncell_timeout = inf", r"limits.cell_timeout is inf"),
        ("[limits]\ncell_timeout = nan", r"limits.cell_timeout is nan"),
        ('[limits]\ncall_timeout = "10"', r"limits.call_timeout is '10'"),
        ("limits = 3", r"limits is 3; it must be a table: \[limits\]"),
        ("title = 3", r"title is 3; it must be text"),
        ('title = "  "', r"title is '  '; it must be text"),
        ('preload = "keras"', r"preload is 'keras'; it must be a list of modules"),
        ('preload = ["import os"]', r"preload names 'import os', which is no module's name"),
        ("holdout_seed = -1", r"holdout_seed is -1; it must be a whole number"),
        ("holdout_seed = true", r"holdout_seed is True"),
        ("title = \n", r"is not valid TOML: .*line 1"),
    ],
)
def test_a_setting_that_is_wrong_is_told_with_file_key_and_remedy(make_course, master, settings, message):
    with pytest.raises(CourseError, match=rf"(?s)course\.toml.*{message}"):
        make_course({"01_a/a.ipynb": master}, settings)


def test_settings_that_are_not_utf_8_are_told(make_course, master):
    course = make_course({"01_a/a.ipynb": master})
    (course.root / "course.toml").write_bytes('title = "Größe"'.encode("latin-1"))

    with pytest.raises(CourseError, match=r"course\.toml is not valid TOML"):
        load_course(course.root)


def test_a_folder_without_settings_is_no_course(tmp_path):
    with pytest.raises(CourseError, match=r"course\.toml does not exist: is .* a course folder\?"):
        load_course(tmp_path)


@pytest.mark.parametrize("path", ["01 a/a.ipynb", "01_a/my notebook.ipynb", "01+a/a.ipynb", "_a/a.ipynb"])
def test_a_name_that_nbgrader_could_not_use_is_told(make_course, master, path):
    with pytest.raises(CourseError, match="a name may have only letters"):
        make_course({path: master})
