"""A document's way through real Postgres: versions, failures, and a worker killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from sqlalchemy import func, select

from bot.embedded.redis import Redis
from models.store import blobs, claims, documents
from models.store.audience import WORKSPACE
from models.store.scale import PAIRS
from models.store.search import hybrid
from models.store.session import Sessions, transaction
from models.store.tables import Chunk, Document, Embedding
from tests.workers.ingest.conftest import StubEmbeddings
from workers import process
from workers.ingest import work
from workers.ingest.document import Block, Parsed
from workers.ingest.work import Tools

pytestmark = pytest.mark.integration

TEXT = "# Manual\n\n" + "\n\n".join(
    f"## Part {n}\n\nThe valve number {n} opens at {n * 7} bar." for n in range(30)
)


def register(sessions: Sessions, text: str, uri: str = "file:///manual.md") -> int:
    with transaction(sessions) as session:
        return documents.register(
            session,
            uri=uri,
            audience="workspace",
            title="manual.md",
            origin="cli",
            filename="manual.md",
            blob_sha256=blobs.put(session, text.encode()),
        ).document_id


def row(sessions: Sessions, document_id: int) -> Document:
    with sessions() as session:
        return session.get_one(Document, document_id)


def texts(sessions: Sessions, document_id: int) -> list[str]:
    wanted = select(Chunk.text).where(Chunk.document_id == document_id).order_by(Chunk.position)
    with sessions() as session:
        return list(session.execute(wanted).scalars())


def test_an_edit_embeds_only_what_changed(
    sessions: Sessions, tools: Tools, embeddings_server: StubEmbeddings
) -> None:
    document_id = register(sessions, TEXT)
    assert work.ingest(sessions, document_id, worker="w", tools=tools)
    first = row(sessions, document_id)
    assert (first.state, first.title, first.version) == ("ready", "Manual", 1)
    assert len(texts(sessions, document_id)) == 30
    embeddings_server.texts.clear()

    register(sessions, TEXT.replace("number 7 opens", "number 7 never opens"))
    assert work.ingest(sessions, document_id, worker="w", tools=tools)
    assert len(embeddings_server.texts) == 1
    assert row(sessions, document_id).report == {"kept": 29, "added": 1, "removed": 1}


def test_what_is_found_in_a_table_knows_its_rows(sessions: Sessions, tools: Tools) -> None:
    table = "| Part | Price |\n|---|---|\n| Valve | 7 |\n| Pump | 8 |\n| Hose | 9 |\n"
    work.ingest(sessions, register(sessions, table), worker="w", tools=tools)
    with sessions() as session:
        (found,) = hybrid(session, query="hose", vector=[], audience=WORKSPACE)
    assert (found.row, found.last_row) == (2, 4)


def test_a_failed_document_keeps_its_old_version(sessions: Sessions, tools: Tools) -> None:
    document_id = register(sessions, TEXT)
    work.ingest(sessions, document_id, worker="w", tools=tools)
    before = texts(sessions, document_id)
    register(sessions, "%PDF-1.7 and then nothing")
    work.ingest(sessions, document_id, worker="w", tools=tools)
    failed = row(sessions, document_id)
    assert failed.state == "failed"
    assert failed.error == "This PDF is damaged or cut off and cannot be opened."
    assert len(failed.error_id or "") == 8
    assert texts(sessions, document_id) == before


def test_an_embedding_server_that_is_away_is_waited_for(
    sessions: Sessions, tools: Tools, embeddings_server: StubEmbeddings
) -> None:
    document_id = register(sessions, TEXT)
    embeddings_server.down = True
    work.ingest(sessions, document_id, worker="w", tools=tools)
    waiting = row(sessions, document_id)
    assert (waiting.state, waiting.error) == ("pending", work.WAITING_FOR_MODEL)
    assert waiting.claimed_until is not None
    assert not work.ingest(sessions, document_id, worker="w", tools=tools)  # not yet
    embeddings_server.down = False
    with transaction(sessions) as session:
        session.get_one(Document, document_id).claimed_until = None
    work.ingest(sessions, document_id, worker="w", tools=tools)
    assert (row(sessions, document_id).state, row(sessions, document_id).error) == ("ready", None)


def test_a_document_forgotten_meanwhile_stays_forgotten(sessions: Sessions, tools: Tools) -> None:
    document_id = register(sessions, TEXT)
    with transaction(sessions) as session:
        documents.forget(session, document_id, actor="U1")
    assert not work.ingest(sessions, document_id, worker="w", tools=tools)
    assert texts(sessions, document_id) == []


def start_worker(database_url: str, redis: Redis, stub: StubEmbeddings) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "PHI3_EMBEDDING_URL": stub.url,
        "PHI3_INGEST_LEASE_S": "900",  # too long to be waited for
        "PHI3_EMBED_BATCH": "2",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "ingest", "-c", "1"],
        env=environment,
        start_new_session=True,
    )


def until(seconds: float, what: str, true: object) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing(
    sessions: Sessions,
    database_url: str,
    redis: Redis,
    embeddings_server: StubEmbeddings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", redis.url)
    from bot.tasks import send

    embeddings_server.delay_s = 0.4
    document_id = register(sessions, TEXT)
    assert send("ingest.document", document_id)

    def embedded() -> int:
        with sessions() as session:
            return int(session.execute(select(func.count(Embedding.hash))).scalar_one())

    first = start_worker(database_url, redis, embeddings_server)
    try:
        until(60, "some vectors", lambda: 0 < embedded() < 30)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert row(sessions, document_id).state == "processing"
    assert texts(sessions, document_id) == []
    kept = embedded()
    embeddings_server.texts.clear()
    embeddings_server.delay_s = 0.0

    second = start_worker(database_url, redis, embeddings_server)
    try:
        until(60, "the document", lambda: row(sessions, document_id).state == "ready")
    finally:
        os.killpg(second.pid, signal.SIGTERM)
        second.wait(20)
    assert max(Counter(texts(sessions, document_id)).values()) == 1
    assert len(texts(sessions, document_id)) == embedded() == 30
    once = {text for pair in PAIRS for text in pair}  # the embedding model's scale is measured
    assert len(set(embeddings_server.texts) - once) <= 30 - kept + 1


def test_kill_9_of_a_pool_process_is_made_good_by_the_next_one(
    sessions: Sessions,
    database_url: str,
    redis: Redis,
    embeddings_server: StubEmbeddings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", redis.url)
    from bot.tasks import send

    embeddings_server.delay_s = 0.4
    document_id = register(sessions, TEXT)
    assert send("ingest.document", document_id)
    worker = start_worker(database_url, redis, embeddings_server)
    try:
        until(60, "a claim", lambda: row(sessions, document_id).claimed_by is not None)
        holder = row(sessions, document_id).claimed_by
        assert holder is not None
        os.kill(int(holder.split(":")[1]), signal.SIGKILL)
        embeddings_server.delay_s = 0.0
        until(60, "the document", lambda: row(sessions, document_id).state == "ready")
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(20)
    assert max(Counter(texts(sessions, document_id)).values()) == 1


def test_what_somebody_waits_for_overtakes_a_folder(
    sessions: Sessions,
    database_url: str,
    redis: Redis,
    embeddings_server: StubEmbeddings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Arrange: a worker with much to do
    monkeypatch.setenv("REDIS_URL", redis.url)
    from bot.tasks import send

    embeddings_server.delay_s = 0.3
    folder = [register(sessions, f"# Part {n}\n\nValve {n}.", f"file:///{n}") for n in range(40)]
    assert all(send("ingest.document", number, bulk=True) for number in folder)

    def ready(numbers: list[int]) -> int:
        return sum(row(sessions, number).state == "ready" for number in numbers)

    worker = start_worker(database_url, redis, embeddings_server)
    try:
        until(60, "the first of many", lambda: ready(folder) > 0)

        # Act
        shared = register(sessions, "# Notice\n\nThe valve is open.", "slack:file:F1")
        assert send("ingest.document", shared)
        until(60, "the shared file", lambda: ready([shared]) == 1)

        # Assert
        assert ready(folder) < 20
        embeddings_server.delay_s = 0.0
        until(60, "the others", lambda: ready(folder) == 40)
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(20)


def test_the_claim_of_a_living_process_is_left_alone(sessions: Sessions, tools: Tools) -> None:
    document_id = register(sessions, TEXT)
    with transaction(sessions) as session:
        assert documents.claim(session, document_id, worker=process.name() + ":a", lease_s=60)
    assert not work.ingest(sessions, document_id, worker="w", tools=tools)


def test_what_kills_every_worker_is_given_up(sessions: Sessions, tools: Tools) -> None:
    document_id = register(sessions, TEXT)
    gone = subprocess.Popen(
        [sys.executable, "-c", "from workers import process; print(process.name())"],
        stdout=subprocess.PIPE,
        text=True,
    )
    name = gone.communicate()[0].strip()
    for _ in range(claims.MAX_ATTEMPTS):
        work.release_dead(sessions)
        with transaction(sessions) as session:
            assert documents.claim(session, document_id, worker=f"{name}:a", lease_s=60)
    assert not work.ingest(sessions, document_id, worker="w", tools=tools)
    assert row(sessions, document_id).state == "failed"


def test_what_a_parser_finds_can_always_be_stored(
    sessions: Sessions, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = Parsed(
        title="a\x00b \ud800",
        blocks=(Block(text="The valve\x00 opens \udfff at noon.", path=("x\x00y \ud800",)),),
    )
    monkeypatch.setattr(tools.parser, "parse", lambda *_: hostile)
    document_id = register(sessions, "anything")
    assert work.ingest(sessions, document_id, worker="w", tools=tools)
    found = row(sessions, document_id)
    assert (found.state, found.title) == ("ready", "ab ?")
    assert texts(sessions, document_id) == ["The valve opens ? at noon."]


def test_a_title_as_long_as_a_book_is_cut(sessions: Sessions, tools: Tools) -> None:
    title = " ".join(f"word{n}" for n in range(150_000))  # more than one row could index
    document_id = register(sessions, f"---\ntitle: {title}\n---\n\nThe valve opens at noon.")
    assert work.ingest(sessions, document_id, worker="w", tools=tools)
    found = row(sessions, document_id)
    assert found.state == "ready"
    assert found.title.startswith("word0 word1 ")
    assert len(found.title) <= work.MAX_TITLE


def test_what_is_too_large_for_the_database_fails_at_once(
    sessions: Sessions, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres's driver calls it an operational error, as it does a server that is away."""
    monkeypatch.setattr(work, "MAX_TITLE", 10**9)
    title = " ".join(f"word{n}" for n in range(150_000))
    document_id = register(sessions, f"---\ntitle: {title}\n---\n\nThe valve opens at noon.")
    assert work.ingest(sessions, document_id, worker="w", tools=tools)
    found = row(sessions, document_id)
    assert (found.state, found.error) == ("failed", work.TOO_LARGE)
