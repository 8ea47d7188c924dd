"""Documents under concurrency, on a real Postgres with real threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update

from models.store import claims, documents
from models.store.audience import WORKSPACE, BadAudience
from models.store.documents import NewChunk
from models.store.session import Sessions, transaction
from models.store.tables import Chunk, Document
from tests.models.store.corpus import digest
from tests.models.store.handling import (
    claimed,
    counted,
    lease_runs_out,
    live,
    recounted,
    register,
    swapped,
)

pytestmark = pytest.mark.integration


def test_an_unchanged_blob_queues_nothing_and_a_changed_one_does(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        first = register(session, blob="b1")
    assert (first.queued, first.reason) == (True, "new")
    assert swapped(sessions, claimed(sessions, first.document_id), "One.") is not None
    with transaction(sessions) as session:
        assert register(session, blob="b1").reason == "unchanged"
        assert register(session, blob="b2") == documents.Registered(
            first.document_id, True, "changed"
        )


def test_a_scan_that_finds_nothing_new_keeps_the_title_that_reading_found(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        document_id = register(session, blob="b1").document_id
    swapped(sessions, claimed(sessions, document_id), "One.", title="Travel policy")
    with transaction(sessions) as session:
        assert register(session, blob="b1").reason == "unchanged"
        assert session.get_one(Document, document_id).title == "Travel policy"


def test_a_tombstone_is_respected_until_a_person_revives_it(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        asked = register(session)
        assert documents.forget(session, asked.document_id, actor="U1")
        assert not documents.forget(session, asked.document_id, actor="U1")
        assert register(session, revive=False).reason == "forgotten"
        assert documents.names(session, audience=WORKSPACE) == []
        assert register(session).queued


def test_a_bad_audience_is_refused(sessions: Sessions) -> None:
    with transaction(sessions) as session, pytest.raises(BadAudience):
        register(session, audience="everyone")


def test_of_many_workers_one_claims(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        document_id = register(session).document_id
    start = threading.Barrier(6)

    def attempt(number: int) -> bool:
        start.wait()
        with transaction(sessions) as session:
            return (
                documents.claim(session, document_id, worker=f"w{number}", lease_s=60) is not None
            )

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(attempt, range(6))) == 1


def test_many_who_register_at_once_make_one_row(sessions: Sessions) -> None:
    start = threading.Barrier(6)

    def attempt(_: int) -> str:
        start.wait()
        with transaction(sessions) as session:
            return register(session).reason

    with ThreadPoolExecutor(6) as threads:
        reasons = sorted(threads.map(attempt, range(6)))
    assert reasons == ["again"] * 5 + ["new"]


def test_a_worker_whose_lease_ran_out_changes_nothing_any_more(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        document_id = register(session).document_id
    slow = claimed(sessions, document_id, "slow")
    lease_runs_out(sessions, document_id)
    with transaction(sessions) as session:
        assert documents.due(session, 10) == [document_id]
    quick = claimed(sessions, document_id, "quick")
    with transaction(sessions) as session:
        assert not documents.heartbeat(session, document_id, "slow", 60, 1, 2)
        assert not documents.fail(session, document_id, "slow", "It broke.", "deadbeef")
    assert swapped(sessions, slow, "Slow.", worker="slow") is None
    assert swapped(sessions, quick, "Quick.", worker="quick") is not None
    assert live(sessions) == ["Quick."]


def test_a_document_that_fells_its_workers_is_given_up(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        document_id = register(session).document_id
    for _ in range(claims.MAX_ATTEMPTS):
        claimed(sessions, document_id)
        lease_runs_out(sessions, document_id)
    with transaction(sessions) as session:
        assert documents.due(session, 10) == []
    with sessions() as session:
        assert session.get_one(Document, document_id).state == "failed"


def test_a_new_version_asked_for_during_the_work_wins(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        document_id = register(session, blob="b1").document_id
    old = claimed(sessions, document_id)
    with transaction(sessions) as session:
        assert register(session, blob="b1").reason == "in progress"
        assert register(session, blob="b2").queued
    assert swapped(sessions, old, "Old.") is None
    assert swapped(sessions, claimed(sessions, document_id), "New.") is not None
    assert live(sessions) == ["New."]


@pytest.mark.parametrize("first", ["swap", "forget"])
def test_a_forget_during_a_swap_leaves_nothing_searchable(sessions: Sessions, first: str) -> None:
    with transaction(sessions) as session:
        document_id = register(session).document_id
    document = claimed(sessions, document_id)
    holding, released = threading.Event(), threading.Event()

    def swap() -> None:
        with transaction(sessions) as session:
            documents.swap(
                session,
                document_id,
                worker="w",
                revision=document.revision,
                content_hash="h",
                title=None,
                chunks=[NewChunk(text="Secret.", hash=digest("Secret."))],
            )
            wait()

    def forget() -> None:
        with transaction(sessions) as session:
            documents.forget(session, document_id, actor="U1")
            wait()

    def wait() -> None:
        if not holding.is_set():
            holding.set()
            assert released.wait(10)

    steps = [swap, forget] if first == "swap" else [forget, swap]
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(steps[0])
        assert holding.wait(10)
        other = threads.submit(steps[1])
        with pytest.raises(TimeoutError):
            other.result(timeout=0.3)  # it waits for the row
        released.set()
        one.result(10)
        other.result(10)
    assert live(sessions) == []
    assert counted(sessions) == {}


def test_a_swap_keeps_what_is_unchanged_and_counts_words_right(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        document_id = register(session).document_id
    swapped(sessions, claimed(sessions, document_id), "One word.", "Two words.", "Two words.")
    with sessions() as session:
        before = {row.text: row.id for row in session.execute(select(Chunk.text, Chunk.id))}
    with transaction(sessions) as session:
        register(session)
    report = swapped(
        sessions, claimed(sessions, document_id), "Zero.", "Two words.", "One word.", title="New"
    )
    assert report == documents.SwapReport(kept=2, added=1, removed=1)
    assert live(sessions) == ["Zero.", "Two words.", "One word."]
    with sessions() as session:
        after = {row.text: row.id for row in session.execute(select(Chunk.text, Chunk.id))}
    assert after["One word."] == before["One word."]
    assert counted(sessions) == recounted(sessions)
    with transaction(sessions) as session:
        session.execute(text("SELECT 1"))
        assert documents.find(session, "file:///a")[0].version == 2


def test_swaps_of_different_documents_do_not_wait_for_each_other(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        ids = [
            documents.register(
                session, uri=f"file:///{n}", audience="workspace", title="A", origin="cli"
            ).document_id
            for n in range(8)
        ]

    def work(document_id: int) -> None:
        for version in range(4):
            document = claimed(sessions, document_id)
            swapped(sessions, document, *(f"shared words {n} {version}" for n in range(20)))
            with transaction(sessions) as session:
                session.execute(
                    update(Document).where(Document.id == document_id).values(state="pending")
                )

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, ids))
    assert counted(sessions) == recounted(sessions)
    from models.store import terms

    with transaction(sessions) as session:
        assert terms.compact(session) > 0
    assert counted(sessions) == recounted(sessions)


def test_a_job_tells_its_progress_and_ends_once(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        job = documents.open_job(session, label="two files", requested_by="U1", outbox_key="k")
        ids = [
            documents.register(
                session, uri=uri, audience="workspace", title=uri, origin="cli", job_id=job
            ).document_id
            for uri in ("file:///1", "file:///2")
        ]
    swapped(sessions, claimed(sessions, ids[0]), "One.")
    claimed(sessions, ids[1])
    with transaction(sessions) as session:
        assert documents.heartbeat(session, ids[1], "w", 60, 3, 7)
        assert documents.job_progress(session, job) == documents.JobProgress(
            total=2, done=1, failed=0, waiting=1, chunks_done=4, chunks_total=8
        )
        assert not documents.finish_job(session, job)
        assert documents.fail(session, ids[1], "w", "It is encrypted.", "deadbeef")
        assert documents.finish_job(session, job)
        assert not documents.finish_job(session, job)


def test_naming_a_document_again_does_not_make_it_ones_own(sessions: Sessions) -> None:
    def bring(who: str) -> int:
        with transaction(sessions) as session:
            return documents.register(
                session,
                uri="https://example.com/handbook",
                audience="workspace",
                title="A",
                origin="url",
                added_by=who,
            ).document_id

    def owner(document_id: int) -> str | None:
        with sessions() as session:
            return session.get_one(Document, document_id).added_by

    document_id = bring("U1")
    assert bring("U2") == document_id
    assert owner(document_id) == "U1"
    with transaction(sessions) as session:
        documents.forget(session, document_id, actor="U1")
    bring("U2")
    assert owner(document_id) == "U2"
