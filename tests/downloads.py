"""Archives for tests: honest ones as Moodle and Canvas make them, and ones that no honest program would make."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from autograder.build import release_notebook
from autograder.notebook import notebook_text
from tests.conftest import Cells

ENCRYPTED, UTF8 = 0x1, 0x800


def master(exercise: str):
    """A master with one exercise; the ids of its cells are its own."""
    test = Cells.test(f"assert {exercise}(1)", f"test_{exercise}")
    return Cells.notebook(Cells.answer(f"{exercise} = 1\n### BEGIN SOLUTION\n### END SOLUTION", exercise), test)


def answered(exercise: str, answer: str = "1") -> bytes:
    """What a student hands in."""
    notebook = release_notebook(master(exercise))
    notebook.cells[0].source = f"{exercise} = {answer}"
    return notebook_text(notebook).encode()


def zipped(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files; names go in as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            entry = zipfile.ZipInfo("x" * len(name))
            entry.filename = name  # not through ZipInfo, which mends it
            archive.writestr(entry, data, packed)
    return file.getvalue()


def special(name: str, mode: int, target: bytes = b"") -> bytes:
    """A zip with a link, a device or a pipe."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.create_system, entry.external_attr = 3, (mode | 0o777) << 16
        archive.writestr(entry, target)
    return file.getvalue()


def flagged(data: bytes, flag: int) -> bytes:
    """The same zip with a flag set on every member."""
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(mark)
        while place >= 0:
            (flags,) = struct.unpack_from("<H", data, place + at)
            data = data[: place + at] + struct.pack("<H", flags | flag) + data[place + at + 2 :]
            place = data.find(mark, place + 4)
    return data


def overlapping(name: str, data: bytes, copies: int) -> bytes:
    """A zip with one file's bytes under many names."""
    once = zipped({name: data})
    directory = once.index(b"PK\1\2")
    end = once.index(b"PK\5\6")
    entry = once[directory:end]
    # Names of one length, so that each entry is as long as the first.
    entries = [entry.replace(name.encode(), b"%0*d" % (len(name), number), 1) for number in range(copies - 1)]
    table = b"".join([entry, *entries])
    return once[:directory] + table + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, copies, copies, len(table), directory, 0)


def tarred(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], mode: str = "w", kind: bytes = b"0") -> bytes:
    """A tar of these files, packed as `mode` says; all of a kind of member."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            if kind == tarfile.REGTYPE:
                entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


LINK, DEVICE, PIPE = stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO


def saved(folder: Path, data: bytes, name: str = "class.zip") -> Path:
    """The file."""
    path = folder / name
    path.write_bytes(data)
    return path


ODD = 8


def moodle_class(answer: Callable[[int], bytes]) -> tuple[dict[str, bytes], dict[str, bytes], list[str]]:
    """60 submissions of a Moodle download, eight of them odd; what is to come of it; and of which files nothing is."""
    files = {f"Student {n:02} Ätz_{1000 + n}_assignsubmission_file_/a.ipynb": answer(n) for n in range(60 - ODD)}
    files |= {
        f"Student {n:02} Ätz_{1000 + n}_assignsubmission_onlinetext_/onlinetext.html": b"<p>Hi</p>" for n in range(9)
    }
    inner = zipped({"hw/a.ipynb": answer(90), "__MACOSX/hw/._a.ipynb": b"\0"})
    odd = {
        "Zip Maker_2000_assignsubmission_file_/hw.zip": inner,
        "Re Namer_2001_assignsubmission_file_/My homework FINAL.ipynb": answer(91),
        "Repe Ater_2002_assignsubmission_file_/a.ipynb": answer(92),
        "Repe Ater_2002_assignsubmission_file_/a (1).ipynb": answer(93),
        "Bro Ken_2003_assignsubmission_file_/a.ipynb": answer(94)[:300],
        "Pa Per_2004_assignsubmission_file_/a.pdf": b"%PDF-1.7",
        "Other Course_2005_assignsubmission_file_/essay.ipynb": answered("q"),
        "Na Mesake_2006_assignsubmission_file_/a.ipynb": answer(95),
        "Na Mesake_2007_assignsubmission_file_/a.ipynb": answer(96),
    }
    collected = {f"student-{n:02}-ätz": answer(n) for n in range(60 - ODD)}
    collected |= {"zip-maker": answer(90), "re-namer": answer(91), "repe-ater": answer(93)}
    collected |= {"bro-ken": answer(94)[:300]}
    return {**files, **odd}, collected, ["Na Mesake_2006", "Na Mesake_2007", "Other Course", "Pa Per"]


def canvas_class(answer: Callable[[int], bytes]) -> tuple[dict[str, bytes], dict[str, bytes], list[str]]:
    """60 submissions of a Canvas download, eight of them odd; what is to come of it; and of which files nothing is."""
    files = {f"ätzstudent{n:02}_{100 + n}_{5000 + n}_a.ipynb": answer(n) for n in range(60 - ODD)}
    odd = {
        "makerzip_200_6000_hw.zip": zipped({"a.ipynb": answer(90)}),
        "lastlate_LATE_201_6001_a-3.ipynb": answer(91),
        "aterrepe_202_6002_a.ipynb": answer(92),
        "aterrepe_202_6010_a-1.ipynb": answer(93),
        "brokenann_203_6003_a.ipynb": b"",
        "writer_204_text.html": b"<p>My answers</p>",
        "paper_205_6004_a.docx": b"PK",
        "LATE_anon_x9Yz1_6005_a.ipynb": answer(94),
        "otherone_207_6006_essay.ipynb": answered("q"),
    }
    collected = {f"ätzstudent{n:02}": answer(n) for n in range(60 - ODD)}
    collected |= {"makerzip": answer(90), "lastlate": answer(91), "aterrepe": answer(93)}
    collected |= {"brokenann": b"", "anon-x9yz1": answer(94)}
    return {**files, **odd}, collected, ["otherone_207", "paper_205"]
