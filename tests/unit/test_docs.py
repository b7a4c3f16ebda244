"""README and docs: every link leads somewhere, and every command in a block is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from typer.main import get_command

from autograder.cli import app
from autograder.course import find_course

ROOT = find_course(Path(__file__).parent)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.M | re.S)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.M)
_SET_FOR_IT = re.compile(r"[A-Z_]+=.*")
_ENDS_A_COMMAND = frozenset({"|", "||", "&&", ";", ">"})


def prose(text: str) -> str:
    """Give a page's text without its blocks of code."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """Name the headings of a page as GitHub does in links."""
    names: list[str] = []
    for heading in _HEADING.findall(prose(text)):
        shown = _LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        earlier = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", each) is not None for each in names)
        names.append(f"{name}-{earlier}" if earlier else name)
    return set(names)


def broken(text: str, page: Path) -> list[str]:
    """List a page's links that lead nowhere in the repository; addresses elsewhere are not followed."""
    found = []
    for link in _LINK.findall(_INLINE_CODE.sub("", prose(text))):
        path, _, anchor = unquote(link).partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and target.is_relative_to(ROOT)
        if not is_there or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            found.append(link)
    return found


def commands(text: str) -> Iterator[list[str]]:
    """Give the arguments of every `autograder` in the shell blocks of a text."""
    for language, block in _FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines() if language in ("", "sh") else ():
            command: list[str] = []
            for word in [*shlex.split(line, comments=True), ";"]:
                if word in _ENDS_A_COMMAND:
                    if command and command[0] == "autograder":
                        yield command[1:]
                    command = []
                elif command or not _SET_FOR_IT.fullmatch(word):
                    command.append(word)


def without_deeds(command: Any) -> Any:
    """Make a command, with those below it, one that reads its arguments and then does nothing."""
    command.callback = None
    for below in getattr(command, "commands", {}).values():
        without_deeds(below)
    return command


@pytest.fixture
def read_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """Have the command line read arguments; it raises for what it does not know."""
    monkeypatch.chdir(tmp_path)

    def read(arguments: list[str]) -> None:
        for word in arguments:
            path = (tmp_path / word).resolve()
            if not word.startswith("-") and path.is_relative_to(tmp_path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()  # some must exist
        without_deeds(get_command(app)).main(arguments, prog_name="autograder", standalone_mode=False)

    return read


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page.read_text(encoding="utf-8"), page) == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(arguments, id=f"{page.stem}: autograder {shlex.join(arguments)}")
        for page in PAGES
        for arguments in commands(page.read_text(encoding="utf-8"))
    ],
)
def test_every_command_in_a_block_is_one_that_the_command_line_takes(
    arguments: list[str], read_arguments: Callable[[list[str]], None]
) -> None:
    read_arguments(arguments)


def test_every_guide_is_reached_from_the_readme() -> None:
    reached, to_read = set(), [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        reached.add(page)
        text = _INLINE_CODE.sub("", prose(page.read_text(encoding="utf-8")))
        ends = {(page.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(text)}
        to_read += [end for end in ends if end.suffix == ".md" and end.is_file() and end not in reached]

    assert set(PAGES) - reached == set()


def test_the_readme_is_one_screen_and_its_picture_is_small() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 80
    assert (ROOT / "docs" / "report.png").stat().st_size < 300_000


@pytest.mark.parametrize(
    "link", ["gone.md", "docs/security.md#no-such-heading", "#no-such-heading", "../elsewhere.md", "docs/gone.png"]
)
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    assert broken(f"# Title\n\nSee [this]({link}).\n", ROOT / "README.md") == [link]


def test_headings_are_named_as_in_links() -> None:
    text = "# Two commands\n## `grade`: how?\n## See [there](x.md)\n## Again\n## Again\n```sh\n# no heading\n```\n"

    assert anchors(text) == {"two-commands", "grade-how", "see-there", "again", "again-1"}


@pytest.mark.parametrize("line", ["autograder gread", "autograder grade --quickly", "autograder export --to excel"])
def test_a_command_that_is_none_is_found(line: str, read_arguments: Callable[[list[str]], None]) -> None:
    (arguments,) = commands(f"```sh\n{line}  # a remark\n```\n")

    with pytest.raises(Exception, match=r"[Nn]o such|is not one of"):
        read_arguments(arguments)


def test_variables_and_what_follows_are_no_part_of_a_command() -> None:
    text = "```sh\nA_B=1 autograder grade 08_cnn || echo 'autograder failed'\nmake && autograder doctor\n```\n"

    assert list(commands(text)) == [["grade", "08_cnn"], ["doctor"]]
