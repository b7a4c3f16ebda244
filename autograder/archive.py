"""
Archives and folders that nobody vouches for, read as plain values within bounds.

Nothing is ever unpacked to disk, so that no name in an archive can lead anywhere: a member is a path, which is only a
tuple of texts, and its bytes, one member at a time. What an archive says about itself is not believed: bytes are
counted while they are read.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

from autograder.errors import AutograderError
from autograder.notebook import MAX_BYTES, NotebookError, read_data

_MIB = 2**20
_PIECE = 2**16
_BLOCK = 512
_FEW = 3
_MAX_NAME_BYTES = 1024
_MAX_LEVELS = 32
# A long name, or what tar notes about a file beyond its header.
_MAX_NOTE_BYTES = 2**16
_XZ_MEMORY = 128 * _MIB

_CLUTTER = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints", ".git"})
_UNPACK = "Unpack it yourself, look at what is in it, and collect the folder."
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_UTF8 = 0x800
# Before these the name ends, which zipfile has cut already.
_LOCAL_HEADER_BYTES = 30
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_NO_FILES = {
    tarfile.LNKTYPE: "is a link",
    tarfile.SYMTYPE: "is a link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a pipe",
}
_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"PK\3\4", 0, "zip"),
    (b"PK\5\6", 0, "zip"),
    (b"\x1f\x8b", 0, "gz"),
    (b"BZh", 0, "bz2"),
    (b"\xfd7zXZ\0", 0, "xz"),
    (b"ustar", 257, "tar"),
)


class ArchiveError(AutograderError):
    """An archive cannot be read, or is not to be; the message says why and what to do about it."""


class _MemberError(Exception):
    """One member cannot be read; the others can."""


@dataclass(frozen=True)
class Bounds:
    """
    How much may be in an archive.

    Attributes
    ----------
    members : int
        Files, folders and whatever else has a name.
    member_bytes : int
        Bytes of a member when unpacked.
    total_bytes : int
        Bytes of all that is read.
    directory_bytes : int
        Bytes of a zip's table of contents.
    ratio : int
        How many times its packed size something may have when it is unpacked; of no account below `ratio_from` bytes.
    ratio_from : int
        See `ratio`.
    """

    members: int = 10_000
    member_bytes: int = MAX_BYTES
    total_bytes: int = 8 * 2**30
    directory_bytes: int = 4 * _MIB
    ratio: int = 300
    ratio_from: int = 4 * _MIB


BOUNDS = Bounds()
"""For what an instructor names: the work of a whole class."""

NESTED = Bounds(members=1000, total_bytes=64 * _MIB, directory_bytes=_MIB // 2)
"""For a zip within an archive: what one student hands in."""


@dataclass(frozen=True)
class Member:
    """
    A file in an archive or folder.

    Attributes
    ----------
    path : tuple of str
        Folders and name, without any that leads elsewhere; Unicode in its composed form.
    inner : tuple of str
        For a file in a zip that is itself the member `path`: folders and name in there.
    data : bytes or None
        What the file holds; None where the reader did not want it.
    """

    path: tuple[str, ...]
    inner: tuple[str, ...] = ()
    data: bytes | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return (self.inner or self.path)[-1]


@dataclass(frozen=True)
class Refused:
    """
    Something in an archive or folder that was not read.

    Attributes
    ----------
    name : str
        Its name, fit to be shown.
    reason : str
        Why not; goes on where the name ends.
    """

    name: str
    reason: str


Wanted = Callable[[tuple[str, ...], tuple[str, ...]], bool]
"""Tells, of a member's `path` and `inner`, whether its bytes are of use."""


def read_members(
    source: Path, *, wanted: Wanted, bounds: Bounds = BOUNDS, nested: Bounds = NESTED
) -> Iterator[Member | Refused]:
    """
    Read what is in an archive (zip, tar, also packed with gzip, bzip2 or xz) or a folder, one member at a time.

    A zip in it is opened as well, once; one in that is refused. What systems leave behind (``__MACOSX``, ``.DS_Store``,
    checkpoints of Jupyter) is passed over.

    Parameters
    ----------
    source : Path
        The archive or folder.
    wanted : callable
        Tells, of a member's `path` and `inner`, whether its bytes are of use; asked for a zip within it too.
    bounds, nested : Bounds
        How much may be in it, and in a zip within it.

    Yields
    ------
    Member or Refused
        In the order in which they come; no path twice, also not in another spelling (upper and lower case).

    Raises
    ------
    ArchiveError
        It is no archive, damaged as a whole, or more than the bounds allow; maybe only after some members.
    """
    seen: set[str] = set()
    for item in _outer_members(source, wanted, bounds):
        if not isinstance(item, Member):
            yield item
        elif reason := _repetition(item.path, seen):
            yield Refused(shown("/".join(item.path)), reason)
        elif item.data is not None and item.name.lower().endswith(".zip"):
            yield from _inner_members(item, wanted, nested)
        else:
            yield item


def shown(name: str, most: int = 100) -> str:
    """Give a name as it can be shown: without characters that no terminal should get, and not too long."""
    plain = "".join(each if each.isprintable() else "?" for each in name[: most + 1])
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def safe_path(name: str) -> tuple[str, ...]:
    """
    Split a member's name into folders and name.

    Raises
    ------
    ValueError
        It leads elsewhere, or is none that an honest archive has; the message goes on where the name ends.
    """
    if len(name.encode("utf-8", "surrogatepass")) > _MAX_NAME_BYTES:
        raise ValueError(f"has a name of more than {_MAX_NAME_BYTES} bytes")
    if "\0" in name or any(unicodedata.category(each) in ("Cc", "Cs") for each in name):
        raise ValueError("has a name with characters that no name should have")
    if "\\" in name:
        raise ValueError(f"has a backslash in its name. {_UNPACK}")
    if name.startswith("/") or (name[1:2] == ":" and name[0].isascii() and name[0].isalpha()):
        raise ValueError("has a name that leads elsewhere, to a fixed place")
    parts = tuple(part for part in unicodedata.normalize("NFC", name).split("/") if part not in ("", "."))
    if ".." in parts:
        raise ValueError("has a name that leads elsewhere, with '..'")
    if not parts:
        raise ValueError("has no name")
    if len(parts) > _MAX_LEVELS:
        raise ValueError(f"lies more than {_MAX_LEVELS} folders down")
    return parts


def _repetition(path: tuple[str, ...], seen: set[str]) -> str:
    """Tell what is wrong with a path that was there before, as it is or in other letters; "" if nothing is."""
    exact, loose = "/".join(path), "/".join(path).casefold()
    if exact in seen:
        return "is there more than once; the first one was read"
    if f"//{loose}" in seen:
        return "differs from another name in upper and lower case alone; the first one was read"
    seen |= {exact, f"//{loose}"}
    return ""


def _is_clutter(path: tuple[str, ...]) -> bool:
    return path[-1].startswith("._") or any(part.lower() in _CLUTTER for part in path)


def _outer_members(source: Path, wanted: Wanted, bounds: Bounds) -> Iterator[Member | Refused]:
    label = shown(source.name)
    if source.is_dir():
        yield from _folder_members(source, wanted, bounds)
        return
    try:
        # Without waiting, should it be a pipe.
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise ArchiveError(f"{label} cannot be read: {error.strerror}.") from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - by descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ArchiveError(f"{label} is neither an ordinary file nor a folder.")
        yield from _archive_members(file, label, wanted, bounds)


def _archive_members(file: BinaryIO, label: str, wanted: Wanted, bounds: Bounds) -> Iterator[Member | Refused]:
    kind = _kind(file.read(_BLOCK))
    file.seek(0)
    try:
        if kind == "zip":
            yield from _zip_members(file, label, lambda path: wanted(path, ()), bounds)
        elif kind:
            unpacked = file if kind == "tar" else _Unpacked(file, _UNPACKERS[kind], label, bounds)
            yield from _tar_members(_Counted(unpacked, label, bounds), label, wanted, bounds)
        else:
            raise ArchiveError(
                f"{label} is no archive that can be read. Name a zip or tar file as it was downloaded, or a folder; "
                "unpack one of another kind yourself."
            )
    except (*_DAMAGE, MemoryError) as error:
        raise ArchiveError(f"{label} is damaged: {_told(error)}. Download it again.") from error


def _kind(beginning: bytes) -> str:
    return next((kind for magic, at, kind in _MAGIC if beginning[at : at + len(magic)] == magic), "")


def _told(error: BaseException) -> str:
    """Say what a library says, in one short line."""
    return shown(" ".join(str(error).split()).rstrip(".") or type(error).__name__, 120)


def _inner_members(outer: Member, wanted: Wanted, bounds: Bounds) -> Iterator[Member | Refused]:
    """Read a zip that is a member; what is wrong with it is this member's affair alone, and told in a few words."""
    label = shown("/".join(outer.path))
    refused = 0
    for item in _all_inner_members(outer, label, wanted, bounds):
        refused += isinstance(item, Refused)
        if isinstance(item, Member) or refused <= _FEW:
            yield item
    if refused > _FEW:
        yield Refused(label, f"holds {refused - _FEW:,} more that were not read")


def _all_inner_members(outer: Member, label: str, wanted: Wanted, bounds: Bounds) -> Iterator[Member | Refused]:
    seen: set[str] = set()
    try:
        for item in _zip_members(io.BytesIO(outer.data or b""), label, lambda path: wanted(outer.path, path), bounds):
            if isinstance(item, Refused):
                yield Refused(f"{label}: {item.name}", item.reason)
            elif reason := _repetition(item.path, seen):
                yield Refused(f"{label}: {shown('/'.join(item.path))}", reason)
            elif item.name.lower().endswith(".zip"):
                yield Refused(f"{label}: {shown(item.name)}", f"is a zip in a zip in an archive. {_UNPACK}")
            else:
                yield replace(item, path=outer.path, inner=item.path)
    except ArchiveError as error:
        yield Refused(label, str(error).removeprefix(label).strip())
    except (*_DAMAGE, MemoryError) as error:
        yield Refused(label, f"is damaged: {_told(error)}.")


# Folders


def _folder_members(root: Path, wanted: Wanted, bounds: Bounds) -> Iterator[Member | Refused]:
    meter = _Meter(shown(root.name), bounds)
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            # One more than may be: a folder can hold millions.
            with os.scandir(folder) as found:
                entries = sorted(islice(found, bounds.members - meter.members + 1), key=lambda entry: entry.name)
        except OSError as error:
            yield Refused(shown(str(folder.relative_to(root))), f"cannot be read: {error.strerror}")
            continue
        below = []
        for entry in entries:
            meter.count_member()
            name = Path(entry.path).relative_to(root).as_posix()
            try:
                path = safe_path(name)
                if _is_clutter(path):
                    continue
                if entry.is_symlink():
                    raise ValueError("is a link")
                if entry.is_dir(follow_symlinks=False):
                    below.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    raise ValueError("is no ordinary file")
                else:
                    data = read_data(Path(entry.path), name="it", follow=False) if wanted(path, ()) else None
                    meter.count_bytes(len(data or b""))
                    yield Member(path, data=data)
            except NotebookError as error:
                yield Refused(shown(name), str(error).removeprefix("it ").rstrip("."))
            except ValueError as error:
                yield Refused(shown(name), str(error))
        folders += reversed(below)


class _Meter:
    """Counts what is read of an archive."""

    def __init__(self, label: str, bounds: Bounds) -> None:
        self.members = 0
        self.bytes = 0
        self._label, self._bounds = label, bounds

    def count_member(self) -> None:
        self.members += 1
        if self.members > self._bounds.members:
            raise ArchiveError(f"{self._label} holds more than {self._bounds.members:,} files and folders. {_UNPACK}")

    def count_bytes(self, count: int) -> None:
        self.bytes += count
        if self.bytes > self._bounds.total_bytes:
            size = self._bounds.total_bytes / _MIB
            raise ArchiveError(f"{self._label} holds more than {size:,.0f} MB when it is unpacked. {_UNPACK}")


# Zip


class _Pieces:
    """A file of which only so much can be asked for at once: memory is what a zip's own figures would take."""

    def __init__(self, file: BinaryIO, label: str, most: int) -> None:
        self._file, self._label, self._most = file, label, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._most + 1 if size < 0 else min(size, self._most + 1))
        if len(data) > self._most:
            raise ArchiveError(f"{self._label} has a table of contents that is too long. {_UNPACK}")
        return data


def _zip_members(
    file: BinaryIO, label: str, wanted: Callable[[tuple[str, ...]], bool], bounds: Bounds
) -> Iterator[Member | Refused]:
    with zipfile.ZipFile(_Pieces(file, label, bounds.directory_bytes)) as archive:
        entries = archive.infolist()
        meter = _Meter(label, bounds)
        for _ in entries:
            meter.count_member()
        _refuse_overlap(entries, label)
        for entry in entries:
            name = _zip_name(entry)
            try:
                path = safe_path(name)
                if name.endswith("/") or _is_clutter(path):
                    continue
                _refuse_zip_oddities(entry)
                data = _read_zip_entry(archive, entry, bounds) if wanted(path) else None
            except (_MemberError, ValueError) as error:
                yield Refused(shown(name), _told(error))
            except _DAMAGE as error:
                yield Refused(shown(name), f"is damaged: {_told(error)}")
            else:
                meter.count_bytes(len(data or b""))
                yield Member(path, data=data)


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """Give the name that was meant: many programs write UTF-8 and do not say so."""
    name = entry.orig_filename
    if entry.flag_bits & _UTF8:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _refuse_overlap(entries: list[zipfile.ZipInfo], label: str) -> None:
    """Refuse members that share bytes: a few kilobytes can so be petabytes, each of them in order by itself."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ArchiveError(f"{label} has members that lie over each other, which no honest archive has. {_UNPACK}")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


def _refuse_zip_oddities(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        raise _MemberError("is a link" if stat.S_ISLNK(mode) else "is no ordinary file")
    if entry.flag_bits & _ENCRYPTED:
        raise _MemberError("is encrypted. Ask for it without a password")
    if entry.compress_type not in _READABLE:
        raise _MemberError("is packed in a way that is not read. Ask for an ordinary zip file, or unpack it yourself")


def _read_zip_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, bounds: Bounds) -> bytes:
    data = bytearray()
    with archive.open(entry) as file:
        while piece := file.read(_PIECE):
            data += piece
            if len(data) > bounds.member_bytes:
                raise _MemberError(f"has more than {bounds.member_bytes / _MIB:g} MB")
            if len(data) > max(bounds.ratio_from, bounds.ratio * entry.compress_size):
                raise _MemberError(f"unpacks to more than {bounds.ratio} times its size, as no honest file does")
    return bytes(data)


# Tar


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gunzip:
    """What unpacks gzip, in the way that Python's other unpackers have."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def needs_input(self) -> bool:
        return not self._unpacker.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._unpacker.decompress(self._unpacker.unconsumed_tail + data, max_length)


_UNPACKERS: dict[str, Callable[[], _Unpacker]] = {
    "gz": _Gunzip,
    "bz2": bz2.BZ2Decompressor,
    # The dictionary that an xz file asks for can be gigabytes.
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}


class _Unpacked:
    """What a packed file holds, from beginning to end, never more in memory than is asked for."""

    def __init__(self, file: BinaryIO, make: Callable[[], _Unpacker], label: str, bounds: Bounds) -> None:
        self._file, self._make, self._label, self._bounds = file, make, label, bounds
        self._unpacker = make()
        self._packed = self._unpacked = 0

    def read(self, size: int, /) -> bytes:
        data = bytearray()
        while len(data) < size and (piece := self._piece(size - len(data))):
            data += piece
            self._unpacked += len(piece)
            if self._unpacked > max(self._bounds.ratio_from, self._bounds.ratio * self._packed):
                raise ArchiveError(
                    f"{self._label} unpacks to more than {self._bounds.ratio} times its size, as no honest archive "
                    f"does. {_UNPACK}"
                )
        return bytes(data)

    def _piece(self, most: int) -> bytes:
        while True:
            packed = b""
            if self._unpacker.eof:
                # Files of this kind may be put one behind the other, with zeros after the last.
                packed = (self._unpacker.unused_data or self._take()).lstrip(b"\0")
                if not packed:
                    return b""
                self._unpacker = self._make()
            elif self._unpacker.needs_input:
                packed = self._take()
                if not packed:
                    raise EOFError("it was cut off")
            if piece := self._unpacker.decompress(packed, most):
                return piece

    def _take(self) -> bytes:
        packed = self._file.read(_PIECE)
        self._packed += len(packed)
        return packed


class _Counted:
    """A stream of which so many bytes may be read in all."""

    def __init__(self, file: _Readable, label: str, bounds: Bounds) -> None:
        self._file = file
        self._meter = _Meter(label, bounds)

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self._meter.count_bytes(len(data))
        return data

    def read_all(self, size: int) -> bytes:
        data = self.read(size)
        if len(data) < size:
            raise EOFError("it was cut off")
        return data

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.read_all(min(size, _PIECE)))


# Not tarfile's own reader: it takes what a header says of its notes' size for granted, gigabytes too.
def _tar_members(stream: _Counted, label: str, wanted: Wanted, bounds: Bounds) -> Iterator[Member | Refused]:
    for name, kind, size in _tar_entries(stream, label, bounds):
        left = size + -size % _BLOCK
        try:
            if kind not in _FILES:
                raise ValueError("is no ordinary file")
            path = safe_path(name)
            if not _is_clutter(path):
                data = None
                if wanted(path, ()):
                    if size > bounds.member_bytes:
                        raise ValueError(f"has more than {bounds.member_bytes / _MIB:g} MB")
                    data = stream.read_all(size)
                    left -= size
                yield Member(path, data=data)
        except ValueError as error:
            yield Refused(shown(name), _NO_FILES.get(kind, str(error)))
        stream.skip(left)


def _tar_entries(stream: _Counted, label: str, bounds: Bounds) -> Iterator[tuple[str, bytes, int]]:
    """Give name, type and size of everything but folders; the stream is then where its bytes begin."""
    meter = _Meter(label, bounds)
    notes: dict[str, str] = {}
    while block := stream.read(_BLOCK):
        if len(block) < _BLOCK:
            raise EOFError("it was cut off")
        if not any(block):
            return  # the end that every tar has
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        meter.count_member()
        if header.size < 0:
            raise EOFError("a file with less than no bytes")
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE):
            notes |= _tar_notes(header, stream)
            continue
        name = _tar_name(notes.get("path", header.name))
        size = int(notes["size"]) if notes.get("size", "").isdecimal() else header.size
        is_sparse = any(key.startswith("GNU.sparse") for key in notes)
        notes = {}
        if header.type != tarfile.DIRTYPE:
            kind = tarfile.GNUTYPE_SPARSE if is_sparse else header.type
            # A link says how large the other file is, and has no bytes of its own.
            yield name, kind, 0 if kind in _NO_FILES else size


def _tar_notes(header: tarfile.TarInfo, stream: _Counted) -> dict[str, str]:
    """Read what stands before a file's own header: its long name, say."""
    if header.size > _MAX_NOTE_BYTES:
        raise EOFError("a note on a file that is far too long")
    data = stream.read_all(header.size)
    stream.skip(-header.size % _BLOCK)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    notes = {}
    while header.type == tarfile.XHDTYPE and data:
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or not len(length) < int(length[:9]) <= len(data):
            raise EOFError("a note on a file that says nothing")
        key, _, value = data[len(length) + 1 : int(length)].removesuffix(b"\n").partition(b"=")
        notes[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        data = data[int(length) :]
    return notes


def _tar_name(name: str) -> str:
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
