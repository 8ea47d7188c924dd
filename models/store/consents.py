"""Whether words may be learned from: the workspace's switch, and each person's own word."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.settings import Learning
from models.store import settings
from models.store.tables import Audit, Consent

LEARNING = "learning"


def learning(session: Session) -> bool:
    """Whether this workspace learns: an admin's choice, else ``PHI3_LEARNING``, which is off."""
    chosen = settings.get(session, settings.WORKSPACE, LEARNING)
    return bool(chosen) if chosen is not None else Learning().learning


def switch(session: Session, *, on: bool, actor: str) -> None:
    """Turn learning on or off for the workspace; off stops at the next step of a running night."""
    settings.set(session, settings.WORKSPACE, LEARNING, on, by=actor)
    session.add(
        Audit(actor=actor, action="learning_on" if on else "learning_off", subject="workspace")
    )


def grant(session: Session, user_id: str) -> None:
    """A person lets their own words be learned from."""
    row = insert(Consent).values(user_id=user_id)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Consent.user_id], set_={"granted_at": func.now(), "revoked_at": None}
        )
    )
    session.add(Audit(actor=user_id, action="consent_granted", subject=f"user:{user_id}"))


def revoke(session: Session, user_id: str) -> None:
    """A person takes it back; see ``lineage.withdraw`` for what was learned already."""
    row = insert(Consent).values(user_id=user_id, revoked_at=func.now())
    session.execute(
        row.on_conflict_do_update(index_elements=[Consent.user_id], set_={"revoked_at": func.now()})
    )
    session.add(Audit(actor=user_id, action="consent_revoked", subject=f"user:{user_id}"))


def granted(session: Session, users: Collection[str]) -> set[str]:
    """Those of ``users`` who let their words be learned from, now."""
    if not users:
        return set()
    return set(
        session.scalars(
            select(Consent.user_id).where(Consent.user_id.in_(users), Consent.revoked_at.is_(None))
        )
    )
