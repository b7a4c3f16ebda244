"""Archives and folders are read as they are meant, and within bounds, whoever made them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.archive import ArchiveError, Bounds, Member, Refused, read_members, safe_path, shown
from tests.downloads import saved, tarred, zipped

FILES = {"ada/a.ipynb": b"one", "ada/deep/er/b.ipynb": b"two", "zoë/ä.txt": b""}


def everything(_path, _inner):
    return True


def nothing(_path, _inner):
    return False


def read(source, *, wanted=everything, **bounds):
    return list(read_members(source, wanted=wanted, **bounds))


def read_bytes(data):
    with tempfile.TemporaryDirectory() as folder:
        return read(saved(Path(folder), data))


def contents(items):
    assert all(isinstance(item, Member) for item in items), items
    return {"/".join((*item.path, *item.inner)): item.data for item in items}


def refusals(items):
    return {item.name: item.reason for item in items if isinstance(item, Refused)}


@pytest.mark.parametrize(
    "data",
    [
        zipped(FILES),
        zipped(FILES, zipfile.ZIP_STORED),
        *(tarred(FILES, mode) for mode in ("w", "w:gz", "w:bz2", "w:xz")),
    ],
    ids=["zip", "stored", "tar", "gz", "bz2", "xz"],
)
def test_every_kind_of_archive_gives_the_same_members(tmp_path, data):
    assert contents(read(saved(tmp_path, data))) == FILES


def test_a_folder_gives_the_same_members_as_an_archive_of_it(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    assert contents(read(tmp_path / "class")) == FILES


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_letters_of_any_script_survive_in_every_kind_of_tar(tmp_path, format_):
    name = "प्रिया/" + "a" * 90 + "/" + "b" * (40 if format_ == tarfile.USTAR_FORMAT else 120) + "ü.ipynb"
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))

    assert contents(read(saved(tmp_path, file.getvalue()))) == {name: b"abc"}


def test_bytes_of_what_is_not_wanted_are_not_given(tmp_path):
    items = read(saved(tmp_path, zipped(FILES)), wanted=lambda path, _inner: path[-1] == "a.ipynb")

    assert contents(items) == {name: data if name == "ada/a.ipynb" else None for name, data in FILES.items()}


def test_a_zip_in_an_archive_is_opened_and_one_in_that_is_not(tmp_path):
    inner = zipped({"work/a.ipynb": b"one", "b.zip": zipped({"c.ipynb": b"two"})})

    items = read(saved(tmp_path, zipped({"Ada/hw.zip": inner})))

    assert contents(items[:1]) == {"Ada/hw.zip/work/a.ipynb": b"one"}
    assert items[0].path == ("Ada", "hw.zip")
    assert items[0].name == "a.ipynb"
    assert "a zip in a zip" in refusals(items)["Ada/hw.zip: b.zip"]


def test_a_damaged_zip_in_an_archive_is_that_members_affair_alone(tmp_path):
    items = read(saved(tmp_path, zipped({"Ada/hw.zip": b"no zip", "Ben/a.ipynb": b"one"})))

    assert contents(items[1:]) == {"Ben/a.ipynb": b"one"}
    assert "is damaged" in refusals(items)["Ada/hw.zip"]


def test_what_systems_leave_behind_is_passed_over(tmp_path):
    clutter = ["__MACOSX/ada/._a.ipynb", ".DS_Store", "ada/.ipynb_checkpoints/a-checkpoint.ipynb", "._x", "Thumbs.db"]
    folder = tmp_path / "class"
    for name in [*clutter, "ada/a.ipynb"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"one")

    for source in (
        saved(tmp_path, zipped(dict.fromkeys([*clutter, "ada/a.ipynb"], b"one"))),
        saved(tmp_path, tarred(dict.fromkeys([*clutter, "ada/a.ipynb"], b"one")), "class.tar"),
        folder,
    ):
        assert contents(read(source)) == {"ada/a.ipynb": b"one"}


def test_utf_8_that_a_zip_does_not_own_up_to_is_read_as_such_and_other_names_as_old_zips_have_them(tmp_path):
    # What ZipInfo would write with the flag, without it; and a byte that is no UTF-8.
    data = zipped({"Zoe/a": b"one", "Ben/b": b"two"})
    data = data.replace(b"Zoe/a", "Zë/a".encode()).replace(b"Ben/b", b"Ben/\x81")

    assert contents(read(saved(tmp_path, data))) == {"Zë/a": b"one", "Ben/ü": b"two"}


def test_a_tars_name_that_is_no_utf_8_is_read_as_old_systems_have_it(tmp_path):
    data = tarfile.TarInfo("zoë/ü").tobuf(tarfile.GNU_FORMAT, encoding="latin-1")

    assert contents(read(saved(tmp_path, data))) == {"zoë/ü": b""}


def test_names_are_given_in_their_composed_form(tmp_path):
    name = unicodedata.normalize("NFD", "Zoë/ä.ipynb")

    for data in (zipped({name: b""}), tarred({name: b""})):
        assert contents(read(saved(tmp_path, data))) == {"Zoë/ä.ipynb": b""}


def test_a_name_that_comes_twice_is_told_also_in_another_spelling(tmp_path):
    pairs = [("a/x", b"1"), ("a/x", b"2"), ("A/X", b"3"), (unicodedata.normalize("NFD", "a/é"), b"4"), ("a/é", b"5")]
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped(pairs)

    for source in (saved(tmp_path, data), saved(tmp_path, tarred(pairs), "class.tar")):
        items = read(source)
        assert [item.data for item in items if isinstance(item, Member)] == [b"1", b"4"]
        assert [item.reason for item in items if isinstance(item, Refused)] == [
            "is there more than once; the first one was read",
            "differs from another name in upper and lower case alone; the first one was read",
            "is there more than once; the first one was read",
        ]


@pytest.mark.parametrize("data", [b"", b"My answers are in the other file.", b"Rar!\x1a\x07\0", b"7z\xbc\xaf\x27\x1c"])
def test_what_is_no_archive_is_told(tmp_path, data):
    with pytest.raises(ArchiveError, match=r"class.zip is no archive that can be read. Name a zip or tar file"):
        read(saved(tmp_path, data))


@pytest.mark.parametrize(
    "data",
    [zipped(FILES), *(tarred(FILES, mode) for mode in ("w:gz", "w:bz2", "w:xz"))],
    ids=["zip", "gz", "bz2", "xz"],
)
def test_an_archive_that_was_cut_off_is_told(tmp_path, data):
    with pytest.raises(ArchiveError, match=r"class.zip is damaged: .*\. Download it again\."):
        read(saved(tmp_path, data[: len(data) // 2]))


def test_a_tar_that_was_cut_off_is_told_though_its_first_members_are_whole(tmp_path):
    data = tarred({"a": b"x" * 512, "b": b"y" * 512})
    with pytest.raises(ArchiveError, match="it was cut off"):
        read(saved(tmp_path, data[:1800]))


def test_a_member_with_a_wrong_checksum_is_told_and_the_others_are_read(tmp_path):
    data = zipped({"a": b"one", "b": b"two"}, zipfile.ZIP_STORED).replace(b"one", b"0ne")

    items = read(saved(tmp_path, data))

    assert contents(items[1:]) == {"b": b"two"}
    assert "is damaged: Bad CRC-32" in refusals(items)["a"]


def test_packed_files_may_stand_one_behind_the_other(tmp_path):
    data = tarred(FILES)
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        assert contents(read(saved(tmp_path, pack(data[:700]) + pack(data[700:]) + b"\0" * 9))) == FILES


def test_a_pipe_in_place_of_an_archive_is_told_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "class.zip")

    with pytest.raises(ArchiveError, match="neither an ordinary file nor a folder"):
        read(tmp_path / "class.zip")


def test_a_bound_is_a_bound_on_what_is_read(tmp_path):
    many = dict.fromkeys(map(str, range(9)), b"x" * 9)
    folder = tmp_path / "class"
    folder.mkdir()
    for name, data in many.items():
        (folder / name).write_bytes(data)
    for source in (saved(tmp_path, zipped(many)), saved(tmp_path, tarred(many), "class.tar"), folder):
        assert len(contents(read(source, bounds=Bounds(members=9)))) == 9
        with pytest.raises(ArchiveError, match="more than 8 files"):
            read(source, bounds=Bounds(members=8))
        with pytest.raises(ArchiveError, match="more than 0 MB when it is unpacked"):
            read(source, bounds=Bounds(total_bytes=80))
    assert len(contents(read(tmp_path / "class.zip", wanted=nothing, bounds=Bounds(total_bytes=80)))) == 9


names = st.text(
    st.sampled_from("ab./\\:\0\n\u202e~$ é\u0301") | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12
)


@given(names)
def test_no_path_that_is_given_leads_elsewhere_or_changes_when_it_is_read_again(name):
    try:
        path, told = safe_path(name), ""
    except ValueError as error:
        path, told = (), str(error)
    assert bool(path) != told.startswith(("has ", "lies "))
    for part in path:
        assert part not in ("", ".", "..")
        assert not set(part) & set("/\\\0\n")
    assert not re.match("[A-Za-z]:", "/".join(path))
    assert not path or safe_path("/".join(path)) == path


@given(st.dictionaries(names, st.binary(max_size=20), min_size=1, max_size=5), st.booleans())
def test_whatever_is_in_an_archive_is_a_safe_path_or_told(files, is_zip):
    items = read_bytes(zipped(files) if is_zip else tarred(files))

    for item in items:
        if isinstance(item, Member):
            assert safe_path("/".join(item.path)) == item.path
            assert item.data in files.values()
        else:
            assert f"{item.name} {item.reason}".isprintable()
    paths = ["/".join(item.path).casefold() for item in items if isinstance(item, Member)]
    assert len(set(paths)) == len(paths)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0"]))
def test_any_bytes_are_read_or_refused_in_words(data, magic):
    try:
        items, told = read_bytes(magic + data), ""
    except ArchiveError as error:
        items, told = [], str(error)

    assert contents(items) == {}
    assert told.isprintable()
    assert told.startswith("class.zip ") or (not told and magic)


@given(st.text(max_size=200), st.integers(2, 50))
def test_a_name_is_shown_without_what_no_terminal_should_get(name, most):
    assert shown(name, most).isprintable()
    assert len(shown(name, most)) <= most
