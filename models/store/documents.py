"""Documents: how they are asked for, and how they are listed.

Every function runs in the caller's transaction and locks a document's row before it decides, so
that a worker, a person who forgets and a person who brings a new version never act on what is past.
How workers hold them is in ``claims``, what makes a version searchable or takes it away in
``versions``, progress for people in ``jobs``; all of it is named here as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store.audience import Audience, checked
from models.store.claims import (
    claim,
    due,
    fail,
    heartbeat,
    holders,
    hurry,
    postpone,
    release,
)
from models.store.jobs import JobProgress, being_read, finish_job, job_progress, open_job
from models.store.tables import Document
from models.store.versions import NewChunk, SwapReport, forget, live_hashes, narrow, swap

__all__ = [
    "JobProgress",
    "Named",
    "NewChunk",
    "Registered",
    "SwapReport",
    "being_read",
    "claim",
    "due",
    "fail",
    "find",
    "finish_job",
    "forget",
    "heartbeat",
    "holders",
    "hurry",
    "job_progress",
    "listing",
    "live_hashes",
    "names",
    "narrow",
    "open_job",
    "postpone",
    "register",
    "release",
    "rows",
    "swap",
]


@dataclass(frozen=True)
class Registered:
    """What came of asking for a document."""

    document_id: int
    queued: bool  # whether a task should be sent for it
    reason: str  # new, changed, again, unchanged, in progress, forgotten


def register(
    session: Session,
    *,
    uri: str,
    audience: str,
    title: str,
    origin: str,
    link: str | None = None,
    filename: str | None = None,
    mime: str | None = None,
    blob_sha256: str | None = None,
    external_id: str | None = None,
    added_by: str | None = None,
    job_id: int | None = None,
    source_id: int | None = None,
    revive: bool = True,
) -> Registered:
    """Ask for ``uri`` to be made searchable for ``audience``.

    The row becomes ``pending`` under a new revision, unless its searchable or awaited version is of
    the same blob, or it was forgotten and ``revive`` is false (a folder's scan; a person revives).
    Who first brought it stays ``added_by``: naming it again gives no right to have it forgotten.
    Raises ``BadAudience``.
    """
    given = {
        "title": title,
        "link": link,
        "filename": filename,
        "mime": mime,
        "origin": origin,
        "external_id": external_id,
        "added_by": added_by,
        "source_id": source_id,
    }
    asked = {**given, "blob_sha256": blob_sha256, "job_id": job_id}
    row = insert(Document).values(uri=uri, audience=checked(audience), **asked)
    made = session.execute(row.on_conflict_do_nothing().returning(Document.id)).scalar()
    if made is not None:
        return Registered(made, True, "new")
    document = session.execute(
        select(Document)
        .where(Document.uri == uri, Document.audience == audience)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    if document.state == "deleted" and not revive:
        return Registered(document.id, False, "forgotten")
    same = blob_sha256 is not None and document.blob_sha256 == blob_sha256
    reason = {"ready": "changed", "pending": "again", "processing": "changed"}.get(
        document.state, "again"
    )
    if document.state != "deleted" and document.added_by is not None:
        given["added_by"] = None
    if same and document.state == "ready":
        given["title"] = None  # reading it has found the better one
    for name, value in given.items():
        if value is not None:
            setattr(document, name, value)
    if same and document.state == "ready":
        return Registered(document.id, False, "unchanged")
    document.job_id = job_id if job_id is not None else document.job_id
    if same and document.state == "processing":
        return Registered(document.id, False, "in progress")
    document.blob_sha256 = blob_sha256
    document.state, document.deleted_at = "pending", None
    document.revision += 1
    document.claimed_by = document.claimed_until = None
    document.attempts = document.progress_done = document.progress_total = 0
    document.error = document.error_id = None
    document.report = {key: value for key, value in document.report.items() if key != "postponed"}
    session.flush()
    return Registered(document.id, True, reason)


class Named(NamedTuple):
    """What a document may be called by."""

    id: int
    uri: str
    title: str
    link: str | None
    filename: str | None
    origin: str


def names(session: Session, *, audience: Audience) -> list[Named]:
    """Every document that ``audience`` may see, the newest first; without tombstones.

    Whole rows of all of them would be too much: who looks for some finds them by these.
    """
    wanted = (
        select(
            Document.id,
            Document.uri,
            Document.title,
            Document.link,
            Document.filename,
            Document.origin,
        )
        .where(Document.state != "deleted", Document.audience.in_(audience.sorted_keys()))
        .order_by(Document.updated_at.desc(), Document.id)
    )
    return [Named(*row) for row in session.execute(wanted)]


def rows(session: Session, ids: Sequence[int], *, audience: Audience) -> list[Document]:
    """Those of ``ids`` that ``audience`` may see, in no order; without tombstones."""
    wanted = select(Document).where(
        Document.id.in_(ids),
        Document.state != "deleted",
        Document.audience.in_(audience.sorted_keys()),
    )
    return list(session.execute(wanted).scalars())


def listing(session: Session, *, prefix: str | None = None, limit: int = 100) -> list[Document]:
    """Documents by URI, whoever may see them; without tombstones."""
    wanted = select(Document).where(Document.state != "deleted")
    if prefix:
        wanted = wanted.where(Document.uri.startswith(prefix, autoescape=True))
    return list(session.execute(wanted.order_by(Document.uri).limit(limit)).scalars())


def find(session: Session, uri: str, audience: Audience | None = None) -> list[Document]:
    """The rows of ``uri``, one per audience that has it, without tombstones."""
    wanted = select(Document).where(Document.uri == uri, Document.state != "deleted")
    if audience is not None:
        wanted = wanted.where(Document.audience.in_(audience.sorted_keys()))
    return list(session.execute(wanted.order_by(Document.audience)).scalars())
