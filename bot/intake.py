"""Pure: which of Slack's messages are meant for the bot, and what they are to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from bot.wording import mentions

Json = dict[str, Any]
Kind = Literal["ignore", "mention", "dm", "thread", "plain", "edit", "delete", "converted"]

# A message of a person's; every other subtype is Slack telling that something happened.
_SAID = frozenset({None, "file_share", "thread_broadcast", "me_message"})
_CONVERTED = frozenset({"channel_convert_to_private", "channel_convert_to_public"})


def classify(event: Mapping[str, Any], bot_user: str) -> Kind:
    """What a ``message`` or ``app_mention`` event is.

    ``thread`` and ``plain`` are meant for the bot only if it takes part in the thread, or the
    channel is a source; that stands in the database.
    """
    subtype = event.get("subtype")
    if subtype in _CONVERTED:
        return "converted"
    if subtype == "message_changed":
        message = event.get("message") or {}
        return "ignore" if _own(message, bot_user) or _same(event) else "edit"
    if subtype == "message_deleted":
        return "ignore" if _own(event.get("previous_message") or {}, bot_user) else "delete"
    if subtype not in _SAID or _own(event, bot_user) or not event.get("user"):
        return "ignore"
    if event.get("type") == "app_mention":
        return "mention"
    if event.get("channel_type") == "im":
        return "dm"
    if mentions(str(event.get("text") or ""), bot_user):
        return "mention"
    threaded = event.get("thread_ts") and event.get("thread_ts") != event.get("ts")
    return "thread" if threaded else "plain"


def question(event: Mapping[str, Any], surface: str, team_id: str) -> Json:
    """What an answering thread needs of a message, and no more."""
    return {
        "surface": surface,
        "user": event["user"],
        "team": event.get("user_team") or event.get("team") or team_id,
        "channel": event["channel"],
        "ts": event["ts"],
        "thread_ts": event.get("thread_ts"),
        "text": event.get("text") or "",
        "files": [str(file["id"]) for file in event.get("files") or [] if file.get("id")],
    }


def edit(event: Mapping[str, Any]) -> Json:
    """What is needed of an edited message; ``gone`` where only its replies are left of it."""
    message = event["message"]
    return {
        "user": message.get("user"),
        "channel": event["channel"],
        "ts": message["ts"],
        "thread_ts": message.get("thread_ts"),
        "text": message.get("text") or "",
        "gone": message.get("subtype") == "tombstone",
        "edited": (message.get("edited") or {}).get("ts") or event.get("ts"),
    }


def delete(event: Mapping[str, Any]) -> Json:
    """What is needed of a deleted message."""
    previous = event.get("previous_message") or {}
    return {
        "channel": event["channel"],
        "ts": event.get("deleted_ts") or previous.get("ts"),
        "thread_ts": previous.get("thread_ts"),
    }


def message_key(team_id: str, event: Mapping[str, Any]) -> str:
    """One key however often, and under whatever event type, a message is told."""
    return f"{team_id}:{event['channel']}:{event['ts']}"


def _own(message: Mapping[str, Any], bot_user: str) -> bool:
    return message.get("user") == bot_user or bool(message.get("bot_id"))


def _same(event: Mapping[str, Any]) -> bool:
    """Slack tells of an unfurled link, or of a reply, as a change of the message itself."""
    message, previous = event.get("message") or {}, event.get("previous_message") or {}
    return bool(previous) and message.get("text") == previous.get("text")
