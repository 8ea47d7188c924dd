"""Files over their life in Slack."""

from __future__ import annotations

import logging
from typing import Any

from slack_bolt import App

from bot import say
from bot.deps import Deps
from bot.files import follow
from bot.inbox import Handler, Later, Refused, keep
from bot.settings import ATTEMPTS
from models.store.tables import Event

log = logging.getLogger(__name__)


def register(app: App, deps: Deps) -> None:
    """Keep every turn in a file's life; they are rare and each may concern a document."""

    def on_file(event: dict[str, Any], body: dict[str, Any]) -> None:
        kind = str(event["type"])
        file_id = event.get("file_id") or (event.get("file") or {}).get("id")
        user = event.get("user_id") or (event.get("file") or {}).get("user")
        channel = event.get("channel_id")
        if not file_id or (kind == "file_shared" and (user == deps.me.user_id or not channel)):
            return
        keep(
            deps.sessions,
            team_id=str(body.get("team_id") or deps.me.team_id),
            event_id=str(body["event_id"]),
            kind=kind,
            payload={"file": str(file_id), "user": user, "channel": channel},
        )
        if kind == "file_deleted":  # a question that comes next may be answered beside the event
            follow.hide(deps, file_id=str(file_id))

    for name in ("file_shared", "file_change", "file_deleted", "file_unshared"):
        app.event(name)(on_file)


def shared(deps: Deps, event: Event) -> None:
    """Take it in, and say in its thread what comes of it."""
    payload = event.payload
    try:
        follow.shared(
            deps,
            file_id=str(payload["file"]),
            channel_id=str(payload["channel"]),
            user_id=str(payload.get("user") or ""),
        )
    except follow.NotShared as error:
        if event.attempts < ATTEMPTS:
            raise Later(str(error), 2.0 * event.attempts) from error
        raise Refused("Slack does not show it here, or not any more.") from error


def changed(deps: Deps, event: Event) -> None:
    """Read it again."""
    follow.changed(deps, file_id=str(event.payload["file"]))


def deleted(deps: Deps, event: Event) -> None:
    """Take it away."""
    follow.deleted(deps, file_id=str(event.payload["file"]))


def unshared(deps: Deps, event: Event) -> None:
    """Take it away from those who no longer have it."""
    follow.unshared(deps, file_id=str(event.payload["file"]))


def tell(deps: Deps, event: Event, sentence: str) -> None:
    """Only a share has somebody who waits to hear of it."""
    if event.kind == "file_shared":
        words = f"I could not take in the file that was shared here. {sentence}"
        say.text(deps, event, "told", {"channel": str(event.payload["channel"])}, words)
    else:
        log.error("%s of %s: %s", event.kind, event.payload.get("file"), sentence)


HANDLERS: dict[str, Handler] = {
    "file_shared": Handler(shared, tell),
    "file_change": Handler(changed, tell),
    "file_deleted": Handler(deleted, tell),
    "file_unshared": Handler(unshared, tell),
}
