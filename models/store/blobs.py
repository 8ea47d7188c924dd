"""Bytes that the bot or the command line brought, kept by their sha256."""

from __future__ import annotations

import hashlib

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store.tables import Blob

LIMIT_BYTES = 50 * 1024 * 1024

# A blob is written before the document's row, in whatever transaction; an hour is long enough.
_SWEEP = text(
    """
    DELETE FROM blobs WHERE sha256 IN (
        SELECT sha256 FROM blobs b
        WHERE b.created_at < now() - make_interval(secs => :older_than_s)
          AND NOT EXISTS (SELECT FROM documents d WHERE d.blob_sha256 = b.sha256)
        FOR UPDATE SKIP LOCKED
    )
    """
)


class BlobTooLarge(ValueError):
    """More than ``LIMIT_BYTES``; the message is fit to show."""


class BlobMissing(LookupError):
    """No such bytes: swept, or never stored."""


def put(session: Session, data: bytes) -> str:
    """Store ``data`` once; returns its sha256. Raises ``BlobTooLarge``."""
    if len(data) > LIMIT_BYTES:
        raise BlobTooLarge(
            f"That is {len(data) / 2**20:.0f} MB; {LIMIT_BYTES // 2**20} MB is the most I take."
        )
    digest = hashlib.sha256(data).hexdigest()
    row = insert(Blob).values(sha256=digest, size=len(data), data=data)
    # Touching the row keeps it from a sweep that runs before the document's row is there.
    session.execute(
        row.on_conflict_do_update(index_elements=["sha256"], set_={"created_at": text("now()")})
    )
    return digest


def get(session: Session, sha256: str) -> bytes:
    """The bytes. Raises ``BlobMissing``."""
    data = session.execute(select(Blob.data).where(Blob.sha256 == sha256)).scalar_one_or_none()
    if data is None:
        raise BlobMissing(sha256)
    return data


def sweep_orphans(session: Session, *, older_than_s: float = 3600) -> int:
    """Delete blobs that no document names; returns how many."""
    return session.execute(_SWEEP, {"older_than_s": older_than_s}).rowcount  # type: ignore[attr-defined,no-any-return]
