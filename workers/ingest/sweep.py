"""What the minutely tick does for documents: nothing that was asked for is ever left lying."""

from __future__ import annotations

import logging

from sqlalchemy import select

from models.queues import BULK
from models.store import blobs, documents, embeddings, resting, terms
from models.store.session import Sessions, transaction
from models.store.tables import IngestJob
from workers.app import app
from workers.ingest import polling
from workers.ingest.progress import Teller
from workers.ingest.work import release_dead

log = logging.getLogger(__name__)

QUEUE = "ingest"
BATCH = 2000  # messages that may wait in the queue
POLLS = 50  # sources a minute


def sweep(sessions: Sessions) -> int:
    """Send a task for each document that waits and each source that is due; returns how many.

    Messages that still wait in the broker count against ``BATCH``, so that a long queue is not
    doubled every minute.
    """
    release_dead(sessions)
    room = BATCH - _waiting()
    ids: list[int] = []
    if room > 0:
        with transaction(sessions) as session:
            ids = documents.due(session, room)
        with transaction(sessions) as session:
            sources = polling.take_due(session, POLLS)
        for document_id in ids:
            app.send_task("ingest.document", args=[document_id], priority=BULK)
        for source_id in sources:
            app.send_task("ingest.poll", args=[source_id], priority=BULK)
        if ids or sources:
            log.info("swept: %s documents, %s sources", len(ids), len(sources))
    _finish_jobs(sessions)
    with transaction(sessions) as session:
        resting.sweep_stale(session)
    with transaction(sessions) as session:
        blobs.sweep_orphans(session)
        embeddings.sweep_unused(session)
    with transaction(sessions) as session:
        terms.compact(session)
    return len(ids)


def _waiting() -> int:
    """Messages in the broker's ingest queue, of every priority."""
    with app.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare(QUEUE).message_count)


def _finish_jobs(sessions: Sessions) -> None:
    """Close jobs whose last worker died between its document's end and the job's."""
    with sessions() as session:
        wanted = select(IngestJob.id).where(IngestJob.finished_at.is_(None))
        jobs = list(session.execute(wanted.order_by(IngestJob.id).limit(100)).scalars())
    teller = Teller()
    for job_id in jobs:
        teller.document_over(sessions, job_id)
