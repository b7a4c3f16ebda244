"""
JSON that nobody vouches for, read within bounds.

A list or an object takes three bytes of text and up to two hundred of memory, and the more of them there are, the
longer each takes to make. So they are counted before any is made.
"""

from __future__ import annotations

import gc
import json
from typing import Any

_OPENING = b"[{"
_QUOTE = b'"'


class TooManyPartsError(ValueError):
    """A text with more lists and objects than its reader allows."""


def loads(text: bytes, *, parts: int) -> Any:
    """
    Read JSON.

    Parameters
    ----------
    text : bytes
        UTF-8, without a byte order mark.
    parts : int
        How many lists and objects there may be in all.

    Raises
    ------
    TooManyPartsError
        There are more.
    RecursionError
        They are nested too deeply.
    ValueError
        It is not JSON (JSONDecodeError), not UTF-8 (UnicodeDecodeError), or holds a number with thousands of digits.
    """
    if count_parts(text, enough=parts + 1) > parts:
        msg = f"more than {parts:,} lists and objects"
        raise TooManyPartsError(msg)
    decoded = text.decode("utf-8")
    # Nothing of it is garbage yet, and looking for some takes most of the time.
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        return json.loads(decoded)
    finally:
        if was_collecting:
            gc.enable()


def count_parts(text: bytes, *, enough: int = 0) -> int:
    """
    Count the lists and objects of a JSON text; of a text that is not JSON, something of the sort.

    Parameters
    ----------
    text : bytes
        The text.
    enough : int
        Below that, brackets within strings may be counted as well: a bound, and quicker.
    """
    most = sum(map(text.count, (_OPENING[:1], _OPENING[1:])))
    if most < enough:
        return most
    import numpy as np

    # Without escapes every quote opens or closes a string.
    bare = text.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = np.frombuffer(bare.translate(None, bytes(set(range(256)) - set(_OPENING + _QUOTE))), dtype=np.uint8)
    is_quote = marks == ord(_QUOTE)
    within = np.logical_xor.accumulate(is_quote)
    return int(np.count_nonzero(~is_quote & ~within))
