"""reactions.*"""

from __future__ import annotations

import re

from bot.workspace.database import Json
from bot.workspace.posting import with_files
from bot.workspace.web_api.call import Call, Method, SlackError

_NAME = re.compile(r"^[a-z0-9_+'-]{1,100}$")


def _message(call: Call) -> tuple[str, Json]:
    channel = call.channel()
    message = call.w.messages.raw(channel, call.need("timestamp", "no_item_specified"))
    if message is None:
        raise SlackError("message_not_found")
    return channel, message


def _save(call: Call, channel: str, message: Json, kind: str, name: str) -> None:
    call.w.messages.save(channel, message)
    shown = with_files(call.w, channel, call.w.messages.get(channel, message["ts"]) or message)
    call.w.tell_members(channel, {"type": "message_changed", "message": shown})
    event = {
        "type": kind,
        "user": call.user,
        "reaction": name,
        "item_user": message["user"],
        "item": {"type": "message", "channel": channel, "ts": message["ts"]},
    }
    call.w.emit(event, channel=channel)


def _named(call: Call) -> str:
    name = call.need("name", "invalid_name").strip(":")
    if not _NAME.match(name):
        raise SlackError("invalid_name")
    return name


def add(call: Call) -> Json:
    """reactions.add."""
    channel, message = _message(call)
    if not call.w.people.is_member(channel, call.user):
        raise SlackError("not_in_channel")
    name = _named(call)
    reactions = message.setdefault("reactions", [])
    found = next((one for one in reactions if one["name"] == name), None)
    if found is None:
        found = {"name": name, "users": [], "count": 0}
        reactions.append(found)
    if call.user in found["users"]:
        raise SlackError("already_reacted")
    found["users"].append(call.user)
    found["count"] = len(found["users"])
    _save(call, channel, message, "reaction_added", name)
    return {}


def remove(call: Call) -> Json:
    """reactions.remove."""
    channel, message = _message(call)
    name = _named(call)
    found = next((one for one in message.get("reactions", []) if one["name"] == name), None)
    if found is None or call.user not in found["users"]:
        raise SlackError("no_reaction")
    found["users"].remove(call.user)
    found["count"] = len(found["users"])
    message["reactions"] = [one for one in message["reactions"] if one["count"]]
    _save(call, channel, message, "reaction_removed", name)
    return {}


def get(call: Call) -> Json:
    """reactions.get."""
    channel, message = _message(call)
    return {"type": "message", "channel": channel, "message": message}


METHODS: dict[str, Method] = {
    "reactions.add": (add, "reactions:write"),
    "reactions.remove": (remove, "reactions:write"),
    "reactions.get": (get, "reactions:read"),
}
