"""Web pages that are looked at again and again: what is remembered of them, what a look brings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store import blobs, documents
from models.store.session import Sessions, transaction
from models.store.tables import Document, Source
from workers.ingest.fetch.url import Fetched, FetchFailed

log = logging.getLogger(__name__)

GONE_LOOKS = 3  # looks in a row that find no page before the document is forgotten


def remember(
    session: Session, document: Document, worker: str, fetched: Fetched, *, poll_s: int
) -> None:
    """Keep what was fetched for a claimed document, and the page as a source to look at again."""
    source = insert(Source).values(
        kind="url",
        uri=document.uri,
        audience=document.audience,
        added_by=document.added_by,
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        poll_seconds=poll_s,
        next_poll_at=func.now() + text(f"interval '{int(poll_s)} s'"),
    )
    source_id = session.execute(
        source.on_conflict_do_update(
            index_elements=["uri", "audience"],
            set_={"etag": fetched.etag, "last_modified": fetched.last_modified},
        ).returning(Source.id)
    ).scalar_one()
    ours = session.execute(
        select(Document)
        .where(Document.id == document.id, Document.claimed_by == worker)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar()
    if ours is None:
        return
    ours.blob_sha256 = blobs.put(session, fetched.data)
    ours.source_id = source_id
    ours.filename, ours.mime = fetched.filename, fetched.mime
    ours.link = ours.link or ours.uri


def take_due(session: Session, limit: int) -> list[int]:
    """Ids of URL sources that are due; their next time is set at once, so none is sent twice."""
    rows = session.execute(
        select(Source)
        .where(Source.kind == "url", Source.next_poll_at <= func.now())
        .order_by(Source.next_poll_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).scalars()
    due = list(rows)
    for source in due:
        seconds = max(60, source.poll_seconds or 900)
        source.next_poll_at = func.now() + text(f"interval '{int(seconds)} s'")
    session.flush()
    return [source.id for source in due]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at a source asks for."""

    queued: int | None = None  # a document that has changed
    note: str = "unchanged"


def look(
    sessions: Sessions,
    source_id: int,
    *,
    fetch: Callable[..., Fetched | None],
    allowed: frozenset[str],
) -> Look:
    """Fetch a source where it has changed, and register its document anew.

    A source whose document somebody forgot ends here; one whose page is gone for ``GONE_LOOKS``
    looks is forgotten. A site that is away is looked at again next time.
    """
    with sessions() as session:
        source = session.get(Source, source_id)
        document = _document(session, source) if source is not None else None
    if source is None:
        return Look(note="no such source")
    if document is None or document.state == "deleted":
        with transaction(sessions) as session:
            found = session.get(Source, source_id)
            if found is not None:
                session.delete(found)
        return Look(note="forgotten")
    conditional = document.state == "ready"
    try:
        fetched = fetch(
            source.uri,
            allowed=allowed,
            etag=source.etag if conditional else None,
            last_modified=source.last_modified if conditional else None,
        )
    except FetchFailed as error:
        return _failed(sessions, source, document, error)
    if fetched is None:
        return Look()
    with transaction(sessions) as session:
        row = session.get_one(Source, source_id, with_for_update=True)
        row.etag, row.last_modified = fetched.etag, fetched.last_modified
        row.options = {}
        registered = documents.register(
            session,
            uri=source.uri,
            audience=source.audience,
            title=document.title,
            origin=document.origin,
            filename=fetched.filename,
            mime=fetched.mime,
            blob_sha256=blobs.put(session, fetched.data),
            source_id=source_id,
            revive=False,
        )
    if not registered.queued:
        return Look()
    return Look(queued=registered.document_id, note="changed")


def _document(session: Session, source: Source) -> Document | None:
    return session.execute(
        select(Document).where(Document.uri == source.uri, Document.audience == source.audience)
    ).scalar()


def _failed(sessions: Sessions, source: Source, document: Document, error: FetchFailed) -> Look:
    log.info("source %s: %s", source.id, error)
    if not error.gone:
        return Look(note="away")
    with transaction(sessions) as session:
        row = session.get_one(Source, source.id, with_for_update=True)
        looks = int(row.options.get("gone", 0)) + 1
        row.options = {**row.options, "gone": looks}
        if looks >= GONE_LOOKS:
            documents.forget(session, document.id, actor="polling: the page is gone")
            session.delete(row)
            return Look(note="gone")
    return Look(note="missing")
