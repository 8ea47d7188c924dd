"""What a command needs of the running product: the environment first, then ``run/state.json``."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from models.settings import Database, Home, dotenv_names
from models.store.session import Sessions, open_engine, open_sessions


class NotRunning(click.ClickException):
    """Nothing to talk to."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__("not running: phi3 up")

    def show(self, file: Any = None) -> None:
        """Say it plainly."""
        click.echo(self.message, file=file, err=True)


@dataclass(frozen=True, kw_only=True)
class Running:
    """The product as one command sees it."""

    home: Path  # PHI3_HOME
    engine: Engine = field(repr=False)
    sessions: Sessions = field(repr=False)
    state: dict[str, Any] = field(repr=False)  # run/state.json, {} where nothing local is up


def connect(*, pool_size: int = 2) -> Running:
    """Find the product and return its database sessions.

    Afterwards ``os.environ`` holds every service's address and key, so that the classes of
    ``models.settings`` can simply be called. Raises ``NotRunning``.
    """
    home = Home()
    state = read_state(home.run)
    named = dotenv_names()
    here = os.environ.get("DATABASE_URL") or named.get("DATABASE_URL")
    services: dict[str, str] = state.get("env", {})
    if here and services.get("DATABASE_URL") != here:
        # Another installation is meant; the local one's addresses and keys are not its own.
        services, state = {}, {}
    for name, value in services.items():
        if not named.get(name):
            os.environ.setdefault(name, value)
    if not here and "DATABASE_URL" not in services:
        raise NotRunning
    engine = open_engine(Database().url.get_secret_value(), pool_size=pool_size)
    return Running(home=home.home, engine=engine, sessions=open_sessions(engine), state=state)


def read_state(run: Path) -> dict[str, Any]:
    """``state.json`` of the ``phi3 up`` that holds the lock now; {} where none does."""
    if not locked(run):
        return {}
    try:
        state: dict[str, Any] = json.loads((run / "state.json").read_text("utf-8"))
    except FileNotFoundError:  # it is starting, or ending
        return {}
    return state


def locked(run: Path) -> bool:
    """Whether a ``phi3 up`` owns this home: a lock cannot outlive its process, a file can."""
    try:
        with (run / "up.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
