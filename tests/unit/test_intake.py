"""Who handed in what, from Moodle, Canvas or a folder; and what nobody can place is told, with a way out."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from autograder import cli
from autograder.course import CourseError, load_course
from autograder.gradebook import submission_time
from autograder.intake import Change, RosterError, Scheme, collect, read_roster
from autograder.intake import collect as collecting
from autograder.intake.matching import Content, Master, match, read_content
from autograder.intake.naming import (
    BESIDE,
    Handed,
    folded,
    folder_name,
    guess,
    is_folder_name,
    read_path,
    read_time,
    without_counter,
)
from autograder.notebook import notebook_text
from autograder.sample import MARK
from autograder.submitted import find_submissions
from tests.downloads import answered, canvas_class, master, moodle_class, saved, tarred, zipped


@pytest.fixture
def course(make_course):
    return make_course({"01_a/a.ipynb": master("a"), "02_b/b.ipynb": master("b")})


@pytest.fixture
def moodle(course, tmp_path):
    """Collect files of a Moodle download, by student, number and file."""

    def hand_in(files, name="class.zip", **options):
        data = zipped({f"{who}_assignsubmission_file/{file}": data for (who, file), data in files.items()})
        return collect(course, [saved(tmp_path, data, name)], **options)

    return hand_in


def placed(course):
    return {path.relative_to(course.submitted).as_posix() for path in course.submitted.rglob("*") if path.is_file()}


def rows(summary):
    return {(each.student, each.assignment): each for each in summary.collected}


# What paths say


@pytest.mark.parametrize(
    ("path", "handed"),
    [
        ("Ada Lovelace_123_assignsubmission_file/a.ipynb", Handed("Ada Lovelace", "123", "a.ipynb")),
        ("Ada Lovelace_123_assignsubmission_file_/a.ipynb", Handed("Ada Lovelace", "123", "a.ipynb")),
        ("Ada Lovelace_123_assignsubmission_file_a_b.ipynb", Handed("Ada Lovelace", "123", "a_b.ipynb")),
        ("Ada_123_assignsubmission_file/sub/folder/a.ipynb", Handed("Ada", "123", "a.ipynb")),
        ("CNN-1234/Ada_123_assignsubmission_file/a.ipynb", Handed("Ada", "123", "a.ipynb")),
        ("Group 3_45_assignsubmission_file/a.ipynb", Handed("Group 3", "45", "a.ipynb")),
        ("Default group_assignsubmission_file/a.ipynb", Handed("Default group", "", "a.ipynb")),
        ("Group 3-Ada Lovelace_123_assignsubmission_file_/a.ipynb", Handed("Group 3-Ada Lovelace", "123", "a.ipynb")),
        ("Participant_77_assignsubmission_file/a.ipynb", Handed("Participant", "77", "a.ipynb", is_anonymous=True)),
        (
            "Participant 77_assignsubmission_file_/a.ipynb",
            Handed("Participant 77", "77", "a.ipynb", is_anonymous=True),
        ),
        ("Ada Lovelace_123_assignsubmission_onlinetext/onlinetext.html", BESIDE),
        ("Ada Lovelace_123_assignsubmission_onlinetext_onlinetext.html", BESIDE),
        ("Ada Lovelace_123_assignsubmission_file", None),
        ("ada/a.ipynb", None),
    ],
)
def test_a_path_of_moodle(path, handed):
    assert read_path(path.split("/"), Scheme.MOODLE) == handed


@pytest.mark.parametrize(
    ("path", "handed"),
    [
        ("lovelaceada_12345_67890_a.ipynb", Handed("lovelaceada", "12345", "a.ipynb", order=67890)),
        (
            "lovelaceada_LATE_12345_67890_a-1.ipynb",
            Handed("lovelaceada", "12345", "a-1.ipynb", late=True, order=67890),
        ),
        ("submissions/lovelaceada_1_2_a_3_4_b.ipynb", Handed("lovelaceada", "1", "a_3_4_b.ipynb", order=2)),
        ("van_damme_LATEjan_1_2_a.ipynb", Handed("van_damme_LATEjan", "1", "a.ipynb", order=2)),
        ("ångströmzoë_1_2_a b.ipynb", Handed("ångströmzoë", "1", "a b.ipynb", order=2)),
        ("LATE_1_2_a.ipynb", Handed("", "1", "a.ipynb", late=True, order=2, is_anonymous=True)),
        ("anon_aB3dE_67890_a.ipynb", Handed("anon aB3dE", "", "a.ipynb", order=67890)),
        ("LATE_anon_aB3dE_67890_a.ipynb", Handed("anon aB3dE", "", "a.ipynb", late=True, order=67890)),
        ("lovelaceada_12345_text.html", BESIDE),
        ("lovelaceada_LATE_12345_link.html", BESIDE),
        ("a.ipynb", None),
        ("ada/a.ipynb", None),
    ],
)
def test_a_path_of_canvas(path, handed):
    assert read_path(path.split("/"), Scheme.CANVAS) == handed


@pytest.mark.parametrize(
    ("path", "handed"),
    [
        ("ada/01_a/a.ipynb", Handed("ada", "", "a.ipynb", assignment="01_a")),
        ("some/folder/ada/01_a/a.ipynb", Handed("ada", "", "a.ipynb", assignment="01_a")),
        ("ada/01_a/deeper/a.ipynb", Handed("ada", "", "a.ipynb", assignment="01_a")),
        ("ada/a.ipynb", Handed("ada", "", "a.ipynb")),
        ("submitted/ada/a.ipynb", Handed("ada", "", "a.ipynb")),
        ("class/ada/a.ipynb", Handed("ada", "", "a.ipynb")),
        # Is this ada's, or homework's?
        ("ada/homework/a.ipynb", None),
        ("01_a/a.ipynb", Handed("01_a", "", "a.ipynb")),
        ("a.ipynb", None),
    ],
)
def test_a_path_of_a_plain_folder(path, handed):
    assert read_path(path.split("/"), Scheme.PLAIN, assignments={"01_a"}, wrapper="class") == handed


def test_what_made_a_download_is_seen_from_its_names():
    assert guess([["Ada_1_assignsubmission_file", "a"], ["Ada_1_assignsubmission_onlinetext", "b"]]) is Scheme.MOODLE
    assert guess([["ada_1_2_a.ipynb"], ["ben_2_text.html"], ["readme.txt"]]) is Scheme.CANVAS
    assert guess([["ada", "a.ipynb"], ["ben", "b_1_2_a.ipynb"]]) is Scheme.PLAIN
    assert guess([]) is Scheme.PLAIN


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("a", ("a", 0)),
        ("a-1", ("a", 1)),
        ("a (12)", ("a", 12)),
        ("a(2)", ("a", 2)),
        ("a-Copy3", ("a", 3)),
        ("a-2026", ("a-2026", 0)),
        ("-1", ("-1", 0)),
    ],
)
def test_what_a_name_has_since_there_was_one_of_that_name(stem, expected):
    assert without_counter(stem) == expected


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("Zoë  Ångström", "zoë-ångström"),
        ("O'Brien, Seán", "o-brien-seán"),
        ("प्रिया शर्मा", "प्रिया-शर्मा"),
        ("王小明", "王小明"),
        ("\uff26\uff55\uff4c\uff4c \uff37idth", "full-width"),
        ("İpek", "i̇pek"),
        ("...", ""),
    ],
)
def test_a_folders_name_is_made_of_a_persons(name, folder):
    assert folder_name(name) == folder


@given(st.text(max_size=300))
def test_a_made_name_is_none_or_fit_for_a_folder_everywhere(name):
    made = folder_name(name)

    assert made == "" or is_folder_name(made)
    assert (made == "") == (folded(name) == "")


@given(st.text(min_size=60, max_size=80), st.text(min_size=1, max_size=5))
def test_long_names_that_begin_in_the_same_way_stay_two(name, ending):
    names = (name + "x" * 60, name + "x" * 60 + "z" + ending)

    assert folder_name(names[0]) != folder_name(names[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31 23:59:00 UTC", datetime(2026, 1, 31, 23, 59, tzinfo=UTC)),
        ("2026-01-31 23:59:00.5 UTC\n", datetime(2026, 1, 31, 23, 59, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31 23:59:00 +0100", datetime(2026, 1, 31, 22, 59, tzinfo=UTC)),
        ("2026-01-31T23:59:00-05:00", datetime(2026, 2, 1, 4, 59, tzinfo=UTC)),
        ("2026-01-31 23:59:00 Europe/Berlin", datetime(2026, 1, 31, 22, 59, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("-", None),
        ("", None),
        ("soon", None),
        ("2026-01-31 23:59:00 ../../etc/passwd", None),
        ("2026-01-31 23:59:00 Nowhere/Else", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("Monday, 1 Foo 2026, 1:00 PM", None),
    ],
)
def test_times_as_nbgrader_and_iso_write_them(text, expected):
    assert read_time(text) == expected


@pytest.mark.parametrize(
    "text", ["Saturday, 31 January 2026, 11:59 PM", "31 Jan 2026, 23:59", "31 January 2026, 11:59\u202fPM"]
)
def test_moodles_times_are_the_clock_on_the_wall(monkeypatch, text):
    monkeypatch.setenv("TZ", "UTC-5")  # POSIX counts the other way: five hours ahead
    __import__("time").tzset()
    try:
        assert read_time(text) == datetime(2026, 1, 31, 18, 59, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        __import__("time").tzset()


# The class


WORKSHEET = """\ufeffIdentifier,"Full name","Email address",Group,Status,Grade,"Last modified (submission)"
Participant 11,Ada Lovelace,ada@example.org,Group 1,Submitted for grading,,"Saturday, 31 January 2026, 11:59 PM"
Participant 12,Ali Khan,ali@example.org,Group 1,"Submitted for grading - 2 hours late",,-
Participant 13,Ali Khan,akhan@example.org,,No submission,,-
"""
GRADEBOOK = """Student,ID,SIS User ID,SIS Login ID,Section,CNN (1234)
    Points Possible,,,,,20
"Lovelace, Ada",11,S1,ada@example.org,A,
"Ångström, Zoë",12,S2,ada@other.example,A,
"Student, Test",13,,abcdef,A,
"""


@pytest.fixture
def roster(tmp_path):
    def make(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return read_roster(path)

    return make


def folders(students):
    return [student.folder for student in students]


def test_moodles_worksheet_names_folders_by_what_is_before_the_at(roster):
    students = roster(WORKSHEET).students

    assert folders(students) == ["ada", "ali", "akhan"]
    assert [student.number for student in students] == ["11", "12", "13"]
    assert [student.group for student in students] == ["Group 1", "Group 1", ""]
    assert [student.late for student in students] == [False, True, False]
    assert [student.handed_in is not None for student in students] == [True, False, False]


def test_canvas_gradebook_keeps_two_of_the_same_login_apart_and_leaves_out_who_is_no_student(roster):
    assert folders(roster(GRADEBOOK).students) == ["ada@example.org", "ada@other.example"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_list_that_went_through_a_spreadsheet_is_read(roster, encoding, delimiter):
    text = delimiter.join(("Username", "First name", "Last name")) + "\r\n" + delimiter.join(("zoe", "Zoë", "Ångström"))

    (student,) = roster(text, encoding).students

    assert (student.folder, student.name) == ("zoe", "Zoë Ångström")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has none of the columns"),
        ("Grade,Comment\n1,x\n", "has none of the columns by which students are known. Download Moodle's"),
        ("Full name\n", "lists no students"),
        ("Full name\nAda\nADA\n", "2 students would share the folder 'ada'. Add a column 'Username'"),
        ("Full name\n...\n", "a student has no name"),
    ],
)
def test_a_list_that_is_of_no_use_is_told(roster, text, why):
    with pytest.raises(RosterError, match=re.escape(why)):
        roster(text)


def test_a_list_that_is_no_text_is_told(tmp_path):
    (tmp_path / "list.xlsx").write_bytes(b"PK\3\4\xff\xfe\xfd")
    with pytest.raises(RosterError, match=r"is no list of students: .* Save it as CSV in UTF-8"):
        read_roster(tmp_path / "list.xlsx")
    with pytest.raises(RosterError, match="cannot be read: No such file"):
        read_roster(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("handed", "found"),
    [
        (Handed("Ada Lovelace", "11", ""), ["ada"]),
        (Handed("ada  LOVELACE", "", ""), ["ada"]),
        # A number of another assignment's list, which is another student's here.
        (Handed("Ada Lovelace", "12", ""), ["ada"]),
        (Handed("Ali Khan", "13", ""), ["akhan"]),
        (Handed("Ali Khan", "99", ""), []),
        (Handed("Grace Hopper", "11", ""), []),
        (Handed("Participant", "12", "", is_anonymous=True), ["ali"]),
        (Handed("Group 1", "5", ""), ["ada", "ali"]),
        (Handed("Group 1-Ada Lovelace", "11", ""), ["ada"]),
        (Handed("A-Team-Ali Khan", "13", ""), ["akhan"]),
        (Handed("A-Team-Ali Khan", "99", ""), []),
        (Handed("akhan", "", ""), ["akhan"]),
        (Handed("lovelaceada", "11", ""), []),
    ],
)
def test_who_handed_in_is_found_by_name_and_number(roster, handed, found):
    assert folders(roster(WORKSHEET).find(handed)) == found


def test_who_handed_in_is_found_in_canvas_way_of_writing_names(roster):
    class_ = roster(GRADEBOOK)

    assert folders(class_.find(Handed("lovelaceada", "11", ""))) == ["ada@example.org"]
    assert folders(class_.find(Handed("ångströmzoë", "12", ""))) == ["ada@other.example"]
    assert folders(class_.find(Handed("Zoë Ångström", "", ""))) == ["ada@other.example"]
    # A group's name, with the number of whoever handed it in.
    assert folders(class_.find(Handed("projectgroup1", "11", ""))) == []


def test_a_list_without_names_serves_anonymous_marking(roster):
    class_ = roster("Identifier,Status\nParticipant 11,\nParticipant 12,\n")

    assert folders(class_.students) == ["participant-11", "participant-12"]
    assert folders(class_.find(Handed("Teilnehmerin", "12", ""))) == ["participant-12"]


def test_canvas_list_of_groups_gives_a_groups_work_to_all_of_it(roster):
    class_ = roster("name,canvas_user_id,login_id,group_name\nAda,1,ada,Group 1\nBen,2,ben,Group 1\nCleo,3,cleo,\n")

    assert folders(class_.find(Handed("group1", "1", ""))) == ["ada", "ben"]


# Which notebook


MASTERS = [
    Master(load, frozenset(ids))
    for load, ids in (
        (type("Source", (), {"assignment": "01_a", "name": "a"})(), {"a", "test_a", "setup"}),
        (type("Source", (), {"assignment": "02_b", "name": "b"})(), {"b", "test_b", "setup"}),
        (type("Source", (), {"assignment": "03_c", "name": "b-2"})(), {"c", "test_c", "d", "test_d"}),
    )
]


@pytest.mark.parametrize(
    ("grade_ids", "name", "expected"),
    [
        ({"a", "test_a", "setup"}, "homework.ipynb", "a"),
        ({"a", "test_a", "setup"}, "b.ipynb", "a"),
        ({"setup"}, "b.ipynb", "b"),
        ({"setup"}, "b-1.ipynb", "b"),
        ({"setup"}, "homework.ipynb", None),
        ({"c"}, "homework.ipynb", None),
        ({"c"}, "03_C.ipynb", "b-2"),
        ({"c"}, "a.ipynb", None),
        ({"c", "d"}, "homework.ipynb", "b-2"),
        ({"other"}, "homework.ipynb", None),
        (set(), "A.IPYNB", "a"),
        (set(), "a (3).ipynb", "a"),
        (set(), "b-2.ipynb", "b-2"),
        (set(), "02_b.ipynb", "b"),
        (set(), "homework.ipynb", None),
    ],
)
def test_a_file_is_known_by_its_cells_and_where_they_say_nothing_by_its_name(grade_ids, name, expected):
    found = match(Content(frozenset(grade_ids)), name, MASTERS)

    assert (found and found.name) == expected


def test_a_file_that_cannot_be_graded_says_why():
    assert read_content(b"no", "a.ipynb", MASTERS).fault.startswith("a.ipynb is not a notebook")
    assert read_content(answered("a"), "a.ipynb", MASTERS) == Content(frozenset({"a", "test_a"}))
    assert read_content(answered("z"), "a.ipynb", MASTERS) == Content()


# Collecting


def test_what_is_collected_is_what_is_graded(course, tmp_path):
    data = zipped(
        {
            "Ada Lovelace_1_assignsubmission_file/x.ipynb": answered("a"),
            "Ben_2_assignsubmission_file/y.ipynb": answered("b"),
        }
    )

    collect(course, [saved(tmp_path, data)])

    found = [each for each in find_submissions(course, course.assignments) if each.path.exists()]
    assert [(each.student, each.notebook.name) for each in found] == [("ada-lovelace", "a"), ("ben", "b")]
    assert found[0].path.read_bytes() == answered("a")


@pytest.mark.parametrize("make", [zipped, lambda files: tarred(files, "w:xz"), None], ids=["zip", "tar", "folder"])
def test_plain_files_are_collected_from_archives_and_folders(course, tmp_path, make):
    files = {"ada/01_a/a.ipynb": answered("a"), "Ben Smith/b.ipynb": answered("b"), "cleo/01_a/x.ipynb": answered("a")}
    source = tmp_path / "class"
    if make:
        source.write_bytes(make(files))
    else:
        for name, data in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)

    summary = collect(course, [source])

    assert placed(course) == {"ada/01_a/a.ipynb", "Ben Smith/02_b/b.ipynb", "cleo/01_a/a.ipynb"}
    assert not summary.problems
    assert {each.change for each in summary.collected} == {Change.NEW}
    assert summary.schemes == {"class": Scheme.PLAIN}


def test_a_zip_that_a_student_made_is_opened(course, moodle):
    inner = zipped({"my work/a.ipynb": answered("a"), "my work/data.csv": b"1,2", "__MACOSX/my work/._a.ipynb": b"x"})

    summary = moodle({("Ada_1", "hw.zip"): inner})

    assert placed(course) == {"ada/01_a/a.ipynb"}
    assert not summary.problems


def test_of_several_uploads_the_newest_counts_and_the_others_are_told(course, tmp_path):
    names = ["ada_1_200_a-2.ipynb", "ada_LATE_1_1000_a-1.ipynb", "ada_1_30_a.ipynb"]
    data = zipped({name: answered("a", str(place)) for place, name in enumerate(names)})

    (row,) = collect(course, [saved(tmp_path, data)]).collected

    assert (course.submitted / "ada/01_a/a.ipynb").read_bytes() == answered("a", "1")
    assert row.late
    assert row.remarks == ("repeated: ada_1_200_a-2.ipynb, ada_1_30_a.ipynb left out",)


def test_of_several_files_of_one_name_the_one_with_the_highest_counter_counts(course, moodle):
    summary = moodle(
        {("Ada_1", f"a{ending}.ipynb"): answered("a", n) for n, ending in enumerate(("", " (10)", " (9)"))}
    )

    assert (course.submitted / "ada/01_a/a.ipynb").read_bytes() == answered("a", 1)
    assert rows(summary)["ada", "01_a"].remarks == ("repeated: a (9).ipynb, a.ipynb left out",)


def test_of_several_files_the_one_that_is_called_as_it_should_be_counts(course, moodle):
    moodle({("Ada_1", "draft.ipynb"): answered("a", 1), ("Ada_1", "a.ipynb"): answered("a", 2)})

    assert (course.submitted / "ada/01_a/a.ipynb").read_bytes() == answered("a", 2)


def test_where_nothing_says_which_of_several_files_counts_none_is_taken(course, moodle):
    summary = moodle({("Ada_1", "x.ipynb"): answered("a", 1), ("Ada_1", "y.ipynb"): answered("a", 2)})

    assert not summary.collected
    (problem,) = summary.problems
    assert problem.reason == "'ada' handed in several files that could be a.ipynb: x.ipynb, y.ipynb."
    assert problem.remedy == "Name the one that counts a.ipynb, or leave only that one."


def test_the_same_file_twice_is_one(course, moodle):
    summary = moodle({("Ada_1", "x.ipynb"): answered("a"), ("Ada_1", "y.ipynb"): answered("a")})

    assert rows(summary)["ada", "01_a"].remarks == ()


def test_of_two_downloads_the_later_one_counts(course, tmp_path):
    sources = [
        saved(tmp_path, zipped({"Ada_1_assignsubmission_file/a-1.ipynb": answered("a", 1)}), "before.zip"),
        saved(tmp_path, zipped({"Ada_1_assignsubmission_file/a.ipynb": answered("a", 2)}), "after.zip"),
    ]

    summary = collect(course, sources)

    assert (course.submitted / "ada/01_a/a.ipynb").read_bytes() == answered("a", 2)
    assert rows(summary)["ada", "01_a"].origin.startswith("after.zip: ")


def test_two_assignments_downloads_are_one_students_though_moodle_numbers_anew(course, tmp_path):
    sources = [
        saved(tmp_path, zipped({"Ada_1_assignsubmission_file/a.ipynb": answered("a")}), "a.zip"),
        saved(tmp_path, zipped({"Ada_9_assignsubmission_file/b.ipynb": answered("b")}), "b.zip"),
    ]

    assert not collect(course, sources).problems
    assert placed(course) == {"ada/01_a/a.ipynb", "ada/02_b/b.ipynb"}


def test_two_students_of_one_name_are_told_and_a_list_of_the_class_keeps_them_apart(course, moodle, roster):
    files = {("Ali Khan_12", "a.ipynb"): answered("a", 1), ("Ali Khan_13", "a.ipynb"): answered("a", 2)}

    summary = moodle(files)
    assert not summary.collected
    assert {each.reason for each in summary.problems} == {"Several students would share the folder 'ali-khan'."}
    assert {each.remedy for each in summary.problems} == {"Give a list of the class: --roster FILE."}

    summary = moodle(files, roster=roster(WORKSHEET))
    assert not summary.problems
    assert (course.submitted / "akhan/01_a/a.ipynb").read_bytes() == answered("a", 2)
    assert summary.absent == ("ada",)


def test_two_names_that_would_make_one_folder_are_told_also_from_two_downloads(course, tmp_path):
    sources = [
        saved(tmp_path, zipped({"Ada Lovelace_1_assignsubmission_file/a.ipynb": answered("a")}), "a.zip"),
        saved(tmp_path, zipped({"Ada-Lovelace_9_assignsubmission_file/b.ipynb": answered("b")}), "b.zip"),
    ]

    summary = collect(course, sources)

    assert not summary.collected
    assert {each.reason for each in summary.problems} == {"Several students would share the folder 'ada-lovelace'."}


def test_who_is_not_in_the_list_of_the_class_is_told(moodle, roster):
    summary = moodle(
        {("Grace Hopper_99", "a.ipynb"): answered("a"), ("Grace Hopper_99", "b.ipynb"): answered("b")},
        roster=roster(WORKSHEET),
    )

    (problem,) = summary.problems
    assert problem.reason == "'Grace Hopper 99' is not in the list of the class."


def test_a_groups_work_is_everyones_in_it(course, moodle, roster):
    summary = moodle({("Group 1_5", "a.ipynb"): answered("a")}, roster=roster(WORKSHEET))

    assert placed(course) == {"ada/01_a/a.ipynb", "ali/01_a/a.ipynb"}
    assert {each.remarks for each in summary.collected} == {("handed in by the group 'Group 1'",)}


def test_a_group_without_a_list_of_the_class_has_a_folder_of_its_own(course, moodle):
    moodle({("Group 1_5", "a.ipynb"): answered("a")})

    assert placed(course) == {"group-1/01_a/a.ipynb"}


def test_anonymous_marking_gives_folders_of_numbers(course, tmp_path):
    moodle = zipped(
        {
            "Participant_77_assignsubmission_file/a.ipynb": answered("a"),
            "Participant_78_assignsubmission_file/a.ipynb": answered("a"),
        }
    )
    canvas = zipped({"anon_aB3dE_5_a.ipynb": answered("a"), "LATE_anon_xY2zW_6_a.ipynb": answered("a")})

    summary = collect(course, [saved(tmp_path, moodle, "m.zip"), saved(tmp_path, canvas, "c.zip")])

    assert not summary.problems
    assert {each.student for each in summary.collected} == {
        "participant-77",
        "participant-78",
        "anon-ab3de",
        "anon-xy2zw",
    }
    assert [each.student for each in summary.collected if each.late] == ["anon-xy2zw"]


def test_a_file_that_cannot_be_graded_is_collected_when_its_name_says_which_it_is(course, moodle):
    summary = moodle({("Ada_1", "a.ipynb"): b"no notebook", ("Ben_2", "homework.ipynb"): b"no notebook"})

    assert placed(course) == {"ada/01_a/a.ipynb"}
    assert rows(summary)["ada", "01_a"].remarks[0].startswith("cannot be graded: a.ipynb is not a notebook")
    (problem,) = summary.problems
    assert problem.reason.startswith("homework.ipynb is not a notebook")
    assert problem.remedy.endswith("collect it again: a.ipynb, b.ipynb.")


def test_who_handed_in_no_notebook_is_told_and_what_came_beside_one_is_not(moodle):
    summary = moodle(
        {
            ("Ada_1", "a.ipynb"): answered("a"),
            ("Ada_1", "data.csv"): b"1",
            ("Ben_2", "answers.pdf"): b"%PDF",
            ("Cleo_3", "hw.rar"): b"Rar!",
        }
    )

    assert {each.reason: each.remedy for each in summary.problems} == {
        "'ben' handed in no notebook, only answers.pdf.": "Ask for the notebook.",
        "'cleo' handed in no notebook, only hw.rar.": "Unpack it and collect the folder.",
    }


def test_a_strange_notebook_beside_the_right_one_is_a_remark(moodle):
    summary = moodle({("Ada_1", "a.ipynb"): answered("a"), ("Ada_1", "scratch.ipynb"): answered("z")})

    assert not summary.problems
    assert rows(summary)["ada", "01_a"].remarks == ("scratch.ipynb: none of the course's, left out",)


def test_an_assignments_folder_says_which_assignment_it_is(course, tmp_path):
    data = zipped({"ada/01_a/a.ipynb": answered("b"), "ada/02_b/whatever.ipynb": answered("b")})

    summary = collect(course, [saved(tmp_path, data)])

    assert placed(course) == {"ada/01_a/a.ipynb", "ada/02_b/b.ipynb"}
    assert not summary.problems


def test_only_the_assignments_that_are_named_are_collected(course, moodle):
    summary = moodle({("Ada_1", "a.ipynb"): answered("a"), ("Ben_2", "b.ipynb"): answered("b")}, assignments=["01_a"])

    assert placed(course) == {"ada/01_a/a.ipynb"}
    assert summary.problems[0].remedy.endswith(": a.ipynb.")
    with pytest.raises(CourseError, match="There is no assignment '09_x'"):
        moodle({}, assignments=["09_x"])


def test_collecting_again_changes_nothing_and_replaces_nothing_unasked(course, moodle):
    path = course.submitted / "ada/01_a/a.ipynb"
    moodle({("Ada_1", "a.ipynb"): answered("a", 1)})
    before = path.stat().st_mtime_ns

    again = moodle({("Ada_1", "a.ipynb"): answered("a", 1)})
    assert (rows(again)["ada", "01_a"].change, again.problems) == (Change.SAME, ())
    assert path.stat().st_mtime_ns == before

    other = moodle({("Ada_1", "a.ipynb"): answered("a", 2)})
    assert rows(other)["ada", "01_a"].change is Change.KEPT
    assert other.problems[0].reason == "ada/01_a/a.ipynb is already there and differs; it was left as it was."
    assert other.problems[0].remedy == "With --force it is replaced."
    assert path.read_bytes() == answered("a", 1)

    forced = moodle({("Ada_1", "a.ipynb"): answered("a", 2)}, force=True)
    assert (rows(forced)["ada", "01_a"].change, forced.problems) == (Change.REPLACED, ())
    assert path.read_bytes() == answered("a", 2)


def test_a_folder_in_a_notebooks_place_is_told(course, moodle):
    (course.submitted / "ada/01_a/a.ipynb").mkdir(parents=True)

    for force in (False, True):
        summary = moodle({("Ada_1", "a.ipynb"): answered("a"), ("Ben_2", "a.ipynb"): answered("a")}, force=force)
        assert "is a folder" in summary.problems[0].reason
        assert [each.student for each in summary.collected] == ["ben"]


def test_a_folder_that_differs_in_nothing_but_spelling_is_told(course, moodle):
    (course.submitted / "ADA").mkdir(parents=True)

    summary = moodle({("Ada_1", "a.ipynb"): answered("a")})

    assert summary.problems[0].reason == "There is a folder 'ADA' already, which is spelt like 'ada'."
    assert placed(course) == set()


def test_when_something_came_is_noted_where_nbgrader_has_it(course, tmp_path):
    data = zipped({"ada/01_a/a.ipynb": answered("a"), "ada/01_a/timestamp.txt": b"2026-01-31 23:59:00 +0100"})
    path = course.submitted / "ada/01_a/timestamp.txt"

    collect(course, [saved(tmp_path, data)])

    assert path.read_bytes() == b"2026-01-31 22:59:00 UTC\n"
    assert submission_time(path.parent) == datetime(2026, 1, 31, 22, 59)


def test_a_time_that_is_there_stays_unless_it_is_of_an_earlier_file(course, tmp_path):
    def hand_in(answer, time, **options):
        files = {"ada/01_a/a.ipynb": answered("a", answer)}
        data = zipped({**files, "ada/01_a/timestamp.txt": time} if time else files)
        (row,) = collect(course, [saved(tmp_path, data)], **options).collected
        return row.remarks

    path = course.submitted / "ada/01_a/timestamp.txt"
    hand_in(1, b"2026-01-01 00:00:00 UTC")
    assert hand_in(1, b"") == ()
    assert hand_in(1, b"2026-01-01 01:00:00 +0100") == ()
    assert hand_in(1, b"2026-02-02 00:00:00 UTC") == (
        "its timestamp.txt says another time and was left as it was (--force replaces it)",
    )
    assert path.read_bytes() == b"2026-01-01 00:00:00 UTC\n"
    assert hand_in(1, b"2026-02-02 00:00:00 UTC", force=True) == ()
    assert path.read_bytes() == b"2026-02-02 00:00:00 UTC\n"
    assert hand_in(2, b"", force=True) == ("the timestamp.txt of the earlier file was removed",)
    assert not path.exists()


def test_moodles_worksheet_says_when_something_came_for_its_own_assignment_alone(course, moodle, roster):
    class_ = roster(WORKSHEET)

    summary = moodle(
        {("Ada Lovelace_11", "a.ipynb"): answered("a"), ("Ali Khan_12", "a.ipynb"): answered("a")}, roster=class_
    )
    # Of another assignment, which numbers them in another way.
    later = moodle(
        {("Ada Lovelace_71", "b.ipynb"): answered("b"), ("Group 1_12", "b.ipynb"): answered("b")}, roster=class_
    )

    assert [each.student for each in summary.collected if each.late] == ["ali"]
    local = datetime(2026, 1, 31, 23, 59).astimezone(UTC).replace(tzinfo=None)
    assert submission_time(course.submitted / "ada/01_a") == local
    assert not any(each.late for each in later.collected)
    assert submission_time(course.submitted / "ada/02_b") is None


def test_a_sample_class_is_no_sample_once_something_was_collected(course, moodle):
    course.submitted.mkdir()
    (course.submitted / MARK).touch()

    moodle({})
    assert (course.submitted / MARK).exists()
    moodle({("Ada_1", "a.ipynb"): answered("a")})
    assert not (course.submitted / MARK).exists()


def test_an_archive_that_cannot_be_read_to_its_end_gives_nothing_and_the_others_are_collected(course, tmp_path):
    whole = tarred({"ada/01_a/a.ipynb": answered("a"), "ben/01_a/a.ipynb": answered("a")})
    sources = [
        saved(tmp_path, whole[:2200], "broken.tar"),
        saved(tmp_path, tarred({"cleo/a.ipynb": answered("a")}), "whole.tar"),
    ]

    summary = collect(course, sources)

    assert placed(course) == {"cleo/01_a/a.ipynb"}
    (problem,) = summary.problems
    assert (problem.origin, problem.remedy) == ("broken.tar", "Nothing of it was collected.")
    assert "it was cut off" in problem.reason


@pytest.mark.parametrize(("then", "why"), [(answered("a", 2), "changed"), (None, "went away"), (b"", "went away")])
def test_what_changes_while_it_is_read_is_told(course, tmp_path, monkeypatch, then, why):
    source = saved(tmp_path, zipped({"ada/a.ipynb": answered("a")}))
    choose = collecting.__globals__["_choose"]

    def choose_and_change(*arguments):
        picks = choose(*arguments)
        source.write_bytes(zipped({"ada/a.ipynb": then}) if then else zipped({}) if then is None else b"")
        return picks

    monkeypatch.setitem(collecting.__globals__, "_choose", choose_and_change)

    summary = collect(course, [source])

    assert placed(course) == set()
    assert summary.problems[0].reason == f"It {why} while it was read."


@pytest.mark.parametrize("place", ["", "..", "source", "source/01_a", "submitted", "solutions"])
def test_the_courses_own_folders_are_not_collected(course, place):
    (course.root / place).mkdir(exist_ok=True)

    with pytest.raises(CourseError, match=r"is the course's own. Name the folder with what students handed in"):
        collect(course, [course.root / place])
    assert placed(course) == set()


def test_a_folder_beside_the_courses_own_is_collected(course):
    path = course.root / "from e-mail" / "ada" / "a.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(answered("a"))

    collect(course, [course.root / "from e-mail"])

    assert placed(course) == {"ada/01_a/a.ipynb"}


NAMES = st.text(
    st.sampled_from("aA./\\:\n\u202e~-_ é1") | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8
)
PARTS = st.one_of(
    NAMES,
    st.sampled_from(["01_a", "a.ipynb", "timestamp.txt", "..", "submitted", "hw.zip"]),
    st.builds("{}_{}_assignsubmission_file".format, NAMES, st.integers(0, 20)),
    st.builds("{}_LATE_{}_{}_a-1.ipynb".format, NAMES, st.integers(0, 20), st.integers(0, 20)),
)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
DATA = st.sampled_from(
    [answered("a"), answered("b"), answered("a", 2), b"", b"2026-01-31", zipped({"x/a.ipynb": answered("a")})]
)
ROOT = tempfile.TemporaryDirectory()


def tree(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@settings(max_examples=60)
@given(st.dictionaries(PATHS, DATA, min_size=1, max_size=6), st.sampled_from([None, *Scheme]), st.booleans())
def test_whatever_is_handed_in_goes_to_submitted_or_is_told(files, scheme, is_zip):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "course"
        (root / "source" / "01_a").mkdir(parents=True)
        (root / "source" / "01_a" / "a.ipynb").write_text(notebook_text(master("a")), encoding="utf-8")
        (root / "course.toml").touch()
        course = load_course(root)
        source = saved(Path(folder), zipped(files) if is_zip else tarred(files))
        before = tree(Path(folder))

        summary = collect(course, [source], scheme=scheme)

        after = tree(Path(folder))
        assert {path: after[path] for path in before} == before
        new = {path for path in after if path not in before}
        told = {
            course.submitted / each.student / each.assignment / f"{each.notebook}.ipynb" for each in summary.collected
        }
        assert {path for path in new if path.name != "timestamp.txt"} == told
        assert {path.parent for path in new} == {path.parent for path in told}
        assert all(is_folder_name(each.student) for each in summary.collected)
        assert all(f"{p.origin}{p.reason}{p.remedy}".isprintable() for p in summary.problems)
        assert all("".join((each.origin, *each.remarks)).isprintable() for each in summary.collected)
        # It is all the same when it is done again.
        again = collect(course, [source], scheme=scheme)
        assert {each.change for each in again.collected} <= {Change.SAME}
        assert tree(Path(folder)) == after


# The command


def command(capsys, monkeypatch, course, *arguments):
    monkeypatch.setattr(sys, "argv", ["autograder", "--course", str(course.root), "collect", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def test_the_command_says_who_handed_in_what_and_what_was_not_collected(capsys, monkeypatch, course, tmp_path):
    good = saved(
        tmp_path, zipped({"ada_LATE_1_2_a.ipynb": answered("a"), "ben_2_3_a.ipynb": answered("a")}), "good.zip"
    )
    bad = saved(tmp_path, zipped({"ada_LATE_1_2_a.ipynb": answered("a"), "cleo_3_4_a.pdf": b""}), "bad.zip")

    assert command(capsys, monkeypatch, course, good) == (
        0,
        "good.zip: read as a Canvas download\n"
        "new      ada 01_a/a (late)\n"
        "new      ben 01_a/a\n"
        "2 notebooks of 2 students, 1 late; 0 not collected.\n",
        "",
    )
    assert command(capsys, monkeypatch, course, bad, "--from", "canvas") == (
        1,
        "bad.zip: read as a Canvas download\n"
        "same     ada 01_a/a (late)\n"
        "1 notebooks of 1 students, 1 late; 1 not collected.\n",
        "not collected cleo_3_4_a.pdf: 'cleo' handed in no notebook, only cleo_3_4_a.pdf. Ask for the notebook.\n",
    )


def test_the_command_names_those_of_the_class_who_handed_in_nothing(capsys, monkeypatch, course, tmp_path):
    source = saved(tmp_path, zipped({"Ada Lovelace_11_assignsubmission_file/a.ipynb": answered("a")}))
    (tmp_path / "list.csv").write_text(WORKSHEET, encoding="utf-8")

    code, out, _ = command(capsys, monkeypatch, course, source, "--roster", tmp_path / "list.csv")

    assert code == 0
    assert "Nothing from 2: akhan, ali\n" in out


def test_wrong_usage_of_the_command_is_told(capsys, monkeypatch, course, tmp_path):
    source = saved(tmp_path, zipped({"ada/a.ipynb": answered("a")}))
    (tmp_path / "list.csv").write_text("Grade\n1\n", encoding="utf-8")

    for arguments, why in (
        ([], "Missing argument"),
        ([tmp_path / "none.zip"], "does not exist"),
        ([source, "--from", "blackboard"], "Invalid value"),
        ([source, "--roster", tmp_path / "list.csv"], "has none of the columns"),
        ([source, "--assignment", "09_x"], "There is no assignment '09_x'"),
    ):
        code, _, err = command(capsys, monkeypatch, course, *arguments)
        assert (code, why in " ".join(re.sub(r"[│\s]+", " ", err).split())) == (2, True), err
    assert not course.submitted.exists()


def test_on_a_terminal_the_command_shows_a_table(capsys, monkeypatch, course, tmp_path):
    source = saved(tmp_path, zipped({"ada_LATE_1_2_[b]a.ipynb": answered("a"), "ada_1_1_a.ipynb": answered("a", 2)}))
    screen = Console(file=io.StringIO(), force_terminal=True, markup=False, highlight=False, width=120)
    monkeypatch.setattr(cli, "console", screen)

    command(capsys, monkeypatch, course, source)

    shown = screen.file.getvalue()
    assert "Collected" in shown
    assert re.search(r"new +│ ada +│ 01_a/a +│ late; repeated: ada_1_1_a.ipynb left out", shown)


# A class


@pytest.mark.parametrize("make", [moodle_class, canvas_class])
def test_of_a_class_of_sixty_all_that_can_be_placed_is_and_the_rest_is_told(course, tmp_path, make):
    files, collected, told = make(partial(answered, "a"))

    summary = collect(course, [saved(tmp_path, zipped(files))])

    found = {path.parts[-3]: path.read_bytes() for path in course.submitted.rglob("a.ipynb")}
    assert found == collected
    assert {each.student for each in summary.collected} == set(collected)
    assert sorted(problem.origin for problem in summary.problems) == sorted(
        next(name for name in files if name.startswith(start)) for start in told
    )
    assert {each.student for each in summary.collected if each.late} == {
        s for s in ("lastlate", "anon-x9yz1") if s in collected
    }
    repeated = next(each for each in summary.collected if any("repeated" in remark for remark in each.remarks))
    assert repeated.student in ("repe-ater", "aterrepe")
