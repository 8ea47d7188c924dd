"""Documents handled as workers and people handle them, for tests."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from models.store import documents
from models.store.documents import NewChunk
from models.store.session import Sessions, transaction
from models.store.tables import Chunk, Document, Pair
from tests.models.store.corpus import digest
from tests.models.store.learning import passage


def register(
    session: Session, *, blob: str | None = None, audience: str = "workspace", revive: bool = True
) -> documents.Registered:
    if blob is not None:
        session.execute(
            text("INSERT INTO blobs VALUES (:sha, 1, 'x') ON CONFLICT DO NOTHING"), {"sha": blob}
        )
    return documents.register(
        session,
        uri="file:///a",
        audience=audience,
        title="A",
        origin="cli",
        blob_sha256=blob,
        revive=revive,
    )


def claimed(sessions: Sessions, document_id: int, worker: str = "w") -> Document:
    with transaction(sessions) as session:
        document = documents.claim(session, document_id, worker=worker, lease_s=60)
    assert document is not None
    return document


def swapped(
    sessions: Sessions, document: Document, *texts: str, worker: str = "w", title: str | None = None
) -> documents.SwapReport | None:
    with transaction(sessions) as session:
        return documents.swap(
            session,
            document.id,
            worker=worker,
            revision=document.revision,
            content_hash=digest(" ".join(texts)),
            title=title,
            chunks=[NewChunk(text=t, hash=digest(t)) for t in texts],
        )


def lease_runs_out(sessions: Sessions, document_id: int) -> None:
    with transaction(sessions) as session:
        past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
        session.execute(
            update(Document).where(Document.id == document_id).values(claimed_until=past)
        )


def live(sessions: Sessions) -> list[str]:
    with sessions() as session:
        return list(session.execute(select(Chunk.text).order_by(Chunk.position)).scalars())


def counted(sessions: Sessions) -> dict[str, int]:
    with sessions() as session:
        rows = session.execute(
            text("SELECT lexeme, sum(chunks) FROM term_counts GROUP BY 1 HAVING sum(chunks) <> 0")
        )
        return {lexeme: int(chunks) for lexeme, chunks in rows}


def recounted(sessions: Sessions) -> dict[str, int]:
    with sessions() as session:
        rows = session.execute(
            text(
                "SELECT lexeme, count(*) FROM chunks, unnest(tsv) GROUP BY 1"
                " UNION ALL SELECT '', count(*) FROM chunks HAVING count(*) > 0"
                " UNION ALL SELECT ' ', sum(length(tsv)) FROM chunks HAVING count(*) > 0"
            )
        )
        return {lexeme: int(chunks) for lexeme, chunks in rows}


def add_pair(sessions: Sessions, *hashes: str, audience: str = "workspace") -> int:
    with transaction(sessions) as session:
        pair = Pair(
            question="Q?",
            question_hash=digest("Q?"),
            answer="A.",
            passages=[passage("p") | {"hash": one} for one in hashes],
            chunk_hashes=list(hashes),
            origin="thumb",
            state="approved",
            audience=audience,
            tsv="'q':1",
        )
        session.add(pair)
    return pair.id
