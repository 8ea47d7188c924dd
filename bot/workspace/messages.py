"""Messages and threads."""

from __future__ import annotations

import time

from bot.workspace.database import Database, Json, dump


class Messages:
    """Rows of messages; thread counts are computed when read."""

    def __init__(self, db: Database) -> None:
        self._db = db
        found = db.row("SELECT max(ts) FROM messages")
        self._last = int(str(found[0]).replace(".", "")) if found and found[0] else 0

    def next_ts(self) -> str:
        """A timestamp in seconds with six decimals, never given twice."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def add(self, channel: str, message: Json) -> None:
        """Store a new message; ``ts``, ``user`` and, in a thread, ``thread_ts`` stand in it."""
        self._db.run(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?)",
            channel, message["ts"], message.get("thread_ts"), message["user"], dump(message),
        )  # fmt: skip

    def save(self, channel: str, message: Json) -> None:
        """Store a changed message."""
        self._db.run(
            "UPDATE messages SET body = ? WHERE channel = ? AND ts = ?",
            dump(message), channel, message["ts"],
        )  # fmt: skip

    def delete(self, channel: str, ts: str) -> None:
        """Take a message away."""
        self._db.run("DELETE FROM messages WHERE channel = ? AND ts = ?", channel, ts)

    def get(self, channel: str, ts: str) -> Json | None:
        """A message as it is shown: a thread's first one with its counts."""
        found = self.raw(channel, ts)
        return None if found is None else self._with_thread(channel, found)

    def raw(self, channel: str, ts: str) -> Json | None:
        """A message as it is stored."""
        return self._db.body("SELECT body FROM messages WHERE channel = ? AND ts = ?", channel, ts)

    def reply_count(self, channel: str, ts: str) -> int:
        """How many replies a message has."""
        found = self._db.row(
            "SELECT count(*) FROM messages WHERE channel = ? AND thread_ts = ?", channel, ts
        )
        return int(found[0]) if found else 0

    def _with_thread(self, channel: str, message: Json) -> Json:
        rows = self._db.rows(
            "SELECT ts, author FROM messages WHERE channel = ? AND thread_ts = ? ORDER BY ts",
            channel, message["ts"],
        )  # fmt: skip
        if not rows:
            return message
        authors = list(dict.fromkeys(str(author) for _, author in rows))
        return message | {
            "thread_ts": message["ts"],
            "reply_count": len(rows),
            "reply_users_count": len(authors),
            "latest_reply": str(rows[-1][0]),
            "reply_users": authors[:5],
            "is_locked": False,
            "subscribed": True,
        }

    def history(
        self, channel: str, *, oldest: str, latest: str, inclusive: bool, limit: int
    ) -> tuple[list[Json], bool]:
        """Messages of the channel itself, newest first, and whether there are more."""
        low, high = (">=", "<=") if inclusive else (">", "<")
        found = self._db.bodies(
            f"SELECT body FROM messages WHERE channel = ? AND ts {low} ? AND ts {high} ?"  # noqa: S608
            " AND (thread_ts IS NULL OR json_extract(body, '$.subtype') = 'thread_broadcast')"
            " ORDER BY ts DESC LIMIT ?",
            channel, oldest, latest, limit + 1,
        )  # fmt: skip
        shown = [self._with_thread(channel, message) for message in found[:limit]]
        return shown, len(found) > limit

    def replies(
        self, channel: str, thread: str, *, oldest: str, latest: str, inclusive: bool, limit: int
    ) -> tuple[list[Json], bool]:
        """A thread's first message, then its replies, oldest first, and whether there are more."""
        low, high = (">=", "<=") if inclusive else (">", "<")
        found = self._db.bodies(
            "SELECT body FROM messages WHERE channel = ? AND thread_ts = ?"  # noqa: S608
            f" AND ts {low} ? AND ts {high} ? ORDER BY ts LIMIT ?",
            channel, thread, oldest, latest, limit + 1,
        )  # fmt: skip
        first = self.get(channel, thread)
        return ([] if first is None else [first]) + found[:limit], len(found) > limit

    def unread(self, channel: str, user: str, since: str) -> tuple[int, str]:
        """How many messages of others came after ``since``, and the newest message's ts."""
        count = self._db.row(
            "SELECT count(*) FROM messages WHERE channel = ? AND ts > ? AND author != ?",
            channel, since, user,
        )  # fmt: skip
        newest = self._db.row("SELECT max(ts) FROM messages WHERE channel = ?", channel)
        return (int(count[0]) if count else 0), str((newest and newest[0]) or "0")

    def add_ephemeral(self, user: str, channel: str, message: Json) -> None:
        """Store a message that only one person sees."""
        self._db.run(
            "INSERT OR REPLACE INTO ephemerals VALUES (?, ?, ?, ?, ?)",
            user, channel, message["ts"], message.get("thread_ts"), dump(message),
        )  # fmt: skip

    def ephemeral(self, user: str, channel: str, ts: str) -> Json | None:
        """One of the messages that only this person sees."""
        return self._db.body(
            "SELECT body FROM ephemerals WHERE user = ? AND channel = ? AND ts = ?",
            user,
            channel,
            ts,
        )

    def ephemerals(self, user: str, channel: str) -> list[Json]:
        """Those messages, oldest first; the last hundred."""
        found = self._db.bodies(
            "SELECT body FROM ephemerals WHERE user = ? AND channel = ? ORDER BY ts DESC LIMIT 100",
            user, channel,
        )  # fmt: skip
        return found[::-1]

    def delete_ephemeral(self, user: str, channel: str, ts: str) -> None:
        """Dismiss one."""
        self._db.run(
            "DELETE FROM ephemerals WHERE user = ? AND channel = ? AND ts = ?", user, channel, ts
        )
