"""Documents, their chunks, and the vectors of the chunks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.store.tables.base import AUDIENCE_CHECK, Base, Json, Lease, key, now, states

BUILT_IN = "built-in"  # origin of the project's own documentation, which no team brought


class Blob(Base):
    """Bytes that the bot or the command line brought; workers read these, never paths."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    data: Mapped[bytes]
    created_at: Mapped[dt.datetime] = now()


class Source(Base):
    """Something that is looked at again and again: a URL, a folder, a Slack channel."""

    __tablename__ = "sources"
    __table_args__ = (
        UniqueConstraint("uri", "audience"),
        CheckConstraint(AUDIENCE_CHECK, name="sources_audience"),
    )

    id: Mapped[int] = key()
    kind: Mapped[str]  # url, folder, channel
    uri: Mapped[str]
    audience: Mapped[str]
    added_by: Mapped[str | None]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    poll_seconds: Mapped[int | None] = mapped_column(Integer)
    next_poll_at: Mapped[dt.datetime | None]
    options: Mapped[Json] = mapped_column(server_default=sql("'{}'"), default=dict)
    created_at: Mapped[dt.datetime] = now()


class IngestJob(Base):
    """One request to ingest, however many documents; its progress is one Slack message."""

    __tablename__ = "ingest_jobs"

    id: Mapped[int] = key()
    requested_by: Mapped[str | None]
    label: Mapped[str]  # what the person asked to ingest, in words
    outbox_key: Mapped[str | None]  # where progress is told; none for the command line
    created_at: Mapped[dt.datetime] = now()
    finished_at: Mapped[dt.datetime | None]


class Document(Lease, Base):
    """One document for one audience. A deleted one stays as a tombstone."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("uri", "audience"),
        CheckConstraint(AUDIENCE_CHECK, name="documents_audience"),
        CheckConstraint(
            states("pending", "processing", "ready", "failed", "deleted"), name="documents_state"
        ),
        Index("documents_open", "id", postgresql_where=sql("state IN ('pending', 'processing')")),
        Index("documents_external", "external_id"),
        Index("documents_built_in", "id", postgresql_where=sql("origin = 'built-in'")),
    )

    id: Mapped[int] = key()
    uri: Mapped[str]  # identity: file:///…, https://…, slack:file:F…, text:<sha256>
    audience: Mapped[str]
    source_id: Mapped[int | None] = mapped_column(ForeignKey("sources.id", ondelete="SET NULL"))
    title: Mapped[str]
    link: Mapped[str | None]  # what a citation opens: permalink, URL; none -> the bot's own viewer
    filename: Mapped[str | None]
    mime: Mapped[str | None]
    blob_sha256: Mapped[str | None] = mapped_column(ForeignKey("blobs.sha256"))
    origin: Mapped[str]  # cli, watch, slack_file, slack_text, url, built-in
    external_id: Mapped[str | None]  # Slack file id
    added_by: Mapped[str | None]  # Slack user id, or none for the command line
    job_id: Mapped[int | None] = mapped_column(ForeignKey("ingest_jobs.id", ondelete="SET NULL"))
    state: Mapped[str] = mapped_column(server_default="pending", default="pending")
    revision: Mapped[int] = mapped_column(Integer, server_default="1", default=1)  # what was asked
    version: Mapped[int] = mapped_column(
        Integer, server_default="0", default=0
    )  # what is searchable
    content_hash: Mapped[str | None]  # of the version that is searchable
    progress_done: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    progress_total: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    report: Mapped[Json] = mapped_column(server_default=sql("'{}'"), default=dict)  # kept, added…
    error: Mapped[str | None]  # a calm sentence
    error_id: Mapped[str | None]
    created_at: Mapped[dt.datetime] = now()
    updated_at: Mapped[dt.datetime] = now()  # when the searchable version last changed
    deleted_at: Mapped[dt.datetime | None]


class Chunk(Base):
    """A searchable piece of a document's current version."""

    __tablename__ = "chunks"
    __table_args__ = (
        Index("chunks_document", "document_id", "position"),
        Index("chunks_hash", "hash"),
        Index("chunks_tsv", "tsv", postgresql_using="gin", postgresql_with={"fastupdate": False}),
        Index("chunks_audience", "audience"),
        CheckConstraint(AUDIENCE_CHECK, name="chunks_audience"),
        # Ranking reads tsvectors; rows of usual size keep theirs in place and uncompressed.
        {"postgresql_with": {"toast_tuple_target": 8160}},
    )

    id: Mapped[int] = key()
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    audience: Mapped[str]  # the document's, repeated so that the filter needs no join
    position: Mapped[int] = mapped_column(Integer)
    text: Mapped[str]
    hash: Mapped[str]  # of what is embedded: heading path and text
    heading_path: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"), default=list)
    page: Mapped[int | None] = mapped_column(Integer)  # 1-based page or slide
    row: Mapped[int | None] = mapped_column(Integer)  # 1-based first row of a table
    last_row: Mapped[int | None] = mapped_column(Integer)  # none: not known
    sheet: Mapped[str | None]
    token_count: Mapped[int] = mapped_column(Integer)
    tsv: Mapped[Any] = mapped_column(TSVECTOR)


class TermCount(Base):
    """How many chunks hold a lexeme, as differences to be summed.

    Writers only append, so that two documents that swap at once never wait for each other; the tick
    adds the rows of a lexeme together. The lexeme '' counts the chunks, ' ' their lexemes.
    """

    __tablename__ = "term_counts"
    __table_args__ = (Index("term_counts_lexeme", "lexeme", postgresql_include=["chunks"]),)

    id: Mapped[int] = key()
    lexeme: Mapped[str]
    chunks: Mapped[int]


class EmbeddingModel(Base):
    """An embedding model that has been used here; each has its own HNSW index."""

    __tablename__ = "embedding_models"

    id: Mapped[int] = mapped_column(SmallInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    dimensions: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[dt.datetime] = now()
    # Its mean cosines of texts that do not belong together and that do (scale.py); none: not yet
    # measured.
    unrelated: Mapped[float | None]
    related: Mapped[float | None]


class Embedding(Base):
    """A vector per text and model, whichever document or pair the text stands in."""

    __tablename__ = "embeddings"

    hash: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(
        SmallInteger, ForeignKey("embedding_models.id", ondelete="CASCADE"), primary_key=True
    )
    vector: Mapped[Any] = mapped_column(HALFVEC())
