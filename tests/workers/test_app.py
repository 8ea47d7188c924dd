"""The application's settings, and that a broker that is away is no error."""

from __future__ import annotations

import pytest

from bot.tasks import send
from workers.app import app, configuration


def test_a_broker_that_is_away_only_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REDIS_URL", "unix://:secret@/nowhere/redis.sock")
    assert not send("ingest.document", 7)
    assert "ingest.document" in caplog.text
    assert "secret" not in caplog.text


def test_the_tasks_that_others_name_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere/redis.sock")
    assert {"ingest.document", "ingest.poll", "ingest.sweep", "tick"} <= set(_loaded())


def test_two_large_documents_leave_a_process_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere/redis.sock")
    monkeypatch.delenv("PHI3_INGEST_CONCURRENCY", raising=False)
    made = configuration()
    assert made["worker_concurrency"] > 2
    assert made["worker_prefetch_multiplier"] == 1  # nothing waits behind a busy process


def _loaded() -> list[str]:
    app.loader.import_default_modules()
    return list(app.tasks)
