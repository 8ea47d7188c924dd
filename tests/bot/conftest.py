"""One whole read path for the bot's tests: workspace, models, ingest worker and bot, all real."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from bot.embedded.postgres import DATABASE, Postgres
from bot.embedded.redis import Redis
from models.store.session import open_engine, open_sessions
from tests.bot.house import House, Line, Part, wait_for_http
from tests.support.product import free_ports


@pytest.fixture(scope="session")
def house(postgres: Postgres, redis: Redis, services_home: Path) -> Iterator[House]:
    """The processes that every test of this package shares."""
    with psycopg.connect(
        postgres.url.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE bot_house TEMPLATE {DATABASE}".encode())
    database = postgres.url.replace(f"/{DATABASE}?", "/bot_house?")
    home = services_home / "house"
    home.mkdir()
    port = free_ports()
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PHI3_", "SLACK_"))
        },
        "PHI3_HOME": str(home),
        "PHI3_PORT": str(port),
        "PHI3_LLM_PORT": str(port + 1),
        "PHI3_LLM_ADMIN_PORT": str(port + 2),
        "PHI3_BOT_PORT": str(port + 3),
        "PHI3_LLM_URL": f"http://127.0.0.1:{port + 1}",
        "PHI3_MODEL": "extractive",
        "DATABASE_URL": database,
        "REDIS_URL": redis.url,
        "SLACK_BOT_TOKEN": f"xoxb-test-{secrets.token_hex(8)}",
        "SLACK_APP_TOKEN": f"xapp-1-test-{secrets.token_hex(8)}",
        "SLACK_SIGNING_SECRET": secrets.token_hex(16),
        "SLACK_API_URL": f"http://127.0.0.1:{port}/api/",
        # A proxy that nobody runs: the bot must reach a loopback API all the same.
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "OMP_NUM_THREADS": "1",
    }
    workspace = Part("workspace", [sys.executable, "-m", "bot.workspace"], environment, home)
    models = Part("models", [sys.executable, "-m", "models.serve"], environment, home)
    worker = Part(
        "worker",
        [
            sys.executable, "-m", "celery", "-A", "workers.app", "worker",
            "-Q", "ingest", "-P", "threads", "-c", "2", "--without-gossip", "--without-mingle",
        ],
        environment,
        home,
    )  # fmt: skip
    # The bot reaches the models over a line that a test can cut.
    apart = {**environment, "PHI3_LLM_URL": f"http://127.0.0.1:{port + 4}"}
    line = Line(port + 4, port + 1)
    bot = Part("bot", [sys.executable, "-m", "bot"], apart, home)
    parts = [models, workspace, worker, bot]
    engine = open_engine(database)
    try:
        for part in parts:
            part.start()
        wait_for_http(f"http://127.0.0.1:{port}/health", workspace)
        wait_for_http(f"http://127.0.0.1:{port + 1}/health", models)
        wait_for_http(f"http://127.0.0.1:{port + 3}/health", bot)
        yield House(
            environment=environment,
            home=home,
            sessions=open_sessions(engine),
            bot=bot,
            worker=worker,
            models=models,
            line=line,
        )
    finally:
        for part in reversed(parts):
            part.kill()
        line.close()
        engine.dispose()


@pytest.fixture(autouse=True)
def _calm_house(request: pytest.FixtureRequest) -> Iterator[None]:
    """Trouble that a test asked the workspace for ends with the test."""
    yield
    if "house" in request.fixturenames:
        request.getfixturevalue("house").control("clear")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the parts of the house logged last: there lies the cause."""
    report = yield
    funcargs = getattr(item, "funcargs", {})
    house = funcargs.get("house")
    if report.failed and isinstance(house, House):
        for part in (house.bot, house.worker, house.models):
            report.sections.append((f"log of the {part.name}", part.tail()))
    return report
