"""What happens when a message appears, changes or goes: rows, pages, the app's events."""

from __future__ import annotations

from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.mrkdwn import mentioned
from bot.workspace.people import author_fields
from bot.workspace.seed import BOT_USER, TEAM

_CHANNEL_TYPES = {"channel": "channel", "group": "group", "im": "im", "mpim": "mpim"}


def _place(w: Workspace, channel: str) -> Json:
    return {"channel": channel, "channel_type": _CHANNEL_TYPES[w.people.kind(channel)]}


def post(w: Workspace, channel: str, author: str, message: Json) -> Json:
    """Store a message (``text`` and what else it has; not ``ts``) and tell everyone. Returns it."""
    person = w.people.user(author)
    stored: Json = (
        {"type": "message"} | author_fields(author) | {"ts": w.messages.next_ts()} | message
    )
    if person is not None:
        stored["team"] = person["team_id"]
    if stored.get("thread_ts"):
        parent = w.messages.raw(channel, stored["thread_ts"])
        stored["parent_user_id"] = parent["user"] if parent else ""
    w.messages.add(channel, stored)
    for file in stored.get("files", []):
        w.files.share(file["id"], channel, stored["ts"])
    w.people.mark(channel, author, stored["ts"])
    announce(w, channel, stored)
    clear_status(w, channel, author, stored.get("thread_ts"))
    return stored


def announce(w: Workspace, channel: str, stored: Json) -> None:
    """Tell pages and the app of a new message."""
    shown = with_files(w, channel, stored)
    w.tell_members(channel, {"type": "message", "message": shown})
    event = shown | _place(w, channel) | {"event_ts": stored["ts"]}
    w.emit(event, channel=channel)
    kind = w.people.kind(channel)
    if (
        kind != "im"
        and stored["user"] != BOT_USER
        and BOT_USER in mentioned(stored.get("text", ""))
    ):
        plain = {
            key: value for key, value in event.items() if key not in ("channel_type", "subtype")
        }
        w.emit(plain | {"type": "app_mention"}, channel=channel)


def with_files(w: Workspace, channel: str, message: Json) -> Json:
    """A message with its files as they are now; a deleted one leaves a tombstone."""
    if "files" not in message:
        return message
    files = [
        w.file(file["id"], channel) or {"id": file["id"], "mode": "tombstone"}
        for file in message["files"]
    ]
    return message | {"files": files}


def change(w: Workspace, channel: str, before: Json, after: Json, *, quiet: bool = False) -> None:
    """Store a changed message and tell everyone; ``quiet`` leaves the app out."""
    w.messages.save(channel, after)
    shown = with_files(w, channel, w.messages.get(channel, after["ts"]) or after)
    w.tell_members(channel, {"type": "message_changed", "message": shown})
    if quiet:
        return
    ts = w.messages.next_ts()
    event = {
        "type": "message",
        "subtype": "message_changed",
        "message": shown | {"source_team": TEAM, "user_team": TEAM},
        "previous_message": with_files(w, channel, before),
        "hidden": True,
        "ts": ts,
        "event_ts": ts,
    }
    w.emit(event | _place(w, channel), channel=channel)


def remove(w: Workspace, channel: str, message: Json) -> None:
    """Delete a message; one with replies leaves a tombstone. Its files are unshared."""
    ts = message["ts"]
    before = with_files(w, channel, message)
    if w.messages.reply_count(channel, ts):
        tombstone = {
            "type": "message",
            "subtype": "tombstone",
            "text": "This message was deleted.",
            "user": "USLACKBOT",
            "hidden": True,
            "ts": ts,
        }
        change(w, channel, message, tombstone)
    else:
        w.messages.delete(channel, ts)
        w.tell_members(
            channel, {"type": "message_deleted", "ts": ts, "thread_ts": message.get("thread_ts")}
        )
        stamp = w.messages.next_ts()
        event = {
            "type": "message",
            "subtype": "message_deleted",
            "deleted_ts": ts,
            "previous_message": before,
            "hidden": True,
            "ts": stamp,
            "event_ts": stamp,
        }
        w.emit(event | _place(w, channel), channel=channel)
    w.interim.end_stream(channel, ts)
    for file in message.get("files", []):
        w.files.unshare(file["id"], channel, ts)
        event = {"type": "file_unshared", "file_id": file["id"], "file": {"id": file["id"]}}
        w.emit(event | {"channel_id": channel, "user_id": message["user"]}, channel=channel)


def whisper(w: Workspace, channel: str, user: str, message: Json) -> Json:
    """Show a message to one person alone. Returns it."""
    stored: Json = (
        {"type": "message"}
        | author_fields(BOT_USER)
        | {"ts": w.messages.next_ts(), "is_ephemeral": True}
        | message
    )
    w.messages.add_ephemeral(user, channel, stored)
    w.tell(user, {"type": "ephemeral", "channel": channel, "message": stored})
    return stored


def clear_status(w: Workspace, channel: str, author: str, thread: str | None) -> None:
    """The bot's answer ends its status line."""
    if author == BOT_USER and w.statuses.pop((channel, thread or ""), None) is not None:
        w.tell_members(channel, {"type": "status", "thread_ts": thread or "", "status": ""})


def joined(w: Workspace, channel: str, user: str, inviter: str | None = None) -> None:
    """Tell everyone of a new member."""
    event: Json = {
        "type": "member_joined_channel",
        "user": user,
        "channel": channel,
        "channel_type": "C" if w.people.kind(channel) == "channel" else "G",
        "team": TEAM,
    }
    if inviter:
        event["inviter"] = inviter
    w.tell_members(channel, {"type": "members"})
    w.tell(user, {"type": "channels"})
    w.emit(event, channel=channel)
