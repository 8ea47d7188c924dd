"""What of a folder is read."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest

from bot.cli import folders


def test_links_are_followed_within_the_folder_and_not_out_of_it(tmp_path: Path) -> None:
    # Arrange
    (tmp_path / "secret.txt").write_text("not for everyone", "utf-8")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "more.txt").write_text("nor this", "utf-8")
    shared = tmp_path / "shared"
    (shared / "real").mkdir(parents=True)
    (shared / "real" / "note.md").write_text("# Note", "utf-8")
    (shared / "again.md").symlink_to(shared / "real" / "note.md")
    (shared / "out.txt").symlink_to(tmp_path / "secret.txt")
    (shared / "away").symlink_to(tmp_path / "elsewhere")

    # Act
    found = folders.scan(shared)

    # Assert
    assert found.documents == [shared / "again.md", shared / "real" / "note.md"]
    assert found.links_out == [shared / "away", shared / "out.txt"]


def test_links_that_go_round_in_circles_hide_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "self.md").symlink_to("self.md")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "up").symlink_to(".")
    (tmp_path / "note.md").write_text("# Note", "utf-8")

    found = folders.scan(tmp_path)

    assert found.documents == [tmp_path / "note.md"]
    assert not found.unreadable
    assert not found.links_out


def test_a_tree_may_be_deeper_than_the_stack(tmp_path: Path) -> None:
    below = tmp_path.joinpath(*["a"] * 200)
    below.mkdir(parents=True)
    (below / "note.md").write_text("# Note", "utf-8")
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        found = folders.scan(tmp_path)
    finally:
        sys.setrecursionlimit(usual)

    assert found.documents == [below / "note.md"]


def test_a_name_of_any_bytes_can_be_stored_and_printed() -> None:
    assert folders.shown(os.fsdecode(b"Gr\xfc\xdfe\n\x1b[2J.md")) == "Gr\ufffd\ufffde  [2J.md"


def test_a_file_that_grows_while_it_is_read_is_read_no_further() -> None:
    """``/dev/zero`` says that it is empty, and has no end."""
    with pytest.raises(ValueError, match="larger than 50 MB"):
        folders.read(Path("/dev/zero"))
