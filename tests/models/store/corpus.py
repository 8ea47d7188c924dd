"""Documents for the tests of the store, with vectors made by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from models.store import documents, embeddings

MODEL = "by-hand"


def digest(text: str) -> str:
    """The hash that a chunk of this text has here."""
    return hashlib.sha256(text.encode()).hexdigest()


def add(
    session: Session,
    uri: str,
    texts: Mapping[str, Sequence[float]],
    *,
    audience: str = "workspace",
    title: str = "A document",
    origin: str = "cli",
) -> int:
    """A searchable document of ``texts`` (text -> its vector); returns its id."""
    for vector in texts.values():
        model = embeddings.ensure_model(session, MODEL, len(vector))
        break
    embeddings.put(session, model, {digest(text): vector for text, vector in texts.items()})
    asked = documents.register(session, uri=uri, audience=audience, title=title, origin=origin)
    document = documents.claim(session, asked.document_id, worker="w", lease_s=60)
    assert document is not None
    report = documents.swap(
        session,
        document.id,
        worker="w",
        revision=document.revision,
        content_hash=digest("".join(texts)),
        title=None,
        chunks=[documents.NewChunk(text=text, hash=digest(text)) for text in texts],
    )
    assert report is not None
    return document.id
