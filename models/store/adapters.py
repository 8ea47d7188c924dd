"""The registry of adapters: at most one is live, the one before it stays ready."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models.store import outbox
from models.store.tables import Adapter, Audit

STATES = ("training", "candidate", "rejected", "live", "retired")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('phi3:adapters'))")


class NoSuchAdapter(LookupError):
    """A name that is not in the registry; fit to show."""


def name_for(refresh_id: int) -> str:
    """The immutable name of a night's adapter: ``refresh-0007``."""
    return f"refresh-{refresh_id:04d}"


def start(session: Session, *, refresh_id: int, snapshot_id: int, base: str) -> Adapter:
    """The night's adapter, ``training``; the same row however often the night is resumed."""
    name = name_for(refresh_id)
    known = session.scalars(select(Adapter).where(Adapter.name == name)).first()
    if known is not None:
        return known
    adapter = Adapter(name=name, base=base, refresh_id=refresh_id, snapshot_id=snapshot_id)
    session.add(adapter)
    session.flush()
    return adapter


def trained(session: Session, name: str, *, path: str, manifest: Mapping[str, Any]) -> None:
    """Its directory is complete: it is a candidate now."""
    adapter = _named(session, name)
    if adapter.state == "training":
        adapter.state, adapter.path, adapter.manifest = "candidate", path, dict(manifest)


def judged(session: Session, name: str, *, verdict: str, reason: str) -> None:
    """Keep the verdict; anything but ``promoted`` ends the candidate."""
    adapter = _named(session, name)
    adapter.verdict, adapter.reason = verdict, reason
    if verdict != "promoted" and adapter.state in ("training", "candidate"):
        adapter.state = "rejected"


def lock(session: Session) -> None:
    """Wait for whoever changes what is in service or what was learned from, to the transaction's
    end. Taken before the night's row is, by everybody, so that no two wait for each other."""
    session.execute(_LOCK)


def live(session: Session) -> Adapter | None:
    """The adapter in service; none is the base."""
    return session.scalars(select(Adapter).where(Adapter.state == "live")).first()


def in_service(session: Session, *, base: str) -> Adapter | None:
    """The live adapter where it fits this base; the base answers where none does."""
    found = live(session)
    return found if found is not None and found.base == base and found.path else None


def promote(session: Session, name: str, *, actor: str) -> bool:
    """Flip: the candidate goes live, the live one retires. False if it is live already.

    Raises ``NoSuchAdapter`` if it is no clean candidate (rejected meanwhile, or tainted).
    """
    lock(session)
    adapter = _named(session, name)
    if adapter.state == "live":
        return False
    if adapter.state != "candidate" or adapter.tainted:
        raise NoSuchAdapter(f"{name} is no candidate any more.")
    _retire(session, "A newer adapter was promoted.")
    adapter.state, adapter.live_since = "live", func.now()
    session.add(Audit(actor=actor, action="adapter_promoted", subject=name))
    session.flush()
    return True


def before(session: Session, adapter: Adapter | None) -> Adapter | None:
    """The newest clean adapter that was live before ``adapter``; none is the base."""
    query = select(Adapter).where(
        Adapter.state == "retired",
        ~Adapter.tainted,
        Adapter.live_since.is_not(None),
        Adapter.path.is_not(None),
    )
    if adapter is not None:
        query = query.where(Adapter.live_since < adapter.live_since, Adapter.base == adapter.base)
    return session.scalars(query.order_by(Adapter.live_since.desc()).limit(1)).first()


def roll_back(
    session: Session, *, actor: str, reason: str = "Rolled back.", expected: str | None = None
) -> tuple[str | None, str | None]:
    """Flip back to the adapter before, or to the base; returns (from, to), none for the base.

    Rolling back again goes further back: what was left is never returned to. Raises
    ``NoSuchAdapter`` if the base is in service, or another adapter than the ``expected`` one.
    """
    lock(session)
    current = live(session)
    if expected is not None and (current is None or current.name != expected):
        now = current.name if current is not None else "the base model"
        raise NoSuchAdapter(f"{expected} is not in service; {now} is.")
    if current is None:
        raise NoSuchAdapter("The base model is in service; there is nothing to roll back.")
    target = before(session, current)
    _retire(session, reason)
    current.live_since = None  # no later rollback returns to it
    if target is not None:
        target.state, target.retired_at = "live", None
    named = (current.name, target.name if target is not None else None)
    session.add(
        Audit(
            actor=actor,
            action="adapter_rolled_back",
            subject=named[0],
            detail={"to": named[1] or "base", "reason": reason},
        )
    )
    session.flush()
    return named


def with_files(session: Session) -> list[Adapter]:
    """Adapters that are in service, or may be returned to."""
    may = (Adapter.state == "live") | Adapter.live_since.is_not(None)
    return list(session.scalars(select(Adapter).where(may, Adapter.path.is_not(None))))


def lose(session: Session, names: Collection[str]) -> None:
    """The files of these adapters are gone; if one of them is live, it gives way."""
    lock(session)
    current = live(session)
    for name in names:
        _named(session, name).path = None
    session.flush()
    if current is not None and current.name in names:
        give_way(session, current.name, reason="its files are gone")


def give_way(session: Session, name: str, *, reason: str) -> None:
    """Roll back from an adapter that cannot serve, and tell the admins; nothing if it is not
    live."""
    lock(session)
    current = live(session)
    if current is None or current.name != name:
        return
    left, now = roll_back(session, actor="night", reason=f"Out of service, for {reason}.")
    words = f"{left} is out of service, for {reason}; {now or 'the base model'} answers."
    outbox.put(
        session,
        key=f"gave-way:{left}",
        destination={"admins": True},
        payload={"kind": "text", "text": words},
    )


def wanted(session: Session) -> list[Adapter]:
    """Those that model servers should hold, most important first: live, candidate, previous."""
    current = live(session)
    candidates = session.scalars(
        select(Adapter)
        .where(Adapter.state == "candidate", ~Adapter.tainted, Adapter.path.is_not(None))
        .order_by(Adapter.id.desc())
        .limit(1)
    ).all()
    previous = before(session, current) if current is not None else None
    found = [current, *candidates, previous]
    return [adapter for adapter in found if adapter is not None and adapter.path]


def listing(session: Session, *, limit: int = 50) -> list[Adapter]:
    """Adapters, newest first."""
    return list(session.scalars(select(Adapter).order_by(Adapter.id.desc()).limit(limit)))


def by_name(session: Session, name: str) -> Adapter:
    """The adapter of that name; raises ``NoSuchAdapter``."""
    return _named(session, name)


def summary(adapter: Adapter) -> dict[str, Any]:
    """One line of ``phi3 adapters list --json``."""
    created: dt.datetime = adapter.created_at
    return {
        "name": adapter.name,
        "state": adapter.state,
        "verdict": adapter.verdict,
        "created": created.isoformat(timespec="seconds"),
        "base": adapter.base,
    }


def _named(session: Session, name: str) -> Adapter:
    adapter = session.scalars(
        select(Adapter)
        .where(Adapter.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if adapter is None:
        raise NoSuchAdapter(f"There is no adapter called {name}.")
    return adapter


def _retire(session: Session, reason: str) -> None:
    """No adapter is live after this; flushed, because only one row may say ``live``."""
    current = live(session)
    if current is not None:
        current.state, current.retired_at, current.reason = "retired", func.now(), reason
        session.flush()
