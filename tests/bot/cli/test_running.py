"""Where a command finds the product: the environment, ``.env``, then a live ``phi3 up``."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli.running import NotRunning, connect, locked

NAMES = ("DATABASE_URL", "REDIS_URL", "PHI3_LLM_URL", "PHI3_ADMIN_TOKEN")
STATE = {
    "DATABASE_URL": "postgresql://local/phi3",
    "REDIS_URL": "unix:///local",
    "PHI3_LLM_URL": "http://127.0.0.1:9",
    "PHI3_ADMIN_TOKEN": "local-token",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``PHI3_HOME/run`` of a home of its own, in an environment without our settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHI3_HOME", str(tmp_path))
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that what connect() adds is taken back afterwards
        os.environ.pop(name)
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def up(run: Path) -> Iterator[Path]:
    """A live ``phi3 up``, as far as others can tell."""
    (run / "state.json").write_text(json.dumps({"pid": 1, "env": STATE}))
    with (run / "up.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield run


def test_nothing_anywhere(run: Path) -> None:
    with pytest.raises(NotRunning, match=r"^not running: phi3 up$") as raised:
        connect()
    assert raised.value.exit_code == 2


def test_the_state_of_a_live_one(up: Path) -> None:
    running = connect()
    assert running.engine.url.host == "local"
    assert {name: os.environ[name] for name in NAMES} == STATE
    assert running.home == up.parent


def test_the_state_of_a_dead_one_does_not_count(run: Path) -> None:
    (run / "state.json").write_text(json.dumps({"pid": 1, "env": STATE}))
    (run / "up.lock").touch()
    assert not locked(run)
    with pytest.raises(NotRunning):
        connect()


def test_the_environment_comes_first(up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHI3_LLM_URL", "http://elsewhere")
    connect()
    assert os.environ["PHI3_LLM_URL"] == "http://elsewhere"
    assert os.environ["PHI3_ADMIN_TOKEN"] == "local-token"


def test_dotenv_comes_before_the_state(up: Path) -> None:
    Path(".env").write_text("PHI3_LLM_URL=http://from-file\n")
    connect()
    assert "PHI3_LLM_URL" not in os.environ


def test_another_database_means_another_installation(
    up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://production/phi3")
    running = connect()
    assert running.engine.url.host == "production"
    assert running.state == {}
    assert "REDIS_URL" not in os.environ


def test_secrets_do_not_show_in_its_repr(up: Path) -> None:
    assert "local-token" not in repr(connect())
