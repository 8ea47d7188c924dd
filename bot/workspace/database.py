"""The workspace's state in SQLite: one connection, one thread, whole transactions.

WAL with ``synchronous=NORMAL`` loses nothing when the process is killed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, token TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS channels (id TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (
    channel TEXT NOT NULL, user TEXT NOT NULL, last_read TEXT NOT NULL DEFAULT '0',
    PRIMARY KEY (channel, user)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    channel TEXT NOT NULL, ts TEXT NOT NULL, thread_ts TEXT, author TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (channel, ts)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_thread ON messages (channel, thread_ts, ts);
CREATE TABLE IF NOT EXISTS ephemerals (
    user TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT NOT NULL, thread_ts TEXT, body TEXT NOT NULL,
    PRIMARY KEY (user, channel, ts)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, secret TEXT NOT NULL,
    blob TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS shares (
    file TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT NOT NULL,
    PRIMARY KEY (file, channel, ts)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS streams (
    channel TEXT NOT NULL, ts TEXT NOT NULL, author TEXT NOT NULL, expires REAL NOT NULL,
    parts TEXT NOT NULL, PRIMARY KEY (channel, ts)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS views (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, kind TEXT NOT NULL, root TEXT NOT NULL,
    opened REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS triggers (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, expires REAL NOT NULL, view TEXT,
    used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, channel TEXT NOT NULL, message_ts TEXT, thread_ts TEXT,
    ephemeral INTEGER NOT NULL, expires REAL NOT NULL, uses INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS prompts (
    channel TEXT NOT NULL, thread_ts TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (channel, thread_ts)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', created REAL NOT NULL, due REAL NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, created REAL NOT NULL);
"""


class Database:
    """A thin hand on the connection; bodies are JSON."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; joins a transaction that is already open."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def run(self, sql: str, *values: object) -> int:
        """Execute; returns the number of rows that changed."""
        return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Every row."""
        found: Sequence[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
        return list(found)

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """The first row or None."""
        found: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        return found

    def body(self, sql: str, *values: object) -> Json | None:
        """The first row's JSON column or None."""
        found = self.row(sql, *values)
        return None if found is None else json.loads(found[0])

    def bodies(self, sql: str, *values: object) -> list[Json]:
        """Every row's JSON column."""
        return [json.loads(found[0]) for found in self.rows(sql, *values)]

    def meta(self, key: str) -> str | None:
        """A single remembered value."""
        found = self.row("SELECT value FROM meta WHERE key = ?", key)
        return None if found is None else str(found[0])

    def set_meta(self, key: str, value: str) -> None:
        """Remember a single value."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)


def dump(body: object) -> str:
    """JSON as it is stored."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
