"""auth.test, apps.connections.open, bots.info, team.info, users.*"""

from __future__ import annotations

from bot.workspace.database import Json
from bot.workspace.seed import APP, BOT, BOT_NAME, BOT_USER, TEAM, TEAM_NAME
from bot.workspace.web_api.call import Call, Method, SlackError
from bot.workspace.web_api.conversations import page_of


def auth_test(call: Call) -> Json:
    """auth.test."""
    body = call.w.people.user(call.user) or {}
    answer: Json = {
        "url": f"{call.w.url}/",
        "team": TEAM_NAME,
        "user": body.get("name", ""),
        "team_id": TEAM,
        "user_id": call.user,
        "is_enterprise_install": False,
    }
    return answer | ({"bot_id": BOT} if call.is_bot else {})


def open_connection(call: Call) -> Json:
    """apps.connections.open: a Socket Mode URL for the app token."""
    if call.socket_mode is None:
        raise SlackError("socket_mode_not_enabled")
    return {"url": call.socket_mode.open()}


def bot_info(call: Call) -> Json:
    """bots.info."""
    if call.text("bot", BOT) != BOT:
        raise SlackError("bot_not_found")
    bot = {
        "id": BOT,
        "deleted": False,
        "name": BOT_NAME,
        "updated": 0,
        "app_id": APP,
        "user_id": BOT_USER,
    }
    return {"bot": bot | {"icons": {}}}


def team_info(call: Call) -> Json:
    """team.info."""
    return {"team": call.w.team}


def user_info(call: Call) -> Json:
    """users.info."""
    return {"user": _user(call, call.need("user", "user_not_found"))}


def _user(call: Call, user: str) -> Json:
    found = call.w.people.user(user) if call.w.people.can_see_user(call.user, user) else None
    if found is None:
        raise SlackError("user_not_found")
    if call.is_bot and "users:read.email" not in call.w.scopes:
        found["profile"].pop("email", None)
    return found


def user_list(call: Call) -> Json:
    """users.list."""
    people = call.w.people
    seen = [user["id"] for user in people.users() if people.can_see_user(call.user, user["id"])]
    shown, metadata = page_of(call, seen, default=1000)
    return {
        "members": [_user(call, user) for user in shown],
        "cache_ts": 0,
        "response_metadata": metadata,
    }


def user_by_email(call: Call) -> Json:
    """users.lookupByEmail."""
    email = call.need("email", "users_not_found").lower()
    for user in call.w.people.users():
        if user["profile"].get("email") == email and call.w.people.can_see_user(
            call.user, user["id"]
        ):
            return {"user": user}
    raise SlackError("users_not_found")


def profile(call: Call) -> Json:
    """users.profile.get."""
    return {"profile": _user(call, call.text("user") or call.user)["profile"]}


def presence(call: Call) -> Json:
    """users.getPresence: active while a page is open."""
    user = call.text("user") or call.user
    active = user == BOT_USER or call.w.hub.watching(user)
    return {"presence": "active" if active else "away"}


METHODS: dict[str, Method] = {
    "auth.test": (auth_test, ""),
    "apps.connections.open": (open_connection, ""),
    "bots.info": (bot_info, "users:read"),
    "team.info": (team_info, "team:read"),
    "users.info": (user_info, "users:read"),
    "users.list": (user_list, "users:read"),
    "users.lookupByEmail": (user_by_email, "users:read.email"),
    "users.profile.get": (profile, "users.profile:read"),
    "users.getPresence": (presence, "users:read"),
}
