"""What of a folder is read."""

from __future__ import annotations

from pathlib import Path

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
