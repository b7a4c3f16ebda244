"""What a worker of a cluster does first: a module of its own, so that its server begins before all other imports."""

from __future__ import annotations

import importlib

from autograder.kernels.process import shared_server


def warm(preload: tuple[str, ...]) -> None:
    """Start this process's warm server; while that imports what kernels need, import what it takes to run a paper."""
    shared_server(preload)
    importlib.import_module("autograder.cluster")
