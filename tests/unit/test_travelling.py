"""A data folder that travels: known by what it holds, the same where it arrives, not too large for workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder import travelling
from autograder.travelling import TooLargeError, lay_out, pieces, state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of links, as where the data lie on another disk."""
    disk = tmp_path / "disk"
    (disk / "weights" / "deep").mkdir(parents=True)
    (disk / "litter.npz").write_bytes(b"pictures")
    (disk / "weights" / "deep" / "w.h5").write_bytes(b"numbers")
    made = tmp_path / "data"
    made.mkdir()
    for name in ("litter.npz", "weights"):
        (made / name).symlink_to(disk / name)
    return made


def test_it_arrives_as_it_was_also_where_it_was_made_of_links(folder: Path, tmp_path: Path) -> None:
    found = pieces(folder)
    lay_out([piece.name for piece in found], [piece.content for piece in found], tmp_path / "there")
    arrived = {piece.name: piece.content for piece in pieces(tmp_path / "there")}
    assert arrived == {"litter.npz": b"pictures", "weights/deep/w.h5": b"numbers"}


def test_what_travels_is_known_by_its_content_alone(folder: Path) -> None:
    before = {piece.name: piece.digest for piece in pieces(folder)}
    os.utime(folder / "litter.npz", (0, 0))
    assert {piece.name: piece.digest for piece in pieces(folder)} == before
    (folder / "litter.npz").write_bytes(b"others")
    after = {piece.name: piece.digest for piece in pieces(folder)}
    assert {name for name, digest in after.items() if digest != before[name]} == {"litter.npz"}


def test_another_size_time_or_file_is_another_state(folder: Path) -> None:
    states = [state(folder)]
    assert state(folder) == states[0]
    os.utime(folder / "litter.npz", (0, 0))
    states.append(state(folder))
    (folder / "weights" / "more").write_bytes(b"")
    states.append(state(folder))
    (folder / "weights" / "more").write_bytes(b"1")
    states.append(state(folder))
    assert len(set(states)) == 4


def test_what_is_too_large_is_refused_in_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(travelling, "LARGEST", 10)
    with pytest.raises(TooLargeError, match="Set COURSE_DATA for the workers"):
        pieces(folder)
