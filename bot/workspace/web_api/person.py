"""_workspace.*: what a person does in Slack's own client, for the page and for tests."""

from __future__ import annotations

import re
import time

from bot.workspace.database import Json
from bot.workspace.interactions import Refused, action_of
from bot.workspace.posting import with_files
from bot.workspace.seed import BOT_USER, COMMAND
from bot.workspace.view_state import find_element, missing
from bot.workspace.web_api.call import Call, Method, SlackError
from bot.workspace.web_api.views import put

_COMMAND = re.compile(r"^/[a-z0-9_-]{1,32}$")


async def command(call: Call) -> Json:
    """_workspace.command."""
    channel = call.member_channel()
    word = call.need("command")
    if not _COMMAND.match(word):
        raise SlackError("invalid_command")
    if word != COMMAND:
        raise SlackError("unknown_command")
    try:
        answer = await call.interactions.command(call.user, channel, word, call.text("text"))
    except Refused as refused:
        raise SlackError(str(refused)) from None
    return {"response": answer}


async def act(call: Call) -> Json:
    """_workspace.action."""
    action_id = call.need("action_id")
    value: object = call.arguments.get("value")
    if isinstance(value, str) and value.startswith("["):
        value = call.nested("value")
    view_id, channel = call.text("view_id"), ""
    if view_id:
        holder = _own_view(call, view_id)
    else:
        channel = call.channel()
        ts = call.need("ts", "message_not_found")
        own = call.w.messages.ephemeral(call.user, channel, ts)
        found = own or call.w.messages.get(channel, ts)
        if found is None:
            raise SlackError("message_not_found")
        holder = with_files(call.w, channel, found)
    pressed = find_element(holder.get("blocks", []), action_id, call.text("block_id") or None)
    if pressed is None:
        raise SlackError("action_not_found")
    action = action_of(pressed[0], pressed[1], value)
    try:
        if view_id:
            values = call.nested("values") or {}
            await call.interactions.press_in_view(call.user, holder, action, values)
        else:
            await call.interactions.press(call.user, holder, channel, action)
    except Refused as refused:
        raise SlackError(str(refused)) from None
    return {}


def _own_view(call: Call, view_id: str) -> Json:
    found = call.w.interim.view(view_id)
    if found is None or found[0] != call.user:
        raise SlackError("not_found")
    return found[1]


def views(call: Call) -> Json:
    """_workspace.views."""
    return {"views": call.w.interim.modals(call.user)}


async def submit(call: Call) -> Json:
    """_workspace.view.submit: mistakes come back as ``errors`` by block id."""
    view = _own_view(call, call.need("view_id"))
    values = call.nested("values") or {}
    problems = missing(view, values)
    if problems:
        return {"errors": problems}
    try:
        return await call.interactions.submit(
            call.user,
            view,
            values,
            lambda fresh, change, old: put(call.w, call.user, fresh, change, old),
        )
    except Refused as refused:
        raise SlackError(str(refused)) from None


async def close(call: Call) -> Json:
    """_workspace.view.close."""
    view = _own_view(call, call.need("view_id"))
    try:
        await call.interactions.closed(call.user, view)
    except Refused as refused:
        raise SlackError(str(refused)) from None
    return {}


def home(call: Call) -> Json:
    """_workspace.home: the app hears app_home_opened."""
    tab = call.text("tab", "home")
    if tab not in ("home", "messages"):
        raise SlackError("invalid_arguments")
    channel = call.w.people.open_direct(call.user, frozenset({call.user, BOT_USER}))
    view = call.w.interim.home(call.user)
    event: Json = {"type": "app_home_opened", "user": call.user, "channel": channel, "tab": tab}
    call.w.emit(event | ({"view": view} if view and tab == "home" else {}))
    return {"channel": channel, "view": view}


def ephemerals(call: Call) -> Json:
    """_workspace.ephemerals."""
    return {"messages": call.w.messages.ephemerals(call.user, call.channel())}


def boot(call: Call) -> Json:
    """_workspace.boot: people, places with what is unread, open modals, running statuses."""
    w, people = call.w, call.w.people
    with w.transaction():
        people.open_direct(call.user, frozenset({call.user, BOT_USER}))
    places = []
    for channel in people.channels():
        if not people.can_see(channel, call.user):
            continue
        body = people.channel_object(channel, call.user)
        member = people.is_member(channel, call.user)
        last_read = people.last_read(channel, call.user)
        unread, latest = w.messages.unread(channel, call.user, last_read) if member else (0, "0")
        places.append(
            body
            | {
                "kind": people.kind(channel),
                "is_member": member,
                "members": people.members(channel),
            }
            | {"last_read": last_read, "unread_count": unread, "latest": latest}
            | {"prompts": w.interim.prompts(channel)}
        )
    now = time.time()
    statuses = [
        {"channel": channel} | status
        for (channel, _), status in w.statuses.items()
        if status["until"] > now and people.is_member(channel, call.user)
    ]
    return {
        "me": call.user,
        "team": w.team,
        "bot_user": BOT_USER,
        "users": [user for user in people.users() if people.can_see_user(call.user, user["id"])],
        "channels": places,
        "modals": w.interim.modals(call.user),
        "home": w.interim.home(call.user),
        "statuses": statuses,
    }


METHODS: dict[str, Method] = {
    "_workspace.command": (command, ""),
    "_workspace.action": (act, ""),
    "_workspace.views": (views, ""),
    "_workspace.view.submit": (submit, ""),
    "_workspace.view.close": (close, ""),
    "_workspace.home": (home, ""),
    "_workspace.ephemerals": (ephemerals, ""),
    "_workspace.boot": (boot, ""),
}
