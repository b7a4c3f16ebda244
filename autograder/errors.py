"""The root of the errors that whoever typed a command is told in words, without a traceback."""

from __future__ import annotations

import errno
from pathlib import Path


class AutograderError(Exception):
    """Something is not as it should be; the message says what, where and what to do."""


class ClusterError(AutograderError):
    """The cluster cannot be used, or has lost a paper for good; the message says why and what to do."""


class UnwritableError(AutograderError):
    """
    A file could not be written; what was there before is as it was.

    Parameters
    ----------
    path : Path
        The file.
    cause : OSError
        Why not.
    """

    def __init__(self, path: Path, cause: OSError) -> None:
        remedies = {
            errno.ENOSPC: f"Make room on the disk of {path.parent}",
            errno.EDQUOT: f"Make room on the disk of {path.parent}: your share of it is used up",
            errno.ENOTDIR: "Move away the file that is where one of its folders belongs",
            errno.EISDIR: "Move away the folder that is there",
        }
        remedy = remedies.get(cause.errno or 0, f"Make sure that you may write it and its folder {path.parent}")
        super().__init__(f"{path} could not be written: {cause.strerror}. {remedy}, then give the same command again.")
