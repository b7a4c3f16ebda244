"""The root of the errors that whoever typed a command is told in words, without a traceback."""

from __future__ import annotations


class AutograderError(Exception):
    """Something is not as it should be; the message says what, where and what to do."""
