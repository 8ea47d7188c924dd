"""Thumbs under an answer, and the button that asks an expert."""

from __future__ import annotations

import logging
from typing import Any

from slack_bolt import Ack, App

from bot import experts, say
from bot.blocks.answers import EXPERT, FEEDBACK
from bot.deps import Deps
from bot.inbox import Handler, keep
from bot.whisper import whisper
from models.store import pairs, proposals, questions
from models.store.session import transaction
from models.store.tables import Answer, Event, Question

log = logging.getLogger(__name__)


def register(app: App, deps: Deps) -> None:
    """Keep presses; the work is done by the answering threads."""

    def on_press(ack: Ack, body: dict[str, Any], action: dict[str, Any]) -> None:
        _keep(deps, body, action)
        ack()

    app.action(FEEDBACK)(on_press)
    app.action(EXPERT)(on_press)


def _keep(deps: Deps, body: dict[str, Any], action: dict[str, Any]) -> None:
    container = body.get("container") or {}
    keep(
        deps.sessions,
        team_id=str((body.get("team") or {}).get("id") or deps.me.team_id),
        event_id=str(body["trigger_id"]),
        kind=str(action["action_id"]),
        payload={
            "value": str(action.get("value") or ""),
            "user": body["user"]["id"],
            "channel": (body.get("channel") or {}).get("id") or container.get("channel_id"),
            "thread_ts": container.get("thread_ts") or container.get("message_ts"),
            "response_url": body.get("response_url"),
        },
    )


def thumb(deps: Deps, event: Event) -> None:
    """Keep the thumb; thumbs up propose what was shown as a pair."""
    kind, _, number = str(event.payload["value"]).partition(":")
    user = str(event.payload["user"])
    if kind not in ("up", "down") or not number.isdigit():
        log.warning("event %d is no thumb", event.id)
        return
    with transaction(deps.sessions) as session:
        answer = session.get(Answer, int(number))
        if answer is None:
            return
        questions.put_feedback(session, answer_id=answer.id, user_id=user, kind=kind)
        if kind == "up":
            try:
                proposals.from_answer(session, answer, origin="thumb", author=None)
            except pairs.PairRefused as refused:
                log.info("no pair comes of a thumb: %s", refused)
        else:
            proposals.take_back(session, answer)
    words = (
        "Thank you, noted: this answer was good."
        if kind == "up"
        else "Thank you, noted: this answer was not good. If you know a better one, "
        "“Suggest a better answer” keeps it."
    )
    whisper(deps, event, words)


def ask_expert(deps: Deps, event: Event) -> None:
    """Pass the question on to people."""
    user = str(event.payload["user"])
    with deps.sessions() as session:
        answer = session.get(Answer, int(event.payload["value"]))
        question = session.get(Question, answer.question_id) if answer else None
    if question is None:
        whisper(deps, event, "I no longer have this question; please ask it again.")
        return
    asked = experts.ask(deps, question_id=question.id, asked_by=user)
    if not asked:
        whisper(
            deps,
            event,
            "There is nobody else to ask yet: an admin can name experts with `/phi3 experts`.",
        )
        return
    names = " and ".join(f"<@{one}>" for one in asked)
    say.say(
        deps,
        key=f"expert-asked:{question.id}",
        destination={
            "channel": str(event.payload["channel"]),
            "thread_ts": str(event.payload["thread_ts"]),
        },
        payload={
            "kind": "mrkdwn",
            "text": f"I passed this on to {names}. Their reply will come to this thread.",
        },
    )


def tell(deps: Deps, event: Event, sentence: str) -> None:
    """Say it to whoever pressed."""
    whisper(deps, event, sentence)


HANDLERS: dict[str, Handler] = {
    FEEDBACK: Handler(thumb, tell),
    EXPERT: Handler(ask_expert, tell),
}
