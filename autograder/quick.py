"""
Imported before all else by programs of ours: it keeps out what they would wait for and do not need.

jsonschema, where it finds this module, builds the grammar of a kind of address that no notebook holds: a second of
every command, and of every worker of a cluster.
"""

import sys

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
