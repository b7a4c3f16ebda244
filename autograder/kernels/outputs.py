"""
What a kernel says while a cell runs, made into a notebook's outputs.

The student's code shares a process with the kernel and can put anything on the wire: messages without the fields they
should have, text that is none, gigabytes. So nothing is taken as it comes, and what is too much is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STREAMS = ("stdout", "stderr")
_SIZES = ("width", "height")
_LARGEST_SIZE = 100_000  # pixels
_JSON_TYPE = re.compile(r"application/(.*\+)?json")
# What an output weighs besides its text, so that many empty ones are too much as well.
_FIXED_WEIGHT = 100
_MAX_DEPTH = 50


@dataclass(frozen=True)
class Talk:
    """
    How much a cell may say.

    Attributes
    ----------
    characters : int
        In all its outputs together.
    messages : float
        In a second, on the average of its run, and as many besides.
    """

    characters: int = 4_000_000
    messages: float = 2000


class Outputs:
    """
    The outputs of one cell, in the notebook format.

    Parameters
    ----------
    limit : int
        Characters that are kept; what follows is left out, and one line says so.
    """

    def __init__(self, limit: int = Talk.characters) -> None:
        self.weight = 0
        self.messages = 0
        # The text of a stream as the list of its pieces: joined with each, many small ones would take minutes.
        self._items: list[dict[str, Any]] = []
        self._limit = limit
        self._cut = False
        self._clear_first = False
        self._displays: dict[str, dict[str, Any]] = {}

    @property
    def items(self) -> list[dict[str, Any]]:
        """The outputs so far."""
        return [
            {**item, "text": "".join(item["text"])} if item["output_type"] == "stream" else item for item in self._items
        ]

    def pass_over(self) -> None:
        """Count a message that is none of this cell's outputs: they cost time as well."""
        self.messages += 1
        self.weight += _FIXED_WEIGHT

    def take(self, kind: str, content: Mapping[str, Any]) -> None:
        """
        Take in a message.

        Parameters
        ----------
        kind : str
            The message's type; those that are no outputs are passed over, as are outputs that are malformed.
        content : mapping
            The message's content.
        """
        self.messages += 1
        if kind == "clear_output":
            self._clear_first = True
            if not content.get("wait"):
                self._clear()
            return
        output = _output(kind, content)
        if output is None:
            return
        if self._clear_first:
            self._clear()
        self.weight += _weight(output) + _FIXED_WEIGHT
        if self.weight > self._limit:
            self._leave_out()
        elif kind == "update_display_data":
            known = self._displays.get(_display_id(content))
            if known is not None:
                known.update(data=output["data"], metadata=output["metadata"])
        else:
            # Nothing else can be updated, whatever its message says.
            self._add(output, _display_id(content) if "data" in output else "")

    def _clear(self) -> None:
        self._items.clear()
        self._displays.clear()
        self.weight = 0
        self._cut = self._clear_first = False

    def _leave_out(self) -> None:
        if not self._cut:
            self._cut = True
            text = f"\nWhat follows was left out: a cell may say {self._limit:,} characters.\n"
            self._items.append({"output_type": "stream", "name": "stderr", "text": [text]})

    def _add(self, output: dict[str, Any], display_id: str) -> None:
        """Append an output, joining what follows on the same stream."""
        last = self._items[-1] if self._items else None
        if output["output_type"] == "stream" and last is not None and last.get("name") == output["name"]:
            last["text"] += output["text"]
            return
        self._items.append(output)
        if display_id:
            self._displays[display_id] = output


def clean(text: object) -> str:
    """Give text that can be written as UTF-8: half a character becomes a question mark, what is no text nothing."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def _output(kind: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    if kind == "stream" and content.get("name") in _STREAMS:
        return {"output_type": "stream", "name": content["name"], "text": [clean(content.get("text"))]}
    if kind == "error":
        lines = content.get("traceback")
        return {
            "output_type": "error",
            "ename": clean(content.get("ename")),
            "evalue": clean(content.get("evalue")),
            "traceback": [clean(line) for line in lines] if isinstance(lines, list) else [],
        }
    if kind in ("display_data", "execute_result", "update_display_data") and isinstance(content.get("data"), dict):
        shown: dict[str, Any] = {
            "output_type": "execute_result" if kind == "execute_result" else "display_data",
            "data": _bundle(content["data"]),
            "metadata": _sizes(content["metadata"]) if isinstance(content.get("metadata"), dict) else {},
        }
        if kind == "execute_result":
            shown["execution_count"] = None
        return shown
    return None


def _bundle(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a display's data what the notebook format allows: text, and JSON where the type says so."""
    return {
        clean(kind): _plain(value)
        for kind, value in data.items()
        if isinstance(value, str) or _JSON_TYPE.fullmatch(clean(kind))
    }


def _sizes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of what a display says about its data how large a picture is; nbconvert's pages believe all that it says."""
    found = {
        clean(kind): {key: said[key] for key in _SIZES if _is_size(said.get(key))}
        for kind, said in metadata.items()
        if isinstance(said, dict)
    }
    return {kind: sizes for kind, sizes in found.items() if sizes}


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LARGEST_SIZE


def _plain(value: Any, depth: int = 0) -> Any:
    """Copy JSON with clean texts, and nothing where it is deeper than anyone can mean it, or a number that is none."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if depth == _MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean(key): _plain(item, depth + 1) for key, item in value.items()}
    return value


def _weight(value: Any) -> int:
    """Count the characters of all texts, about as many as there are digits for whole numbers, and one for the rest."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_weight, value), len(value))
    if isinstance(value, dict):
        return sum(map(_weight, value.values()), sum(map(len, value)))
    return 1 + value.bit_length() // 3 if isinstance(value, int) else 1


def _display_id(content: Mapping[str, Any]) -> str:
    transient = content.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    return display_id if isinstance(display_id, str) else ""
