"""Questions, answers, and what people thought of them."""

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
from sqlalchemy.orm import Mapped, mapped_column

from models.store.tables.base import Base, Json, key, now, states


class Question(Base):
    """What a person asked, and where."""

    __tablename__ = "questions"
    __table_args__ = (Index("questions_user", "user_id"),)

    id: Mapped[int] = key()
    event_id: Mapped[int | None] = mapped_column(
        ForeignKey("events.id", ondelete="SET NULL"), unique=True
    )
    surface: Mapped[str]  # mention, thread, dm, command, cli
    channel_id: Mapped[str | None]
    thread_ts: Mapped[str | None]
    message_ts: Mapped[str | None]
    user_id: Mapped[str | None]
    text: Mapped[str]
    audience: Mapped[str]  # of the place it was asked in: who may learn that it was asked
    created_at: Mapped[dt.datetime] = now()


class Answer(Base):
    """What was shown, so that evaluation can replay it."""

    __tablename__ = "answers"
    __table_args__ = (
        CheckConstraint(states("streaming", "done", "failed"), name="answers_state"),
        Index("answers_question", "question_id"),
        Index("answers_message", "slack_channel", "slack_ts"),
    )

    id: Mapped[int] = key()
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default="streaming", default="streaming")
    text: Mapped[str] = mapped_column(server_default="", default="")
    refused: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    grounded: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    passages: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"), default=list)
    citations: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"), default=list)
    generator: Mapped[str | None]  # base model's name, or "extractive"
    adapter: Mapped[str | None]  # refresh-0007, or none
    latencies: Mapped[Json] = mapped_column(server_default=sql("'{}'"), default=dict)  # ms a stage
    slack_channel: Mapped[str | None]
    slack_ts: Mapped[str | None]  # committed as soon as the stream starts
    error_id: Mapped[str | None]
    created_at: Mapped[dt.datetime] = now()
    finished_at: Mapped[dt.datetime | None]


class Feedback(Base):
    """A thumb, or a better answer."""

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("answer_id", "user_id"),
        CheckConstraint("kind IN ('up', 'down')", name="feedback_kind"),
    )

    id: Mapped[int] = key()
    answer_id: Mapped[int] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"))
    user_id: Mapped[str]
    kind: Mapped[str]
    created_at: Mapped[dt.datetime] = now()


class ExpertRequest(Base):
    """A question that the bot could not answer, passed on to a person."""

    __tablename__ = "expert_requests"
    __table_args__ = (
        UniqueConstraint("question_id", "expert"),
        Index("expert_requests_message", "slack_channel", "slack_ts"),
    )

    id: Mapped[int] = key()
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"))
    expert: Mapped[str]  # Slack user id
    asked_by: Mapped[str]
    slack_channel: Mapped[str | None]  # where the expert was asked; replies there are delivered
    slack_ts: Mapped[str | None]
    created_at: Mapped[dt.datetime] = now()
    answered_at: Mapped[dt.datetime | None]
