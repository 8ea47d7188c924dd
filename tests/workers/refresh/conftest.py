"""A real model server over a tiny Phi-3, and a home of the test's own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import text

from bot.embedded.postgres import DATABASE, Postgres
from models.store.session import Sessions, open_engine, open_sessions, transaction
from tests.workers.refresh import killing, nightly
from tests.workers.refresh.serving import Served, environment, serve

KILLS = int(os.environ.get("PHI3_TEST_KILLS", "4"))
GOOD = range(110)


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server that all nights of these tests are judged by."""
    with serve(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def nights(served: Served, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The environment of a refresh worker on an empty database."""
    for name, value in environment(served, database_url).items():
        monkeypatch.setenv(name, value)
    return served


@contextmanager
def _database(postgres: Postgres, name: str, template: str) -> Iterator[str]:
    """The address of a copy of ``template``, gone afterwards."""
    maintenance = postgres.url.replace(f"/{DATABASE}?", "/postgres?")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    try:
        yield postgres.url.replace(f"/{DATABASE}?", f"/{name}?")
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="package")
def learned(served: Served, postgres: Postgres) -> Iterator[nightly.Learned]:
    """A night on approved pairs in a house style, its worker killed ``KILLS`` times."""
    with _database(postgres, "learned", DATABASE) as url, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(served, url).items():
            patch.setenv(name, value)
        engine = open_engine(url)
        sessions = open_sessions(engine)
        try:
            nightly.teach(sessions, GOOD)
            killed = killing.night(sessions, nightly.begin(sessions), kills=KILLS)
        finally:
            engine.dispose()
        patch.undo()
        yield nightly.Learned(database="learned", killed=killed)


_mornings = itertools.count(1)


@pytest.fixture
def morning(
    learned: nightly.Learned, served: Served, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sessions]:
    """A copy of the database as that night left it, and a refresh worker's environment.

    Nights are numbered differently in each copy: all of them share one server and one home.
    """
    with _database(postgres, "morning", learned.database) as url:
        for name, value in environment(served, url).items():
            monkeypatch.setenv(name, value)
        engine = open_engine(url)
        sessions = open_sessions(engine)
        with transaction(sessions) as session:
            numbered = text("SELECT setval(pg_get_serial_sequence('refreshes', 'id'), :number)")
            session.execute(numbered, {"number": 100 * next(_mornings)})
        yield sessions
        engine.dispose()
