"""A web page that is looked at again: unchanged, changed, gone, away; and what the sweep sends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select

from bot.embedded.redis import Redis
from models.store import documents
from models.store.session import Sessions, transaction
from models.store.tables import Chunk, Document, IngestJob, Source
from tests.workers.ingest.conftest import StubEmbeddings
from workers.app import app
from workers.ingest import polling, sweep, work
from workers.ingest.fetch.url import Fetched, FetchFailed
from workers.ingest.work import Tools

pytestmark = pytest.mark.integration

PAGE = "https://example.invalid/guide"


@dataclass
class Site:
    """A page as its server answers for it."""

    text: str = "<h1>Guide</h1><p>The first edition.</p>"
    etag: str | None = '"1"'
    failure: FetchFailed | None = None
    conditions: list[str | None] = field(default_factory=list)

    def fetch(
        self,
        url: str,
        *,
        allowed: frozenset[str],
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> Fetched | None:
        """As ``workers.ingest.fetch.url.fetch``."""
        self.conditions.append(etag)
        if self.failure is not None:
            raise self.failure
        if etag is not None and etag == self.etag:
            return None
        return Fetched(
            data=self.text.encode(),
            url=url,
            filename="guide.html",
            mime="text/html",
            etag=self.etag,
            last_modified=last_modified,
        )


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def source(sessions: Sessions, tools: Tools, site: Site) -> int:
    """The page as a source, read once."""
    with transaction(sessions) as session:
        asked = documents.register(
            session, uri=PAGE, audience="workspace", title="guide", origin="url"
        )
    assert work.ingest(
        sessions, asked.document_id, worker="w", tools=replace(tools, fetch=site.fetch)
    )
    with sessions() as session:
        return session.scalars(select(Source.id)).one()


def look(sessions: Sessions, source: int, site: Site) -> polling.Look:
    return polling.look(sessions, source, fetch=site.fetch, allowed=frozenset())


def text(sessions: Sessions) -> str:
    with sessions() as session:
        return "\n".join(session.scalars(select(Chunk.text)))


def test_only_what_has_changed_is_read_again(
    sessions: Sessions, tools: Tools, site: Site, source: int
) -> None:
    # Unchanged by its tag, then by its content
    assert look(sessions, source, site) == polling.Look()
    assert site.conditions == [None, '"1"']
    site.etag = '"2"'
    assert look(sessions, source, site) == polling.Look()

    # Changed
    site.text, site.etag = "<h1>Guide</h1><p>The second edition.</p>", '"3"'
    changed = look(sessions, source, site)
    assert changed.note == "changed"
    assert changed.queued is not None
    assert work.ingest(sessions, changed.queued, worker="w", tools=replace(tools, fetch=site.fetch))
    assert text(sessions) == "The second edition."
    assert look(sessions, source, site) == polling.Look()


def test_a_page_that_is_gone_three_times_is_forgotten(
    sessions: Sessions, site: Site, source: int
) -> None:
    site.failure = FetchFailed("There is no such page (404).", gone=True)
    assert look(sessions, source, site).note == "missing"
    site.failure = FetchFailed("The site could not be reached.", transient=True)
    assert look(sessions, source, site).note == "away"
    site.failure = FetchFailed("There is no such page (404).", gone=True)
    assert look(sessions, source, site).note == "missing"
    assert "first edition" in text(sessions)
    assert look(sessions, source, site).note == "gone"
    assert text(sessions) == ""
    assert look(sessions, source, site).note == "no such source"


def test_a_page_that_comes_back_is_counted_anew(
    sessions: Sessions, site: Site, source: int
) -> None:
    site.failure = FetchFailed("There is no such page (404).", gone=True)
    assert [look(sessions, source, site).note for _ in range(2)] == ["missing", "missing"]
    site.failure, site.etag = None, '"2"'
    assert look(sessions, source, site).note == "unchanged"
    site.failure = FetchFailed("There is no such page (404).", gone=True)
    assert look(sessions, source, site).note == "missing"


def test_a_page_that_is_named_again_is_tried_as_often_as_the_first_time(
    sessions: Sessions, tools: Tools, site: Site
) -> None:
    site.failure = FetchFailed("The site took too long to answer.", transient=True)
    away = replace(tools, fetch=site.fetch)

    def ask() -> Document:
        with transaction(sessions) as session:
            asked = documents.register(
                session, uri=PAGE, audience="workspace", title="guide", origin="url"
            )
            session.get_one(Document, asked.document_id).claimed_until = None
        assert work.ingest(sessions, asked.document_id, worker="w", tools=away)
        with sessions() as session:
            return session.get_one(Document, asked.document_id)

    for _ in range(work.SITE_TRIES):
        assert ask().state == "pending"
    assert ask().state == "pending"


def test_the_source_of_a_forgotten_page_ends(sessions: Sessions, site: Site, source: int) -> None:
    with transaction(sessions) as session:
        (document_id,) = session.scalars(select(Document.id))
        documents.forget(session, document_id, actor="U1")
    assert look(sessions, source, site).note == "forgotten"
    with sessions() as session:
        assert session.get(Source, source) is None


@pytest.fixture
def broker(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """The real broker, its ingest queue emptied before and after."""
    monkeypatch.setenv("REDIS_URL", redis.url)
    monkeypatch.setitem(app.conf, "broker_url", "redis+socket://" + redis.url[len("unix://") :])
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        client.delete(sweep.QUEUE)
        yield redis
        client.delete(sweep.QUEUE)


def test_the_sweep_sends_what_waits_and_closes_jobs(
    sessions: Sessions, broker: Redis, source: int, embeddings_server: StubEmbeddings
) -> None:
    # Arrange: a due source, a document that waits, a job that nobody closed
    with transaction(sessions) as session:
        session.get_one(Source, source).next_poll_at = dt.datetime.now(dt.UTC)
        job = documents.open_job(session, label="x", requested_by=None, outbox_key=None)
        open_job = documents.open_job(session, label="y", requested_by=None, outbox_key=None)
        documents.register(
            session,
            uri="file:///a",
            audience="workspace",
            title="a",
            origin="cli",
            job_id=open_job,
        )

    # Act
    sent = sweep.sweep(sessions)

    # Assert
    assert sent == 1
    with app.connection_for_read() as connection:
        assert connection.default_channel.queue_declare(sweep.QUEUE).message_count == 2
    with sessions() as session:
        assert session.get_one(IngestJob, job).finished_at is not None
        assert session.get_one(IngestJob, open_job).finished_at is None
        soon = session.get_one(Source, source).next_poll_at
        assert soon is not None
        assert soon > dt.datetime.now(dt.UTC) + dt.timedelta(seconds=600)
