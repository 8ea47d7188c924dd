"""One ingest worker and one embedding server for all commands that need them."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from bot.cli import main
from bot.embedded.postgres import DATABASE, Postgres
from bot.embedded.redis import Redis
from models.store.session import Sessions, open_engine, open_sessions
from tests.support import embedding_server

LONGEST_S = 40


@dataclass(frozen=True)
class Works:
    """What runs while these tests do."""

    environment: Mapping[str, str]  # what a command is called with
    engine: Engine
    sessions: Sessions
    embeddings: embedding_server.EmbeddingServer


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    status: int
    out: str
    err: str


Phi3 = Callable[..., Said]


@pytest.fixture(scope="package")
def works(postgres: Postgres, services_home: Path) -> Iterator[Works]:
    """A database and a broker of their own, an embedding server and a real ingest worker."""
    maintenance = postgres.url.replace(f"/{DATABASE}?", "/postgres?")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE commands TEMPLATE {DATABASE}".encode())
    home = services_home / "commands"
    home.mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(embedding_server.serve())
        redis = Redis(home)
        redis.start(log=stack.enter_context((home / "redis.log").open("wb")).fileno())
        stack.callback(redis.stop)
        environment = {
            "DATABASE_URL": postgres.url.replace(f"/{DATABASE}?", "/commands?"),
            "REDIS_URL": redis.url,
            "PHI3_HOME": str(home),
            "PHI3_EMBEDDING_URL": server.url,
            "PHI3_EMBEDDING_MODEL": "small",
        }
        engine = open_engine(environment["DATABASE_URL"])
        stack.callback(engine.dispose)
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "workers.app"),
                *("worker", "-Q", "ingest", "-P", "solo"),
            ],
            env={**os.environ, **environment},
            cwd=home,
        )
        stack.callback(worker.wait, 20)
        stack.callback(worker.kill)  # it holds nothing that its rows do not
        yield Works(environment, engine, open_sessions(engine), server)


@pytest.fixture
def phi3(works: Works, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Phi3:
    """Call a command in this process; ``typed`` is its standard input."""
    for name, value in works.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("bot.cli.running.open_engine", lambda *_, **__: works.engine)

    def too_long(*_: object) -> None:
        raise TimeoutError("the command does not end")

    signal.signal(signal.SIGALRM, too_long)

    def call(*words: str, typed: str = "") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        capsys.readouterr()
        signal.alarm(LONGEST_S)  # --wait waits for ever where no worker runs
        status = main.run(words)
        signal.alarm(0)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return call
