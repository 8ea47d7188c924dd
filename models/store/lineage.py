"""From an adapter back to people, and what follows when somebody's words must go.

Every adapter is trained from the base, so that only the adapters whose own snapshot holds a pair
have learned from it. Such an adapter is *tainted*: retired at once, never live again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from models.store import adapters, outbox
from models.store.tables import Adapter, Audit, Pair, Refresh, Snapshot, SnapshotPair


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """What had to give way."""

    adapters: tuple[str, ...] = ()  # tainted by this
    left: str | None = None  # the adapter that was live, where it had to go
    now_live: str | None = None  # what took its place; none is the base
    stopped: int | None = None  # the running night that had to end


def withdraw(session: Session, pair_ids: Collection[int], *, actor: str, reason: str) -> Withdrawn:
    """Retire what was trained on these pairs: adapters, snapshots, a night that is running.

    If the live adapter is among them, the newest clean one takes its place in this transaction, or
    the base. Snapshot rows lose their path; the tick deletes the files (``snapshots_to_delete``).
    """
    if not pair_ids:
        return Withdrawn()
    adapters.lock(session)
    snapshots = list(
        session.scalars(
            select(Snapshot.id)
            .join(SnapshotPair, SnapshotPair.snapshot_id == Snapshot.id)
            .where(SnapshotPair.pair_id.in_(pair_ids))
            .distinct()
        )
    )
    learners = session.scalars(select(Adapter.name).where(Adapter.snapshot_id.in_(snapshots))).all()
    stopped = _stop_night(session, snapshots, learners, reason)
    said = session.scalars(_SAYING, {"snapshots": snapshots, "adapters": list(learners)})
    _unsay(session, said.all())
    if not snapshots:
        return Withdrawn()
    tainted = list(
        session.scalars(
            select(Adapter)
            .where(Adapter.snapshot_id.in_(snapshots), ~Adapter.tainted)
            .order_by(Adapter.id)
            .with_for_update()
        )
    )
    for adapter in tainted:
        adapter.tainted = True
    session.flush()
    left, now_live = None, None
    if any(adapter.state == "live" for adapter in tainted):
        left, now_live = adapters.roll_back(session, actor=actor, reason=reason)
    for adapter in tainted:
        if adapter.state in ("training", "candidate", "live"):
            adapter.state, adapter.retired_at = "retired", func.now()
        adapter.reason = reason
    session.execute(update(Snapshot).where(Snapshot.id.in_(snapshots)).values(path=None))
    names = tuple(adapter.name for adapter in tainted)
    session.add(
        Audit(
            actor=actor,
            action="adapters_withdrawn",
            subject=", ".join(names) or "none",
            detail={"reason": reason, "now_live": now_live or "base"},
        )
    )
    if left is not None or stopped is not None:
        told = {"left": left, "now_live": now_live, "stopped": stopped, "reason": reason}
        outbox.put(
            session,
            key=f"withdrawn:{left}:{stopped}",
            destination={"admins": True},
            payload={"kind": "adapters_withdrawn", **told},
        )
    session.flush()
    return Withdrawn(adapters=names, left=left, now_live=now_live, stopped=stopped)


def withdrawn_since(session: Session, since: dt.datetime) -> list[str]:
    """Adapters that had to go because of words in their snapshot, from then on."""
    rows = session.scalars(
        select(Audit.subject)
        .where(Audit.action == "adapters_withdrawn", Audit.subject != "none", Audit.at > since)
        .order_by(Audit.id)
    )
    return [name for subject in rows for name in subject.split(", ")]


def narrowed(
    session: Session, pair_ids: Collection[int], *, showing: Collection[int] = (), actor: str
) -> Withdrawn:
    """Withdraw what was trained on pairs that not everybody may see any more.

    ``showing``: pairs that hold words of the source in any way, even where they do not rest on it.
    """
    if not pair_ids and not showing:
        return Withdrawn()
    closed = list(
        session.scalars(
            select(Pair.id).where(
                Pair.id.in_(pair_ids), (Pair.audience != "workspace") | (Pair.state == "stale")
            )
        )
    )
    gone = {*closed, *showing}
    return withdraw(session, gone, actor=actor, reason="A source became visible to fewer people.")


def learned_from(session: Session, adapter: Adapter) -> dict[str, Any]:
    """Whose words and which documents an adapter learned: counts by person, documents, chunks."""
    rows = session.execute(_LINEAGE, {"snapshot": adapter.snapshot_id}).all()
    people: dict[str, int] = {}
    documents: set[int | str] = set()  # what was imported brought ids of its own
    chunks: set[str] = set()
    for row in rows:
        people[row.author or row.origin] = people.get(row.author or row.origin, 0) + 1
        documents.update(p["document_id"] for p in row.passages if p.get("document_id"))
        chunks.update(row.chunk_hashes)
    return {
        "pairs": len(rows),
        "people": people,
        "documents": sorted(documents, key=lambda known: (isinstance(known, str), known)),
        "chunks": len(chunks),
    }


def files_in_use(session: Session) -> set[str]:
    """Paths of snapshots and adapters whose files must stay; every other one may be deleted."""
    kept = session.scalars(select(Snapshot.path).where(Snapshot.path.is_not(None)))
    directories = session.scalars(
        select(Adapter.path).where(Adapter.path.is_not(None), ~Adapter.tainted)
    )
    return {str(path) for path in [*kept, *directories]}


def names_in_use(session: Session) -> set[str]:
    """Directory names of the night that runs now; its files are still being made."""
    running = session.scalars(select(Refresh.id).where(Refresh.state == "running"))
    return {adapters.name_for(refresh_id) for refresh_id in running}


def retain(session: Session, *, days: int) -> int:
    """Let go of snapshots and of adapters that were never or are no longer live, after ``days``.

    Only their files go (by the next sweep), and what was said in those nights; the rows stay. The
    live adapter and the one before it are kept with their snapshots. Returns how many rows lost
    their files.
    """
    keep = {a.id for a in adapters.wanted(session)}
    old = func.now() - func.make_interval(0, 0, 0, days)
    aged = list(
        session.scalars(
            select(Adapter).where(
                Adapter.created_at < old,
                Adapter.path.is_not(None),
                Adapter.id.not_in(keep),
                Adapter.state.in_(("rejected", "retired")),
            )
        )
    )
    held = select(Adapter.snapshot_id).where(Adapter.id.in_(keep), Adapter.snapshot_id.is_not(None))
    for adapter in aged:
        adapter.path, adapter.live_since = None, None
    files = session.execute(
        update(Snapshot)
        .where(Snapshot.created_at < old, Snapshot.path.is_not(None), Snapshot.id.not_in(held))
        .values(path=None)
    )
    _unsay(session, session.scalars(select(Refresh.id).where(Refresh.started_at < old)).all())
    return len(aged) + int(files.rowcount)  # type: ignore[attr-defined]


# What a model said that had learned the words, or was shown them, may hold them, whatever it was
# asked: in its own night, in those that compared it with another, and where it was only measured.
_SAYING = text(
    """
    SELECT id FROM refreshes WHERE trigger = 'evaluate'
        OR id IN (SELECT refresh_id FROM snapshots WHERE id = ANY(:snapshots))
        OR metrics ->> 'compared_with' = ANY(:adapters)
    """
)
_ANSWERS = text(
    "UPDATE evaluations SET output = NULL WHERE output IS NOT NULL AND refresh_id = ANY(:nights)"
)
_EXAMPLES = text(
    """
    UPDATE refreshes SET metrics = metrics - 'examples'
    WHERE metrics ? 'examples' AND id = ANY(:nights)
    """
)
# What stands in Slack is replaced by the bot; what never got there is not sent for this.
_REPORTS = text(
    """
    UPDATE outbox SET payload = payload - 'examples' || '{"shows": []}', version = version + 1,
        attempts = 0, state = CASE WHEN state = 'sent' THEN 'pending' ELSE state END
    WHERE coalesce(payload -> 'examples', '{}') <> '{}' AND key IN (
        SELECT 'refresh:' || night FROM unnest(cast(:nights AS bigint[])) AS night)
    RETURNING id
    """
)
_LINEAGE = text(
    """
    SELECT p.author, p.origin, p.passages, p.chunk_hashes
    FROM snapshot_pairs s JOIN pairs p ON p.id = s.pair_id
    WHERE s.snapshot_id = :snapshot AND s.side = 'training'
    """
)


def _stop_night(
    session: Session, snapshots: Collection[int], names: Collection[str], reason: str
) -> int | None:
    """End the night that learns from these snapshots or is compared with these adapters, and any
    that only measures: it reads its questions from the ledger and records nowhere which."""
    theirs = select(Snapshot.refresh_id).where(Snapshot.id.in_(snapshots))
    row = session.scalars(
        select(Refresh)
        .where(
            Refresh.state == "running",
            Refresh.id.in_(theirs)
            | Refresh.metrics["compared_with"].astext.in_(names)
            | (Refresh.trigger == "evaluate"),
        )
        .with_for_update()
    ).first()
    if row is None:
        return None
    row.state, row.error, row.finished_at = "failed", reason, func.now()
    row.claimed_by = row.claimed_until = None
    session.flush()
    return row.id if row.trigger != "evaluate" else None


def _unsay(session: Session, nights: Sequence[int]) -> None:
    """Blank what models said in these nights: answers, and the examples of their reports."""
    values = {"nights": list(nights)}
    session.execute(_ANSWERS, values)
    session.execute(_EXAMPLES, values)
    if session.execute(_REPORTS, values).all():
        session.execute(text("SELECT pg_notify('outbox', '')"))
