"""
Temporary folders that do not outlive a killed process for long.

A process holds a lock on each folder that it makes, and the system takes the lock away with the process, however that
ends: a folder that nobody holds is nobody's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from autograder.errors import UnwritableError

if os.name == "posix":
    import fcntl

KINDS = ("server", "papers", "probe", "data")
"""What there are such folders for."""

# So long that nobody else's folder begins like that.
_PREFIX = "autograder-{}-"


class HeldFolder:
    """
    A new folder in the system's folder for temporary files, held until it is removed or the process ends.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.

    Attributes
    ----------
    path : Path
        The folder.

    Raises
    ------
    UnwritableError
        There is no room for it, or it may not be made.
    """

    def __init__(self, kind: str) -> None:
        try:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX.format(kind)))
        except OSError as error:
            raise UnwritableError(Path(error.filename or _PREFIX.format(kind)), error) from error
        self._hold = _hold(self.path)
        if hasattr(os, "register_at_fork"):
            # A lock is held until the last process has let go of it, and a fork may end after its parent.
            os.register_at_fork(after_in_child=self._let_go)

    def remove(self) -> None:
        """Remove it with all that is in it, and let go; more than once does no harm."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
        self._hold = None

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()


def sweep() -> None:
    """Remove this user's folders that nobody holds: those who made them were killed."""
    if os.name != "posix":
        return  # such folders stay until a person removes them
    for kind in KINDS:
        for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX.format(kind)}*"):
            with contextlib.suppress(OSError):  # another run was quicker, or it is not ours to open
                if path.lstat().st_uid == os.getuid() and (hold := _hold(path)) is not None:
                    shutil.rmtree(path, ignore_errors=True)
                    os.close(hold)


def _hold(folder: Path) -> int | None:
    """Take hold of a folder; None where another process has it."""
    if os.name != "posix":
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
