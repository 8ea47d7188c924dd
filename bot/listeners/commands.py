"""``/phi3``: acknowledged at once to whoever typed it, worked off from the inbox."""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import Any

from slack_bolt import Ack, App

from bot import replies, say
from bot.admins import is_admin
from bot.blocks.text import escape
from bot.deps import Deps
from bot.inbox import Handler, Refused, keep
from bot.replies import Ask
from bot.subcommands.base import Command
from bot.subcommands.registry import find, help_text, unknown_text
from bot.whisper import whisper
from models.store.tables import Event

log = logging.getLogger(__name__)

RECEIPT_S = 0.3  # in which the acknowledgement reaches Slack


def register(app: App, deps: Deps) -> None:
    """Listen to the one slash command."""

    def on_command(ack: Ack, body: dict[str, Any]) -> None:
        words = str(body.get("text") or "").strip()
        if not words or words.lower() == "help":
            ack(text=help_text())
            return
        found = find(words)
        if found is None:
            ack(text=unknown_text(words.split()[0]))
            return
        subcommand, rest = found
        if subcommand.needs_text and not rest:
            ack(text=f"`/phi3 {subcommand.name} {subcommand.usage}`: {subcommand.summary}.")
            return
        if rest and not subcommand.usage:
            ack(text=f"`/phi3 {subcommand.name}` takes no other words: {subcommand.summary}.")
            return
        keep(
            deps.sessions,
            team_id=str(body.get("team_id") or deps.me.team_id),
            event_id=str(body["trigger_id"]),
            kind="command",
            payload={
                "words": words,
                "user": body["user_id"],
                "team": body.get("team_id") or deps.me.team_id,
                "channel": body["channel_id"],
                "response_url": body.get("response_url"),
            },
        )
        ack(text=subcommand.receipt)

    app.command("/phi3")(on_command)


def run(deps: Deps, event: Event) -> None:
    """Carry the subcommand out."""
    payload = event.payload
    found = find(str(payload["words"]))
    if found is None:  # the version that kept it knew more
        raise Refused("I do not know this command any more: `/phi3 help` lists what I can do.")
    subcommand, rest = found
    if subcommand.name != "ask":
        _after_the_receipt(event)
    user = str(payload["user"])
    if subcommand.admins_only and not is_admin(deps, user):
        raise Refused("This is for admins only.")
    subcommand.run(
        deps,
        Command(
            event=event,
            rest=rest,
            user_id=user,
            team_id=str(payload["team"]),
            channel_id=str(payload["channel"]),
        ),
    )


def _after_the_receipt(event: Event) -> None:
    """The row is committed before Slack is acknowledged; a quick outcome would come first."""
    age = (dt.datetime.now(dt.UTC) - event.created_at).total_seconds()
    time.sleep(min(max(RECEIPT_S - age, 0.0), RECEIPT_S))


def tell(deps: Deps, event: Event, sentence: str) -> None:
    """Say it where an answer was begun, else to whoever typed the command."""
    with deps.sessions() as session:
        asked = say.asked_as(session, event.id)
    if asked is not None:
        channel, thread = asked
        ask = Ask(
            text="",
            surface="command",
            user_id=str(event.payload["user"]),
            team_id=str(event.payload["team"]),
            channel_id=channel,
            thread_ts=thread,
            message_ts=thread,
        )
        if not replies.failed(deps, event, ask, sentence):
            place = {"channel": channel, "thread_ts": thread}
            say.text(deps, event, "told", place, sentence)
        return
    whisper(deps, event, escape(sentence))


HANDLERS: dict[str, Handler] = {"command": Handler(run, tell)}
