"""People, choices, and who did what."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    Boolean,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.store.tables.base import Base, Json, key, now


class Member(Base):
    """What Slack says about a person, kept for an hour; PII scrubbing needs the names."""

    __tablename__ = "members"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    team_id: Mapped[str | None]
    name: Mapped[str]
    real_name: Mapped[str | None]
    is_admin: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    is_guest: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    is_foreign: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    deleted: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    refreshed_at: Mapped[dt.datetime] = now()


class Setting(Base):
    """A choice made in Slack or on the command line; scope is ``workspace`` or a channel's id."""

    __tablename__ = "settings"

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    updated_by: Mapped[str | None]
    updated_at: Mapped[dt.datetime] = now()


class Audit(Base):
    """Who did what to whom: forgetting, approving, promoting, rolling back."""

    __tablename__ = "audit"

    id: Mapped[int] = key()
    at: Mapped[dt.datetime] = now()
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[Json] = mapped_column(server_default=sql("'{}'"), default=dict)
