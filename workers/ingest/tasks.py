"""Celery's view of ingestion: each task names one function and hands it what it needs."""

from __future__ import annotations

from typing import Any

from celery import signals

from models.queues import BULK
from workers import process
from workers.app import app, sessions
from workers.ingest import polling, work
from workers.ingest import sweep as sweeping
from workers.settings import Workers


@app.task(name="ingest.document")
def document(document_id: int) -> None:
    """Make one pending document searchable; does nothing where another worker holds it."""
    work.ingest(sessions(), document_id, worker=process.name(), tools=work.tools())


@app.task(name="ingest.poll")
def poll(source_id: int) -> None:
    """Look at a web page again; what has changed becomes a task of its own."""
    tools = work.tools()
    found = polling.look(sessions(), source_id, fetch=tools.fetch, allowed=tools.allowed)
    if found.queued is not None:
        document.apply_async(args=[found.queued], priority=BULK)


@app.task(name="ingest.sweep")
def sweep() -> None:
    """Send a task for every document that waits or whose worker died."""
    sweeping.sweep(sessions())


@signals.worker_ready.connect
def _take_up(sender: Any, **_: object) -> None:
    """A worker that starts may be the successor of one that was killed.

    What is seen to be left behind is taken up at once; the rest when its lease must have run out.
    """
    if "ingest" in sender.app.amqp.queues.consume_from:
        sweep.delay()
        sweep.apply_async(countdown=Workers().lease_s + 1)
