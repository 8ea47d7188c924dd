"""What makes a document's version searchable, or takes it away: each in one transaction.

A reader sees the old version or the new one, never a mixture. Pairs follow in the same transaction
(``resting``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from models.store import lexical, resting, terms
from models.store.audience import checked
from models.store.tables import Audit, Chunk, Document


@dataclass(frozen=True, kw_only=True)
class NewChunk:
    """A chunk of a version that is about to become searchable."""

    text: str
    hash: str  # sha256 hex of what was embedded
    heading_path: tuple[str, ...] = ()
    page: int | None = None  # 1-based
    row: int | None = None  # 1-based first row of a table
    last_row: int | None = None
    sheet: str | None = None
    token_count: int = 0


@dataclass(frozen=True)
class SwapReport:
    """What a swap did, in chunks."""

    kept: int
    added: int
    removed: int


def swap(
    session: Session,
    document_id: int,
    *,
    worker: str,
    revision: int,
    content_hash: str,
    title: str | None,
    chunks: Sequence[NewChunk],
) -> SwapReport | None:
    """Make ``chunks``, in order, the searchable version. Their vectors were put before.

    Chunks are matched by hash with those that are live; what is unchanged keeps its row. None, and
    nothing happens, where the document was deleted, asked for anew (``revision`` moved) or taken
    over by another worker meanwhile.
    """
    document = _locked(session, document_id)
    ours = document is not None and (document.state, document.claimed_by, document.revision) == (
        "processing",
        worker,
        revision,
    )
    if document is None or not ours:
        return None
    renamed = title is not None and title != document.title
    document.title = title if title is not None else document.title

    live: dict[str, list[Chunk]] = defaultdict(list)
    for old in session.execute(
        select(Chunk).where(Chunk.document_id == document_id).order_by(Chunk.position)
    ).scalars():
        live[old.hash].append(old)
    kept: list[Chunk] = []
    fresh: list[Chunk] = []
    for position, new in enumerate(chunks):
        if live[new.hash]:
            row = live[new.hash].pop(0)
            _place(row, position, new)
            kept.append(row)
        else:
            row = Chunk(document_id=document_id, audience=document.audience, hash=new.hash)
            _place(row, position, new)
            _index(row, document.title)
            fresh.append(row)
    gone = [old for rest in live.values() for old in rest]

    reindexed = [row for row in kept if renamed]
    terms.remove(session, [row.id for row in [*gone, *reindexed]])
    session.execute(delete(Chunk).where(Chunk.id.in_([row.id for row in gone])))
    for row in reindexed:
        _index(row, document.title)
    session.add_all(fresh)
    session.flush()
    terms.add(session, [row.id for row in [*fresh, *reindexed]])
    gone_hashes = {row.hash for row in gone}
    resting.follow(session, document, gone_hashes, reason="A source has changed.")

    report = SwapReport(kept=len(kept), added=len(fresh), removed=len(gone))
    if fresh or gone or renamed or document.content_hash != content_hash:
        document.updated_at = func.now()
        document.version += 1
    document.content_hash = content_hash
    document.state, document.error, document.error_id = "ready", None, None
    document.claimed_by = document.claimed_until = None
    document.attempts = 0
    document.progress_done = document.progress_total = len(chunks)
    document.report = {"kept": report.kept, "added": report.added, "removed": report.removed}
    session.flush()
    return report


def live_hashes(session: Session, document_id: int) -> list[str]:
    """Hashes of the chunks that are searchable now, in the document's order."""
    wanted = select(Chunk.hash).where(Chunk.document_id == document_id).order_by(Chunk.position)
    return list(session.execute(wanted).scalars())


def forget(session: Session, document_id: int, *, actor: str) -> bool:
    """Take a document away: from the commit on it is not searchable; a tombstone stays.

    False where there is nothing to take away.
    """
    document = _locked(session, document_id)
    if document is None or document.state == "deleted":
        return False
    hashes = _take_away(session, document)
    resting.follow(session, document, hashes, reason="A source was removed.")
    session.add(Audit(actor=actor, action="forget", subject=document.uri, detail={}))
    session.flush()
    return True


def narrow(session: Session, document_id: int, audience: str) -> list[int]:
    """Change who sees a document; pairs that rest on it follow in the same transaction.

    A pair's new audience is its intersection with that of every passage; with nobody in common it
    goes stale. Returns the ids of pairs that changed. Raises ``BadAudience``.
    """
    document = _locked(session, document_id)
    if document is None or document.audience == checked(audience):
        return []
    twin = session.execute(
        select(Document)
        .where(Document.uri == document.uri, Document.audience == audience)
        .with_for_update()
    ).scalar()
    hashes = set(live_hashes(session, document_id))
    if twin is not None and twin.state == "deleted" and document.state != "deleted":
        session.delete(twin)
        session.flush()
        twin = None
    if twin is not None:  # that audience has a document of its own under this URI
        _take_away(session, document)
    else:
        document.audience = audience
        session.execute(
            update(Chunk).where(Chunk.document_id == document_id).values(audience=audience)
        )
    session.flush()
    reason = "A source is no longer visible to the same people."
    return resting.follow(session, document, hashes, reason=reason, narrowed=True)


def _locked(session: Session, document_id: int) -> Document | None:
    return session.execute(
        select(Document)
        .where(Document.id == document_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar()


def _place(row: Chunk, position: int, new: NewChunk) -> None:
    row.position, row.text = position, new.text.replace("\x00", "")
    row.heading_path = [part.replace("\x00", "") for part in new.heading_path]
    row.page, row.row, row.last_row, row.sheet = new.page, new.row, new.last_row, new.sheet
    row.token_count = new.token_count


def _index(row: Chunk, title: str) -> None:
    row.tsv = lexical.tsvector(title, *row.heading_path, row.text)


def _take_away(session: Session, document: Document) -> set[str]:
    """Leave a tombstone; returns the hashes of what was searchable."""
    hashes = set(live_hashes(session, document.id))
    terms.remove_document(session, document.id)
    session.execute(delete(Chunk).where(Chunk.document_id == document.id))
    document.state, document.deleted_at = "deleted", func.now()
    document.revision += 1
    document.blob_sha256 = document.content_hash = None
    document.claimed_by = document.claimed_until = None
    document.error = document.error_id = None
    document.progress_done = document.progress_total = 0
    document.report = {}
    session.flush()
    return hashes
