"""What workers want said in Slack: a key is one message, updated in place by the bot."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.store.tables import Outbox

CHANNEL = "outbox"

_PUT = text(
    """
    INSERT INTO outbox (key, destination, payload, not_before)
    VALUES (:key, cast(:destination AS jsonb), cast(:payload AS jsonb), :not_before)
    ON CONFLICT (key) DO UPDATE SET
        destination = excluded.destination, payload = excluded.payload,
        not_before = excluded.not_before, version = outbox.version + 1, attempts = 0, error = NULL,
        state = CASE WHEN outbox.state = 'claimed' THEN 'claimed' ELSE 'pending' END
    RETURNING id
    """
)

# One message is updated at most every :every_s seconds, whoever asks for it how often.
_CLAIM = text(
    """
    UPDATE outbox SET state = 'claimed', claimed_by = :worker, attempts = attempts + 1,
        claimed_until = now() + make_interval(secs => :lease_s)
    WHERE id = (
        SELECT id FROM outbox
        WHERE state IN ('pending', 'claimed')
          AND (claimed_until IS NULL OR claimed_until <= now())
          AND (not_before IS NULL OR not_before <= now())
          AND (sent_at IS NULL OR sent_at <= now() - make_interval(secs => :every_s))
        ORDER BY id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
    """
)

_SENT = text(
    """
    UPDATE outbox SET sent_version = :version, sent_at = now(),
        slack_channel = coalesce(:channel, slack_channel), slack_ts = coalesce(:ts, slack_ts),
        state = CASE WHEN version > :version THEN 'pending' ELSE 'sent' END,
        claimed_by = NULL, claimed_until = NULL, attempts = 0, error = NULL
    WHERE id = :id AND claimed_by = :worker
    """
)

_RETRY = text(
    """
    UPDATE outbox SET state = 'pending', error = :error, claimed_by = NULL,
        claimed_until = now() + make_interval(secs => :delay_s)
    WHERE id = :id AND claimed_by = :worker
    """
)

_FAIL = text(
    """
    UPDATE outbox SET error = :error, claimed_by = NULL, claimed_until = NULL,
        state = CASE WHEN version > :version THEN 'pending' ELSE 'failed' END
    WHERE id = :id AND claimed_by = :worker
    """
)

_NEXT_DUE = text(
    """
    SELECT extract(epoch FROM min(greatest(
        coalesce(claimed_until, now()), coalesce(not_before, now()),
        coalesce(sent_at + make_interval(secs => :every_s), now()))) - now())
    FROM outbox WHERE state IN ('pending', 'claimed')
    """
)


def put(
    session: Session,
    *,
    key: str,
    destination: Mapping[str, Any],
    payload: Mapping[str, Any],
    not_before: dt.datetime | None = None,
) -> int:
    """Say something under ``key``, or change what was said; returns the row's id.

    ``destination`` is ``{"channel": C, "thread_ts"?: ts}``, ``{"user": U}`` or
    ``{"admins": true}``; ``payload`` is ``{"kind": name of a renderer in bot.blocks, ...its
    arguments}``. The bot is woken when the caller's transaction commits, and posts soon after.
    """
    row = session.execute(
        _PUT,
        {
            "key": key,
            "destination": json.dumps(destination),
            "payload": json.dumps(payload).replace("\\u0000", ""),
            "not_before": not_before,
        },
    ).one()
    session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
    return int(row.id)


def claim(session: Session, *, worker: str, lease_s: float, every_s: float) -> Outbox | None:
    """Take the oldest message that is due; ``every_s`` is the shortest time between its updates."""
    values = {"worker": worker, "lease_s": lease_s, "every_s": every_s}
    row = session.execute(_CLAIM, values).first()
    return session.get_one(Outbox, row.id) if row is not None else None


def sent(
    session: Session,
    outbox_id: int,
    *,
    worker: str,
    version: int,
    channel: str | None,
    ts: str | None,
) -> None:
    """Record that ``version`` stands in Slack; a newer version stays due."""
    session.execute(
        _SENT,
        {"id": outbox_id, "worker": worker, "version": version, "channel": channel, "ts": ts},
    )


def retry(session: Session, outbox_id: int, *, worker: str, delay_s: float, error: str) -> None:
    """Give it back for another attempt, not before ``delay_s`` seconds from now."""
    session.execute(_RETRY, {"id": outbox_id, "worker": worker, "delay_s": delay_s, "error": error})


def fail(session: Session, outbox_id: int, *, worker: str, version: int, error: str) -> None:
    """Give up on ``version``; a newer one stays due."""
    session.execute(_FAIL, {"id": outbox_id, "worker": worker, "version": version, "error": error})


def seconds_to_next(session: Session, *, every_s: float) -> float | None:
    """Seconds until the next open message is due (0 or less: now); none where none is open."""
    due = session.execute(_NEXT_DUE, {"every_s": every_s}).scalar_one()
    return float(due) if due is not None else None
