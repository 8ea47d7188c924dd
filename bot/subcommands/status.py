"""``/phi3 status``: what runs, what is known, what waits."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import text as sql

from bot.admins import is_admin
from bot.answering import EXTRACTIVE
from bot.blocks.text import escape
from bot.deps import Deps
from bot.subcommands.base import Command, Subcommand, audience
from bot.whisper import whisper
from models.lm.client import ModelError
from models.store import adapters, pairs, questions

_COUNTS = sql(
    """
    SELECT count(*) FILTER (WHERE state = 'ready') AS ready,
           count(*) FILTER (WHERE state IN ('pending', 'processing')) AS waiting,
           count(*) FILTER (WHERE state = 'failed') AS failed
    FROM documents WHERE state <> 'deleted' AND audience = ANY(:keys)
    """
)


def lines(deps: Deps, keys: list[str], *, admin: bool = False) -> list[str]:
    """The state of things in mrkdwn, for somebody who may see ``keys``; more for an admin."""
    try:
        base = deps.reader.base()
        model = (
            "quoting the sources; no language model is set up"
            if base.id == EXTRACTIVE
            else escape(base.id.rstrip("/").rsplit("/", 1)[-1])
        )
        state = f":large_green_circle: Answers come from: {model}"
    except ModelError:
        state = ":red_circle: The model server does not answer; questions wait until it does"
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=7)
    with deps.sessions() as session:
        live = adapters.live(session)
        counts = session.execute(_COUNTS, {"keys": keys}).one()
        week = questions.activity(session, since=since)
        proposed = pairs.waiting(session) if admin else 0
    learned = f"Adapter in service: {escape(live.name)}" if live else "No adapter is in service"
    documents = f"Documents that you may see here: {counts.ready} ready"
    if counts.waiting:
        documents += f", {counts.waiting} waiting"
    if counts.failed:
        documents += f", {counts.failed} could not be read (`/phi3 sources`)"
    shown = [
        state,
        learned,
        documents,
        f"Last seven days: {week.questions} answer{'s' if week.questions != 1 else ''}, "
        f"{week.refused} of them “I don't know”, "
        f"{week.up} :thumbsup: {week.down} :thumbsdown:",
    ]
    if proposed:
        shown.append(f"Answers that wait for an admin's decision: {proposed} (`/phi3 pairs`)")
    return shown


def run(deps: Deps, command: Command) -> None:
    """Show it to whoever asked."""
    keys = audience(deps, command).sorted_keys()
    shown = lines(deps, keys, admin=is_admin(deps, command.user_id))
    whisper(deps, command.event, "\n".join(shown))


SUBCOMMANDS = [
    Subcommand(
        name="status",
        usage="",
        summary="What runs, what is known, what waits",
        run=run,
        receipt="One moment.",
    )
]
