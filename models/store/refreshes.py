"""Nights as rows: one runs at a time, each step is committed, a dead worker's lease runs out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store.tables import Evaluation, Refresh, Snapshot, SnapshotPair

STEPS = ("dataset", "train", "evaluate", "gate", "promote", "report")
LOOKS = ("evaluate", "dry_run")  # triggers of what only looks, and changes nothing

_CLAIM = text(
    """
    UPDATE refreshes SET claimed_by = :worker, attempts = attempts + 1,
        claimed_until = now() + make_interval(secs => :lease_s)
    WHERE id = :id AND state = 'running'
      AND (claimed_until IS NULL OR claimed_until <= now() OR claimed_by = :worker)
    RETURNING id
    """
)
_HEARTBEAT = text(
    """
    UPDATE refreshes SET claimed_until = now() + make_interval(secs => :lease_s),
        progress = coalesce(cast(:progress AS jsonb), progress)
    WHERE id = :id AND claimed_by = :worker AND state = 'running'
    RETURNING id
    """
)
_SPENT = text(
    """
    SELECT coalesce(sum((metrics -> 'gate' ->> 'alpha')::float8), 0)
    FROM refreshes WHERE started_at > now() - interval '365 days' AND id <> :id
      AND metrics -> 'gate' ? 'alpha'
    """
)
_USES = text(
    """
    SELECT coalesce(avg(used), 0) FROM (
        SELECT max(times) AS used FROM (
            SELECT p.id, p.cluster, count(DISTINCT r.id) AS times
            FROM pairs p
              LEFT JOIN evaluations e ON e.pair_id = p.id AND e.item LIKE 'holdout:%'
              LEFT JOIN refreshes r
                ON r.id = e.refresh_id AND r.id <> :id AND r.metrics ? 'gate'
            WHERE p.id = ANY(:pairs) GROUP BY p.id, p.cluster
        ) AS each GROUP BY cluster
    ) AS clusters
    """
)


class Lost(RuntimeError):
    """The night is no longer this worker's: its lease ran out, or somebody stopped it."""


def one_at_a_time(session: Session) -> None:
    """Wait for whoever else decides whether a night is due, to the transaction's end: a night may
    begin and end before another who saw none opens it again."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('phi3:nights'))"))


def open_night(
    session: Session, *, night: dt.date, trigger: str, requested_by: str | None = None
) -> int | None:
    """Start a night; none while another one runs."""
    made = session.execute(
        insert(Refresh)
        .values(night=night, trigger=trigger, requested_by=requested_by)
        .on_conflict_do_nothing(
            index_elements=[Refresh.state], index_where=text("state = 'running'")
        )
        .returning(Refresh.id)
    ).first()
    return int(made.id) if made is not None else None


def running(session: Session) -> Refresh | None:
    """The night that runs, if one does."""
    return session.scalars(select(Refresh).where(Refresh.state == "running")).first()


def abandoned(session: Session) -> int | None:
    """The running night that no worker holds, if there is one."""
    return session.scalars(
        select(Refresh.id).where(
            Refresh.state == "running",
            (Refresh.claimed_until.is_(None)) | (Refresh.claimed_until <= func.now()),
        )
    ).first()


def latest(
    session: Session, *, trigger: str | None = None, but: Collection[str] = ()
) -> Refresh | None:
    """The newest night, of one trigger where it is given, and of none in ``but``."""
    query = select(Refresh).order_by(Refresh.id.desc()).limit(1)
    if trigger is not None:
        query = query.where(Refresh.trigger == trigger)
    if but:
        query = query.where(Refresh.trigger.not_in(but))
    return session.scalars(query).first()


def claim(session: Session, refresh_id: int, *, worker: str, lease_s: float) -> Refresh | None:
    """Take a running night that nobody holds; none where somebody does, or it has ended."""
    row = session.execute(_CLAIM, {"id": refresh_id, "worker": worker, "lease_s": lease_s}).first()
    return session.get_one(Refresh, row.id, populate_existing=True) if row is not None else None


def heartbeat(
    session: Session,
    refresh_id: int,
    *,
    worker: str,
    lease_s: float,
    progress: str | None = None,
) -> bool:
    """Prolong the lease, and keep ``progress`` (a JSON object) where given; false if it is lost."""
    values = {"id": refresh_id, "worker": worker, "lease_s": lease_s, "progress": progress}
    return session.execute(_HEARTBEAT, values).first() is not None


def held(session: Session, refresh_id: int, *, worker: str) -> Refresh:
    """The night's row, locked; raises ``Lost`` unless this worker still holds it."""
    row = session.get(Refresh, refresh_id, with_for_update=True, populate_existing=True)
    if row is None or row.state != "running" or row.claimed_by != worker:
        raise Lost(f"refresh {refresh_id}")
    return row


def end(
    session: Session,
    row: Refresh,
    *,
    verdict: str | None,
    reasons: Sequence[str],
    error: str | None = None,
    error_id: str | None = None,
) -> None:
    """The night is over: with a verdict, or ``failed`` with a calm sentence and an id."""
    row.state = "failed" if error is not None else "done"
    row.verdict, row.reasons = verdict, list(reasons)
    row.error, row.error_id = error, error_id
    row.claimed_by = row.claimed_until = None
    row.finished_at = func.now()
    session.flush()


def keep_snapshot(
    session: Session,
    refresh_id: int,
    *,
    path: str,
    digest: str,
    card: Mapping[str, Any],
    sides: Mapping[int, str],
) -> Snapshot:
    """Record a night's training file and which pairs it holds (pair id → side)."""
    snapshot = Snapshot(refresh_id=refresh_id, path=path, digest=digest, card=dict(card))
    session.add(snapshot)
    session.flush()
    session.add_all(
        SnapshotPair(snapshot_id=snapshot.id, pair_id=pair_id, side=side)
        for pair_id, side in sides.items()
    )
    session.flush()
    return snapshot


def snapshot_of(session: Session, refresh_id: int) -> Snapshot | None:
    """The training file of a night."""
    return session.scalars(
        select(Snapshot).where(Snapshot.refresh_id == refresh_id).order_by(Snapshot.id.desc())
    ).first()


def put_scores(
    session: Session,
    refresh_id: int,
    *,
    item: str,
    pair_id: int | None,
    arm: str,
    values: Mapping[str, float],
    output: str,
) -> None:
    """Keep one arm's scores on one item; said again, they replace what was there."""
    rows = [
        {
            "refresh_id": refresh_id,
            "item": item,
            "pair_id": pair_id,
            "arm": arm,
            "metric": metric,
            "value": value,
            "output": output.replace("\x00", "") if metric == "words" else None,
        }
        for metric, value in values.items()
    ]
    statement = insert(Evaluation)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[
                Evaluation.refresh_id,
                Evaluation.item,
                Evaluation.arm,
                Evaluation.metric,
            ],
            set_={"value": statement.excluded.value, "output": statement.excluded.output},
        ),
        rows,
    )


def scores(session: Session, refresh_id: int) -> list[Evaluation]:
    """Every score of a night."""
    return list(
        session.scalars(
            select(Evaluation).where(Evaluation.refresh_id == refresh_id).order_by(Evaluation.id)
        )
    )


def alpha_spent(session: Session, *, but: int) -> float:
    """The sum of alphas that gates of the last 365 days used, without refresh ``but``."""
    return float(session.execute(_SPENT, {"id": but}).scalar_one())


def holdout_uses(session: Session, pairs: Collection[int], *, but: int) -> float:
    """How many nights but ``but`` judged by these held-out pairs, averaged over clusters.

    ``phi3 evaluate`` only measures and does not count.
    """
    return float(session.execute(_USES, {"pairs": sorted(pairs), "id": but}).scalar_one())
