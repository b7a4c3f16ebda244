"""Which versions of the libraries are installed on which a run's outcome depends."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version


def versions(*packages: str) -> dict[str, str]:
    """Give the versions of the course's libraries, and of other packages, that are installed, by name."""
    found = {}
    # What Keras computes with: this machine may have no other, for Keras brings none.
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    for name in (backend, "keras", "numpy", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
