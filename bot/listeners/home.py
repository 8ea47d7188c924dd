"""The app's home tab, the prompts of its message pane, and who joins or leaves a channel."""

from __future__ import annotations

import logging
from typing import Any

from slack_bolt import App
from slack_sdk.errors import SlackApiError

from bot.admins import is_admin
from bot.audience import reason
from bot.blocks.home import home, suggested_prompts
from bot.deps import Deps
from bot.inbox import Handler, keep
from bot.subcommands.registry import help_text
from bot.subcommands.status import lines
from models.store.tables import Event

log = logging.getLogger(__name__)


def register(app: App, deps: Deps) -> None:
    """Keep openings of the app; forget what was cached of a channel whose people change."""

    def on_opened(event: dict[str, Any], body: dict[str, Any]) -> None:
        _keep(deps, body, event.get("user"), event.get("channel"), str(event.get("tab") or "home"))

    def on_pane(event: dict[str, Any], body: dict[str, Any]) -> None:
        thread = event.get("assistant_thread") or {}
        _keep(
            deps,
            body,
            thread.get("user_id"),
            thread.get("channel_id"),
            "messages",
            thread.get("thread_ts"),
        )

    def on_people(event: dict[str, Any]) -> None:
        channel = event.get("channel")
        channel_id = channel.get("id") if isinstance(channel, dict) else channel
        if channel_id:
            deps.directory.forget(str(channel_id))

    def on_person(event: dict[str, Any]) -> None:
        deps.directory.changed(event["user"])

    app.event("app_home_opened")(on_opened)
    app.event("user_change")(on_person)
    app.event("assistant_thread_started")(on_pane)
    for name in ("assistant_thread_context_changed", "app_context_changed"):
        app.event(name)(_nothing)
    for name in (
        "member_joined_channel",
        "member_left_channel",
        "channel_shared",
        "channel_unshared",
        "channel_rename",
    ):
        app.event(name)(on_people)


def _nothing() -> None:
    """Acknowledged; what somebody looks at changes no answer."""


def _keep(
    deps: Deps,
    body: dict[str, Any],
    user: str | None,
    channel: str | None,
    tab: str,
    thread: str | None = None,
) -> None:
    if not user:
        return
    keep(
        deps.sessions,
        team_id=str(body.get("team_id") or deps.me.team_id),
        event_id=str(body["event_id"]),
        kind="opened",
        payload={"user": user, "channel": channel, "tab": tab, "thread_ts": thread},
    )


def opened(deps: Deps, event: Event) -> None:
    """Publish the home tab, or propose questions."""
    payload = event.payload
    user = str(payload["user"])
    if payload["tab"] == "home":
        person = deps.directory.person(user)
        outsider = person.is_guest or person.is_foreign
        keys = [f"user:{user}"] if outsider else ["workspace", f"user:{user}"]
        shown = lines(deps, keys, admin=is_admin(deps, user))
        view = home(shown, help_text=help_text())
        deps.slack.views_publish(user_id=user, view=view)
    elif payload.get("channel"):
        try:
            deps.slack.assistant_threads_setSuggestedPrompts(
                channel_id=str(payload["channel"]),
                thread_ts=payload.get("thread_ts"),
                title="What would you like to know?",
                prompts=suggested_prompts(),
            )
        except SlackApiError as error:
            log.info("no prompts proposed: %s", reason(error))


def keep_quiet(deps: Deps, event: Event, sentence: str) -> None:
    """Nobody asked for anything; the log has it."""
    log.warning("event %d: %s", event.id, sentence)


HANDLERS: dict[str, Handler] = {"opened": Handler(opened, keep_quiet)}
