"""
IPython's shell as the grader needs it: what it finds out about a cell before it runs is found out quickly.

IPython reads a cell as tokens twice and compiles it twice, to learn whether it holds a magic or an ``await``, and
ipykernel hashes it letter by letter for a debugger. Of a notebook that does little, that would be a tenth of the time.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from ipykernel import zmqshell
from ipykernel.compiler import XCachingCompiler, get_tmp_directory
from IPython.core.inputtransformer2 import TransformerManager

# What each piece of IPython's own syntax has, whatever else there is in its line: a sign at the beginning, a magic or a
# command that is assigned, or a question mark.
_SPECIAL = re.compile(r"^\s*[!%,;/]|=[\s\\]*[!%]|\?")


class Transformer(TransformerManager):  # type: ignore[misc]
    """Makes Python of IPython's syntax, and leaves the tokens of a cell alone where none of it can be."""

    def do_token_transforms(self, lines: list[str]) -> list[str]:
        """Transform magics, system commands and calls for help."""
        if not any(map(_SPECIAL.search, lines)):
            return lines
        transformed: list[str] = super().do_token_transforms(lines)
        return transformed


class Compiler(XCachingCompiler):  # type: ignore[misc]
    """Names a cell's code, by which tracebacks find its lines again, with a hash that takes no time."""

    def get_code_name(self, raw_code: str, _code: str, _number: int) -> str:
        """Give the name of a file that does not exist, in the folder in which ipykernel has all of them."""
        return f"{get_tmp_directory()}/{zlib.crc32(raw_code.encode())}.py"


class ZMQInteractiveShell(zmqshell.ZMQInteractiveShell):  # type: ignore[misc]
    """The shell of a warm kernel; named like ipykernel's, by which programs know a notebook."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.input_transformer_manager = Transformer()

    def should_run_async(self, raw_cell: str, **options: Any) -> bool:
        """Tell whether a cell awaits something itself: it is compiled to find out only where it can."""
        return can_await(raw_cell) and super().should_run_async(raw_cell, **options)


def can_await(cell: str) -> bool:
    """Tell whether a cell can await anything: Python has two words for it, and no magic of IPython's has another."""
    return "await" in cell or "async" in cell
