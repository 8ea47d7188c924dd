"""What a night says in Slack: how it goes while it runs, and in the morning how it ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from models.store import adapters, blobs, lineage, outbox, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Adapter, Refresh

# Their caller reads how they ended; nobody is told at breakfast what somebody only looked at.
_SILENT = refreshes.LOOKS


def progress(sessions: Sessions, row: Refresh, now: Mapping[str, Any]) -> None:
    """Update the one message of a night that somebody asked for; a scheduled one stays silent."""
    if row.requested_by is None:
        return
    with transaction(sessions) as session:
        outbox.put(
            session,
            key=f"refresh:{row.id}",
            destination={"user": row.requested_by},
            payload={"kind": "refresh_progress", "refresh": row.id, "progress": dict(now)},
        )


def morning(session: Session, row: Refresh, *, adapter: str | None) -> None:
    """The report: verdict, reasons, arms as a picture, examples, whose words, time, rollback."""
    if row.trigger in _SILENT:
        return
    metrics = row.metrics
    arms = metrics.get("arms") or {}
    picture = blobs.put(session, _picture(arms, row)) if arms else None
    examples = metrics.get("examples") or {}
    shows = [e["pair"] for side in examples.values() for e in side]
    learned = _learned(session, adapter)
    payload = {
        "kind": "refresh_report",
        "refresh": row.id,
        "night": row.night.isoformat(),
        "trigger": row.trigger,
        "verdict": row.verdict,
        "reasons": list(row.reasons),
        "adapter": adapter,
        "compared_with": metrics.get("compared_with"),
        "arms": arms,
        "advice": metrics.get("advice"),
        "picture": picture,
        "pairs": metrics.get("pairs"),
        "examples": examples,
        "shows": shows,
        "learned": learned,
        "withdrawn": _withdrawn(session, row) if adapter is not None else [],
        "seconds": _seconds(row),
        "training": _training(metrics),
        "can_roll_back": row.verdict == "promoted",
    }
    quiet = row.verdict == "skipped" and row.requested_by is None and _said_before(session, row)
    if not quiet:
        where: dict[str, Any] = {"user": row.requested_by} if row.requested_by else {"admins": True}
        outbox.put(session, key=f"refresh:{row.id}", destination=where, payload=payload)
        if picture is not None:
            title = f"Four arms, {_which(row)}"
            outbox.put(
                session,
                key=f"refresh:{row.id}:arms",
                destination=where,
                payload={"kind": "picture", "blob": picture, "name": "arms.png", "title": title},
            )


def failed(session: Session, row: Refresh, *, sentence: str, error_id: str) -> None:
    """Tell the admins that a night failed; the log has the cause under the same id."""
    if row.trigger in _SILENT:
        return
    where: dict[str, Any] = {"user": row.requested_by} if row.requested_by else {"admins": True}
    outbox.put(
        session,
        key=f"refresh:{row.id}",
        destination=where,
        payload={"kind": "text", "text": f"{sentence} ({error_id})"},
    )


def _said_before(session: Session, row: Refresh) -> bool:
    """Whether the night before was skipped for the same reasons: once is enough to know."""
    told = session.query(Refresh).filter(Refresh.id < row.id, Refresh.trigger.not_in(_SILENT))
    last = told.order_by(Refresh.id.desc()).first()
    return last is not None and last.verdict == "skipped" and last.reasons == row.reasons


def _picture(arms: Mapping[str, Mapping[str, float]], row: Refresh) -> bytes:
    from workers.refresh import picture

    title = _which(row)
    return picture.arms(arms, title=f"{title[0].upper()}{title[1:]}: {row.verdict}")


def _which(row: Refresh) -> str:
    kind = "night" if row.trigger == "schedule" else "refresh"
    return f"{kind} of {row.night.isoformat()}"


def _learned(session: Session, name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    adapter: Adapter = adapters.by_name(session, name)
    found = lineage.learned_from(session, adapter)
    people = [f"<@{who}>" if who.startswith(("U", "W")) else who for who in found["people"]]
    return {
        "pairs": found["pairs"],
        "documents": len(found["documents"]),
        "people": ", ".join(
            f"{who} {count}" for who, count in zip(people, found["people"].values(), strict=True)
        ),
    }


def _withdrawn(session: Session, row: Refresh) -> list[str]:
    """Adapters that went since the night before this one that trained."""
    before = (
        session.query(Refresh.started_at)
        .filter(Refresh.id < row.id, Refresh.metrics.has_key("training"))
        .order_by(Refresh.id.desc())
        .first()
    )
    return lineage.withdrawn_since(session, before[0]) if before is not None else []


def _training(metrics: Mapping[str, Any]) -> dict[str, Any]:
    found = metrics.get("training") or {}
    return (
        {key: found.get(key) for key in ("steps", "loss", "seconds", "tokens", "stopped")}
        if found
        else {}
    )


def _seconds(row: Refresh) -> int:
    started: dt.datetime = row.started_at
    return max(0, round((dt.datetime.now(dt.UTC) - started).total_seconds()))
