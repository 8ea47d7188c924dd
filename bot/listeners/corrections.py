"""A better answer, typed into a modal."""

from __future__ import annotations

import json
import logging
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import say
from bot.admins import admin_ids, is_admin
from bot.audience import reason
from bot.blocks.answers import CORRECT
from bot.blocks.modals import ANSWER, CORRECTION, correction
from bot.deps import Deps
from bot.inbox import Handler, keep
from bot.whisper import whisper
from models.store import pairs, proposals, questions
from models.store.audience import EVERYONE
from models.store.session import transaction
from models.store.tables import Answer, Event, Pair, Question

log = logging.getLogger(__name__)


def register(app: App, deps: Deps) -> None:
    """Open the modal at once, for its trigger dies in three seconds; keep what comes back."""

    def on_button(
        ack: Ack, body: dict[str, Any], action: dict[str, Any], client: WebClient
    ) -> None:
        ack()
        container = body.get("container") or {}
        place = {
            "answer": int(action["value"]),
            "channel": (body.get("channel") or {}).get("id") or container.get("channel_id"),
            "thread_ts": container.get("thread_ts") or container.get("message_ts"),
            "response_url": body.get("response_url"),  # a modal has none of its own
        }
        with deps.sessions() as session:
            answer = session.get(Answer, place["answer"])
            question = session.get(Question, answer.question_id) if answer else None
        if answer is None or question is None:
            return
        shown = "" if answer.refused else answer.text
        try:
            client.views_open(
                trigger_id=body["trigger_id"],
                view=correction(question.text, shown, json.dumps(place)),
            )
        except SlackApiError as error:
            log.warning("no modal: %s", reason(error))

    def on_submission(ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        typed = ((view["state"]["values"].get(ANSWER) or {}).get(ANSWER) or {}).get("value") or ""
        if len(typed.strip()) < 3:
            ack(response_action="errors", errors={ANSWER: "Please write an answer."})
            return
        place = json.loads(view.get("private_metadata") or "{}")
        if _unchanged(deps, place.get("answer"), typed):
            ack(response_action="errors", errors={ANSWER: "This is the answer as it stands."})
            return
        keep(
            deps.sessions,
            team_id=str((body.get("team") or {}).get("id") or deps.me.team_id),
            event_id=str(body.get("trigger_id") or f"{view['id']}:{view.get('hash')}"),
            kind=CORRECTION,
            payload={
                **place,
                "user": body["user"]["id"],
                "text": typed.strip(),
            },
        )
        ack()

    app.action(CORRECT)(on_button)
    app.view(CORRECTION)(on_submission)


def _unchanged(deps: Deps, answer_id: object, typed: str) -> bool:
    with deps.sessions() as session:
        answer = session.get(Answer, answer_id) if isinstance(answer_id, int) else None
    return answer is not None and not answer.refused and typed.split() == answer.text.split()


def correct(deps: Deps, event: Event) -> None:
    """Keep a person's better answer as a proposed pair, and thank them in words."""
    user = str(event.payload["user"])
    with transaction(deps.sessions) as session:
        answer = session.get(Answer, int(event.payload["answer"]))
        if answer is None:
            return
        if not answer.refused:
            questions.put_feedback(session, answer_id=answer.id, user_id=user, kind="down")
        kept: Pair | None = None
        try:
            kept = proposals.from_answer(
                session, answer, origin="correction", author=user, better=str(event.payload["text"])
            )
        except pairs.PairRefused as refused:
            words = say.safe(str(refused))
    if kept is not None:
        words = f"Thank you. Your answer is kept{_waits(deps, user, kept)}"
    whisper(deps, event, words)


def _waits(deps: Deps, user: str, row: Pair) -> str:
    """What a kept answer waits for: an admin is shown the pairs that they may read, no others."""
    if is_admin(deps, user):
        return "; I use it once it is approved: `/phi3 pairs` shows what waits."
    if row.audience == EVERYONE or any(
        row.audience in deps.directory.alone(admin).keys for admin in admin_ids(deps)
    ):
        return ", and an admin will look at it before I use it."
    return (
        f" as pair {row.id}. No admin can read this conversation, so please ask whoever runs me "
        f"to approve it, with `phi3 pairs approve {row.id}` on the machine that I run on. From "
        "then on I use it, here alone. Corrected in a channel that an admin is in, it can be "
        "approved in Slack."
    )


def tell(deps: Deps, event: Event, sentence: str) -> None:
    """Say it to whoever wrote."""
    whisper(deps, event, sentence)


HANDLERS: dict[str, Handler] = {CORRECTION: Handler(correct, tell)}
