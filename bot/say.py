"""What handlers say outside of an answer: through the outbox, so that it is said once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks.text import plain, shorten
from bot.deps import Deps
from models.store import outbox
from models.store.session import transaction
from models.store.tables import Event, Outbox, Question


def say(
    deps: Deps, *, key: str, destination: Mapping[str, Any], payload: Mapping[str, Any]
) -> None:
    """Post once under ``key``; saying the same again changes nothing."""
    with transaction(deps.sessions) as session:
        standing = session.scalars(select(Outbox).where(Outbox.key == key)).first()
        if standing is None or standing.payload != payload:
            outbox.put(session, key=key, destination=destination, payload=payload)


def text(deps: Deps, event: Event, name: str, destination: Mapping[str, Any], words: str) -> None:
    """Plain words about an event; ``name`` tells one message about it from another."""
    payload = {"kind": "text", "text": words}
    say(deps, key=f"event:{event.id}:{name}", destination=destination, payload=payload)


def wait_until_sent(deps: Deps, key: str, *, timeout_s: float) -> tuple[str, str] | None:
    """Channel and timestamp of a message in the outbox once it stands in Slack; none if it takes
    longer."""
    until = time.monotonic() + timeout_s
    while True:
        with deps.sessions() as session:
            row = session.scalars(select(Outbox).where(Outbox.key == key)).first()
        if row is not None and row.slack_channel and row.slack_ts:
            return row.slack_channel, row.slack_ts
        if time.monotonic() > until:
            return None
        time.sleep(0.05)


def safe(words: str) -> str:
    """Other people's words for mrkdwn of ours, cut short."""
    return plain(shorten(words, 150))


def asked_as(session: Session, event_id: int) -> tuple[str, str] | None:
    """Channel and thread of the question that an event became, if it became one."""
    row = session.execute(
        select(Question.channel_id, Question.thread_ts).where(Question.event_id == event_id)
    ).first()
    return (row.channel_id, row.thread_ts) if row and row.channel_id and row.thread_ts else None
