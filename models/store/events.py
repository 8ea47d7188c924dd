"""The durable inbox: what Slack told us, one row each, worked off under leases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.store.tables import Event

CHANNEL = "events"  # NOTIFY wakes the answering threads of every replica

_INSERT = text(
    """
    INSERT INTO events (team_id, event_id, kind, message_key, payload)
    VALUES (:team_id, :event_id, :kind, :message_key, cast(:payload AS jsonb))
    ON CONFLICT DO NOTHING
    RETURNING id
    """
)

# A pending row with a claimed_until in the future waits for its next attempt.
_CLAIM = text(
    """
    UPDATE events SET state = 'claimed', claimed_by = :worker, attempts = attempts + 1,
        claimed_until = now() + make_interval(secs => :lease_s)
    WHERE id = (
        SELECT id FROM events
        WHERE state IN ('pending', 'claimed')
          AND (claimed_until IS NULL OR claimed_until <= now())
        ORDER BY id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
    """
)

_HEARTBEAT = text(
    """
    UPDATE events SET claimed_until = now() + make_interval(secs => :lease_s)
    WHERE id = :id AND claimed_by = :worker AND state = 'claimed'
    """
)

_END = text(
    """
    UPDATE events SET state = :state, error = :error, error_id = :error_id, finished_at = now(),
        claimed_by = NULL, claimed_until = NULL
    WHERE id = :id AND claimed_by = :worker AND state = 'claimed'
    """
)

_RETRY = text(
    """
    UPDATE events SET state = 'pending', error = :error, error_id = :error_id, claimed_by = NULL,
        claimed_until = now() + make_interval(secs => :delay_s)
    WHERE id = :id AND claimed_by = :worker AND state = 'claimed'
    """
)

_NEXT_DUE = text(
    """
    SELECT extract(epoch FROM min(coalesce(claimed_until, now())) - now())
    FROM events WHERE state IN ('pending', 'claimed')
    """
)

_BLANK = text(
    """
    UPDATE events SET payload = '{}'
    WHERE state IN ('done', 'failed') AND payload <> '{}'
      AND finished_at < now() - make_interval(hours => :hours)
    """
)


def insert(
    session: Session,
    *,
    team_id: str,
    event_id: str,
    kind: str,
    payload: Mapping[str, Any],
    message_key: str | None = None,
) -> bool:
    """Keep an event; false where it, or its message under another event id, is here already.

    The answering threads are woken when the caller's transaction commits.
    """
    row = session.execute(
        _INSERT,
        {
            "team_id": team_id,
            "event_id": event_id,
            "kind": kind,
            "message_key": message_key,
            "payload": json.dumps(_storable(payload)),
        },
    ).first()
    if row is None:
        return False
    session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
    return True


def claim(session: Session, *, worker: str, lease_s: float) -> Event | None:
    """Take the oldest event that is due, a dead worker's included; none if nothing is."""
    row = session.execute(_CLAIM, {"worker": worker, "lease_s": lease_s}).first()
    return session.get_one(Event, row.id) if row is not None else None


def heartbeat(session: Session, event_id: int, *, worker: str, lease_s: float) -> bool:
    """Lengthen the lease; false where the event has been taken over."""
    values = {"id": event_id, "worker": worker, "lease_s": lease_s}
    return _count(session, _HEARTBEAT, values) == 1


def finish(session: Session, event_id: int, *, worker: str) -> bool:
    """Mark it done; false where it has been taken over."""
    values = {"id": event_id, "worker": worker, "state": "done", "error": None, "error_id": None}
    return _count(session, _END, values) == 1


def retry(
    session: Session, event_id: int, *, worker: str, delay_s: float, error: str, error_id: str
) -> bool:
    """Give it back for another attempt, not before ``delay_s`` seconds from now."""
    values = {
        "id": event_id,
        "worker": worker,
        "delay_s": delay_s,
        "error": error,
        "error_id": error_id,
    }
    return _count(session, _RETRY, values) == 1


def fail(session: Session, event_id: int, *, worker: str, error: str, error_id: str) -> bool:
    """Give it up for good; the caller has told the person."""
    values = {
        "id": event_id,
        "worker": worker,
        "state": "failed",
        "error": error,
        "error_id": error_id,
    }
    return _count(session, _END, values) == 1


def seconds_to_next(session: Session) -> float | None:
    """Seconds until the next open event is due (0 or less: now); none where none is open."""
    due = session.execute(_NEXT_DUE).scalar_one()
    return float(due) if due is not None else None


def blank_old(session: Session, *, hours: int = 24) -> int:
    """Empty the payloads of events that ended more than ``hours`` ago; returns how many."""
    return _count(session, _BLANK, {"hours": hours})


def _storable(value: Any) -> Any:
    """``value`` without what no row can keep as text: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_storable(key): _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    return value


def _count(session: Session, statement: Any, values: Mapping[str, Any]) -> int:
    return int(session.execute(statement, values).rowcount)  # type: ignore[attr-defined]
