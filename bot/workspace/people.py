"""Users, conversations and who may see which."""

from __future__ import annotations

import hmac
import secrets
import time

from bot.workspace.database import Database, Json, dump
from bot.workspace.seed import (
    APP,
    BOT,
    BOT_NAME,
    BOT_USER,
    PARTNER_TEAM,
    TEAM,
    channel_body,
)

_ID_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def new_id(prefix: str) -> str:
    """An id as Slack makes them: a letter and ten upper-case characters."""
    return prefix + "0" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(9))


class People:
    """Look-ups over users, channels and members."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def user(self, user: str) -> Json | None:
        """A user's object."""
        return self._db.body("SELECT body FROM users WHERE id = ?", user)

    def change(self, user: str, fields: Json) -> Json | None:
        """A user's object with other values, as it now is; none where there is no such user."""
        body = self.user(user)
        if body is not None:
            body |= fields
            self._db.run("UPDATE users SET body = ? WHERE id = ?", dump(body), user)
        return body

    def users(self) -> list[Json]:
        """Everyone, in the order they were made."""
        return self._db.bodies("SELECT body FROM users ORDER BY rowid")

    def tokens(self) -> dict[str, str]:
        """User id to token, people only."""
        found = self._db.rows("SELECT id, token FROM users WHERE token != '' ORDER BY rowid")
        return {str(user): str(token) for user, token in found}

    def by_token(self, token: str) -> str | None:
        """The person whose token it is; compares all in constant time."""
        found = None
        for user, known in self.tokens().items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = user
        return found

    def is_outsider(self, user: str) -> bool:
        """Guests and people of other organisations: they see only what they were let into."""
        body = self.user(user)
        return body is None or bool(body["is_restricted"]) or body["team_id"] != TEAM

    def channel(self, channel: str) -> Json | None:
        """A conversation's object, without what depends on the viewer."""
        return self._db.body("SELECT body FROM channels WHERE id = ?", channel)

    def kind(self, channel: str) -> str:
        """``channel``, ``group``, ``mpim`` or ``im``; empty where unknown."""
        found = self._db.row("SELECT kind FROM channels WHERE id = ?", channel)
        return "" if found is None else str(found[0])

    def convert(self, channel: str, *, private: bool) -> Json | None:
        """Make a channel private or public; its object, none where it is no channel."""
        body = self.channel(channel)
        if body is None or self.kind(channel) not in ("channel", "group"):
            return None
        body |= {"is_private": private, "is_group": private, "is_channel": not private}
        self._db.run(
            "UPDATE channels SET kind = ?, body = ? WHERE id = ?",
            "group" if private else "channel", dump(body), channel,
        )  # fmt: skip
        return body

    def channels(self) -> list[str]:
        """Every conversation's id."""
        return [str(row[0]) for row in self._db.rows("SELECT id FROM channels ORDER BY rowid")]

    def by_name(self, name: str) -> str | None:
        """A channel's id by its name, with or without ``#``."""
        found = self._db.row(
            "SELECT id FROM channels WHERE json_extract(body, '$.name') = ?", name.removeprefix("#")
        )
        return None if found is None else str(found[0])

    def members(self, channel: str) -> list[str]:
        """Who is in it, in the order people were made."""
        sql = (
            "SELECT m.user FROM members m JOIN users u ON u.id = m.user"
            " WHERE m.channel = ? ORDER BY u.rowid"
        )
        return [str(row[0]) for row in self._db.rows(sql, channel)]

    def is_member(self, channel: str, user: str) -> bool:
        """Whether the person is in the conversation."""
        return bool(
            self._db.row("SELECT 1 FROM members WHERE channel = ? AND user = ?", channel, user)
        )

    def can_see(self, channel: str, user: str) -> bool:
        """Members see it; a public channel is seen by every full member of the workspace."""
        if self.is_member(channel, user):
            return True
        return self.kind(channel) == "channel" and not self.is_outsider(user)

    def can_see_user(self, viewer: str, user: str) -> bool:
        """Outsiders see only people they share a conversation with."""
        if viewer == user or not self.is_outsider(viewer):
            return self.user(user) is not None
        sql = (
            "SELECT 1 FROM members a JOIN members b ON a.channel = b.channel"
            " WHERE a.user = ? AND b.user = ?"
        )
        return bool(self._db.row(sql, viewer, user))

    def is_shared(self, channel: str) -> bool:
        """Whether people of another organisation are in it."""
        body = self.channel(channel)
        return bool(body and body.get("is_ext_shared"))

    def join(self, channel: str, user: str) -> bool:
        """Add a member; False where it was one already."""
        sql = "INSERT OR IGNORE INTO members (channel, user) VALUES (?, ?)"
        return self._db.run(sql, channel, user) > 0

    def leave(self, channel: str, user: str) -> bool:
        """Take a member out; False where it was none."""
        return self._db.run("DELETE FROM members WHERE channel = ? AND user = ?", channel, user) > 0

    def mark(self, channel: str, user: str, ts: str) -> None:
        """Remember how far a person has read."""
        self._db.run(
            "UPDATE members SET last_read = ? WHERE channel = ? AND user = ?", ts, channel, user
        )

    def last_read(self, channel: str, user: str) -> str:
        """The ts up to which a person has read."""
        found = self._db.row(
            "SELECT last_read FROM members WHERE channel = ? AND user = ?", channel, user
        )
        return "0" if found is None else str(found[0])

    def direct(self, users: frozenset[str]) -> str | None:
        """The direct conversation of exactly these people, if there is one."""
        for (channel,) in self._db.rows("SELECT id FROM channels WHERE kind IN ('im', 'mpim')"):
            if frozenset(self.members(channel)) == users:
                return str(channel)
        return None

    def open_direct(self, creator: str, users: frozenset[str]) -> str:
        """Find or make the direct conversation of these people (the creator among them)."""
        found = self.direct(users)
        if found:
            return found
        kind = "im" if len(users) <= 2 else "mpim"
        channel = new_id("D" if kind == "im" else "G")
        names = sorted(str((self.user(user) or {}).get("name")) for user in users)
        body = channel_body(
            channel,
            "mpdm-" + "--".join(names) + "-1",
            kind=kind,
            creator=creator,
            created=int(time.time()),
        )
        self._db.run("INSERT INTO channels VALUES (?, ?, ?)", channel, kind, dump(body))
        for user in users:
            self.join(channel, user)
        return channel

    def channel_object(self, channel: str, viewer: str) -> Json:
        """The conversation as the viewer sees it; raises KeyError where it is unknown."""
        body = self.channel(channel)
        if body is None:
            raise KeyError(channel)
        if body["is_im"]:
            others = [user for user in self.members(channel) if user != viewer]
            return body | {
                "user": others[0] if others else viewer,
                "is_user_deleted": False,
                "is_open": True,
            }
        return body | {
            "is_member": self.is_member(channel, viewer),
            "num_members": len(self.members(channel)),
        }


def is_partner(user: Json | None) -> bool:
    """Whether a user object belongs to the other organisation."""
    return bool(user and user["team_id"] == PARTNER_TEAM)


def author_fields(user: str) -> Json:
    """Who wrote a message, as message objects say it."""
    if user != BOT_USER:
        return {"user": user, "team": TEAM}
    return {
        "user": BOT_USER,
        "team": TEAM,
        "bot_id": BOT,
        "app_id": APP,
        "bot_profile": {
            "id": BOT,
            "app_id": APP,
            "user_id": BOT_USER,
            "name": BOT_NAME,
            "icons": {},
            "deleted": False,
            "updated": 0,
            "team_id": TEAM,
        },
    }
