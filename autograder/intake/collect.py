"""
The way into ``submitted/``: read what is there, decide what is what, and only then write.

Sources are read twice: once to see what there is, of which only a few facts are kept, and once for the files that are
taken. So a class of any size takes the memory of one notebook.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from autograder.archive import ArchiveError, Member, Refused, Wanted, read_members, shown
from autograder.build import write_file
from autograder.course import Course, CourseError, NotebookSource
from autograder.intake.matching import Content, Master, match, read_content, read_masters, without_ending
from autograder.intake.naming import (
    Handed,
    Scheme,
    folder_name,
    guess,
    is_folder_name,
    read_path,
    read_time,
    without_counter,
)
from autograder.intake.roster import Roster, Student
from autograder.notebook import NotebookError, read_data
from autograder.sample import MARK

TIMESTAMP = "timestamp.txt"
"""Where nbgrader has it when something was handed in, beside the notebooks."""

_MAX_TIMESTAMP_BYTES = 100
# So many are named, of what a student can hand in by the thousand.
_FEW = 3
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z")
_ROSTER = "Give a list of the class: --roster FILE"


class Change(StrEnum):
    """What happened to a file in ``submitted/``."""

    NEW = "new"
    SAME = "same"
    REPLACED = "replaced"
    KEPT = "kept"


@dataclass(frozen=True)
class Collected:
    """
    A notebook of a student.

    Attributes
    ----------
    student, assignment, notebook : str
        Whose, and of what.
    change : Change
        What happened.
    origin : str
        Where it came from.
    late : bool
        The platform says that it was late.
    remarks : tuple of str
        What an instructor should know: what was left out for it, say.
    """

    student: str
    assignment: str
    notebook: str
    change: Change
    origin: str
    late: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Something that was not collected: where it is, why, and what to do about it."""

    origin: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Summary:
    """
    What came of it.

    Attributes
    ----------
    schemes : mapping
        How each source was read, by its name.
    collected : tuple of Collected
        By student.
    problems : tuple of Problem
        What was not collected.
    absent : tuple of str
        Students of the class who handed in nothing; only with a list of the class.
    """

    schemes: Mapping[str, Scheme]
    collected: tuple[Collected, ...]
    problems: tuple[Problem, ...]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A file in a source, and what is kept of it."""

    source: int
    path: tuple[str, ...]
    inner: tuple[str, ...] = ()
    digest: bytes = b""
    content: Content = field(default_factory=Content)
    time: datetime | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return (self.inner or self.path)[-1]

    @property
    def is_notebook(self) -> bool:
        """Whether it is called like one."""
        return self.name.lower().endswith(".ipynb")

    @property
    def key(self) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
        """What tells it from all others."""
        return self.source, self.path, self.inner


@dataclass(frozen=True)
class Pick:
    """A file that is taken: whose it is, which notebook, when it came, and what the instructor should know."""

    found: Found
    student: str
    notebook: NotebookSource
    time: datetime | None = None
    late: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What a file says: who handed it in, and whose folder that is."""

    found: Found
    handed: Handed
    students: tuple[Student, ...]


@dataclass
class _Notes:
    """What is found out on the way."""

    sources: Sequence[Path]
    problems: list[Problem] = field(default_factory=list)

    def origin(self, source: int, name: str = "") -> str:
        own = shown(self.sources[source].name or str(self.sources[source]))
        # One source needs no name.
        return name if name and len(self.sources) == 1 else f"{own}: {name}" if name else own

    def place(self, found: Found) -> str:
        return self.origin(found.source, shown("/".join((*found.path, *found.inner))))

    def problem(self, where: Found | str, reason: str, remedy: str) -> None:
        self.problems.append(Problem(where if isinstance(where, str) else self.place(where), reason, remedy))


def collect(
    course: Course,
    sources: Sequence[Path],
    *,
    scheme: Scheme | None = None,
    roster: Roster | None = None,
    assignments: Sequence[str] = (),
    force: bool = False,
) -> Summary:
    """
    Bring what students handed in to ``submitted/<student>/<assignment>/<notebook>.ipynb``.

    Of several files of a student that are the same notebook the newest is taken; of several sources, what the later one
    has. What is already there and differs stays there unless `force` is given.

    Parameters
    ----------
    course : Course
        Where it goes, and whose notebooks files are matched with.
    sources : sequence of Path
        Archives and folders.
    scheme : Scheme, optional
        How files are named; otherwise seen from their names.
    roster : Roster, optional
        The class. Without it, students' folders are called by the names that the platform gives.
    assignments : sequence of str
        What can have been handed in; all when none is named.
    force : bool
        Whether files are replaced by others.

    Returns
    -------
    Summary
        What was collected, and what was not and why.

    Raises
    ------
    CourseError
        An assignment or master is not there or not as it should be, or a source is a folder of the course's own.
    UnwritableError
        A file could not be written.
    """
    for source in sources:
        _refuse_own(source, course)
    masters = read_masters(course.select(assignments))
    notes = _Notes(sources)
    found = {number: _survey(number, source, masters, notes) for number, source in enumerate(sources)}
    schemes = {number: scheme or guess([each.path for each in own]) for number, own in found.items()}
    claims = _attribute(found, schemes, course, roster, notes)
    picks = _choose(claims, masters, _times(claims), notes)
    picks = _refuse_lookalikes(picks, course.submitted, notes)
    collected = list(_carry_out(picks, course, notes, force=force))
    if collected:
        # The next sample class would take the place of all that is there.
        (course.submitted / MARK).unlink(missing_ok=True)
    present = {pick.student for pick in picks}
    return Summary(
        schemes={notes.origin(number): kind for number, kind in schemes.items() if found[number]},
        collected=tuple(sorted(collected, key=lambda each: (each.student, each.assignment, each.notebook))),
        problems=tuple(notes.problems),
        absent=tuple(sorted(s.folder for s in roster.students if s.folder not in present)) if roster else (),
    )


# What there is


def _refuse_own(source: Path, course: Course) -> None:
    """Refuse the course's own folders: a master in ``submitted/`` would hand in the solutions."""
    place = source.resolve()
    own = (course.source, course.release, course.solutions, course.submitted, course.autograded, course.feedback)
    if course.root.is_relative_to(place) or any(place.is_relative_to(folder) for folder in own):
        raise CourseError(f"{source} is the course's own. Name the folder with what students handed in.")


def _survey(number: int, source: Path, masters: Sequence[Master], notes: _Notes) -> list[Found]:
    """List a source's files; none of one that cannot be read to its end."""
    found: list[Found] = []
    problems: list[Problem] = []
    try:
        for item in read_members(source, wanted=_is_of_use):
            if isinstance(item, Refused):
                remedy = "If it is a student's, ask for the notebook itself."
                problems.append(Problem(notes.origin(number, item.name), f"It {item.reason}.", remedy))
            else:
                found.append(_found(number, item, masters))
    except ArchiveError as error:
        notes.problem(notes.origin(number), str(error), "Nothing of it was collected.")
        return []
    notes.problems += problems
    return found


def _is_of_use(path: tuple[str, ...], inner: tuple[str, ...]) -> bool:
    name = (inner or path)[-1].lower()
    return name.endswith((".ipynb", ".zip")) or (not inner and name == TIMESTAMP)


def _found(source: int, member: Member, masters: Sequence[Master]) -> Found:
    if member.data is None:
        return Found(source, member.path, member.inner)
    if member.name.lower().endswith(".ipynb"):
        digest = hashlib.sha256(member.data).digest()
        content = read_content(member.data, shown(member.name, 60), masters)
        return Found(source, member.path, member.inner, digest, content)
    text = member.data[: _MAX_TIMESTAMP_BYTES + 1].decode("utf-8", "replace")
    return Found(source, member.path, time=read_time(text) if len(text) <= _MAX_TIMESTAMP_BYTES else None)


# Whose it is


def _attribute(
    found: Mapping[int, Sequence[Found]],
    schemes: Mapping[int, Scheme],
    course: Course,
    roster: Roster | None,
    notes: _Notes,
) -> list[Claim]:
    """Find out who handed in each file."""
    names = {assignment.name for assignment in course.assignments}
    claims: list[Claim] = []
    for number, own in found.items():
        wrapper = notes.sources[number].name.partition(".")[0]
        claimed = []
        for each in own:
            handed = read_path(each.path, schemes[number], assignments=names, wrapper=wrapper)
            if isinstance(handed, Handed):
                claimed.append((each, handed))
            elif handed is None and each.is_notebook:
                notes.problem(each, *_UNFIT[schemes[number]])
        claims += _identify(claimed, schemes[number], roster, notes)
    if roster is None:
        claims = _without_namesakes(claims, schemes, notes)
    return claims


_UNFIT = {
    Scheme.MOODLE: (
        "Its path is none of a Moodle download.",
        "Collect the zip file of 'Download all submissions', or name another way: --from.",
    ),
    Scheme.CANVAS: (
        "Its name is none of a Canvas download.",
        "Collect the zip file of 'Download submissions', or name another way: --from.",
    ),
    Scheme.PLAIN: (
        "Its path does not say whose it is.",
        "Lay it out as <student>/<assignment>/<notebook>.ipynb or <student>/<notebook>.ipynb.",
    ),
}


def _identify(
    claimed: Iterable[tuple[Found, Handed]], scheme: Scheme, roster: Roster | None, notes: _Notes
) -> Iterator[Claim]:
    """Give each file the folders of those who handed it in."""
    told = set()
    for found, handed in claimed:
        students = roster.find(handed) if roster else _made_up(handed, scheme)
        if students:
            yield Claim(found, handed, students)
            continue
        who = (handed.who, handed.number)
        if who not in told:
            name = shown(" ".join(filter(None, who)))
            if roster:
                remedy = "Add them to the list, or take a list of this very assignment."
                notes.problem(found, f"'{name}' is not in the list of the class.", remedy)
            elif scheme is Scheme.PLAIN:
                notes.problem(found, f"'{name}' cannot be the name of a student's folder.", "Rename the folder.")
            else:
                notes.problem(found, f"'{name}' has no letters of which to make a folder's name.", f"{_ROSTER}.")
        told.add(who)


def _made_up(handed: Handed, scheme: Scheme) -> tuple[Student, ...]:
    """Make up a student of what a path says, where there is no list of the class."""
    if scheme is Scheme.PLAIN:
        folder = handed.who if is_folder_name(handed.who) else ""
    elif handed.is_anonymous:
        folder = folder_name(f"{handed.who.partition(' ')[0] or 'student'} {handed.number}") if handed.number else ""
    else:
        folder = folder_name(handed.who)
    return (Student(folder, handed.who, handed.number),) if folder else ()


def _without_namesakes(claims: Sequence[Claim], schemes: Mapping[int, Scheme], notes: _Notes) -> list[Claim]:
    """Leave out whose folder would be somebody else's as well."""
    # Moodle's numbers are another assignment's business in another download.
    people: dict[str, dict[int, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for claim in claims:
        number = claim.found.source if schemes[claim.found.source] is Scheme.MOODLE else -1
        people[claim.students[0].folder.casefold()][number].add((claim.handed.who, claim.handed.number))
    kept, told = [], set()
    for claim in claims:
        sharing = people[claim.students[0].folder.casefold()]
        names = {who for people_there in sharing.values() for who, _ in people_there}
        if len(names) == 1 and all(len(people_there) == 1 for people_there in sharing.values()):
            kept.append(claim)
            continue
        who = (claim.handed.who, claim.handed.number)
        if who not in told:
            folder = claim.students[0].folder
            remedy = "Rename one." if schemes[claim.found.source] is Scheme.PLAIN else f"{_ROSTER}."
            notes.problem(claim.found, f"Several students would share the folder '{folder}'.", remedy)
        told.add(who)
    return kept


def _times(claims: Iterable[Claim]) -> dict[tuple[str, str], datetime]:
    """Give the times that files beside the notebooks tell, by student and assignment."""
    return {
        (claim.students[0].folder, claim.handed.assignment): claim.found.time
        for claim in claims
        if claim.found.name == TIMESTAMP and claim.found.time and claim.handed.assignment
    }


# Which of the files


def _choose(
    claims: Sequence[Claim],
    masters: Sequence[Master],
    times: Mapping[tuple[str, str], datetime],
    notes: _Notes,
) -> list[Pick]:
    """Decide which file is which notebook, and which of several is the one that counts."""
    groups: dict[tuple[str, NotebookSource], list[tuple[Claim, Student]]] = defaultdict(list)
    left: list[Claim] = []
    for claim in claims:
        notebook = _notebook(claim, masters) if claim.found.is_notebook else None
        if notebook is None:
            left.append(claim)
        else:
            for student in claim.students:
                groups[student.folder, notebook].append((claim, student))
    served = {(folder, of) for folder, notebook in groups for of in ("", notebook.assignment)}
    beside = _tell_left(left, served, masters, notes)
    picks = []
    for (folder, notebook), group in groups.items():
        pick = _newest(folder, notebook, group, notes)
        if pick:
            time = times.get((folder, notebook.assignment), pick.time)
            remarks = (*pick.remarks, *beside.pop(folder, ()))
            picks.append(replace(pick, time=time, remarks=remarks))
    return picks


def _tell_left(
    left: Iterable[Claim], served: Collection[tuple[str, str]], masters: Sequence[Master], notes: _Notes
) -> dict[str, list[str]]:
    """
    Tell of what students handed in that is none of the course's notebooks.

    Of a student of whom there is one, it is no more than a remark; these are given, by student.
    """
    beside: dict[str, list[Found]] = defaultdict(list)
    others: dict[str, list[Found]] = defaultdict(list)
    for claim in left:
        for student in claim.students:
            is_served = (student.folder, claim.handed.assignment) in served
            if claim.found.is_notebook and is_served:
                beside[student.folder].append(claim.found)
            elif not is_served and claim.found.name != TIMESTAMP:
                others[student.folder].append(claim.found)
    for folder, found in others.items():
        notebooks = [each for each in found if each.is_notebook]
        for each in notebooks[:_FEW]:
            known = ", ".join(sorted({f"{master.source.name}.ipynb" for master in masters}))
            reason = each.content.fault or "It holds no cells of one of the course's notebooks."
            notes.problem(each, reason, f"If it is one of them, give it that one's name and collect it again: {known}.")
        if len(notebooks) > _FEW:
            reason = f"'{folder}' handed in {len(notebooks) - _FEW:,} more of which the same is to be said."
            notes.problem(notebooks[_FEW], reason, "Ask for the course's notebooks alone.")
        if not notebooks:
            _tell_no_notebook(folder, found, notes)
    return {folder: [f"{_listed(found)}: none of the course's, left out"] for folder, found in beside.items()}


def _listed(found: Sequence[Found]) -> str:
    """List names of files, a few of them."""
    names = ", ".join(shown(each.name, 60) for each in found[:_FEW])
    return f"{names} and {len(found) - _FEW:,} more" if len(found) > _FEW else names


def _notebook(claim: Claim, masters: Sequence[Master]) -> NotebookSource | None:
    found, handed = claim.found, claim.handed
    possible = [m for m in masters if not handed.assignment or m.source.assignment == handed.assignment]
    return match(found.content, found.inner[-1] if found.inner else handed.file, possible)


def _tell_no_notebook(folder: str, found: Sequence[Found], notes: _Notes) -> None:
    names = _listed(found)
    packed = any(each.name.lower().endswith(_ARCHIVES) for each in found)
    remedy = "Unpack it and collect the folder." if packed else "Ask for the notebook."
    notes.problem(found[0], f"'{folder}' handed in no notebook, only {names}.", remedy)


def _newest(
    folder: str, notebook: NotebookSource, group: Sequence[tuple[Claim, Student]], notes: _Notes
) -> Pick | None:
    """Take the newest of the files that are one student's same notebook."""
    ranked = sorted(group, key=lambda pair: _rank(pair[0], notebook), reverse=True)
    (first, student), *rest = ranked
    same = [claim for claim, _ in rest if _rank(claim, notebook) == _rank(first, notebook)]
    if any(claim.found.digest != first.found.digest for claim in same):
        names = _listed([claim.found for claim in (first, *same)])
        reason = f"'{folder}' handed in several files that could be {notebook.name}.ipynb: {names}."
        notes.problem(first.found, reason, f"Name the one that counts {notebook.name}.ipynb, or leave only that one.")
        return None
    others = [claim.found for claim, _ in rest if claim.found.digest != first.found.digest]
    remarks = []
    if others:
        remarks.append(f"repeated: {_listed(others)} left out")
    if first.found.content.fault:
        remarks.append(f"cannot be graded: {first.found.content.fault}")
    if len(first.students) > 1:
        remarks.append(f"handed in by the group '{shown(first.handed.who, 40)}'")
    time, late = (student.handed_in, student.late) if student.is_about(first.handed) else (None, False)
    return Pick(first.found, folder, notebook, time, first.handed.late or late, tuple(remarks))


def _rank(claim: Claim, notebook: NotebookSource) -> tuple[int, int, int, bool]:
    """Give what grows from an older file to a newer one; last, whether it is called as it should be."""
    handed = claim.handed
    stem = without_ending(claim.found.inner[-1] if claim.found.inner else handed.file)
    is_called_so = stem.casefold() == notebook.name.casefold()
    counter = 0 if is_called_so else without_counter(stem)[1]
    return handed.order, claim.found.source, counter, is_called_so


# What is written


def _refuse_lookalikes(picks: Sequence[Pick], submitted: Path, notes: _Notes) -> list[Pick]:
    """Leave out students whose folder differs from one that is there in nothing but its spelling."""
    there = {path.name for path in submitted.iterdir()} if submitted.is_dir() else set()
    spellings = {name.casefold(): name for name in there}
    kept = []
    for pick in picks:
        other = spellings.get(pick.student.casefold())
        if other is None or pick.student in there:
            kept.append(pick)
        else:
            reason = f"There is a folder '{shown(other)}' already, which is spelt like '{pick.student}'."
            notes.problem(pick.found, reason, "Rename that folder if it is the same student.")
    return kept


def _carry_out(picks: Sequence[Pick], course: Course, notes: _Notes, *, force: bool) -> Iterator[Collected]:
    """Read once more the files that are taken, and put each in its place."""
    taken: dict[tuple[int, tuple[str, ...], tuple[str, ...]], list[Pick]] = defaultdict(list)
    for pick in picks:
        taken[pick.found.key].append(pick)
    for number, source in enumerate(notes.sources):
        wanted = _wanted({key[1:] for key in taken if key[0] == number})
        if not any(key[0] == number for key in taken):
            continue
        for item in _again(source, wanted):
            for pick in taken.pop((number, item.path, item.inner), ()):
                if hashlib.sha256(item.data or b"").digest() != pick.found.digest:
                    notes.problem(pick.found, "It changed while it was read.", "Collect it again.")
                elif done := _place(pick, item.data or b"", course.submitted, notes, force=force):
                    yield done
    for left in taken.values():
        notes.problem(left[0].found, "It went away while it was read.", "Collect it again.")


def _again(source: Path, wanted: Wanted) -> Iterator[Member]:
    """Give the files that are wanted; where the source is no longer what it was, those before."""
    with contextlib.suppress(ArchiveError):
        for item in read_members(source, wanted=wanted):
            if isinstance(item, Member) and item.data is not None:
                yield item


def _wanted(keys: set[tuple[tuple[str, ...], tuple[str, ...]]]) -> Wanted:
    zips = {path for path, inner in keys if inner}
    return lambda path, inner: (path, inner) in keys or (not inner and path in zips)


def _place(pick: Pick, data: bytes, submitted: Path, notes: _Notes, *, force: bool) -> Collected | None:
    """Write a notebook, and when it was handed in, unless something else is there."""
    folder = submitted / pick.student / pick.notebook.assignment
    path = folder / pick.notebook.path.name
    told = f"{pick.student}/{pick.notebook.assignment}/{path.name}"
    for part in (submitted / pick.student, folder, path, folder / TIMESTAMP):
        if part.is_symlink():
            name = part.relative_to(submitted)
            notes.problem(pick.found, f"{name} in submitted/ is a link.", "Remove it: nothing is written through one.")
            return None
    try:
        before = read_data(path, name=told, follow=False) if path.exists() else None
    except NotebookError as error:
        # Too large, or no file at all; a file can be replaced like any other.
        if not (force and path.is_file()):
            notes.problem(pick.found, str(error), "Look at what is there, and remove it.")
            return None
        before = b""
    remarks = list(pick.remarks)
    if before is None:
        change = Change.NEW
    elif before == data:
        change = Change.SAME
    else:
        change = Change.REPLACED if force else Change.KEPT
    if change is Change.KEPT:
        remedy = "With --force it is replaced."
        notes.problem(pick.found, f"{told} is already there and differs; it was left as it was.", remedy)
    if change in (Change.NEW, Change.REPLACED):
        write_file(path, data)
    if change is not Change.KEPT:
        remarks += _write_time(folder / TIMESTAMP, pick.time, stale=change is Change.REPLACED, force=force)
    return Collected(
        pick.student,
        pick.notebook.assignment,
        pick.notebook.name,
        change,
        notes.place(pick.found),
        late=pick.late,
        remarks=tuple(remarks),
    )


def _write_time(path: Path, time: datetime | None, *, stale: bool, force: bool) -> Iterator[str]:
    """Note when something was handed in; what is noted of an earlier file goes with that file."""
    text = f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode() if time else None
    before = None
    if path.is_file():
        with path.open("rb") as file:
            before = file.read(_MAX_TIMESTAMP_BYTES + 1)
    if text is None:
        if stale and before is not None:
            path.unlink()
            yield f"the {TIMESTAMP} of the earlier file was removed"
    elif before is None or stale or force:
        if text != before:
            write_file(path, text)
    elif read_time(before.decode("utf-8", "replace")) != time:
        yield f"its {TIMESTAMP} says another time and was left as it was (--force replaces it)"
