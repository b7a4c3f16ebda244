"""
What a worker of a cluster is asked to do.

Dask's scheduler, which does none of it, reads what is asked, and imports what it is asked of. So that it need not
import all that runs a paper, which takes seconds, this module imports nothing, and an errand comes packed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

BEGUN = "autograder-begun"
"""Topic of Dask's events: a worker tells that it begins with a paper."""


def warm(preload: tuple[str, ...]) -> None:
    """Start this process's warm server; while that imports what kernels need, import what it takes to run a paper."""
    from autograder.kernels.process import shared_server

    shared_server(preload)  # first: it imports meanwhile
    importlib.import_module("autograder.parcel")


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
