"""What Slack said about people; it is believed for a while, scrubbing needs the names longer.

Who is forgotten keeps their row: without it, their name in other people's pairs would be trained.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store.tables import Member


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person as Slack describes them."""

    user_id: str
    team_id: str | None
    name: str
    real_name: str | None = None
    is_admin: bool = False  # admin or owner of the workspace
    is_guest: bool = False  # single- or multi-channel guest
    is_foreign: bool = False  # of another organisation
    deleted: bool = False


def fresh(session: Session, user_id: str, *, max_age_s: int = 3600) -> Person | None:
    """What is known of a person, unless it is older than ``max_age_s`` seconds."""
    row = session.scalars(
        select(Member).where(
            Member.user_id == user_id,
            Member.refreshed_at
            > func.now() - text("make_interval(secs => :age)").bindparams(age=max_age_s),
        )
    ).first()
    if row is None:
        return None
    return Person(
        user_id=row.user_id,
        team_id=row.team_id,
        name=row.name,
        real_name=row.real_name,
        is_admin=row.is_admin,
        is_guest=row.is_guest,
        is_foreign=row.is_foreign,
        deleted=row.deleted,
    )


def put(session: Session, person: Person) -> None:
    """Keep what Slack said just now."""
    values = {name: getattr(person, name) for name in Person.__dataclass_fields__}
    session.execute(
        insert(Member)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[Member.user_id], set_={**values, "refreshed_at": func.now()}
        )
    )


def known_admins(session: Session) -> list[str]:
    """Ids of people whom Slack last described as admins or owners."""
    return list(
        session.scalars(
            select(Member.user_id)
            .where(Member.is_admin, ~Member.is_foreign, ~Member.deleted)
            .order_by(Member.user_id)
        )
    )
