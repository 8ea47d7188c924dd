"""conversations.*"""

from __future__ import annotations

import base64
import binascii

from bot.workspace.database import Json
from bot.workspace.posting import joined, with_files
from bot.workspace.seed import BOT_USER
from bot.workspace.web_api.call import Call, Method, SlackError

_KINDS = {"channel": "public_channel", "group": "private_channel", "im": "im", "mpim": "mpim"}
END_OF_TIME = "9999999999.999999"


def cursor_of(word: str) -> str:
    """An opaque cursor."""
    return base64.b64encode(word.encode()).decode()


def word_of(call: Call) -> str:
    """What a given cursor stands for; empty without one."""
    cursor = call.text("cursor")
    if not cursor:
        return ""
    try:
        return base64.b64decode(cursor, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise SlackError("invalid_cursor") from None


def page_of(call: Call, items: list[str], default: int = 100) -> tuple[list[str], Json]:
    """One page of a list of ids, and the ``response_metadata`` of the answer."""
    limit = call.number("limit", default, most=1000)
    word = word_of(call)
    start = int(word) if word.isdigit() else 0
    after = start + limit
    following = cursor_of(str(after)) if after < len(items) else ""
    return items[start:after], {"next_cursor": following}


def _listed(call: Call, channels: list[str]) -> Json:
    wanted = {kind.strip() for kind in call.text("types", "public_channel").split(",")}
    if not wanted <= set(_KINDS.values()):
        raise SlackError("invalid_types")
    kept = [channel for channel in channels if _KINDS[call.w.people.kind(channel)] in wanted]
    shown, metadata = page_of(call, kept)
    objects = [call.w.people.channel_object(channel, call.user) for channel in shown]
    return {"channels": objects, "response_metadata": metadata}


def list_all(call: Call) -> Json:
    """conversations.list."""
    people = call.w.people
    return _listed(call, [one for one in people.channels() if people.can_see(one, call.user)])


def of_user(call: Call) -> Json:
    """users.conversations: where a user is, as far as the caller may see."""
    people = call.w.people
    user = call.text("user") or call.user
    if not people.can_see_user(call.user, user):
        raise SlackError("user_not_found")
    both = [
        one
        for one in people.channels()
        if people.is_member(one, user) and people.can_see(one, call.user)
    ]
    return _listed(call, both)


def info(call: Call) -> Json:
    """conversations.info."""
    channel = call.channel()
    found = call.w.people.channel_object(channel, call.user)
    if not call.flag("include_num_members"):
        found.pop("num_members", None)
    found["last_read"] = call.w.people.last_read(channel, call.user)
    return {"channel": found}


def members(call: Call) -> Json:
    """conversations.members."""
    shown, metadata = page_of(call, call.w.people.members(call.channel()))
    return {"members": shown, "response_metadata": metadata}


def _readable(call: Call) -> str:
    """Bots read only where they are; people also public channels."""
    return call.member_channel() if call.is_bot else call.channel()


def _window(call: Call, default: int) -> tuple[str, str, bool, int]:
    latest = call.text("latest") or END_OF_TIME
    oldest = call.text("oldest") or "0"
    return oldest, latest, call.flag("inclusive"), call.number("limit", default, most=999)


def history(call: Call) -> Json:
    """conversations.history, newest first."""
    channel = _readable(call)
    oldest, latest, inclusive, limit = _window(call, 100)
    word = word_of(call)
    if word:
        latest, inclusive = word.removeprefix("before:"), False
    found, more = call.w.messages.history(
        channel, oldest=oldest, latest=latest, inclusive=inclusive, limit=limit
    )
    following = cursor_of(f"before:{found[-1]['ts']}") if more else ""
    shown = [with_files(call.w, channel, message) for message in found]
    return {
        "messages": shown,
        "has_more": more,
        "pin_count": 0,
        "response_metadata": {"next_cursor": following},
    }


def replies(call: Call) -> Json:
    """conversations.replies: the thread of any message in it."""
    channel = _readable(call)
    asked = call.w.messages.raw(channel, call.need("ts", "thread_not_found"))
    if asked is None:
        raise SlackError("thread_not_found")
    oldest, latest, inclusive, limit = _window(call, 1000)
    word = word_of(call)
    if word:
        oldest, inclusive = word.removeprefix("after:"), False
    thread = str(asked.get("thread_ts") or asked["ts"])
    found, more = call.w.messages.replies(
        channel, thread, oldest=oldest, latest=latest, inclusive=inclusive, limit=limit
    )
    following = cursor_of(f"after:{found[-1]['ts']}") if more else ""
    shown = [with_files(call.w, channel, message) for message in found]
    return {"messages": shown, "has_more": more, "response_metadata": {"next_cursor": following}}


def open_direct(call: Call) -> Json:
    """conversations.open."""
    people = call.w.people
    given = call.text("channel")
    if given:
        channel = call.channel()
    else:
        users = (
            call.nested("users")
            if call.text("users").startswith("[")
            else call.text("users").split(",")
        )
        wanted = frozenset(str(user).strip() for user in users or [] if str(user).strip())
        if not wanted:
            raise SlackError("users_list_not_supplied")
        if not all(people.can_see_user(call.user, user) for user in wanted):
            raise SlackError("user_not_found")
        channel = people.direct(wanted | {call.user}) or ""
        if channel:
            return _opened(call, channel, already=True)
        channel = people.open_direct(call.user, wanted | {call.user})
        for user in wanted | {call.user}:
            call.w.tell(user, {"type": "channels"})
    return _opened(call, channel, already=False)


def _opened(call: Call, channel: str, *, already: bool) -> Json:
    full = call.flag("return_im")
    found = call.w.people.channel_object(channel, call.user) if full else {"id": channel}
    return {"channel": found} | ({"no_op": True, "already_open": True} if already else {})


def join(call: Call) -> Json:
    """conversations.join: public channels."""
    channel = call.channel()
    if call.w.people.kind(channel) != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    warning: Json = {}
    if call.w.people.join(channel, call.user):
        joined(call.w, channel, call.user)
    else:
        warning = {
            "warning": "already_in_channel",
            "response_metadata": {"warnings": ["already_in_channel"]},
        }
    return {"channel": call.w.people.channel_object(channel, call.user)} | warning


def invite(call: Call) -> Json:
    """conversations.invite: by a member."""
    channel = call.member_channel()
    users = [user.strip() for user in call.need("users", "no_user").split(",")]
    for user in users:
        if call.w.people.user(user) is None:
            raise SlackError("user_not_found")
        if user != BOT_USER and call.w.people.is_outsider(user):
            raise SlackError("ura_max_channels")
        if not call.w.people.join(channel, user):
            raise SlackError("already_in_channel")
        joined(call.w, channel, user, call.user)
    return {"channel": call.w.people.channel_object(channel, call.user)}


def leave(call: Call) -> Json:
    """conversations.leave."""
    channel = call.channel()
    if not call.w.people.leave(channel, call.user):
        return {"not_in_channel": True}
    call.w.tell(call.user, {"type": "channels"})
    call.w.tell_members(channel, {"type": "members"})
    return {}


def mark(call: Call) -> Json:
    """conversations.mark."""
    channel = call.member_channel()
    call.w.people.mark(channel, call.user, call.need("ts", "invalid_timestamp"))
    call.w.tell(call.user, {"type": "read", "channel": channel, "ts": call.text("ts")})
    return {}


METHODS: dict[str, Method] = {
    "conversations.list": (list_all, "channels:read"),
    "conversations.info": (info, "channels:read"),
    "conversations.members": (members, "channels:read"),
    "conversations.history": (history, "channels:history"),
    "conversations.replies": (replies, "channels:history"),
    "conversations.open": (open_direct, "im:write"),
    "conversations.join": (join, "channels:join"),
    "conversations.invite": (invite, "channels:manage"),
    "conversations.leave": (leave, "channels:manage"),
    "conversations.mark": (mark, "channels:manage"),
    "users.conversations": (of_user, "channels:read"),
}
