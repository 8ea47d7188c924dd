"""What is asked before anything starts, and the sentences that come of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.cli.main import run
from bot.embedded.redis import Redis
from bot.supervisor import preflight
from bot.supervisor.journal import Journal

AWAY = {
    "DATABASE_URL": "postgresql://ada:secret-value@127.0.0.1:9/db",
    "REDIS_URL": "redis://:secret-value@127.0.0.1:9/0",
}


@pytest.fixture
def slack(request: pytest.FixtureRequest) -> Iterator[str]:
    """An API that always answers what the test's parameter says."""
    answer = json.dumps(request.param).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("arguments", [["up"], ["up", "--detach"]], ids="-".join)
@pytest.mark.parametrize("name", sorted(AWAY))
def test_a_service_that_is_away_is_named_by_its_setting(
    name: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PHI3_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(name, AWAY[name])
    assert run(arguments) == 1
    told = capsys.readouterr().err
    assert f"{name} names" in told
    assert "secret-value" not in told
    assert len(told.splitlines()) == 1


@pytest.mark.integration
def test_services_that_answer_are_not_complained_of(database_url: str, redis: Redis) -> None:
    plain = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    driver = plain.replace("postgresql://", "postgresql+psycopg://", 1)
    for url in (plain, driver):
        assert preflight.complaint({"DATABASE_URL": url, "REDIS_URL": redis.url}) is None
    assert preflight.complaint({}) is None


@pytest.mark.parametrize("slack", [{"ok": False, "error": "invalid_auth"}], indirect=True)
def test_a_token_that_slack_refuses_starts_nothing(
    slack: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PHI3_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret-value")
    monkeypatch.setenv("SLACK_API_URL", slack)
    assert run(["up"]) == 1
    told = capsys.readouterr().err
    assert "Slack refuses SLACK_BOT_TOKEN (invalid_auth)" in told
    assert "secret-value" not in told


@pytest.mark.parametrize("slack", [{"ok": True, "user": "phi3"}], indirect=True)
def test_a_token_that_slack_takes(slack: str) -> None:
    assert preflight.slack({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_API_URL": slack}) is None
    assert preflight.slack({}) is None


@pytest.mark.parametrize("slack", [{"ok": False, "error": "fatal_error"}], indirect=True)
def test_trouble_of_slacks_own_may_pass(slack: str) -> None:
    for url in (slack, "http://127.0.0.1:9/api/"):
        trouble = preflight.slack({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_API_URL": url})
        assert trouble is not None
        assert trouble.passes


def test_last_words_are_not_where_to_read_about_errors(tmp_path: Path) -> None:
    journal = Journal(tmp_path, terminal=None)
    for line in ("sqlalchemy.exc.ProgrammingError: no such type", "[SQL: CREATE]"):
        journal.say("migrate", line)
    journal.say("migrate", "(Background on this error at: https://sqlalche.me/e/20/e3q8)")
    journal.close()
    assert journal.last_words("migrate") == "sqlalchemy.exc.ProgrammingError: no such type"
