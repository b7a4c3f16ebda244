"""Which names a cell uses and which it binds: what decides where a cell runs and what its test needs."""

from __future__ import annotations

import builtins
import re
import symtable
from dataclasses import dataclass

BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "_", "__", "___"}
"""Names that every notebook kernel has."""


_MAGIC = re.compile(r"^[ \t]*[%!?]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)
# Each makes IPython read the whole cell once more.
_MAX_MAGICS = 50


@dataclass(frozen=True)
class Names:
    """
    The global names of a cell.

    Attributes
    ----------
    free : frozenset of str
        Used but not bound by the cell, builtins left out.
    bound : frozenset of str
        Bound by the cell at its top level (or through ``global``): variables, functions, classes, imports.
    """

    free: frozenset[str]
    bound: frozenset[str]


def names(source: str) -> Names:
    """
    Find the global names of a cell.

    A name that the cell binds anywhere at its top level counts as bound, even where it is used first: a test that says
    ``total = total + 1`` speaks of its own ``total``.

    Parameters
    ----------
    source : str
        A code cell; lines of IPython's own (``%magic``, ``!command``) are allowed.

    Raises
    ------
    SyntaxError
        It is not Python, or more than Python can read.
    """
    try:
        table = _table(source)
    except SyntaxError:
        table = _table(source, transform=True)
    tables = _with_children(table)
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    for inner in tables[1:]:
        bound |= {s.get_name() for s in inner.get_symbols() if s.is_declared_global() and s.is_assigned()}
    used = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    for inner in tables[1:]:
        used |= {s.get_name() for s in inner.get_symbols() if s.is_global() and s.is_referenced()}
    return Names(frozenset(used - bound - BUILTINS), frozenset(bound))


def _table(source: str, *, transform: bool = False) -> symtable.SymbolTable:
    """Give the symbol table of a cell; IPython's transformation is dear, so it comes only where Python alone fails."""
    if transform and len(_MAGIC.findall(source)) > _MAX_MAGICS:
        raise SyntaxError("too many magics")
    try:
        return symtable.symtable(_transformed(source) if transform else source, "<cell>", "exec")
    except (MemoryError, RecursionError, RuntimeError, ValueError) as error:
        # Nested too deeply, characters that are none, a transformation without end.
        raise SyntaxError(f"this cell cannot be read: {type(error).__name__}") from error


def _transformed(source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager  # seldom needed, and dear

    transformed: str = TransformerManager().transform_cell(source)
    return transformed


def _with_children(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    # Without recursion: functions within functions go deeper than Python's own stack.
    tables = [table]
    for found in tables:
        tables.extend(found.get_children())
    return tables
