"""
What a file's path says in the downloads of Moodle and Canvas and in plain folders, and names that are fit for a folder.

Moodle (``mod/assign``): a folder for each student and kind of submission,
``<full name>_<number>_assignsubmission_file/<file>``, in older versions with one more ``_`` at its end; or all in one
folder as ``<full name>_<number>_assignsubmission_file_<file>``. Of a group: its name and number; with anonymous marking
``Participant_<number>``. The numbers are those of the grading worksheet and differ from one assignment to the next.

Canvas (``ContentZipper``): ``<last and first name, only letters and digits>[_LATE]_<user>_<upload>_<file>``, or
``anon_<code>`` for name and user. The numbers of users are the same everywhere, those of uploads only grow; a file of
the same name as one before becomes ``<file>-1``.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

MAX_NAME = 100
"""Characters of a folder's name; the gradebook has room for 128."""

MAX_NAME_BYTES = 200
"""A file system takes 255; what is written first gets a longer name."""

_MOODLE = re.compile(r"(?P<who>.*?)(?:_(?P<number>\d+))?_assignsubmission_(?P<kind>[a-z0-9]+)(?:_(?P<file>.*))?")
_PARTICIPANT = re.compile(r"Participant(?: (?P<number>\d+))?")
_CANVAS = re.compile(r"(?P<who>.*?)(?:(?:^|_)(?P<late>LATE))?(?:^|_)(?P<number>\d+)_(?P<upload>\d+)_(?P<file>.+)")
_CANVAS_ANONYMOUS = re.compile(r"(?:(?P<late>LATE)_)?anon_(?P<number>[A-Za-z0-9]+)_(?P<upload>\d+)_(?P<file>.+)")
_CANVAS_TEXT = re.compile(r".*_[A-Za-z0-9]+_(text|link)\.html")
_COUNTER = re.compile(r"(?P<stem>.+?)(?:-(?P<dash>\d{1,3})| ?\((?P<round>\d{1,3})\)|-Copy(?P<copy>\d{1,3}))")
_WRAPPERS = frozenset({"submitted", "submissions"})

# Windows takes these for devices, with any ending.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MOODLE_TIME = re.compile(r"(?:\w+, )?(\d{1,2}) ([A-Za-z]{3,9}) (\d{4}), (\d{1,2}):(\d{2})\s?([AaPp][Mm])?")


class Scheme(StrEnum):
    """How files are named."""

    MOODLE = "moodle"
    CANVAS = "canvas"
    PLAIN = "plain"


@dataclass(frozen=True)
class Handed:
    """
    What a path says.

    Attributes
    ----------
    who : str
        The student's name, or the group's, as the path has it.
    number : str
        What the platform knows them by; "" if the path does not say.
    file : str
        The file's own name.
    late : bool
        It came late.
    order : int
        Of two files of one student the one with the larger number is newer; 0 if the path does not say.
    assignment : str
        The assignment's folder; "" if the path has none.
    is_anonymous : bool
        There is a number in place of a name.
    """

    who: str
    number: str
    file: str
    late: bool = False
    order: int = 0
    assignment: str = ""
    is_anonymous: bool = False


class Beside:
    """What is rightly in a download and is no file of a student's: texts typed into the platform."""


BESIDE = Beside()


def read_path(
    path: Sequence[str], scheme: Scheme, *, assignments: Collection[str] = (), wrapper: str = ""
) -> Handed | Beside | None:
    """
    Read a path as a scheme has it.

    Parameters
    ----------
    path : sequence of str
        Folders and name.
    scheme : Scheme
        Whose path it is.
    assignments : collection of str
        Assignments of the course, by which a plain folder's structure is known.
    wrapper : str
        Name of a folder around everything, for plain folders; such as the archive's own.

    Returns
    -------
    Handed, Beside or None
        None for a path that does not fit.
    """
    match scheme:
        case Scheme.MOODLE:
            return _moodle(path)
        case Scheme.CANVAS:
            return _canvas(path)
        case Scheme.PLAIN:
            return _plain(path, assignments, wrapper)


def guess(paths: Collection[Sequence[str]]) -> Scheme:
    """Tell what made a download: Moodle and Canvas have their own ways, everything else is plain."""
    for scheme, reads in ((Scheme.MOODLE, _moodle), (Scheme.CANVAS, _canvas)):
        # Most of them: a student can call a file as the other platform would.
        if sum(reads(path) is not None for path in paths) * 2 > len(paths):
            return scheme
    return Scheme.PLAIN


def _moodle(path: Sequence[str]) -> Handed | Beside | None:
    for place, part in enumerate(path):
        found = _MOODLE.fullmatch(part)
        if found is None:
            continue
        file = path[-1] if place < len(path) - 1 else found["file"]
        if found["kind"] != "file":
            return BESIDE
        if not file:
            return None
        number = found["number"] or ""
        participant = _PARTICIPANT.fullmatch(found["who"])
        if participant:
            number = number or participant["number"] or ""
        return Handed(found["who"], number, file, is_anonymous=participant is not None)
    return None


def _canvas(path: Sequence[str]) -> Handed | Beside | None:
    name = path[-1]
    anonymous = _CANVAS_ANONYMOUS.fullmatch(name)
    found = anonymous or _CANVAS.fullmatch(name)
    if found is None:
        return BESIDE if _CANVAS_TEXT.fullmatch(name) else None
    # A code is no number of the platform's, though it can look like one.
    who, number = (f"anon {found['number']}", "") if anonymous else (found["who"], found["number"])
    late, order = found["late"] is not None, int(found["upload"][:18])
    return Handed(who, number, found["file"], late=late, order=order, is_anonymous=not who)


def _plain(path: Sequence[str], assignments: Collection[str], wrapper: str) -> Handed | None:
    # The last folder that is called like an assignment, below one that can be a student's.
    for place in range(len(path) - 2, 0, -1):
        if path[place] in assignments:
            return Handed(path[place - 1], "", path[-1], assignment=path[place])
    inside = path[1:] if len(path) > 1 and path[0] in _WRAPPERS | {wrapper} else path
    return Handed(inside[0], "", inside[-1]) if len(inside) == 2 else None


def without_counter(stem: str) -> tuple[str, int]:
    """Take from a file's name, its ending left out, what was added since that name was taken: ``-1``, ``(2)``."""
    found = _COUNTER.fullmatch(stem)
    if found is None:
        return stem, 0
    return found["stem"], int(found["dash"] or found["round"] or found["copy"])


def folder_name(name: str) -> str:
    """
    Make a folder's name of a person's: letters and digits of any script, in lower case, with dashes between.

    "" where there are none. Different names can become the same one.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).lower())
    words = "".join(each if unicodedata.category(each)[0] in "LNM" else " " for each in text).split()
    made = "-".join(words)
    if len(made) > MAX_NAME // 2 or len(made.encode()) > MAX_NAME_BYTES // 2:
        # Two long names that begin in the same way stay two.
        mark = hashlib.sha256(made.encode()).hexdigest()[:8]
        made = f"{made.encode()[: MAX_NAME // 2].decode(errors='ignore')[: MAX_NAME // 2].rstrip('-')}-{mark}"
    return f"{made}-" if made in _DEVICES else made


def is_folder_name(name: str) -> bool:
    """Tell whether a name can be a folder's everywhere, and is what it seems to be."""
    return (
        0 < len(name) <= MAX_NAME
        and len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
        and name == unicodedata.normalize("NFC", name)
        and name[0] not in ".- "
        and name[-1] not in ". "
        and not set(name) & set('<>:"/\\|?*')
        and all(each == " " or each.isprintable() for each in name)
        and name.partition(".")[0].lower() not in _DEVICES
    )


def folded(name: str) -> str:
    """Give what two spellings of a name have in common: letters and digits, without regard to upper and lower case."""
    text = unicodedata.normalize("NFKD", name).casefold()
    return unicodedata.normalize("NFC", "".join(each for each in text if unicodedata.category(each)[0] in "LNM"))


def read_time(text: str) -> datetime | None:
    """
    Read when something was handed in: as ISO has it, nbgrader (``2026-01-31 23:59:00 UTC``) or Moodle in English.

    Moodle's (``Saturday, 31 January 2026, 11:59 PM``) is the clock on the wall of whoever downloaded it, and taken for
    this machine's; any other without a time zone is UTC, as with nbgrader.

    Returns
    -------
    datetime or None
        In UTC; None when it is no time.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    try:
        if found := _MOODLE_TIME.fullmatch(text):
            day, month, year, hour, minute, half = found.groups()
            hours = int(hour) if half is None else int(hour) % 12 + 12 * (half.lower() == "pm")
            at = datetime(int(year), _MONTHS.index(month[:3].lower()) + 1, int(day), hours, int(minute))
            return at.astimezone(UTC)
        time, _, zone = text.rpartition(" ")
        if zone[:1].isalpha() and time:
            return datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        at = datetime.fromisoformat(time + zone if zone[:1] in ("+", "-") and time else text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError, KeyError):  # OSError, KeyError: no such time zone
        return None
