"""Real services for the tests: one embedded Postgres and Redis a run, a fresh database a test."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from bot.embedded.postgres import DATABASE, Postgres
from bot.embedded.redis import Redis
from models.store.migrate import migrate
from models.store.session import Sessions, open_engine, open_sessions

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that runs the tests in the background makes them, and what they start, deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def services_home() -> Iterator[Path]:
    """A short path of its own: Unix sockets allow few characters."""
    with tempfile.TemporaryDirectory(prefix="phi3-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(services_home: Path) -> Iterator[Postgres]:
    """The server; its database ``phi3`` is migrated and is the template of every test's own."""
    server = Postgres(services_home)
    with (services_home / "postgres.log").open("wb") as log:
        server.start(log=log.fileno())
    try:
        engine = open_engine(server.url)
        migrate(engine)
        engine.dispose()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis(services_home: Path) -> Iterator[Redis]:
    """The broker."""
    server = Redis(services_home)
    with (services_home / "redis.log").open("wb") as log:
        server.start(log=log.fileno())
    try:
        yield server
    finally:
        server.stop()


_numbers = itertools.count(1)


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """A migrated, empty database of the test's own."""
    name = f"test_{next(_numbers)}"
    maintenance = postgres.url.replace(f"/{DATABASE}?", "/postgres?")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}".encode())
    yield postgres.url.replace(f"/{DATABASE}?", f"/{name}?")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's database."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    """Sessions on the test's database."""
    return open_sessions(engine)
