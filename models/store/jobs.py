"""An ingest as the person who asked for it sees it: how far along, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from models.store.audience import Audience
from models.store.tables import Document, IngestJob

SOON_S = 20  # what is tried again within this time is as good as being read

_PROGRESS = text(
    """
    SELECT count(*) AS total,
        count(*) FILTER (WHERE state IN ('ready', 'deleted')) AS done,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state IN ('pending', 'processing')) AS waiting,
        coalesce(sum(progress_done), 0) AS chunks_done,
        coalesce(sum(progress_total), 0) AS chunks_total
    FROM documents WHERE job_id = :job_id
    """
)

_FINISH = text(
    """
    UPDATE ingest_jobs SET finished_at = now()
    WHERE id = :job_id AND finished_at IS NULL AND NOT EXISTS (
        SELECT FROM documents WHERE job_id = :job_id AND state IN ('pending', 'processing'))
    RETURNING id
    """
)


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """Documents of a job by where they stand, and the chunks of those that were begun."""

    total: int
    done: int  # searchable, or forgotten meanwhile
    failed: int
    waiting: int  # not begun, or being worked on
    chunks_done: int
    chunks_total: int


def open_job(
    session: Session, *, label: str, requested_by: str | None, outbox_key: str | None
) -> int:
    """A job for one request; ``label`` is what was asked for in words. Returns its id."""
    job = IngestJob(label=label, requested_by=requested_by, outbox_key=outbox_key)
    session.add(job)
    session.flush()
    return job.id


def job_progress(session: Session, job_id: int) -> JobProgress:
    """Where a job stands now."""
    row = session.execute(_PROGRESS, {"job_id": job_id}).one()
    return JobProgress(**{name: int(value) for name, value in row._mapping.items()})


def finish_job(session: Session, job_id: int) -> bool:
    """Close a job that has nothing left to do; true for the one caller that closed it."""
    return session.execute(_FINISH, {"job_id": job_id}).scalar() is not None


def being_read(session: Session, audience: Audience) -> int:
    """How many documents that ``audience`` may see are not yet searchable but soon will be.

    One that waits longer for a site or a service that is away is not among them.
    """
    tried_soon = Document.claimed_until <= func.now() + text(f"interval '{SOON_S} s'")
    soon = select(func.count(Document.id)).where(
        Document.state.in_(("pending", "processing")),
        Document.version == 0,
        or_(Document.error.is_(None), Document.state == "processing", tried_soon),
        Document.audience.in_(audience.sorted_keys()),
    )
    return int(session.execute(soon).scalar_one())
