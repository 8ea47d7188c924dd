"""What nights learn from, and what they made."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.store.tables.base import AUDIENCE_CHECK, Base, Json, Lease, key, now, states


class Pair(Base):
    """A question with an answer that people stand behind, and the passages it rests on."""

    __tablename__ = "pairs"
    __table_args__ = (
        CheckConstraint(states("proposed", "approved", "rejected", "stale"), name="pairs_state"),
        CheckConstraint(AUDIENCE_CHECK, name="pairs_audience"),
        CheckConstraint("side IN ('training', 'holdout', 'neither')", name="pairs_side"),
        Index("pairs_chunk_hashes", "chunk_hashes", postgresql_using="gin"),
        Index("pairs_tsv", "tsv", postgresql_using="gin"),
        Index("pairs_question_hash", "question_hash"),
        Index("pairs_approved", "audience", postgresql_where=sql("state = 'approved'")),
    )

    id: Mapped[int] = key()
    question: Mapped[str]
    question_hash: Mapped[str]  # key of the question's embedding
    answer: Mapped[str]
    passages: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"), default=list)
    chunk_hashes: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"), default=list)
    origin: Mapped[str]  # thumb, correction, expert, import
    author: Mapped[str | None]  # Slack user id whose words the answer is
    asker: Mapped[str | None]  # Slack user id whose words the question is
    # Others whose words are in it: authors before an edit, and whoever edited the question.
    contributors: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"), default=list)
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("answers.id", ondelete="SET NULL"))
    # Slack channel in which it was asked for all there to read; stays when the question expires.
    channel_id: Mapped[str | None]
    consent: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    locked: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    state: Mapped[str] = mapped_column(server_default="proposed", default="proposed")
    reason: Mapped[str | None]  # why rejected or stale
    audience: Mapped[str]
    cluster: Mapped[str | None]
    side: Mapped[str | None]
    language: Mapped[str | None]
    tsv: Mapped[Any] = mapped_column(TSVECTOR)  # of the question
    settled_at: Mapped[dt.datetime | None]  # embedded, and passages looked for where it had none
    decided_by: Mapped[str | None]
    decided_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime] = now()

    @property
    def people(self) -> set[str]:
        """Everybody whose words are in it, by Slack user id."""
        return {person for person in (self.author, self.asker, *self.contributors) if person}


class Consent(Base):
    """A person's own word that their words may be learned from."""

    __tablename__ = "consents"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    granted_at: Mapped[dt.datetime] = now()
    revoked_at: Mapped[dt.datetime | None]


class Refresh(Lease, Base):
    """A night: its step, and after it the verdict."""

    __tablename__ = "refreshes"
    __table_args__ = (
        CheckConstraint(states("running", "done", "failed"), name="refreshes_state"),
        Index(
            "refreshes_one_running",
            "state",
            unique=True,
            postgresql_where=sql("state = 'running'"),
        ),
    )

    id: Mapped[int] = key()
    night: Mapped[dt.date]  # the local date it belongs to
    trigger: Mapped[str]  # schedule, manual, dry_run
    requested_by: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="running", default="running")
    step: Mapped[str] = mapped_column(server_default="dataset", default="dataset")
    progress: Mapped[Json] = mapped_column(server_default=sql("'{}'"), default=dict)
    verdict: Mapped[str | None]  # promoted, rejected, inconclusive, skipped
    reasons: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"), default=list)
    metrics: Mapped[Json] = mapped_column(server_default=sql("'{}'"), default=dict)
    error: Mapped[str | None]
    error_id: Mapped[str | None]
    started_at: Mapped[dt.datetime] = now()
    finished_at: Mapped[dt.datetime | None]


class Snapshot(Base):
    """The training file of a night, by digest, with its card."""

    __tablename__ = "snapshots"

    id: Mapped[int] = key()
    refresh_id: Mapped[int] = mapped_column(ForeignKey("refreshes.id", ondelete="CASCADE"))
    path: Mapped[str | None]  # none once deleted because somebody asked to be forgotten
    digest: Mapped[str]
    card: Mapped[Json]
    created_at: Mapped[dt.datetime] = now()


class SnapshotPair(Base):
    """Lineage: which pairs a snapshot holds."""

    __tablename__ = "snapshot_pairs"

    snapshot_id: Mapped[int] = mapped_column(
        ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True
    )
    pair_id: Mapped[int] = mapped_column(
        ForeignKey("pairs.id", ondelete="CASCADE"), primary_key=True
    )
    side: Mapped[str]  # training, holdout, anchor: held out, and asked again for the live adapter


class Adapter(Base):
    """A trained adapter; at most one is live."""

    __tablename__ = "adapters"
    __table_args__ = (
        CheckConstraint(
            states("training", "candidate", "rejected", "live", "retired"), name="adapters_state"
        ),
        Index("adapters_one_live", "state", unique=True, postgresql_where=sql("state = 'live'")),
    )

    id: Mapped[int] = key()
    name: Mapped[str] = mapped_column(unique=True)  # refresh-0007
    state: Mapped[str] = mapped_column(server_default="training", default="training")
    base: Mapped[str]
    path: Mapped[str | None]
    manifest: Mapped[Json] = mapped_column(server_default=sql("'{}'"), default=dict)
    refresh_id: Mapped[int | None] = mapped_column(ForeignKey("refreshes.id", ondelete="SET NULL"))
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("snapshots.id", ondelete="SET NULL"))
    verdict: Mapped[str | None]
    tainted: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    reason: Mapped[str | None]
    created_at: Mapped[dt.datetime] = now()
    live_since: Mapped[dt.datetime | None]
    retired_at: Mapped[dt.datetime | None]


class Evaluation(Base):
    """One metric of one arm on one item in one night."""

    __tablename__ = "evaluations"
    __table_args__ = (
        UniqueConstraint("refresh_id", "item", "arm", "metric"),
        Index("evaluations_pair", "pair_id"),
    )

    id: Mapped[int] = key()
    refresh_id: Mapped[int] = mapped_column(ForeignKey("refreshes.id", ondelete="CASCADE"))
    pair_id: Mapped[int | None] = mapped_column(ForeignKey("pairs.id", ondelete="CASCADE"))
    item: Mapped[str]  # holdout:12, unsupported:12, anchor:12, locked:12, general:3
    arm: Mapped[str]  # base, rag, adapter, rag_adapter, live
    metric: Mapped[str]
    value: Mapped[float]
    output: Mapped[str | None]  # what the arm said, on the row of the metric "words"
