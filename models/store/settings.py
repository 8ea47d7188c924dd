"""Choices that people make in Slack or on the command line, per workspace or channel."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store.tables import Setting

WORKSPACE = "workspace"


def get(session: Session, scope: str, key: str, default: Any = None) -> Any:
    """The value chosen for ``scope`` (``workspace`` or a channel's id), or ``default``."""
    found = session.execute(
        select(Setting.value).where(Setting.scope == scope, Setting.key == key)
    ).first()
    return found.value if found is not None else default


def for_channel(session: Session, channel_id: str | None, key: str, default: Any = None) -> Any:
    """The channel's own choice, else the workspace's, else ``default``."""
    if channel_id is None:
        return get(session, WORKSPACE, key, default)
    own = get(session, channel_id, key)
    return own if own is not None else get(session, WORKSPACE, key, default)


def set(session: Session, scope: str, key: str, value: Any, *, by: str | None = None) -> None:
    """Choose ``value`` (anything that JSON holds); ``by`` is the Slack user id of who chose."""
    row = insert(Setting).values(scope=scope, key=key, value=value, updated_by=by)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Setting.scope, Setting.key],
            set_={"value": row.excluded.value, "updated_by": by, "updated_at": func.now()},
        )
    )
