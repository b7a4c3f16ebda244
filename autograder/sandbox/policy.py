"""What a candidate may touch, as a plain value."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAYERS = ("namespaces", "limits", "view", "landlock", "privileges", "calls")
"""The layers of the sandbox, in the order in which they are applied."""

# Debian's alternatives are links through which NumPy's libraries may be found.
_SYSTEM = (
    "/bin",
    "/lib",
    "/lib64",
    "/sbin",
    "/usr",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/var/cache/fontconfig",
)
_OWN_PACKAGES = ("autograder", "coursekit")


@dataclass(frozen=True)
class Policy:
    """
    What a confined process may touch. Everything else is closed to it.

    Attributes
    ----------
    readable : tuple of str
        Absolute paths of what it may read and run: files, or folders with all that is in them.
    writable : tuple of str
        Absolute paths of what it may also change. With the layer ``view`` these folders are copies in memory: what it
        writes there ends with it, and takes no room on the disk.
    sockets : tuple of str
        Absolute paths of folders in which it may make sockets, and no files or folders.
    devices : tuple of str
        Absolute paths of device files that it may use: read, write and control.
    cuda : bool
        It may also do what NVIDIA's driver cannot do without: make files of memory, and name its threads.
    memory : int
        Bytes that it may have on top of what it has when it is confined, and each of its children too; 0: no limit.
        Only what is private to the process counts (``RLIMIT_DATA``), not what is mapped as shared.
    processes : int
        How many processes and threads there may be; see :func:`autograder.sandbox.limits.apply`.
    file_size : int
        Bytes of the largest file that it may write.
    folder_size : int
        Bytes that all files in one writable folder may take together.
    open_files : int
        How many files one process may have open.
    layers : frozenset of str
        Which of :data:`LAYERS` to apply.

    Notes
    -----
    The harmless devices (``/dev/null`` and so on), a ``/proc`` and a ``/dev/shm`` of its own come with the layers.
    """

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    sockets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    cuda: bool = False
    memory: int = 0
    processes: int = 512
    file_size: int = 256 * 2**20
    folder_size: int = 512 * 2**20
    open_files: int = 1024
    layers: frozenset[str] = frozenset(LAYERS)

    def __post_init__(self) -> None:
        unknown = self.layers - set(LAYERS)
        if unknown:
            msg = f"no layers of the sandbox: {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        if "view" in self.layers and "namespaces" not in self.layers:
            msg = "the layer 'view' needs 'namespaces': it is made of mounts that nobody else sees"
            raise ValueError(msg)
        named = (*self.readable, *self.writable, *self.sockets, *self.devices)
        relative = [path for path in named if not Path(path).is_absolute()]
        if relative:
            msg = f"not absolute: {', '.join(relative)}"
            raise ValueError(msg)

    def to_json(self) -> dict[str, Any]:
        """Give it as a dictionary of plain values."""
        plain = {**self.__dict__, "layers": sorted(self.layers)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Policy:
        """Read what :meth:`to_json` gave."""
        paths = {name: tuple(plain[name]) for name in ("readable", "writable", "sockets", "devices")}
        return cls(**{**plain, **paths, "layers": frozenset(plain["layers"])})


def default_readable(*closed: str | os.PathLike[str]) -> tuple[str, ...]:
    """
    Give what a Python kernel must be able to read.

    That is Python itself with its packages, the system's libraries, fonts, the time zone, and of this repository the
    packages ``autograder`` and ``coursekit`` alone: with an editable install, masters and gradebook lie next to them.

    Parameters
    ----------
    *closed : path
        Folders of which no part of Python's search path may be the whole or hold the whole: the course. The current
        folder, the home folder and the repository are such folders always.

    Returns
    -------
    tuple of str
        Absolute paths of what is there, sorted.
    """
    packages = _package_folders()
    kept_closed = [Path(each).resolve() for each in (*closed, Path.cwd(), _home(), *(path.parent for path in packages))]
    wanted = [*map(Path, _SYSTEM), *packages, *_installation(kept_closed), *_fonts()]
    search_path = [*sys.path, *os.environ.get("LD_LIBRARY_PATH", "").split(":")]
    wanted += [Path(entry).absolute() for entry in search_path if entry and not _holds_any(entry, kept_closed)]
    return tuple(sorted({str(path) for path in wanted if path.exists()}))


def _installation(closed: Iterable[Path]) -> list[Path]:
    """Python's own folders; one by one where a virtual environment has been made of a folder that stays closed."""
    # Site-packages holds an ordinary install of our packages: that it holds them all does not make it a repository.
    site = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    closed = [path for path in closed if path not in site]
    prefixes = [Path(prefix) for prefix in (sys.prefix, sys.base_prefix)]
    parts = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")]
    parts += [prefix / "pyvenv.cfg" for prefix in prefixes]
    return [*(prefix for prefix in prefixes if not _holds_any(prefix, closed)), *parts]


def _package_folders() -> list[Path]:
    specs = [importlib.util.find_spec(name) for name in _OWN_PACKAGES]
    return [Path(place).absolute() for spec in specs if spec for place in spec.submodule_search_locations or ()]


def _fonts() -> list[Path]:
    """Where fonts are, and where Matplotlib keeps its settings and its list of them."""
    home = _home()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    places = [cache / "matplotlib", config / "matplotlib", home / ".fonts", home / ".local/share/fonts"]
    if "MPLCONFIGDIR" in os.environ:
        places.append(Path(os.environ["MPLCONFIGDIR"]))
    return [place.absolute() for place in places]


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - a user without a home has none here, and no error


def _holds_any(folder: str | Path, closed: Iterable[Path]) -> bool:
    resolved = Path(folder).resolve()
    return any(path.is_relative_to(resolved) for path in closed)
