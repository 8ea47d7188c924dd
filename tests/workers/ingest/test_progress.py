"""What the person who asked is told, and what they are not told."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from models.store import documents, outbox
from models.store.session import Sessions, transaction
from models.store.tables import Document, Outbox
from workers.ingest.progress import Teller

pytestmark = pytest.mark.integration

KEY = "file:F1:D1"


def ask(sessions: Sessions) -> int:
    """A request for the one document; its job."""
    with transaction(sessions) as session:
        job = documents.open_job(session, label="tide.md", requested_by="U1", outbox_key=KEY)
        documents.register(
            session,
            uri="slack:file:F1",
            audience="user:U1",
            title="tide.md",
            origin="slack_file",
            job_id=job,
        )
        outbox.put(session, key=KEY, destination={"channel": "D1"}, payload={"kind": "first"})
    return job


def told(sessions: Sessions) -> str:
    with sessions() as session:
        row = session.scalars(select(Outbox).where(Outbox.key == KEY)).one()
        return str(row.payload["kind"])


def test_a_request_whose_document_a_later_one_took_over_says_nothing(sessions: Sessions) -> None:
    first = ask(sessions)
    second = ask(sessions)
    assert first != second

    Teller().document_over(sessions, first)

    assert told(sessions) == "first"


def test_a_request_without_documents_says_nothing(sessions: Sessions) -> None:
    ask(sessions)
    with transaction(sessions) as session:
        empty = documents.open_job(session, label="again", requested_by="U1", outbox_key=KEY)

    Teller().document_over(sessions, empty)

    assert told(sessions) == "first"


def settle(sessions: Sessions, sentence: str) -> None:
    """The one document fails with ``sentence``."""
    with transaction(sessions) as session:
        (document_id,) = session.scalars(select(Document.id))
        assert documents.claim(session, document_id, worker="w", lease_s=60) is not None
        documents.fail(session, document_id, "w", sentence, "0123abcd")


def test_progress_is_told_at_most_every_three_seconds(sessions: Sessions) -> None:
    clock = [100.0]
    job = ask(sessions)
    teller = Teller(clock=lambda: clock[0])

    def versions() -> int:
        with sessions() as session:
            return session.scalars(select(Outbox.version).where(Outbox.key == KEY)).one()

    before = versions()
    for at in (100.0, 100.5, 102.9, 103.0, 103.1, 106.5):
        clock[0] = at
        teller.under_way(sessions, job)
    assert versions() == before + 3
    assert told(sessions) == "ingest_progress"


def test_the_end_of_a_job_is_told_once_with_its_failures(sessions: Sessions) -> None:
    job = ask(sessions)
    teller = Teller()
    teller.document_over(sessions, job)
    assert told(sessions) == "ingest_progress"  # the document still waits
    settle(sessions, "This file is empty.")
    teller.document_over(sessions, job)
    teller.document_over(sessions, job)
    with sessions() as session:
        row = session.scalars(select(Outbox).where(Outbox.key == KEY)).one()
    assert row.payload["kind"] == "ingest_done"
    assert (row.payload["total"], row.payload["failed"]) == (1, 1)
    assert row.payload["failures"] == [
        {"title": "tide.md", "sentence": "This file is empty.", "error_id": "0123abcd"}
    ]
    assert row.version == 3
