"""views.*: modals and the home tab."""

from __future__ import annotations

import secrets

from bot.workspace.block_elements import Problems, check_text
from bot.workspace.block_kit import numbered, problems_of
from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.interim import new_view_id
from bot.workspace.seed import APP, BOT, TEAM
from bot.workspace.web_api.call import Call, Method, SlackError
from bot.workspace.web_api.chat import block_id

STACK = 3


def checked(view: object, kind: str) -> Json:
    """A valid view of a kind, with ids on its blocks; raises ``invalid_arguments``."""
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments")
    problems = Problems()
    if view.get("type") != kind:
        problems.add(f"must be {kind}", "/view/type")
    surface = "modal" if kind == "modal" else "home"
    problems.found += problems_of(view.get("blocks"), surface=surface)
    if kind == "modal":
        check_text(view.get("title"), "/view/title", problems, longest=24, plain=True)
        for name in ("submit", "close"):
            if view.get(name) is not None:
                check_text(view[name], f"/view/{name}", problems, longest=24, plain=True)
        inputs = any(
            isinstance(block, dict) and block.get("type") == "input"
            for block in view.get("blocks") or []
        )
        if inputs and not view.get("submit"):
            problems.add("missing required field: submit", "/view")
    problems.string(view, "callback_id", "/view", longest=255, required=False)
    if len(str(view.get("private_metadata") or "")) > 3000:
        problems.add("must be less than 3001 characters", "/view/private_metadata")
    if problems.found:
        raise SlackError("invalid_arguments", response_metadata={"messages": problems.found})
    return view | {"blocks": numbered(view["blocks"], block_id)}


def _complete(view: Json, *, view_id: str, root: str, previous: str | None) -> Json:
    defaults: Json = {
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "title": None,
        "submit": None,
        "close": None,
        "clear_on_close": False,
        "notify_on_close": False,
        "submit_disabled": False,
    }
    fixed: Json = {
        "id": view_id,
        "team_id": TEAM,
        "app_id": APP,
        "bot_id": BOT,
        "app_installed_team_id": TEAM,
        "root_view_id": root,
        "previous_view_id": previous,
        "state": {"values": {}},
    }
    return defaults | view | fixed


def put(w: Workspace, user: str, view: object, change: str, old_id: str) -> Json:
    """Replace a modal (``update``) or lay one on top of it (``push``); returns what is stored."""
    found = w.interim.view(old_id)
    if found is None:
        raise SlackError("not_found")
    _, old = found
    good = checked(view, old["type"])
    if change == "update":
        kept = _complete(
            good, view_id=old_id, root=old["root_view_id"], previous=old["previous_view_id"]
        )
        saved = w.interim.save_view(user, old["type"], kept)
    else:
        if len(w.interim.modals(user)) >= STACK:
            raise SlackError("push_limit_reached")
        fresh = _complete(good, view_id=new_view_id(), root=old["root_view_id"], previous=old_id)
        saved = w.interim.save_view(user, "modal", fresh)
    _tell(w, user, saved)
    return saved


def _tell(w: Workspace, user: str, view: Json) -> None:
    if view["type"] == "home":
        w.tell(user, {"type": "home", "view": view})
    else:
        w.tell(user, {"type": "modals", "views": w.interim.modals(user)})


def _triggered(call: Call) -> tuple[str, str | None]:
    given = call.need("trigger_id", "invalid_arguments")
    trigger = call.w.interim.trigger(given)
    if trigger is None:
        raise SlackError("invalid_trigger_id")
    if trigger.used:
        raise SlackError("exchanged_trigger_id")
    if trigger.expired:
        raise SlackError("expired_trigger_id")
    call.w.interim.use_trigger(given)
    return trigger.user, trigger.view


def open_view(call: Call) -> Json:
    """views.open."""
    view = checked(call.nested("view"), "modal")
    user, _ = _triggered(call)
    for modal in call.w.interim.modals(user):
        call.w.interim.close_view(modal["id"])
    fresh = new_view_id()
    saved = call.w.interim.save_view(
        user, "modal", _complete(view, view_id=fresh, root=fresh, previous=None)
    )
    _tell(call.w, user, saved)
    return {"view": saved}


def push(call: Call) -> Json:
    """views.push."""
    view = checked(call.nested("view"), "modal")
    user, under = _triggered(call)
    if under is None:
        raise SlackError("not_found")
    return {"view": put(call.w, user, view, "push", under)}


def update(call: Call) -> Json:
    """views.update, by ``view_id`` or ``external_id``; a stale ``hash`` gives ``hash_conflict``."""
    external = call.text("external_id")
    view_id = call.text("view_id") or (
        call.w.interim.view_by_external_id(external) if external else ""
    )
    found = call.w.interim.view(view_id) if view_id else None
    if found is None or not view_id:
        raise SlackError("not_found")
    user, old = found
    if call.text("hash") and not secrets.compare_digest(call.text("hash"), old["hash"]):
        raise SlackError("hash_conflict")
    return {"view": put(call.w, user, call.nested("view"), "update", view_id)}


def publish(call: Call) -> Json:
    """views.publish: a person's home tab."""
    user = call.need("user_id", "invalid_arguments")
    if call.w.people.user(user) is None:
        raise SlackError("user_not_found")
    view = checked(call.nested("view"), "home")
    old = call.w.interim.home(user)
    if old and call.text("hash") and not secrets.compare_digest(call.text("hash"), old["hash"]):
        raise SlackError("hash_conflict")
    view_id = old["id"] if old else new_view_id()
    saved = call.w.interim.save_view(
        user, "home", _complete(view, view_id=view_id, root=view_id, previous=None)
    )
    _tell(call.w, user, saved)
    return {"view": saved}


METHODS: dict[str, Method] = {
    "views.open": (open_view, ""),
    "views.push": (push, ""),
    "views.update": (update, ""),
    "views.publish": (publish, ""),
}
