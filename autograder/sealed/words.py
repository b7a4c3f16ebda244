"""What a limit that was hit is called in words that a student understands."""

from __future__ import annotations

import re
from collections.abc import Callable

from autograder.course import Limits

_TOO_MUCH: dict[str, Callable[[Limits], str]] = {
    # What a cell says: see CellRun.flooding.
    "characters": lambda limits: f"it printed or showed more than {limits.output_limit:,.0f} characters",
    "messages": lambda limits: f"it printed or showed something more than {limits.message_limit:,.0f} times a second",
    # What a kernel uses: see Kernel.exceeded.
    "memory": lambda limits: f"it used more than {limits.memory_limit:,.0f} MiB of memory",
    "processes": lambda limits: f"it had more than {limits.process_limit:,.0f} processes and threads",
    "files": lambda _: "it made files where its connection is",
}
_HINTS: tuple[tuple[re.Pattern[str], Callable[[Limits], str]], ...] = (
    (re.compile(r"^MemoryError"), lambda limits: f"A notebook may use {limits.memory_limit:,.0f} MiB of memory."),
    (re.compile(r"\[Errno 27\]"), lambda limits: f"A file may have {limits.file_limit:,.0f} MiB."),
    (re.compile(r"\[Errno 28\]"), lambda limits: f"All files together may have {limits.folder_limit:,.0f} MiB."),
    (re.compile(r"\[Errno 24\]"), lambda _: "Close files when they have been read or written."),
    (
        re.compile(r"\[Errno 11\]|can't start new thread"),
        lambda limits: f"A notebook may have {limits.process_limit:,.0f} processes and threads.",
    ),
)


def too_much(what: str, limits: Limits) -> str:
    """Say what a cell did too much of, and how much is allowed."""
    return _TOO_MUCH[what](limits)


def hint(error: str, limits: Limits) -> str:
    """Say which limit an error comes from, and how far it goes; empty where it comes from none."""
    return " ".join(say(limits) for pattern, say in _HINTS if pattern.search(error))
