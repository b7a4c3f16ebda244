"""docs/tutorial.md works as it stands: its files written and its commands typed, one sees what it shows."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.course import find_course

PAGE = find_course(Path(__file__).parent) / "docs" / "tutorial.md"
_BLOCK = re.compile(r"(?:^`(?P<file>[^`\n]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
# The page shows tables of this width.
_COLUMNS = "100"


@dataclass(frozen=True)
class Block:
    """A fenced block: a file, commands, or what they show."""

    file: str | None
    language: str
    text: str


def blocks(page):
    return [Block(found["file"], found["language"], found["text"]) for found in _BLOCK.finditer(page)]


def lines(text):
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def shows(shown, seen):
    """Tell whether a page that shows this may say that that is seen: `...` stands for anything."""
    pattern = r"[\s\S]*".join(map(re.escape, "\n".join(lines(shown)).split("...")))
    return re.fullmatch(pattern, "\n".join(lines(seen))) is not None


def type_in(commands, folder):
    environment = {**os.environ, "COLUMNS": _COLUMNS}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(
        ["bash", "-e"],
        input=commands,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{commands}ended with exit code {done.returncode}:\n{done.stdout}"
    return done.stdout


def test_dots_stand_for_anything_and_all_else_for_itself():
    assert shows("a ... d\n", "a b c d\n")
    assert shows("...\nlast  \n", "first\nsecond\nlast\n")
    assert not shows("a b\n", "a b c\n")
    assert not shows("a ... d\n", "a b c\n")


@pytest.mark.slow
def test_the_tutorial_works_as_typed(folder):
    page = blocks(PAGE.read_text(encoding="utf-8"))
    seen, shown = "", 0
    for block in page:
        if block.file is not None:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            seen = type_in(block.text, folder)
        else:
            assert block.language == "text", f"a {block.language} block whose file's name is missing above it"
            assert shows(block.text, seen), f"the page shows\n{block.text}\nbut one sees\n{seen}"
            shown += 1

    assert shown >= 6
    assert (folder / "feedback" / "carla" / "01_contrast" / "contrast.html").is_file()
