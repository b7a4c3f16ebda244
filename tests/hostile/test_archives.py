"""
Archives that mean harm, and names that do: each is refused in words, and the honest work beside it is collected.

Each attack stands in a download beside an honest student's notebook. Bombs are small ones, for bounds that are as
small: what counts is that reading stops at the bound.
"""

from __future__ import annotations

import base64
import io
import json
import lzma
import os
import socket
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from autograder import archive
from autograder.archive import ArchiveError, Bounds, Member, Refused, read_members
from autograder.intake import collect
from autograder.intake.naming import folder_name, is_folder_name
from autograder.paper import build_paper, parse_submission
from tests.downloads import (
    DEVICE,
    ENCRYPTED,
    LINK,
    PIPE,
    answered,
    flagged,
    master,
    overlapping,
    saved,
    special,
    tarred,
    zipped,
)

MIB = 2**20
HONEST = ("Honest Student_7_assignsubmission_file/a.ipynb", answered("a"))
SMALL = Bounds(members=20, member_bytes=64 * 1024, total_bytes=256 * 1024, ratio=50, ratio_from=16 * 1024)
NUMBER = "_13_assignsubmission_file/a.ipynb"


@pytest.fixture
def course(make_course):
    return make_course({"01_a/a.ipynb": master("a"), "02_b/b.ipynb": master("b")})


def files(root):
    """Every file, link, pipe and device, and what is in it."""
    found = {}
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            is_plain = path.is_file() and not path.is_symlink()
            found[path.relative_to(root)] = path.read_bytes() if is_plain else path.lstat().st_mode
    return found


def hand_in(course, tmp_path, data, name="class.zip"):
    """Collect, and check that nothing but submitted/ has changed."""
    source = saved(tmp_path, data, name)
    before = files(tmp_path)
    summary = collect(course, [source])
    after = files(tmp_path)
    place = course.submitted.relative_to(tmp_path)
    assert {path: after[path] for path in before} == before
    assert {path for path in after if path not in before and path.name != "timestamp.txt"} == {
        place / each.student / each.assignment / f"{each.notebook}.ipynb" for each in summary.collected
    }
    return summary


def students(summary):
    return [each.student for each in summary.collected]


def told(summary):
    return " | ".join(f"{each.origin}: {each.reason}" for each in summary.problems)


ELSEWHERE = {
    "up and out": ("../../course.toml", "leads elsewhere, with '..'"),
    "up from within": ("Eve_13_assignsubmission_file/../../../a.ipynb", "leads elsewhere, with '..'"),
    "into somebody else's folder": (
        "Eve_13_assignsubmission_file/../Honest Student_7_assignsubmission_file/a.ipynb",
        "leads elsewhere, with '..'",
    ),
    "from the root": ("/etc/cron.d/a.ipynb", "leads elsewhere, to a fixed place"),
    "a drive": ("C:/Users/ada.ipynb", "leads elsewhere, to a fixed place"),
    "a drive's own folder": ("c:a.ipynb", "leads elsewhere, to a fixed place"),
    "backslashes": ("..\\..\\a.ipynb", "has a backslash in its name"),
    "a network's share": ("\\\\server\\share\\a.ipynb", "has a backslash in its name"),
    "an end within": ("Eve_13_assignsubmission_file/a.ipynb\0.png", "characters that no name should have"),
    "a second line": ("Eve\nHonest Student_7_assignsubmission_file/a.ipynb", "characters that no name should have"),
    "an escape sequence": ("Eve\x1b[2J_13_assignsubmission_file/a.ipynb", "characters that no name should have"),
    "a name without end": ("a/" * 600 + "a.ipynb", "has a name of more than 1024 bytes"),
    "folders without end": ("a/" * 40 + "a.ipynb", "lies more than 32 folders down"),
    "dots alone": ("./.", "has no name"),
}


@pytest.mark.parametrize(("name", "why"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_name_that_leads_elsewhere_is_refused_in_a_zip(course, tmp_path, name, why):
    summary = hand_in(course, tmp_path, zipped([(name, answered("a", "2")), HONEST]))

    assert students(summary) == ["honest-student"]
    assert why in told(summary)


# A tar cannot hold the end that a C string has.
@pytest.mark.parametrize(
    ("name", "why"), [each for key, each in ELSEWHERE.items() if key not in ("an end within", "dots alone")]
)
def test_a_name_that_leads_elsewhere_is_refused_in_a_tar(course, tmp_path, name, why):
    summary = hand_in(course, tmp_path, tarred([(name, answered("a", "2")), HONEST], "w:gz"), "class.tgz")

    assert students(summary) == ["honest-student"]
    assert why in told(summary)


@pytest.mark.parametrize(("name", "why"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_name_that_leads_elsewhere_is_refused_in_a_students_own_zip(course, tmp_path, name, why):
    inner = zipped([(name, answered("a", "2"))])

    summary = hand_in(course, tmp_path, zipped([("Eve_13_assignsubmission_file/hw.zip", inner), HONEST]))

    assert students(summary) == ["honest-student"]
    assert why in told(summary)


@pytest.mark.parametrize(
    ("mode", "why"), [(LINK, "is a link"), (DEVICE, "is no ordinary file"), (PIPE, "is no ordinary file")]
)
def test_a_zips_link_device_or_pipe_is_refused(course, tmp_path, mode, why):
    summary = hand_in(course, tmp_path, special("Eve" + NUMBER, mode, b"../../../source/01_a/a.ipynb"))

    assert students(summary) == []
    assert why in told(summary)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "is a device"),
        (tarfile.BLKTYPE, "is a device"),
        (tarfile.FIFOTYPE, "is a pipe"),
        (tarfile.GNUTYPE_SPARSE, "is no ordinary file"),
        (b"Z", "is no ordinary file"),
    ],
)
def test_a_tars_link_device_or_pipe_is_refused(course, tmp_path, kind, why):
    summary = hand_in(course, tmp_path, tarred([("Eve" + NUMBER, b"")], kind=kind))

    assert students(summary) == []
    assert why in told(summary)


def test_a_folders_link_pipe_or_socket_is_refused_and_no_link_is_followed(course, tmp_path):
    folder = tmp_path / "class"
    (folder / "ada").mkdir(parents=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "a.ipynb").write_bytes(answered("a"))
    (folder / "eve").symlink_to(tmp_path / "secrets")
    (folder / "ada" / "a.ipynb").symlink_to(tmp_path / "secrets" / "a.ipynb")
    os.mkfifo(folder / "ada" / "b.ipynb")
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(folder / "ada" / "c.ipynb"))

        summary = collect(course, [folder])

    assert summary.collected == ()
    assert {each.origin: each.reason for each in summary.problems} == {
        "eve": "It is a link.",
        "ada/a.ipynb": "It is a link.",
        "ada/b.ipynb": "It is no ordinary file.",
        "ada/c.ipynb": "It is no ordinary file.",
    }


def items(tmp_path, data, bounds=SMALL, nested=archive.NESTED):
    return list(read_members(saved(tmp_path, data), wanted=lambda *_: True, bounds=bounds, nested=nested))


def test_a_member_that_unpacks_to_many_times_its_size_is_refused_and_the_others_are_read(tmp_path):
    found = items(tmp_path, zipped({"bomb": bytes(60 * 1024), "honest": b"text"}))

    assert [each for each in found if isinstance(each, Refused)] == [
        Refused("bomb", "unpacks to more than 50 times its size, as no honest file does")
    ]
    assert found[1] == Member(("honest",), data=b"text")


@pytest.mark.parametrize("make", [zipped, tarred], ids=["zip", "tar"])
def test_a_member_that_is_too_large_is_refused_and_the_others_are_read(tmp_path, make):
    found = items(tmp_path, make({"large": os.urandom(65 * 1024), "honest": b"text"}))

    assert found == [Refused("large", "has more than 0.0625 MB"), Member(("honest",), data=b"text")]


def test_a_members_size_is_counted_and_not_believed(tmp_path):
    # It says that it is 5 bytes, and is 60 KiB.
    data = zipped({"liar": os.urandom(60 * 1024)})
    data = data.replace(struct.pack("<L", 60 * 1024), struct.pack("<L", 5))

    (found,) = items(tmp_path, data)

    assert found.reason.startswith("is damaged")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_packed_tar_that_unpacks_to_many_times_its_size_is_refused(tmp_path, mode):
    with pytest.raises(ArchiveError, match="unpacks to more than 50 times its size"):
        items(tmp_path, tarred({"bomb": bytes(200 * 1024)}, mode))


def test_more_bytes_in_all_than_there_may_be_end_the_reading(tmp_path):
    many = {str(number): os.urandom(60 * 1024) for number in range(5)}
    for data in (zipped(many), tarred(many)):
        with pytest.raises(ArchiveError, match=r"class.zip holds more than 0 MB when it is unpacked. Unpack it"):
            items(tmp_path, data)


def test_a_million_members_are_not_listed(tmp_path):
    data = zipped(dict.fromkeys(map(str, range(21)), b""))

    with pytest.raises(ArchiveError, match="more than 20 files"):
        items(tmp_path, data)


def test_a_table_of_contents_that_is_too_long_is_not_even_read(tmp_path):
    data = zipped({"x" * 1000 + str(number): b"" for number in range(20)})

    with pytest.raises(ArchiveError, match="a table of contents that is too long"):
        items(tmp_path, data, Bounds(directory_bytes=20_000))


def test_members_that_lie_over_each_other_are_refused(tmp_path):
    data = overlapping("0000", zlib.compress(os.urandom(1000)), copies=10)

    with pytest.raises(ArchiveError, match="members that lie over each other"):
        items(tmp_path, data)
    assert items(tmp_path, overlapping("0000", b"text", copies=1)) == [Member(("0000",), data=b"text")]


def test_a_students_bomb_costs_nobody_else_anything(course, tmp_path):
    bombs = {
        "Eve_1_assignsubmission_file/a.zip": zipped({f"{n}.ipynb": bytes(8 * MIB) for n in range(2)}),
        "Eva_2_assignsubmission_file/a.zip": overlapping("a.ipynb", bytes(1000), copies=100),
        "Eli_3_assignsubmission_file/a.zip": zipped(dict.fromkeys(map(str, range(1001)), b"")),
        "Evo_4_assignsubmission_file/a.ipynb": bytes(8 * MIB),
        "Ego_5_assignsubmission_file/a.zip": zipped({"b.zip": zipped({"a.ipynb": answered("a")})}),
    }

    tracemalloc.start()
    summary = hand_in(course, tmp_path, zipped([*bombs.items(), HONEST]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert students(summary) == ["honest-student"]
    for word in ("Eve", "Eva", "Eli", "Evo", "Ego"):
        assert word in told(summary)
    assert peak < 40 * MIB


def test_a_dictionary_of_gigabytes_is_not_made_for_an_xz_file(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**29}]
    small = lzma.compress(tarred({"a": b"one"}), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**16}])
    # The same file, but that its header asks for half a gigabyte: the byte that says so, and the header's checksum.
    asked = lzma._encode_filter_properties(filters[0])
    header = bytearray(small[12:24])
    header[4] = asked[0]
    header[8:12] = struct.pack("<L", zlib.crc32(bytes(header[:8])))

    with pytest.raises(ArchiveError, match=r"[Mm]emory"):
        items(tmp_path, small[:12] + bytes(header) + small[24:], Bounds())
    assert len(items(tmp_path, small, Bounds())) == 1


@pytest.mark.parametrize("size", ["99999999", "-7", "9" * 5000, "1_0"])
def test_a_size_in_a_tars_note_is_no_reason_to_take_memory(tmp_path, size):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("a")
        entry.pax_headers = {"size": size}
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"abc"))

    tracemalloc.start()
    try:
        found = items(tmp_path, file.getvalue())
    except ArchiveError as error:
        assert "is damaged" in str(error)  # noqa: PT017 - or it is read with what the header says
    else:
        assert all(isinstance(each, Refused) or each.data == b"abc" for each in found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


@pytest.mark.parametrize("note", [b"0 path=x\n", b"no path=x\n", b"99999 path=x\n", b"\xb2 a=b\n", b" "])
def test_a_note_in_a_tar_that_says_nothing_is_damage(tmp_path, note):
    entry = tarfile.TarInfo("note")
    entry.type, entry.size = tarfile.XHDTYPE, len(note)

    with pytest.raises(ArchiveError, match="a note on a file that says nothing"):
        items(tmp_path, entry.tobuf() + note.ljust(512, b"\0") + tarred({"a": b"one"}))


def test_a_file_of_less_than_no_bytes_is_damage(tmp_path):
    entry = tarfile.TarInfo("a")
    entry.size = -512

    with pytest.raises(ArchiveError, match="less than no bytes"):
        items(tmp_path, entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def test_a_link_in_a_tar_that_says_it_has_bytes_hides_nothing(tmp_path):
    entry = tarfile.TarInfo("link")
    entry.type, entry.size = tarfile.SYMTYPE, 512

    found = items(tmp_path, entry.tobuf() + tarred({"a": b"one"}))

    assert found == [Refused("link", "is a link"), Member(("a",), data=b"one")]


def test_a_file_with_holes_is_refused(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("a")
        entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**40)}
        tar.addfile(entry)

    assert items(tmp_path, file.getvalue()) == [Refused("a", "is no ordinary file")]


def test_a_file_that_becomes_a_link_while_it_is_read_is_not_followed(tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "a.ipynb").write_bytes(b"mine")
    (tmp_path / "secret").write_bytes(b"secret")

    def swap(path, _inner):
        file = tmp_path.joinpath("class", *path)
        file.unlink()
        file.symlink_to(tmp_path / "secret")
        return True

    (found,) = read_members(tmp_path / "class", wanted=swap)

    assert found == Refused("a.ipynb", "is a link. The notebook itself is needed in its place")


def test_a_hundred_bad_members_are_told_in_a_few_words(course, tmp_path):
    inner = zipped({f"../{number}.ipynb": b"" for number in range(100)})
    others = {f"{number}.ipynb": answered("z") for number in range(100)}
    again = {f"a ({number}).ipynb": answered("a", str(number)) for number in range(100)}
    students_ = {"Eve_1": inner, "Eva_2": zipped(others), "Eli_3": zipped(again), "Evo_4": zipped(others | again)}

    summary = hand_in(course, tmp_path, zipped({f"{s}_assignsubmission_file/h.zip": d for s, d in students_.items()}))

    assert "h.zip: It holds 97 more that were not read." in told(summary)
    assert "'eva' handed in 97 more of which the same is to be said." in told(summary)
    assert len(summary.problems) == 8
    eli, evo = (each for each in summary.collected)
    assert eli.remarks == ("repeated: a (98).ipynb, a (97).ipynb, a (96).ipynb and 96 more left out",)
    assert evo.remarks[1] == "0.ipynb, 1.ipynb, 2.ipynb and 97 more: none of the course's, left out"


def test_a_note_of_gigabytes_in_a_tar_is_not_read(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        entry = tarfile.TarInfo("note")
        entry.type, entry.size = kind, 2**32
        with pytest.raises(ArchiveError, match="far too long"):
            items(tmp_path, entry.tobuf() + bytes(MIB), Bounds())


def test_a_zip_with_a_password_is_told(course, tmp_path):
    summary = hand_in(course, tmp_path, flagged(zipped({"Eve" + NUMBER: answered("a")}), ENCRYPTED))

    assert "is encrypted. Ask for it without a password" in told(summary)


def test_ways_of_packing_that_take_memory_as_they_say_are_not_read(course, tmp_path):
    for packed in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        summary = hand_in(course, tmp_path, zipped({"Eve" + NUMBER: answered("a")}, packed))
        assert "is packed in a way that is not read" in told(summary)


NAMES = {
    "two dots": "..",
    "one dot": ".",
    "hidden": ".ssh",
    "a device of Windows": "con",
    "a device with an ending": "NUL.txt",
    "an option": "-rf",
    "a second line": "a\nb",
    "turned around": "a\u202eb",
    "of no width": "a\u200bb",
    "300 characters": "x" * 300,
    "spaces": "  ",
    "a space at the end": "ada ",
    "a dot at the end": "ada.",
    "a question": "what?",
    "letters in pieces": "e\u0301",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_an_odd_name_is_no_folders_and_what_is_made_of_it_is(name):
    assert not is_folder_name(name)
    made = folder_name(name)
    assert made == "" or is_folder_name(made)


@pytest.mark.parametrize("name", [name for name in NAMES.values() if name not in ("..", ".", "a\nb")])
def test_a_plain_folder_with_an_odd_name_is_told_and_the_others_are_collected(course, tmp_path, name):
    summary = hand_in(course, tmp_path, zipped({f"{name}/01_a/a.ipynb": answered("a"), "ada/a.ipynb": answered("a")}))

    # Put together, the letters are a name like any other.
    assert students(summary) == (["ada", "é"] if name == "e\u0301" else ["ada"])
    assert told(summary).isprintable()
    assert bool(summary.problems) == (name != "e\u0301")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("..", None),
        ("con", "con-"),
        ("-rf", "rf"),
        ("$(reboot) `reboot`", "reboot-reboot"),
        ("Eve\u202eevE", "eve-eve"),
        ("\U0001f600", None),
        ("Ada \U0001f600", "ada"),
        ("x" * 300, f"{'x' * 50}-"),
        ("../../ada", None),
        ("[red]Ada", "red-ada"),
        ("Robert'); DROP TABLE students;--", "robert-drop-table-students"),
    ],
)
def test_an_odd_name_in_moodle_becomes_a_plain_folder(course, tmp_path, name, folder):
    summary = hand_in(course, tmp_path, zipped([(name + NUMBER, answered("a")), HONEST]))

    (found, *more) = [student for student in students(summary) if student != "honest-student"] or [None]
    assert not more
    assert found == folder or (found and folder and folder.endswith("-") and found.startswith(folder))
    assert (found is None) == bool(summary.problems)


def test_one_cannot_hand_in_under_somebody_elses_name(course, tmp_path):
    names = ["Ada Lovelace_1", "ADA  LOVELACE_2", "Ada\u200b Lovelace_3"]
    data = zipped({f"{name}_assignsubmission_file/a.ipynb": answered("a", str(n)) for n, name in enumerate(names)})

    summary = hand_in(course, tmp_path, data)

    assert students(summary) == []
    assert told(summary).count("Several students would share the folder 'ada-lovelace'") == 3


def test_a_file_called_like_somebody_elses_is_still_ones_own(course, tmp_path):
    of_ada = "Ada_1_assignsubmission_file"
    moodle = zipped({f"Eve_13_assignsubmission_file/{of_ada}/a.ipynb": answered("a")})
    flat = zipped({f"Eva_13_assignsubmission_file_{of_ada}_a.ipynb": answered("a")})
    canvas = zipped({"eli_13_101_ada_14_102_a.ipynb": answered("a")})

    assert students(hand_in(course, tmp_path, moodle)) == ["eve"]
    assert students(hand_in(course, tmp_path, flat)) == ["eva"]
    assert students(hand_in(course, tmp_path, canvas)) == ["eli"]


@pytest.mark.parametrize(
    "others",
    [
        ("Ada_14_assignsubmission_file/a.ipynb", "Ben_15_assignsubmission_file/a.ipynb"),
        ("ada_14_102_a.ipynb", "ben_15_103_a.ipynb"),
    ],
    ids=["moodle", "canvas"],
)
def test_one_file_does_not_make_a_download_another_platforms(course, tmp_path, others):
    # As the one platform has it, by a student of the other.
    odd = (
        "Eve_13_assignsubmission_file_1_2_a.ipynb"
        if "Ada" in others[0]
        else "eve_13_101_x_assignsubmission_file_a.ipynb"
    )

    summary = hand_in(course, tmp_path, zipped(dict.fromkeys((odd, *others), answered("a"))))

    assert students(summary) == ["ada", "ben", "eve"]


def test_a_time_in_a_students_own_files_says_nothing_of_when_it_came(course, tmp_path):
    time = b"2001-01-01 00:00:00 UTC"
    inner = zipped({"01_a/a.ipynb": answered("a"), "01_a/timestamp.txt": time})
    moodle = {
        "Eve_1_assignsubmission_file/a.ipynb": answered("a"),
        "Eve_1_assignsubmission_file/timestamp.txt": time,
        "Eva_2_assignsubmission_file/hw.zip": inner,
    }

    assert students(hand_in(course, tmp_path, zipped(moodle))) == ["eva", "eve"]
    assert students(hand_in(course, tmp_path, zipped({"ada/hw.zip": inner}))) == ["ada"]
    assert list(course.submitted.rglob("timestamp.txt")) == []


@pytest.mark.parametrize("link", ["eve", "eve/01_a", "eve/01_a/a.ipynb", "eve/01_a/timestamp.txt"])
def test_nothing_is_written_through_a_link_that_stands_in_the_way(course, tmp_path, link):
    target = tmp_path / "elsewhere"
    (target / "01_a").mkdir(parents=True)
    (target / "a.ipynb").write_bytes(b"mine")
    (course.submitted / link).parent.mkdir(parents=True)
    (course.submitted / link).symlink_to(target / "a.ipynb" if "." in link else target)
    data = zipped(
        {"eve/01_a/a.ipynb": answered("a"), "eve/01_a/timestamp.txt": b"2026-01-31", "ada/a.ipynb": answered("a")}
    )

    for force in (False, True):
        summary = collect(course, [saved(tmp_path, data)], force=force)
        assert students(summary) == ["ada"]
        assert "is a link" in told(summary)
    assert files(target) == {Path("a.ipynb"): b"mine"}


def png(width, height):
    """The beginning of a picture that says it is so large."""
    head = struct.pack(">LLBBBBB", width, height, 8, 6, 0, 0, 0)

    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(10 * MIB), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_picture_of_gigabytes_in_a_cell_is_never_decoded(course, tmp_path):
    bomb = base64.b64encode(png(200_000, 200_000)).decode()
    notebook = json.loads(answered("a"))
    attachment = {"bomb.png": {"image/png": bomb}}
    text = {"cell_type": "markdown", "id": "x", "metadata": {}, "source": "![](attachment:bomb.png)"}
    notebook["cells"].append({**text, "attachments": attachment})
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": bomb}}
    notebook["cells"][0]["outputs"] = [output]
    data = json.dumps(notebook).encode()

    tracemalloc.start()
    summary = hand_in(course, tmp_path, zipped({"Eve" + NUMBER: data}))
    submission = parse_submission((course.submitted / "eve/01_a/a.ipynb").read_bytes(), "a.ipynb")
    paper = build_paper(master("a"), submission, student="eve", assignment="01_a", notebook="a")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert students(summary) == ["eve"]
    # It goes no further than the file: neither a paper nor what is executed has pictures.
    assert bomb not in repr(paper)
    assert "attachment:bomb.png" in repr(paper)
    assert peak < 10 * MIB
