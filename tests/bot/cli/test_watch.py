"""``phi3 watch``, run as people run it: in a process of its own, ended by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from models.store.tables import Document
from tests.bot.cli.conftest import Works

pytestmark = pytest.mark.integration


def eventually(true: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def test_a_watched_folder_stays_in_step(works: Works, tmp_path: Path) -> None:
    def known() -> dict[str, tuple[str, int]]:
        wanted = select(Document).where(Document.uri.startswith(tmp_path.as_uri()))
        with works.sessions() as session:
            return {
                row.uri.rpartition("/")[2]: (row.state, row.version)
                for row in session.scalars(wanted)
            }

    # Arrange
    (tmp_path / "log.md").write_text("The log of the first day.")
    watching = subprocess.Popen(
        [str(Path(sys.executable).with_name("phi3")), "watch", str(tmp_path), "--every", "0.2"],
        env={**os.environ, **works.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: known() == {"log.md": ("ready", 1)}, "the first look")

        # Act and assert
        (tmp_path / "log.md").write_text("The log of the first day, and of the second.")
        eventually(lambda: known() == {"log.md": ("ready", 2)}, "an edit")
        (tmp_path / "log.md").rename(tmp_path / "old.md")
        eventually(
            lambda: known() == {"log.md": ("deleted", 2), "old.md": ("ready", 1)}, "a new name"
        )
        (tmp_path / "old.md").unlink()
        eventually(lambda: known()["old.md"][0] == "deleted", "a deletion")
        (tmp_path / "old.md").write_text("It is back.")
        eventually(lambda: known()["old.md"][0] == "ready", "a file that comes back")
        aside = tmp_path.rename(tmp_path.with_name("aside"))
        time.sleep(1)
        assert known()["old.md"][0] == "ready"
        aside.rename(tmp_path)
    finally:
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=20)
    assert watching.returncode == 0
    assert "Stopped watching; what is known stays known." in err
    assert "Traceback" not in err
    assert err.count("The folder cannot be listed; what is known of it stays.") == 1
    assert "1 document being read, 1 document forgotten" in out
