"""
Imported before all else by programs of ours: it keeps out what they would wait for and do not need.

jsonschema, where it finds `rfc3987_syntax`, builds the grammar of a kind of address that no notebook holds: a second of
every command, and of every worker of a cluster. nbgrader's package imports its extensions of the Jupyter server, and
with them its programs: half a second of every command that opens the gradebook.
"""

import sys
from types import ModuleType

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

for _extension in ("assignment_list", "course_list", "validate_assignment", "formgrader"):
    _stub = ModuleType(f"nbgrader.server_extensions.{_extension}")
    # What the package takes from it: called by a Jupyter server alone, and none runs here.
    _stub.load_jupyter_server_extension = None  # type: ignore[attr-defined]
    sys.modules.setdefault(_stub.__name__, _stub)
