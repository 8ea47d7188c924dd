"""Vectors by content hash and embedding model: a new model fills up beside the old one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pgvector import HalfVector
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store import settings
from models.store.tables import Embedding, EmbeddingModel
from models.store.wording import embedded

ACTIVE = "embedding_model"  # the one row that switches
# The same for a subquery of search's.
ACTIVE_NAME = """
    SELECT value #>> '{}' FROM settings WHERE scope = 'workspace' AND key = 'embedding_model'
"""

# What is searchable and has no vector of the model yet. The hash of a chunk is the key of the text
# that was embedded; an approved pair's question is embedded under question_hash.
_WANTING = text(
    """
    SELECT hash, heading_path, text FROM (
        SELECT DISTINCT ON (c.hash) c.hash, c.heading_path, c.text
        FROM chunks c
        WHERE NOT EXISTS (SELECT FROM embeddings e WHERE e.hash = c.hash AND e.model_id = :model_id)
        ORDER BY c.hash LIMIT :limit
    ) AS of_chunks
    UNION ALL
    SELECT hash, '{}', question FROM (
        SELECT DISTINCT ON (p.question_hash) p.question_hash AS hash, p.question
        FROM pairs p
        WHERE p.state IN ('proposed', 'approved') AND NOT EXISTS (
            SELECT FROM embeddings e WHERE e.hash = p.question_hash AND e.model_id = :model_id)
        ORDER BY p.question_hash LIMIT :limit
    ) AS of_pairs
    LIMIT :limit
    """
)

_WANTING_COUNT = text(
    """
    SELECT (SELECT count(DISTINCT c.hash) FROM chunks c WHERE NOT EXISTS (
                SELECT FROM embeddings e WHERE e.hash = c.hash AND e.model_id = :model_id))
         + (SELECT count(DISTINCT p.question_hash) FROM pairs p
            WHERE p.state IN ('proposed', 'approved') AND NOT EXISTS (
                SELECT FROM embeddings e WHERE e.hash = p.question_hash AND e.model_id = :model_id))
    """
)

_SWEEP = text(
    """
    DELETE FROM embeddings e
    WHERE NOT EXISTS (SELECT FROM chunks c WHERE c.hash = e.hash)
      AND NOT EXISTS (SELECT FROM pairs p WHERE p.question_hash = e.hash)
      AND NOT EXISTS (SELECT FROM documents d WHERE d.state IN ('pending', 'processing'))
    """
)


class DimensionsChanged(ValueError):
    """A model of this name was used here with vectors of another length; the message says so."""


class ModelSwitched(LookupError):
    """A vector was made by a model that is no longer the active one."""


def index_name(model_id: int) -> str:
    """The name of a model's HNSW index."""
    return f"embeddings_hnsw_{model_id}"


def ensure_model(session: Session, name: str, dimensions: int) -> int:
    """The model's id; its row and its HNSW index are made where missing.

    The first model of a database is active at once. pgvector indexes a halfvec of up to 4,000
    dimensions. Raises ``DimensionsChanged``.
    """
    found = session.execute(select(EmbeddingModel).where(EmbeddingModel.name == name)).scalar()
    if found is None:
        # Two workers that meet a new model at once: the second waits, then finds the row.
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('embedding_models'))"))
        found = session.execute(select(EmbeddingModel).where(EmbeddingModel.name == name)).scalar()
    if found is None:
        found = EmbeddingModel(name=name, dimensions=dimensions)
        session.add(found)
        session.flush()
        session.execute(
            text(
                f"CREATE INDEX {index_name(found.id)} ON embeddings"
                f" USING hnsw ((vector::halfvec({int(dimensions)})) halfvec_cosine_ops)"
                f" WHERE model_id = {found.id}"
            )
        )
        if settings.get(session, settings.WORKSPACE, ACTIVE) is None:
            settings.set(session, settings.WORKSPACE, ACTIVE, name)
    if found.dimensions != dimensions:
        raise DimensionsChanged(
            f"{name} was used here with {found.dimensions} dimensions and now gives {dimensions}."
            " Give the changed model a name of its own."
        )
    return found.id


def active_model(session: Session) -> EmbeddingModel | None:
    """The model that queries are embedded with; none before anything was embedded."""
    name = settings.get(session, settings.WORKSPACE, ACTIVE)
    return session.execute(select(EmbeddingModel).where(EmbeddingModel.name == name)).scalar()


def activate(session: Session, name: str) -> None:
    """Switch queries to the model ``name``. Raises ``LookupError`` where it was never used here."""
    known = session.execute(select(EmbeddingModel.id).where(EmbeddingModel.name == name)).scalar()
    if known is None:
        raise LookupError(f"No embedding model {name} is known here.")
    settings.set(session, settings.WORKSPACE, ACTIVE, name)


def missing(session: Session, model_id: int, hashes: Collection[str]) -> set[str]:
    """Those of ``hashes`` (sha256 hex) that have no vector of the model yet."""
    wanted = set(hashes)
    there = session.execute(
        select(Embedding.hash).where(
            Embedding.model_id == model_id, Embedding.hash == func.any(sorted(wanted))
        )
    ).scalars()
    return wanted.difference(there)


def put(session: Session, model_id: int, vectors: Mapping[str, Sequence[float]]) -> None:
    """Keep ``vectors`` (hash -> floats of the model's length); what is there already stays."""
    if vectors:
        # Ordered, so that two workers with texts in common wait for each other, never in a circle.
        rows = [
            {"hash": key, "model_id": model_id, "vector": HalfVector(list(vectors[key]))}
            for key in sorted(vectors)
        ]
        session.execute(insert(Embedding).on_conflict_do_nothing(), rows)


def wanting(session: Session, model_id: int, *, limit: int = 256) -> dict[str, str]:
    """Up to ``limit`` searchable texts without a vector of the model: hash -> what to embed."""
    rows = session.execute(_WANTING, {"model_id": model_id, "limit": limit})
    return {row.hash: embedded(row.heading_path, row.text) for row in rows}


def count_wanting(session: Session, model_id: int) -> int:
    """How many searchable texts have no vector of the model."""
    return int(session.execute(_WANTING_COUNT, {"model_id": model_id}).scalar_one())


def sweep_unused(session: Session) -> int:
    """Delete vectors of texts in no chunk and no pair; returns how many.

    Not while a document waits or is worked on: those that it has already are kept for its next try.
    """
    return session.execute(_SWEEP).rowcount  # type: ignore[attr-defined,no-any-return]
