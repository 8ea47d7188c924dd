"""What lives for a while: triggers, response URLs, modals, streams, prompts, sessions."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from bot.workspace.database import Database, Json, dump
from bot.workspace.people import new_id

TRIGGER_SECONDS = 3.0
RESPONSE_SECONDS = 1800.0
RESPONSE_USES = 5


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What a trigger id stands for."""

    user: str
    view: str | None  # the modal it came from
    expired: bool
    used: bool


@dataclass(frozen=True, kw_only=True)
class ResponseUrl:
    """What a response URL may still do."""

    user: str
    channel: str
    message_ts: str | None  # the message whose button was pressed
    thread_ts: str | None
    ephemeral: bool  # whether that message is ephemeral
    expired: bool
    used_up: bool


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A message that is still being written."""

    author: str
    expired: bool
    parts: list[Json]


class Interim:
    """Rows with a clock."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def new_trigger(self, user: str, view: str | None = None) -> str:
        """A trigger id, good once and for three seconds."""
        trigger = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**13)}.{secrets.token_hex(16)}"
        self._db.run("DELETE FROM triggers WHERE expires < ?", time.time() - 3600)
        self._db.run(
            "INSERT INTO triggers (id, user, expires, view) VALUES (?, ?, ?, ?)",
            trigger, user, time.time() + TRIGGER_SECONDS, view,
        )  # fmt: skip
        return trigger

    def trigger(self, trigger: str) -> Trigger | None:
        """Look a trigger id up."""
        found = self._db.row("SELECT user, expires, view, used FROM triggers WHERE id = ?", trigger)
        if found is None:
            return None
        user, expires, view, used = found
        return Trigger(user=user, view=view, expired=expires < time.time(), used=bool(used))

    def use_trigger(self, trigger: str) -> None:
        """It opened its modal."""
        self._db.run("UPDATE triggers SET used = 1 WHERE id = ?", trigger)

    def new_response(
        self,
        user: str,
        channel: str,
        *,
        message_ts: str | None = None,
        thread_ts: str | None = None,
        ephemeral: bool = False,
    ) -> str:
        """The secret part of a response URL."""
        secret = secrets.token_urlsafe(24)
        self._db.run("DELETE FROM responses WHERE expires < ?", time.time() - 3600)
        self._db.run(
            "INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            secret, user, channel, message_ts, thread_ts, int(ephemeral),
            time.time() + RESPONSE_SECONDS,
        )  # fmt: skip
        return secret

    def response(self, secret: str) -> ResponseUrl | None:
        """Look a response URL up."""
        found = self._db.row(
            "SELECT user, channel, message_ts, thread_ts, ephemeral, expires, uses"
            " FROM responses WHERE id = ?",
            secret,
        )
        if found is None:
            return None
        user, channel, message_ts, thread_ts, ephemeral, expires, uses = found
        return ResponseUrl(
            user=user, channel=channel, message_ts=message_ts, thread_ts=thread_ts,
            ephemeral=bool(ephemeral), expired=expires < time.time(), used_up=uses >= RESPONSE_USES,
        )  # fmt: skip

    def use_response(self, secret: str) -> None:
        """One of its five uses."""
        self._db.run("UPDATE responses SET uses = uses + 1 WHERE id = ?", secret)

    def save_view(self, user: str, kind: str, view: Json) -> Json:
        """Store a modal or home tab under its id with a fresh hash; returns it."""
        view = view | {
            "hash": f"{int(time.time())}.{hashlib.sha256(dump(view).encode()).hexdigest()[:8]}"
        }
        self._db.run(
            "INSERT INTO views VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            view["id"], user, kind, view["root_view_id"], time.time(), dump(view),
        )  # fmt: skip
        return view

    def view(self, view: str) -> tuple[str, Json] | None:
        """Whose it is, and the view."""
        body = self._db.body("SELECT body FROM views WHERE id = ?", view)
        found = self._db.row("SELECT user FROM views WHERE id = ?", view)
        return None if body is None or found is None else (str(found[0]), body)

    def view_by_external_id(self, external: str) -> str | None:
        """A view's id by the app's own name for it."""
        found = self._db.row(
            "SELECT id FROM views WHERE json_extract(body, '$.external_id') = ?", external
        )
        return None if found is None else str(found[0])

    def modals(self, user: str) -> list[Json]:
        """A person's open modals, last on top."""
        return self._db.bodies(
            "SELECT body FROM views WHERE user = ? AND kind = 'modal' ORDER BY opened, rowid", user
        )

    def home(self, user: str) -> Json | None:
        """A person's home tab."""
        return self._db.body("SELECT body FROM views WHERE user = ? AND kind = 'home'", user)

    def close_view(self, view: str) -> None:
        """Forget a modal."""
        self._db.run("DELETE FROM views WHERE id = ?", view)

    def save_stream(
        self, channel: str, ts: str, author: str, parts: list[Json], seconds: float
    ) -> None:
        """A message is being written; the clock starts anew."""
        self._db.run(
            "INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?)",
            channel, ts, author, time.time() + seconds, dump(parts),
        )  # fmt: skip

    def stream(self, channel: str, ts: str) -> Stream | None:
        """What has been written so far."""
        found = self._db.row(
            "SELECT author, expires FROM streams WHERE channel = ? AND ts = ?", channel, ts
        )
        if found is None:
            return None
        (parts,) = self._db.bodies(
            "SELECT json_object('parts', json(parts)) FROM streams WHERE channel = ? AND ts = ?",
            channel,
            ts,
        )
        return Stream(author=found[0], expired=found[1] < time.time(), parts=parts["parts"])

    def end_stream(self, channel: str, ts: str) -> None:
        """It is written."""
        self._db.run("DELETE FROM streams WHERE channel = ? AND ts = ?", channel, ts)

    def save_prompts(self, channel: str, thread: str, prompts: Json) -> None:
        """What the app suggests to ask; ``thread`` empty means the conversation itself."""
        self._db.run(
            "INSERT OR REPLACE INTO prompts VALUES (?, ?, ?)", channel, thread, dump(prompts)
        )

    def prompts(self, channel: str) -> Json | None:
        """What the app suggested last for the conversation itself."""
        return self._db.body(
            "SELECT body FROM prompts WHERE channel = ? ORDER BY thread_ts LIMIT 1", channel
        )

    def new_session(self, user: str) -> str:
        """A page session's secret."""
        secret = secrets.token_urlsafe(32)
        self._db.run("INSERT INTO sessions VALUES (?, ?, ?)", _digest(secret), user, time.time())
        return secret

    def session(self, secret: str) -> str | None:
        """Who the page session is; only digests are stored and compared."""
        found = self._db.row("SELECT user FROM sessions WHERE id = ?", _digest(secret))
        return None if found is None else str(found[0])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def new_view_id() -> str:
    """A view's id."""
    return new_id("V")
