"""Mentions, direct messages and threads: what people say becomes questions."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from slack_bolt import App
from slack_sdk.errors import SlackApiError
from sqlalchemy import select

from bot import channels, experts, intake, replies, say
from bot.audience import reason
from bot.deps import Deps
from bot.files import follow
from bot.inbox import Handler, Later, Refused, keep
from bot.replies import Ask
from bot.settings import ATTEMPTS, MAX_QUESTION
from bot.wording import is_greeting, is_thanks, question_text
from models.store import questions, settings
from models.store.session import transaction
from models.store.tables import Event, Question

log = logging.getLogger(__name__)

EDIT_WITHIN = dt.timedelta(minutes=5)  # a question edited later keeps its answer
FOLLOW_UPS = "follow_ups"  # setting: whether a reply in an answered thread needs a mention

HINT = (
    "Ask me a question and I will answer from the documents that you may see here, for example: "
    "“How do I add my own documents?” Share a file with me, or use `/phi3 help`, to see the rest."
)

WELCOME = "You are welcome. Ask on whenever you like."


def register(app: App, deps: Deps) -> None:
    """Keep what is meant for the bot; everything else is dropped before it is a row."""

    def on_message(event: dict[str, Any], body: dict[str, Any]) -> None:
        if str(event.get("subtype") or "").startswith("channel_"):
            # Joined, left, renamed, converted: what was cached of the channel may be wrong now.
            deps.directory.forget(str(event["channel"]))
        kind = intake.classify(event, deps.me.user_id)
        team = str(body.get("team_id") or deps.me.team_id)
        payload: intake.Json
        key: str | None = None
        if kind in ("mention", "dm") or (kind == "thread" and _takes_part(deps, event)):
            payload, name = intake.question(event, kind, team), "question"
            key = intake.message_key(team, event)
        elif kind in ("thread", "plain") and channels.is_source(deps, event["channel"]):
            payload, name = intake.question(event, kind, team), "channel_message"
            key = intake.message_key(team, event)
        elif kind == "edit" and _known(deps, event, str(event["message"]["ts"])):
            payload, name = intake.edit(event), "edit"
        elif kind == "delete" and channels.is_source(deps, event["channel"]):
            payload, name = intake.delete(event), "message_deleted"
        elif kind == "converted":
            payload, name = {"channel": event["channel"]}, "channel_converted"
        else:
            return
        keep(
            deps.sessions,
            team_id=team,
            event_id=str(body["event_id"]),
            kind=name,
            payload=payload,
            message_key=key,
        )

    app.event("message")(on_message)
    app.event("app_mention")(on_message)


def _takes_part(deps: Deps, event: dict[str, Any]) -> bool:
    channel, thread = event["channel"], event["thread_ts"]
    with deps.sessions() as session:
        if questions.expert_request(session, channel=channel, ts=thread) is not None:
            return True
        if not settings.for_channel(session, channel, FOLLOW_UPS, default=True):
            return False
        return questions.answered_in_thread(session, channel=channel, thread_ts=thread)


def _known(deps: Deps, event: dict[str, Any], ts: str) -> bool:
    with deps.sessions() as session:
        asked = questions.asked_in(session, channel=event["channel"], message_ts=ts) is not None
    return asked or channels.is_source(deps, event["channel"])


def ask_of(event: Event) -> Ask:
    """The question in an event's payload, without its text being read yet."""
    payload = event.payload
    return Ask(
        text=str(payload["text"]),
        surface=str(payload["surface"]),
        user_id=str(payload["user"]),
        team_id=str(payload["team"]),
        channel_id=str(payload["channel"]),
        thread_ts=str(payload["thread_ts"] or payload["ts"]),
        message_ts=str(payload["ts"]),
        attempt=event.attempts,
    )


def answer(deps: Deps, event: Event) -> None:
    """Answer a question; take in the files that came with it first."""
    ask = ask_of(event)
    if experts.deliver(deps, event, ask):
        return
    text = question_text(ask.text, deps.me.user_id)
    notes, took = _take_in_files(deps, event, ask)
    if not text:
        if not took:
            say.text(deps, event, "hint", _place(ask), HINT)
        return
    if not took and is_greeting(text):
        say.text(deps, event, "hint", _place(ask), HINT)
        return
    if not took and is_thanks(text):
        if ask.surface != "thread":  # there, people may well be thanking each other
            say.text(deps, event, "hint", _place(ask), WELCOME)
        return
    if len(text) > MAX_QUESTION:
        raise Refused(
            f"That is {len(text):,} characters; I read questions of up to {MAX_QUESTION:,}. "
            "Please shorten it, or share the text as a file and ask about that."
        )
    replies.reply(
        deps,
        event,
        Ask(**{**ask.__dict__, "text": text, "notes": tuple(notes)}),
    )


def _take_in_files(deps: Deps, event: Event, ask: Ask) -> tuple[list[str], bool]:
    """What the answer must say about files, and whether there were any."""
    files = list(event.payload.get("files") or []) or _files_of(deps, ask)
    ids: list[int] = []
    names: list[str] = []
    notes: list[str] = []
    for file_id in files:
        try:
            taken = follow.shared(
                deps, file_id=file_id, channel_id=ask.channel_id, user_id=ask.user_id
            )
        except follow.NotShared as error:
            if event.attempts < ATTEMPTS:
                raise Later(str(error), 2.0 * event.attempts) from error
            notes.append(":warning: A file that Slack does not show here is not part of this.")
            continue
        if taken is None:
            continue
        if taken.problem:
            notes.append(f":warning: “{say.safe(taken.title)}” is not part of this answer.")
        ids += taken.document_ids
        names += [taken.title] * len(taken.document_ids)
    if ids and question_text(ask.text, deps.me.user_id):
        late = dict.fromkeys(replies.wait_for_documents(deps, ids, names))
        notes += [
            f":hourglass: I am still reading “{say.safe(name)}”; it is not part of this answer."
            for name in late
        ]
    return notes, bool(files)


def _files_of(deps: Deps, ask: Ask) -> list[str]:
    """A mention may arrive without the files of its message: look the message up."""
    if ask.surface != "mention":
        return []
    window: dict[str, Any] = {
        "latest": ask.message_ts,
        "oldest": ask.message_ts,
        "inclusive": True,
        "limit": 2,
    }
    try:
        if ask.thread_ts != ask.message_ts:
            page = deps.slack.conversations_replies(
                channel=ask.channel_id, ts=ask.thread_ts, **window
            )
        else:
            page = deps.slack.conversations_history(channel=ask.channel_id, **window)
    except SlackApiError as error:
        log.info("a mention's files stay unknown: %s", reason(error))
        return []
    return [
        str(file["id"])
        for message in page.get("messages") or []
        if message.get("ts") == ask.message_ts
        for file in message.get("files") or []
    ]


def edited(deps: Deps, event: Event) -> None:
    """Answer an edited question anew, in place; or read the channel's message again."""
    payload = event.payload
    channel, ts = str(payload["channel"]), str(payload["ts"])
    channels.read_again(deps, channel, str(payload.get("thread_ts") or ts))
    if payload.get("gone"):
        return
    with transaction(deps.sessions) as session:
        question = questions.asked_in(session, channel=channel, message_ts=ts)
        text = question_text(str(payload["text"]), deps.me.user_id)
        if question is None or not text or len(text) > MAX_QUESTION:
            return
        standing = questions.latest_answer(session, question.id)
        if question.text != text:
            if question.created_at < dt.datetime.now(dt.UTC) - EDIT_WITHIN:
                return
            if standing is not None and standing.state == "streaming":
                raise Later("the first answer is still being written", 4.0)
            standing = questions.reopen(session, question.id, text=text)
        if standing is None:
            return
    with deps.sessions() as session:
        question = session.scalars(select(Question).where(Question.id == question.id)).one()
    replies.complete(
        deps,
        question,
        standing,
        Ask(
            text=text,
            surface=question.surface,
            user_id=str(question.user_id),
            team_id=deps.me.team_id,
            channel_id=channel,
            thread_ts=str(question.thread_ts),
            message_ts=ts,
            attempt=event.attempts,
        ),
    )


def channel_message(deps: Deps, event: Event) -> None:
    """A new message in a channel that an admin made a source."""
    payload = event.payload
    channels.read_again(
        deps, str(payload["channel"]), str(payload.get("thread_ts") or payload["ts"]), new=True
    )


def message_deleted(deps: Deps, event: Event) -> None:
    """A message of a source is gone: its text goes with it."""
    payload = event.payload
    channels.message_gone(
        deps, str(payload["channel"]), str(payload["ts"]), payload.get("thread_ts")
    )


def channel_converted(deps: Deps, event: Event) -> None:
    """A channel became private, or public."""
    channels.converted(deps, str(event.payload["channel"]))


def _place(ask: Ask) -> dict[str, str]:
    return {"channel": ask.channel_id, "thread_ts": ask.thread_ts}


def tell(deps: Deps, event: Event, sentence: str) -> None:
    """Say it where the answer would have stood."""
    ask = ask_of(event)
    if not replies.failed(deps, event, ask, sentence):
        say.text(deps, event, "told", _place(ask), sentence)


def keep_quiet(deps: Deps, event: Event, sentence: str) -> None:
    """Nobody asked for this, so nobody is told; the log has it."""
    log.info("event %d: %s", event.id, sentence)


HANDLERS: dict[str, Handler] = {
    "question": Handler(answer, tell),
    "edit": Handler(edited, keep_quiet),
    "channel_message": Handler(channel_message, keep_quiet),
    "message_deleted": Handler(message_deleted, keep_quiet),
    "channel_converted": Handler(channel_converted, keep_quiet),
}
