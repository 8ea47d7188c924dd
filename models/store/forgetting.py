"""A person's words leave: pairs, questions, answers, events, messages, and what learned them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from models.store import pairs
from models.store.lineage import Withdrawn, withdraw
from models.store.tables import Audit, Pair


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What ``forget_person`` removed, in numbers."""

    pairs: int
    questions: int
    events: int
    messages: int
    withdrawn: Withdrawn = field(default_factory=Withdrawn)


def forget_person(
    session: Session, user_id: str, *, actor: str, current_event: int | None = None
) -> Forgotten:
    """Remove a person's words from pairs, questions, answers, events and outbox at once.

    ``current_event``: the event that asked for it; its payload is blanked like any other when it
    is done. Adapters trained on the words are withdrawn first, while their lineage can still be
    read.
    """
    theirs = list(session.scalars(select(Pair.id).where(pairs.of(user_id))))
    answered = list(session.execute(_ASKED, {"user": user_id}).scalars())
    gone = sorted({*theirs, *answered})
    withdrawn = withdraw(session, gone, actor=actor, reason="Words were withdrawn by their author.")
    values: dict[str, Any] = {
        "user": user_id,
        "quoted": f'"{user_id}"',
        "mentioned": f"<@{user_id}[>|]",
        "pairs": gone,
        "current": current_event or 0,
    }
    messages = 0
    for statement in _OUTBOX:
        messages += _run(session, statement, values)
    _run(session, _PASSAGES, values)
    _run(session, _PAIRS, values)
    questions = _run(session, _QUESTIONS, values)
    _run(session, _FEEDBACK, values)
    events = _run(session, _EVENTS, values)
    _run(session, _CONSENT, values)
    session.add(
        Audit(
            actor=actor,
            action="person_forgotten",
            subject="person",
            detail={"pairs": len(gone), "adapters": list(withdrawn.adapters)},
        )
    )
    session.execute(text("SELECT pg_notify('outbox', '')"))
    session.flush()
    return Forgotten(
        pairs=len(gone), questions=questions, events=events, messages=messages, withdrawn=withdrawn
    )


def expire(session: Session, *, days: int) -> int:
    """Questions older than ``days`` go with their answers, and so do messages that were sent.

    Pairs that came of them stay: they are the ledger's. Returns how many questions went, at most a
    thousand at a time.
    """
    _run(session, _OLD_MESSAGES, {"days": days})
    return _run(session, _OLD_QUESTIONS, {"days": days})


_OLD_QUESTIONS = text(
    """
    DELETE FROM questions WHERE id IN (
        SELECT id FROM questions WHERE created_at < now() - make_interval(days => :days)
        ORDER BY id LIMIT 1000)
    """
)
_OLD_MESSAGES = text(
    """
    DELETE FROM outbox WHERE state IN ('sent', 'failed')
      AND greatest(created_at, sent_at) < now() - make_interval(days => :days)
    """
)
_ASKED = text(
    """
    SELECT p.id FROM pairs p JOIN answers a ON a.id = p.answer_id
    JOIN questions q ON q.id = a.question_id WHERE q.user_id = :user
    """
)
# A message that shows such a pair, or was meant for the person: its words go, what stands in Slack
# is replaced by the bot.
_OUTBOX = (
    text(
        """
        UPDATE outbox SET version = version + 1, state = 'pending',
            claimed_by = NULL, claimed_until = NULL, attempts = 0,
            payload = '{"kind": "text", "text": "What stood here was removed on request."}'
        WHERE id IN (
            SELECT o.id FROM outbox o, jsonb_array_elements_text(
                CASE WHEN jsonb_typeof(o.payload -> 'shows') = 'array'
                     THEN o.payload -> 'shows' ELSE '[]' END) AS shown
            WHERE shown::bigint = ANY(:pairs))
        """
    ),
    text("DELETE FROM outbox WHERE destination ->> 'user' = :user"),
    text(
        """
        UPDATE outbox SET version = version + 1, state = 'pending',
            claimed_by = NULL, claimed_until = NULL, attempts = 0,
            payload = '{"kind": "text", "text": "What stood here was removed on request."}'
        WHERE position(:quoted IN payload::text) > 0 OR payload::text ~ :mentioned
        """
    ),
)
# Answers to others that were shown such a pair as a passage, and may say it without citing it.
_PASSAGES = text(
    """
    UPDATE answers SET
        passages = coalesce((SELECT jsonb_agg(p) FROM jsonb_array_elements(passages) AS p
            WHERE coalesce((p ->> 'pair_id')::bigint, 0) <> ALL(:pairs)), '[]'),
        citations = coalesce((SELECT jsonb_agg(c) FROM jsonb_array_elements(citations) AS c
            WHERE coalesce((c ->> 'pair_id')::bigint, 0) <> ALL(:pairs)), '[]'),
        text = ''
    WHERE EXISTS (SELECT FROM jsonb_array_elements(passages) AS p
        WHERE (p ->> 'pair_id')::bigint = ANY(:pairs))
    """
)
_PAIRS = text("DELETE FROM pairs WHERE id = ANY(:pairs)")
_QUESTIONS = text("DELETE FROM questions WHERE user_id = :user")
_FEEDBACK = text("DELETE FROM feedback WHERE user_id = :user")
_EVENTS = text(
    """
    UPDATE events SET payload = '{}',
        state = CASE WHEN state IN ('pending', 'claimed') THEN 'done' ELSE state END,
        finished_at = coalesce(finished_at, now())
    WHERE id <> :current AND (
        (state IN ('done', 'failed') AND payload::text LIKE '%' || :quoted || '%')
        OR :user IN (payload ->> 'user_id', payload -> 'user' ->> 'id', payload ->> 'user',
                     payload -> 'event' ->> 'user', payload -> 'event' ->> 'user_id'))
    """
)
_CONSENT = text("DELETE FROM consents WHERE user_id = :user")


def _run(session: Session, statement: Any, values: dict[str, Any]) -> int:
    return int(session.execute(statement, values).rowcount)  # type: ignore[attr-defined]
