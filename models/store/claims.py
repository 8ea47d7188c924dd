"""Documents as work: who has one, for how long, and how an attempt ends.

Every function runs in the caller's transaction and locks a document's row before it decides.
"""

from __future__ import annotations

from sqlalchemy import and_, func, or_, select, text, update
from sqlalchemy.orm import Session

from models.store.tables import Document

MAX_ATTEMPTS = 5  # a document that ended its worker this often is at fault itself
_LOST = "Reading this document failed again and again; it may be damaged or too large."


def _claimable() -> object:
    lost = and_(Document.state == "processing", Document.claimed_until <= func.now())
    free = or_(Document.claimed_until.is_(None), Document.claimed_until <= func.now())
    return or_(and_(Document.state == "pending", free), lost)


def claim(session: Session, document_id: int, *, worker: str, lease_s: int) -> Document | None:
    """Take a document that waits or whose worker is gone; none where another one has it.

    Its ``revision`` is what ``swap`` wants back. The caller commits before it starts to work. One
    that took down ``MAX_ATTEMPTS`` workers is failed instead.
    """
    document = session.execute(
        select(Document)
        .where(Document.id == document_id, _claimable())  # type: ignore[arg-type]
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).scalar()
    if document is None:
        return None
    if document.state == "processing" and document.attempts >= MAX_ATTEMPTS:
        document.state, document.error = "failed", _LOST
        document.claimed_by = document.claimed_until = None
        session.flush()
        return None
    document.state, document.claimed_by = "processing", worker
    document.claimed_until = func.now() + text(f"interval '{int(lease_s)} s'")
    document.attempts += 1
    document.progress_done = document.progress_total = 0
    session.flush()
    session.refresh(document)
    return document


def due(session: Session, limit: int) -> list[int]:
    """Ids of documents that wait or whose lease has run out, oldest first, for the tick to send.

    One that took down ``MAX_ATTEMPTS`` workers is failed instead.
    """
    session.execute(
        update(Document)
        .where(
            Document.state == "processing",
            Document.claimed_until <= func.now(),
            Document.attempts >= MAX_ATTEMPTS,
        )
        .values(state="failed", error=_LOST, claimed_by=None, claimed_until=None)
    )
    rows = session.execute(
        select(Document.id)
        .where(_claimable())  # type: ignore[arg-type]
        .order_by(Document.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(rows.scalars())


def holders(session: Session, document_id: int | None = None) -> list[str]:
    """The workers that hold claims, or the one that holds this document's."""
    wanted = select(Document.claimed_by).where(
        Document.state == "processing",
        Document.claimed_by.is_not(None),
        Document.claimed_until > func.now(),
    )
    if document_id is not None:
        wanted = wanted.where(Document.id == document_id)
    return [name for name in session.execute(wanted.distinct()).scalars() if name is not None]


def release(session: Session, worker: str) -> None:
    """End the claims of a worker that is known to be dead; another may take them at once."""
    session.execute(
        update(Document)
        .where(Document.state == "processing", Document.claimed_by == worker)
        .values(claimed_until=func.now())
        .execution_options(synchronize_session=False)
    )


def heartbeat(
    session: Session, document_id: int, worker: str, lease_s: int, done: int, total: int
) -> bool:
    """Prolong the lease and tell progress in chunks; false where the document is no longer ours."""
    mine = session.execute(
        update(Document)
        .where(
            Document.id == document_id,
            Document.state == "processing",
            Document.claimed_by == worker,
        )
        .values(
            claimed_until=func.now() + text(f"interval '{int(lease_s)} s'"),
            progress_done=done,
            progress_total=total,
        )
        .returning(Document.id)
        .execution_options(synchronize_session=False)
    )
    return mine.scalar() is not None


def fail(
    session: Session, document_id: int, worker: str, sentence: str, error_id: str | None
) -> bool:
    """Record in a calm sentence why it failed; what was searchable before stays so.

    False where the document is no longer ours, and then nothing is recorded.
    """
    mine = session.execute(
        update(Document)
        .where(
            Document.id == document_id,
            Document.state == "processing",
            Document.claimed_by == worker,
        )
        .values(
            state="failed", error=sentence, error_id=error_id, claimed_by=None, claimed_until=None
        )
        .returning(Document.id)
        .execution_options(synchronize_session=False)
    )
    return mine.scalar() is not None


def postpone(
    session: Session,
    document_id: int,
    worker: str,
    sentence: str,
    error_id: str | None,
    *,
    delay_s: int,
) -> bool:
    """Give it back, to be claimed no earlier than ``delay_s`` from now: what it needs is away.

    ``sentence`` says so to people meanwhile; ``report["postponed"]`` counts. The attempt does not
    count against the document. False where it is no longer ours.
    """
    document = session.execute(
        select(Document)
        .where(
            Document.id == document_id,
            Document.state == "processing",
            Document.claimed_by == worker,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar()
    if document is None:
        return False
    document.state, document.claimed_by = "pending", None
    document.claimed_until = func.now() + text(f"interval '{int(delay_s)} s'")
    document.attempts = max(0, document.attempts - 1)
    document.error, document.error_id = sentence, error_id
    document.report = {**document.report, "postponed": document.report.get("postponed", 0) + 1}
    session.flush()
    return True


def hurry(session: Session, job_id: int) -> list[int]:
    """What they waited for is there: a job's waiting documents may be claimed now. Their ids."""
    return list(
        session.execute(
            update(Document)
            .where(Document.job_id == job_id, Document.state == "pending")
            .values(claimed_until=None)
            .returning(Document.id)
            .execution_options(synchronize_session=False)
        ).scalars()
    )
