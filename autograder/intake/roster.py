"""Who is in the class: read from Moodle's grading worksheet, Canvas's gradebook or its list of groups."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from autograder.archive import shown
from autograder.errors import AutograderError
from autograder.intake.naming import Handed, folded, folder_name, is_folder_name, read_time

_MAX_BYTES = 16 * 2**20
_COLUMNS = {
    "name": ("full name", "student", "name"),
    "first": ("first name",),
    "last": ("last name", "surname"),
    "number": ("identifier", "id", "canvas_user_id"),
    "login": ("username", "sis login id", "login_id"),
    "email": ("email address", "email"),
    "other": ("id number", "sis user id", "user_id"),
    "group": ("group", "group_name", "group name"),
    "time": ("last modified (submission)",),
    "status": ("status",),
}
_LATE = re.compile(r"\blate\b", re.I)
# Rows of Canvas's gradebook that are no students.
_NO_STUDENTS = frozenset({"points possible", "student, test"})


class RosterError(AutograderError):
    """A list of students cannot be used; the message says why and what to do about it."""


@dataclass(frozen=True)
class Student:
    """
    One of the class.

    Attributes
    ----------
    folder : str
        Name of the folder in ``submitted/``.
    name : str
        As the list has it; "" in a list without names.
    number : str
        What the platform's downloads know them by.
    group : str
        Their group; "" for none.
    handed_in : datetime or None
        When, in UTC, where the list says so. A list that does is about one assignment: see :meth:`is_about`.
    late : bool
        The list says that it was late.
    row : int
        Their row in the file, counted from 0 for that of the headings.
    """

    folder: str
    name: str
    number: str
    group: str = ""
    handed_in: datetime | None = None
    late: bool = False
    row: int = 0

    def is_about(self, handed: Handed) -> bool:
        """Tell whether the list's time is of this: Moodle numbers students anew for each assignment, and groups."""
        is_theirs = handed.is_anonymous or folded(self.name) in folded(handed.who)
        return is_theirs and bool(self.number) and self.number == handed.number


@dataclass(frozen=True)
class Roster:
    """The class."""

    students: tuple[Student, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Student]]:
        found: dict[str, list[Student]] = {}
        for student in self.students:
            if student.name:
                for spelling in {folded(student.name), folded(_turned(student.name))}:
                    found.setdefault(spelling, []).append(student)
        return found

    @cached_property
    def _by_group(self) -> Mapping[str, Sequence[Student]]:
        found: dict[str, list[Student]] = {}
        for student in self.students:
            if student.group:
                found.setdefault(folded(student.group), []).append(student)
        return found

    @cached_property
    def _by_number(self) -> Mapping[str, Student]:
        return {student.number: student for student in self.students if student.number}

    @cached_property
    def _by_folder(self) -> Mapping[str, Student]:
        return {student.folder: student for student in self.students}

    def find(self, handed: Handed) -> tuple[Student, ...]:
        """
        Give who handed something in: one student, or all of a group; none for somebody who is not in the class.

        A number alone is not believed where there are names on both sides: Moodle numbers anew for each assignment.
        """
        return next(self._candidates(handed), ())

    def _candidates(self, handed: Handed) -> Iterator[tuple[Student, ...]]:
        """Give what it can be, the likeliest first."""
        named = self._by_name.get(folded(handed.who), ())
        numbered = self._by_number.get(handed.number)
        if numbered and (numbered in named or handed.is_anonymous or not numbered.name):
            yield (numbered,)
        if len(named) == 1:
            yield (named[0],)
        if handed.who in self._by_folder:
            yield (self._by_folder[handed.who],)
        if members := self._by_group.get(folded(handed.who)):
            yield tuple(members)
        # Moodle before 4 puts the group's name before the student's.
        pieces = handed.who.split("-")
        for start in range(1, len(pieces)):
            students = self._by_name.get(folded("-".join(pieces[start:])), ())
            if numbered and numbered in students:
                yield (numbered,)
            if len(students) == 1:
                yield (students[0],)


def read_roster(path: Path) -> Roster:
    """
    Read the class.

    Parameters
    ----------
    path : Path
        A CSV file with Moodle's columns (``Identifier, Full name, Email address``, maybe ``Username``, ``ID number``,
        ``Group``, ``Status``, ``Last modified (submission)``) or Canvas's (``Student, ID, SIS Login ID``, or those of
        its list of groups).

    Raises
    ------
    RosterError
        It cannot be read, has other columns, or two students who would share a folder.
    """
    rows = read_table(path).rows
    headings = _headings(rows[0] if rows else [], path)
    students = [_Row(row, headings, place) for place, row in enumerate(rows[1:], start=1)]
    students = [row for row in students if row.is_student]
    names = {row: row.wish(short=True) for row in students}
    shared = {name for name, count in Counter(map(str.casefold, names.values())).items() if count > 1}
    found = tuple(row.student(row.wish(short=name.casefold() not in shared)) for row, name in names.items())
    for name, count in Counter(student.folder.casefold() for student in found).items():
        if count > 1 or not name:
            problem = f"{count} students would share the folder '{shown(name)}'" if name else "a student has no name"
            raise RosterError(f"{path}: {problem}. Add a column 'Username' with a name for each.")
    if not found:
        raise RosterError(f"{path} lists no students.")
    return Roster(found)


def _turned(name: str) -> str:
    """Give "Ada Lovelace" for "Lovelace, Ada"."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else name


@dataclass(frozen=True)
class CsvTable:
    """
    A CSV file, with what it takes to write it as it was.

    Attributes
    ----------
    rows : tuple of tuple of str
        Its cells, headings first.
    delimiter, encoding : str
        Between cells, and of the text.
    """

    rows: tuple[tuple[str, ...], ...]
    delimiter: str
    encoding: str

    def text(self) -> bytes:
        """Give the file's bytes, with as few quotes as can be."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n").writerows(self.rows)
        return text.getvalue().encode(self.encoding)


def read_table(path: Path) -> CsvTable:
    """
    Read a CSV file as platforms and spreadsheets write it.

    Raises
    ------
    RosterError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError("it is larger than any class")
        wide = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if wide else "utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "utf-8"
        text = data.decode(encoding)
        heading = text.partition("\n")[0]
        delimiter = max(",;\t", key=heading.count)
        rows = tuple(map(tuple, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)))
    except OSError as error:
        raise RosterError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise RosterError(f"{path} is no list of students: {error}. Save it as CSV in UTF-8.") from error
    return CsvTable(rows, delimiter, encoding)


def _headings(row: Sequence[str], path: Path) -> dict[str, int]:
    given = [heading.strip().lower() for heading in row]
    found = {
        key: next(given.index(name) for name in names if name in given)
        for key, names in _COLUMNS.items()
        if any(name in given for name in names)
    }
    if not found.keys() & {"name", "last", "number"}:
        raise RosterError(
            f"{path} has none of the columns by which students are known. Download Moodle's grading worksheet "
            "(Identifier, Full name, Email address) or Canvas's gradebook (Student, ID, SIS Login ID)."
        )
    return found


class _Row:
    """A row of the list."""

    def __init__(self, cells: Sequence[str], headings: Mapping[str, int], place: int) -> None:
        self._place = place
        values = {key: cells[place].strip() for key, place in headings.items() if place < len(cells)}
        self._values = values
        self.name = values.get("name") or " ".join(filter(None, (values.get("first"), values.get("last"))))
        digits = re.findall(r"\d+", values.get("number", ""))
        self.number = digits[-1] if digits else ""

    @property
    def is_student(self) -> bool:
        return bool(self.name or self.number) and self.name.lower() not in _NO_STUDENTS

    def wish(self, *, short: bool) -> str:
        """Give the folder's name: what they log in with, else what is before the @ of their address, else their own."""
        for key in ("login", "other", "email"):
            given = self._values.get(key, "")
            if given:
                name = given.partition("@")[0] if short else given
                return name if is_folder_name(name) else folder_name(name)
        return folder_name(_turned(self.name) or f"participant {self.number}")

    def student(self, folder: str) -> Student:
        return Student(
            folder,
            self.name,
            self.number,
            group=self._values.get("group", ""),
            handed_in=read_time(self._values.get("time", "")),
            late=bool(_LATE.search(self._values.get("status", ""))),
            row=self._place,
        )
