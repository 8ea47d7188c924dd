"""What arrives from Slack, and what goes back."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    CheckConstraint,
    Index,
    Integer,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from models.store.tables.base import Base, Json, Lease, key, now, states


class Event(Lease, Base):
    """The durable inbox: one row per thing Slack told us, however often it is retried."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("team_id", "event_id"),
        CheckConstraint(states("pending", "claimed", "done", "failed"), name="events_state"),
        Index("events_open", "id", postgresql_where=sql("state IN ('pending', 'claimed')")),
        Index(
            "events_message_key",
            "message_key",
            unique=True,
            postgresql_where=sql("message_key IS NOT NULL"),
        ),
    )

    id: Mapped[int] = key()
    team_id: Mapped[str]
    event_id: Mapped[str]  # outer event_id; trigger_id for commands and actions
    kind: Mapped[str]  # mention, message, command, action, view, file_shared, ...
    message_key: Mapped[str | None]  # team:channel:ts, so that a mention seen twice is one row
    payload: Mapped[Json]  # blanked to {} a day after the row is done
    state: Mapped[str] = mapped_column(server_default="pending", default="pending")
    error: Mapped[str | None]
    error_id: Mapped[str | None]
    created_at: Mapped[dt.datetime] = now()
    finished_at: Mapped[dt.datetime | None]


class Outbox(Lease, Base):
    """What workers want said in Slack. The bot posts it, or updates what it posted."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(states("pending", "claimed", "sent", "failed"), name="outbox_state"),
        Index("outbox_open", "id", postgresql_where=sql("state IN ('pending', 'claimed')")),
    )

    id: Mapped[int] = key()
    key: Mapped[str] = mapped_column(unique=True)  # one key, one Slack message, updated in place
    destination: Mapped[Json]  # {"channel": C, "thread_ts"?: ts} or {"user": U} or {"admins": true}
    payload: Mapped[Json]  # {"kind": name of a renderer in bot.blocks, ...its arguments}
    version: Mapped[int] = mapped_column(Integer, server_default="1", default=1)
    sent_version: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    slack_channel: Mapped[str | None]
    slack_ts: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="pending", default="pending")
    error: Mapped[str | None]
    not_before: Mapped[dt.datetime | None]  # rate limit: do not post earlier than this
    created_at: Mapped[dt.datetime] = now()
    sent_at: Mapped[dt.datetime | None]
