"""What the person who asked for an ingest is told, through the outbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.store import documents, outbox
from models.store.session import Sessions, transaction
from models.store.tables import Document, IngestJob, Outbox

EVERY_S = 3.0
NAMED = 20  # failures that are named


@dataclass
class Teller:
    """Tells at most every ``EVERY_S`` seconds per job and process, and once when a job is over."""

    _last: dict[int, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic  # seconds
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def under_way(self, sessions: Sessions, job_id: int | None) -> None:
        """A document of the job has moved on."""
        if job_id is None or not self._due(job_id):
            return
        with transaction(sessions) as session:
            job = session.get(IngestJob, job_id)
            if job is not None and job.finished_at is None:
                tell(session, job, kind="ingest_progress")

    def document_over(self, sessions: Sessions, job_id: int | None) -> None:
        """A document of the job is done or has failed; perhaps the last one.

        Runs after that has been committed, so that of two workers that end together one sees both.
        """
        if job_id is None:
            return
        with transaction(sessions) as session:
            over = documents.finish_job(session, job_id)
            if over:
                tell(session, session.get_one(IngestJob, job_id), kind="ingest_done")
        if over:
            with self._lock:
                self._last.pop(job_id, None)
        else:
            self.under_way(sessions, job_id)

    def _due(self, job_id: int) -> bool:
        now = self.clock()
        with self._lock:
            if now - self._last.get(job_id, -EVERY_S) < EVERY_S:
                return False
            self._last[job_id] = now
            return True


def tell(session: Session, job: IngestJob, *, kind: str) -> None:
    """Update the job's message, where it has one: ``ingest_progress`` or ``ingest_done``."""
    if job.outbox_key is None:
        return
    message = session.execute(select(Outbox).where(Outbox.key == job.outbox_key)).scalar()
    if message is None:
        return
    now = documents.job_progress(session, job.id)
    if not now.total:  # a later request for the same documents took them over and tells of them
        return
    failed = session.execute(
        select(Document)
        .where(Document.job_id == job.id, Document.state == "failed")
        .order_by(Document.id)
        .limit(NAMED)
    ).scalars()
    outbox.put(
        session,
        key=job.outbox_key,
        destination=message.destination,
        payload={
            "kind": kind,
            "label": job.label,
            "total": now.total,
            "done": now.done,
            "failed": now.failed,
            "waiting": now.waiting,
            "chunks_done": now.chunks_done,
            "chunks_total": now.chunks_total,
            "failures": [
                {"title": row.title, "sentence": row.error, "error_id": row.error_id}
                for row in failed
            ],
        },
    )
