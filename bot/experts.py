"""When the bot does not know: a person is asked, and their reply is brought back."""

from __future__ import annotations

import logging

from slack_sdk.errors import SlackApiError
from sqlalchemy import select

from bot import say
from bot.admins import admin_ids
from bot.audience import reason
from bot.blocks.text import escape, plain, shorten
from bot.deps import Deps
from bot.inbox import Later
from bot.replies import Ask
from bot.wording import question_text
from models.store import pairs, proposals, questions, settings
from models.store.session import transaction
from models.store.tables import Event, Question

log = logging.getLogger(__name__)

EXPERTS = "experts"  # setting: user ids, per channel or for the workspace
AT_MOST = 3  # people asked about one question
TRIES = 4  # to find out where the expert was asked


def experts_for(deps: Deps, channel_id: str | None, asker: str) -> list[str]:
    """Whom to ask: the channel's experts, else the workspace's, else the admins; not the asker."""
    with deps.sessions() as session:
        chosen = settings.for_channel(session, channel_id, EXPERTS)
    people = [str(user) for user in chosen] if chosen else admin_ids(deps)
    return [user for user in people if user not in (asker, deps.me.user_id)][:AT_MOST]


def ask(deps: Deps, *, question_id: int, asked_by: str) -> list[str]:
    """Ask the experts in direct messages; returns their ids, none where there is nobody to ask."""
    with deps.sessions() as session:
        question = session.get_one(Question, question_id)
    people = experts_for(deps, question.channel_id, asked_by)
    for expert in people:
        with transaction(deps.sessions) as session:
            questions.ask_expert(session, question_id=question_id, asked_by=asked_by, expert=expert)
        words = (
            f"<@{asked_by}> asked me something that I could not answer from the documents:\n"
            f">{plain(shorten(question.text, 1_500))}\n"
            "If you know, reply *in this thread*: I bring your reply to them."
        )
        say.say(
            deps,
            key=questions.expert_key(question_id, expert),
            destination={"user": expert},
            payload={"kind": "mrkdwn", "text": words},
        )
    return people


def deliver(deps: Deps, event: Event, message: Ask) -> bool:
    """Bring an expert's reply to the asker; false if the message is no such reply."""
    if message.message_ts == message.thread_ts:
        return False
    with deps.sessions() as session:
        # In this order: a place that becomes known between the two reads is found by the second.
        unplaced = questions.asking(session, message.user_id)
        request = questions.expert_request(
            session, channel=message.channel_id, ts=message.thread_ts
        )
        if request is None and unplaced and event.attempts < TRIES:
            raise Later("where the expert was asked is not known yet", 1.0 * event.attempts)
        if request is None or request.expert != message.user_id:
            return False
        question = session.scalars(select(Question).where(Question.id == request.question_id)).one()
        answer = questions.latest_answer(session, question.id)
    words = question_text(message.text, deps.me.user_id)
    if not words:
        return True
    destination = {"user": request.asked_by}
    if question.channel_id and question.thread_ts:
        destination = {"channel": question.channel_id, "thread_ts": question.thread_ts}
    text = f"<@{request.asked_by}>, <@{message.user_id}> answers:\n{escape(shorten(words, 2_500))}"
    say.say(
        deps,
        key=f"expert-reply:{event.id}",
        destination=destination,
        payload={"kind": "mrkdwn", "text": text},
    )
    with transaction(deps.sessions) as session:
        questions.expert_answered(session, request.id)
        if answer is not None:
            try:
                proposals.from_answer(
                    session, answer, origin="expert", author=message.user_id, better=words
                )
            except pairs.PairRefused as refused:
                log.info("no pair comes of an expert's reply: %s", refused)
    try:
        deps.slack.reactions_add(
            channel=message.channel_id, timestamp=str(message.message_ts), name="white_check_mark"
        )
    except SlackApiError as error:
        log.debug("no reaction: %s", reason(error))
    return True
