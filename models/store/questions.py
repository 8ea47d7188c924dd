"""Questions, the answers that were shown, what people thought of them, and who else was asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.store.tables import Answer, ExpertRequest, Feedback, Question


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question and its place; ``audience`` says who may learn that it was asked."""

    event_id: int | None
    surface: str  # mention, thread, dm, command, cli
    channel_id: str | None
    thread_ts: str | None
    message_ts: str | None
    user_id: str | None
    text: str
    audience: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an answer ended, as it is kept for evaluation."""

    text: str
    refused: bool
    grounded: bool
    passages: Sequence[Mapping[str, Any]] = ()
    citations: Sequence[Mapping[str, Any]] = ()
    generator: str | None = None
    adapter: str | None = None
    latencies: Mapping[str, float] = field(default_factory=dict)  # milliseconds a stage


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """An earlier question of a thread; ``answer`` is none where it must not be reused."""

    question: str
    answer: str | None


def open_question(session: Session, asked: Asked) -> Question:
    """Keep a question; the same event always gives the same row."""
    values = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
    made = session.scalars(
        insert(Question)
        .values(**values)
        .on_conflict_do_nothing(index_elements=[Question.event_id])
        .returning(Question)
    ).first()
    if made is not None:
        return made
    return session.scalars(select(Question).where(Question.event_id == asked.event_id)).one()


def open_answer(session: Session, question_id: int) -> Answer:
    """The question's unfinished answer, which a killed process may have left, or a new one."""
    found = latest_answer(session, question_id)
    if found is not None:
        return found
    answer = Answer(question_id=question_id)
    session.add(answer)
    session.flush()
    return answer


def latest_answer(session: Session, question_id: int) -> Answer | None:
    """The newest answer to a question."""
    return session.scalars(
        select(Answer).where(Answer.question_id == question_id).order_by(Answer.id.desc()).limit(1)
    ).first()


def place_answer(session: Session, answer_id: int, *, channel: str, ts: str) -> None:
    """Record where the answer stands; commit this as soon as its stream has started."""
    session.execute(
        update(Answer).where(Answer.id == answer_id).values(slack_channel=channel, slack_ts=ts)
    )


def finish_answer(session: Session, answer_id: int, outcome: Outcome) -> None:
    """Keep what was shown."""
    session.execute(
        update(Answer)
        .where(Answer.id == answer_id)
        .values(
            state="done",
            text=outcome.text,
            refused=outcome.refused,
            grounded=outcome.grounded,
            passages=list(outcome.passages),
            citations=list(outcome.citations),
            generator=outcome.generator,
            adapter=outcome.adapter,
            latencies=dict(outcome.latencies),
            error_id=None,
            finished_at=func.now(),
        )
    )


def fail_answer(session: Session, answer_id: int, *, error_id: str) -> None:
    """Record that no answer could be given."""
    session.execute(
        update(Answer)
        .where(Answer.id == answer_id)
        .values(state="failed", error_id=error_id, finished_at=func.now())
    )


def reopen(session: Session, question_id: int, *, text: str) -> Answer:
    """The asker edited the question: a new answer takes the place of the old one in Slack."""
    old = latest_answer(session, question_id)
    session.execute(update(Question).where(Question.id == question_id).values(text=text))
    answer = Answer(
        question_id=question_id,
        slack_channel=old.slack_channel if old is not None else None,
        slack_ts=old.slack_ts if old is not None else None,
    )
    session.add(answer)
    session.flush()
    return answer


def by_message(session: Session, *, channel: str, ts: str) -> Answer | None:
    """The answer that stands in a Slack message."""
    return session.scalars(
        select(Answer)
        .where(Answer.slack_channel == channel, Answer.slack_ts == ts)
        .order_by(Answer.id.desc())
        .limit(1)
    ).first()


def asked_in(session: Session, *, channel: str, message_ts: str) -> Question | None:
    """The question that a Slack message asked."""
    return session.scalars(
        select(Question).where(Question.channel_id == channel, Question.message_ts == message_ts)
    ).first()


def answered_in_thread(session: Session, *, channel: str, thread_ts: str) -> bool:
    """Whether the bot has answered, or is answering, in this thread."""
    return (
        session.execute(
            select(Question.id)
            .join(Answer, Answer.question_id == Question.id)
            .where(Question.channel_id == channel, Question.thread_ts == thread_ts)
            .limit(1)
        ).first()
        is not None
    )


_THREAD = text(
    """
    SELECT q.text AS question,
           CASE WHEN a.state = 'done' AND NOT a.refused AND NOT EXISTS (
               SELECT FROM jsonb_array_elements(a.citations) AS c
               LEFT JOIN documents d ON d.id = (c ->> 'document_id')::bigint
               WHERE c ->> 'document_id' IS NOT NULL AND (d.id IS NULL OR d.state = 'deleted')
           ) THEN a.text END AS answer
    FROM questions q
    JOIN LATERAL (
        SELECT * FROM answers WHERE question_id = q.id ORDER BY id DESC LIMIT 1
    ) a ON true
    WHERE q.channel_id = :channel AND q.thread_ts = :thread_ts AND q.id < :before
    ORDER BY q.id DESC
    LIMIT :limit
    """
)


def thread(
    session: Session, *, channel: str, thread_ts: str, before: int, limit: int = 4
) -> list[Exchange]:
    """What was asked and answered in a thread before question ``before``, oldest first.

    An answer that cites a document which has been taken away since is left out: a deletion holds
    for follow-ups too.
    """
    values = {"channel": channel, "thread_ts": thread_ts, "before": before, "limit": limit}
    rows = session.execute(_THREAD, values).all()
    return [Exchange(question=row.question, answer=row.answer) for row in reversed(rows)]


def put_feedback(session: Session, *, answer_id: int, user_id: str, kind: str) -> None:
    """Keep a person's thumb, ``up`` or ``down``; their later word replaces the earlier."""
    session.execute(
        insert(Feedback)
        .values(answer_id=answer_id, user_id=user_id, kind=kind)
        .on_conflict_do_update(
            index_elements=[Feedback.answer_id, Feedback.user_id],
            set_={"kind": kind, "created_at": func.now()},
        )
    )


def ask_expert(session: Session, *, question_id: int, asked_by: str, expert: str) -> bool:
    """Record that an expert is asked; false where the same expert has been asked already."""
    made = session.execute(
        insert(ExpertRequest)
        .values(question_id=question_id, asked_by=asked_by, expert=expert)
        .on_conflict_do_nothing(index_elements=[ExpertRequest.question_id, ExpertRequest.expert])
        .returning(ExpertRequest.id)
    ).first()
    return made is not None


def expert_key(question_id: int, expert: str) -> str:
    """The key of the message in the outbox that asks an expert."""
    return f"expert:{question_id}:{expert}"


def place_expert_request(session: Session, key: str, *, channel: str, ts: str) -> None:
    """Record where a message of the outbox stands, if it asks an expert: replies in its thread
    answer the question. Commit this together with the message's being sent."""
    name, _, rest = key.partition(":")
    question_id, _, expert = rest.partition(":")
    if name != "expert" or not question_id.isdecimal():
        return
    session.execute(
        update(ExpertRequest)
        .where(ExpertRequest.question_id == int(question_id), ExpertRequest.expert == expert)
        .values(slack_channel=channel, slack_ts=ts)
    )


def expert_request(session: Session, *, channel: str, ts: str) -> ExpertRequest | None:
    """The request that a Slack message holds."""
    return session.scalars(
        select(ExpertRequest).where(
            ExpertRequest.slack_channel == channel, ExpertRequest.slack_ts == ts
        )
    ).first()


def asking(session: Session, expert: str) -> bool:
    """Whether a message that asks ``expert`` is on its way, so that a reply may come before it is
    known where it stands."""
    fresh = ExpertRequest.created_at > func.now() - text("interval '1 minute'")
    unplaced = ExpertRequest.slack_ts.is_(None)
    found = select(ExpertRequest.id).where(ExpertRequest.expert == expert, unplaced, fresh)
    return session.execute(found.limit(1)).first() is not None


def expert_answered(session: Session, request_id: int) -> None:
    """Record that the expert replied."""
    session.execute(
        update(ExpertRequest)
        .where(ExpertRequest.id == request_id)
        .values(answered_at=func.coalesce(ExpertRequest.answered_at, func.now()))
    )


@dataclass(frozen=True, kw_only=True)
class Activity:
    """How much was asked lately."""

    questions: int
    refused: int
    up: int
    down: int


def activity(session: Session, *, since: dt.datetime) -> Activity:
    """Counts since ``since``."""
    row = session.execute(
        text(
            """
            SELECT count(*) AS questions, count(*) FILTER (WHERE refused) AS refused
            FROM answers WHERE created_at >= :since AND state = 'done'
            """
        ),
        {"since": since},
    ).one()
    thumbs = session.execute(
        text(
            """
            SELECT count(*) FILTER (WHERE kind = 'up') AS up,
                   count(*) FILTER (WHERE kind = 'down') AS down
            FROM feedback WHERE created_at >= :since
            """
        ),
        {"since": since},
    ).one()
    return Activity(questions=row.questions, refused=row.refused, up=thumbs.up, down=thumbs.down)
