"""
What a worker of a cluster is asked to do.

Dask's scheduler, which does none of it, reads what is asked, and imports what it is asked of. So that it need not
import all that runs a paper, which takes seconds, this module imports nothing of that, and an errand comes packed.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

BEGUN = "autograder-begun"
"""Topic of Dask's events: a worker tells that it begins with a paper."""

# Dask's own names of what it does in a worker every 10 and every 20 milliseconds.
_LOOKS = ("profile", "tick")
_MILLISECONDS_BETWEEN_LOOKS = 1000.0
_in_this_process = threading.Lock()
_errands = 0
_usual: dict[Any, float] = {}


def warm(preload: tuple[str, ...]) -> None:
    """Start this process's warm server; while that imports what kernels need, import what it takes to run a paper."""
    from distributed import get_worker

    with undisturbed(get_worker()):
        from autograder.kernels.process import shared_server

        shared_server(preload)  # first: it imports meanwhile
        importlib.import_module("autograder.parcel")


@contextmanager
def undisturbed(worker: Any) -> Iterator[None]:
    """
    Let Dask look into its worker once a second, until the last errand that runs there at the same time has ended.

    Else it looks a hundred times: at what threads are doing, and whether its loop is late. On two cores that is 4 % of
    what there is, to see threads that wait for kernels.
    """
    global _errands  # noqa: PLW0603 - as many as run in this process
    with _in_this_process:
        _errands += 1
        for look in (look for name, look in worker.periodic_callbacks.items() if name in _LOOKS):
            _usual.setdefault(look, look.callback_time)
            look.callback_time = _MILLISECONDS_BETWEEN_LOOKS
    try:
        yield
    finally:
        with _in_this_process:
            _errands -= 1
            while not _errands and _usual:
                look, usual = _usual.popitem()
                look.callback_time = usual


def packed(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Pack a function and its first arguments, for :func:`run_packed`."""
    from distributed.protocol import pickle

    errand: bytes = pickle.dumps((function, arguments))
    return errand


def run_packed(errand: bytes, *more: Any) -> Any:
    """Call a packed function, with its arguments and more."""
    from distributed.protocol import pickle

    function, arguments = pickle.loads(errand)
    return function(*arguments, *more)
