"""Embedded Postgres servers with the project's schema, gone after the measurement."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.embedded.postgres import Postgres
from models.store.migrate import migrate
from models.store.session import Sessions, open_engine, open_sessions


@contextmanager
def served() -> Iterator[str]:
    """The address of a migrated, empty database."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        with (Path(folder) / "postgres.log").open("wb") as log:
            server.start(log=log.fileno())
        try:
            engine = open_engine(server.url)
            migrate(engine)
            engine.dispose()
            yield server.url
        finally:
            server.stop()


@contextmanager
def database() -> Iterator[Sessions]:
    """Sessions of such a database."""
    with served() as url:
        engine = open_engine(url)
        try:
            yield open_sessions(engine)
        finally:
            engine.dispose()
