"""
Imported before all else by programs of ours: it keeps out what they would wait for and do not need.

jsonschema, where it finds `rfc3987_syntax`, builds the grammar of a kind of address that no notebook holds: a second of
every command, and of every worker of a cluster. What it has for plain addresses and for durations is not needed either.

nbgrader's package imports its extensions of the Jupyter server, and with them its programs; its ways to unpack
archives, and with them setuptools; its way to ask a JupyterHub, and with it what asks the web: half a second of every
command that opens the gradebook.

Python looks for garbage whenever there are 700 objects more than before. While it imports a thousand modules there are
always more, and hardly any garbage: a seventh of the time that imports take.
"""

import gc
import sys
from types import ModuleType

# What the packages that import these take from them; nothing of ours calls any of it.
_UNUSED: dict[str, dict[str, object]] = {
    **{
        f"nbgrader.server_extensions.{name}": {"load_jupyter_server_extension": None}
        for name in ("assignment_list", "course_list", "validate_assignment", "formgrader")
    },
    # A class: a course's nbgrader_config.py may name it, or make one of it.
    "nbgrader.auth.jupyterhub": {"JupyterHubAuthPlugin": type("JupyterHubAuthPlugin", (), {})},
    "setuptools.archive_util": dict.fromkeys(("unpack_archive", "unpack_tarfile", "unpack_zipfile")),
}

gc.set_threshold(10_000, *gc.get_threshold()[1:])
for _name in ("rfc3987_syntax", "rfc3986_validator", "isoduration"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]
for _name, _contents in _UNUSED.items():
    _stub = ModuleType(_name)
    vars(_stub).update(_contents)
    sys.modules.setdefault(_name, _stub)
