"""A question from Slack, taken from the inbox to one finished answer."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from slack_sdk.errors import SlackApiError
from sqlalchemy import exists, select

from bot.answering import Delta, Done, answer
from bot.audience import place_audience, reason
from bot.blocks.answers import footer, refusal
from bot.blocks.text import escape
from bot.citing import Citation
from bot.deps import Deps
from bot.streaming import LiveMessage, find_standing
from bot.wording import question_text
from models.lm.client import ModelError
from models.lm.followup import leans_on_thread
from models.store import documents, questions
from models.store.audience import Audience
from models.store.questions import Asked, Exchange, Outcome
from models.store.session import transaction
from models.store.tables import Answer, Chunk, Document, Event, Question

log = logging.getLogger(__name__)

THINKING = "is looking through the documents…"
WAIT_FOR_FILES_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A question and where its answer goes."""

    text: str
    surface: str  # mention, thread, dm, command
    user_id: str
    team_id: str  # of the asker
    channel_id: str
    thread_ts: str
    message_ts: str | None
    attempt: int = 1
    notes: tuple[str, ...] = ()  # mrkdwn for the small print


def reply(deps: Deps, event: Event, ask: Ask) -> None:
    """Answer, streaming; after a crash, finish the one answer that was begun."""
    place = _place_audience(deps, ask)
    with transaction(deps.sessions) as session:
        question = questions.open_question(
            session,
            Asked(
                event_id=event.id,
                surface=ask.surface,
                channel_id=ask.channel_id,
                thread_ts=ask.thread_ts,
                message_ts=ask.message_ts,
                user_id=ask.user_id,
                text=ask.text,
                audience=place,
            ),
        )
        standing = questions.open_answer(session, question.id)
    complete(deps, question, standing, ask)


def complete(deps: Deps, question: Question, standing: Answer, ask: Ask) -> None:
    """Bring one answer row to its end in Slack."""
    if standing.state == "done":
        return
    _status(deps, ask)
    live = _live(deps, question, standing, ask)
    audience = deps.directory.audience(ask.user_id, ask.channel_id)
    done = _answer(deps, question, ask, audience, live)
    if done.refused:
        log.info("question %d refused: %s", question.id, done.reason)
        live.replace(
            refusal(
                done,
                answer_id=standing.id,
                link_of=lambda citation: link_of(deps, citation),
                now=_now(),
                notes=ask.notes,
                nothing_known=not _anything(deps, audience),
                being_read=_being_read(deps, audience),
            )
        )
    else:
        live.finish(
            footer(
                done,
                answer_id=standing.id,
                link_of=lambda citation: link_of(deps, citation),
                now=_now(),
                notes=ask.notes,
            )
        )
    with transaction(deps.sessions) as session:
        questions.finish_answer(session, standing.id, _outcome(done))


def failed(deps: Deps, event: Event, ask: Ask, sentence: str) -> bool:
    """Put ``sentence`` where the answer was begun; false where none was."""
    with deps.sessions() as session:
        question = session.scalars(select(Question).where(Question.event_id == event.id)).first()
        standing = questions.latest_answer(session, question.id) if question else None
    if standing is None or question is None:
        return False
    with transaction(deps.sessions) as session:
        questions.fail_answer(session, standing.id, error_id=sentence.rstrip(".")[-8:])
    if standing.slack_ts is None:
        return False
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": escape(sentence)}}]
    try:
        deps.slack.chat_stopStream(channel=ask.channel_id, ts=standing.slack_ts)
    except SlackApiError as error:
        log.debug("no stream to stop: %s", reason(error))
    deps.slack.chat_update(
        channel=ask.channel_id, ts=standing.slack_ts, text=escape(sentence), blocks=blocks
    )
    return True


def link_of(deps: Deps, citation: Citation) -> str | None:
    """What a source's link opens: its own address, or our viewer if everybody may see it."""
    if citation.link and citation.link.startswith(("http://", "https://")):
        return citation.link
    if citation.document_id is not None and citation.audience == "workspace":
        return deps.links.document(citation.document_id, citation.chunk_id, now=time.time())
    return None


def wait_for_documents(deps: Deps, document_ids: Sequence[int], names: Sequence[str]) -> list[str]:
    """Wait a little until documents can be searched; the names of those that are not ready yet."""
    until = time.monotonic() + WAIT_FOR_FILES_S
    while True:
        with deps.sessions() as session:
            rows = session.execute(
                select(Document.id, Document.state).where(Document.id.in_(document_ids))
            ).all()
        waiting = {row.id for row in rows if row.state in ("pending", "processing")}
        if not waiting or time.monotonic() > until:
            return [name for one, name in zip(document_ids, names, strict=True) if one in waiting]
        time.sleep(0.2)


def _answer(
    deps: Deps, question: Question, ask: Ask, audience: Audience, live: LiveMessage
) -> Done:
    thread = _thread(deps, question, ask)
    for event in answer(deps.reader, question=ask.text, audience=audience, thread=thread):
        if isinstance(event, Delta):
            live.feed(event.text)
        elif isinstance(event, Done):
            return event
    raise ModelError("the answer has no end")


def _thread(deps: Deps, question: Question, ask: Ask) -> list[Exchange]:
    """What this thread said before: this channel's own, so nothing comes in from elsewhere."""
    with deps.sessions() as session:
        earlier = questions.thread(
            session, channel=ask.channel_id, thread_ts=ask.thread_ts, before=question.id
        )
    if earlier or ask.message_ts in (None, ask.thread_ts) or not leans_on_thread(ask.text):
        return earlier
    try:
        page = deps.slack.conversations_replies(
            channel=ask.channel_id, ts=ask.thread_ts, latest=ask.message_ts, limit=15
        )
    except SlackApiError as error:
        log.info("the thread stays unread: %s", reason(error))
        return []
    said = [
        question_text(str(message.get("text") or ""), deps.me.user_id)
        for message in page.get("messages") or []
        if message.get("ts") != ask.message_ts and message.get("user") != deps.me.user_id
    ]
    return [Exchange(question=words[:400], answer=None) for words in said if words][-2:]


def _live(deps: Deps, question: Question, standing: Answer, ask: Ask) -> LiveMessage:
    parts: dict[int, str] = {}
    if standing.slack_ts is not None:
        parts[0] = standing.slack_ts
    if ask.attempt > 1:
        parts = _look(deps, question, ask) | parts

    def started(ts: str) -> None:
        with transaction(deps.sessions) as session:
            questions.place_answer(session, standing.id, channel=ask.channel_id, ts=ts)

    if 0 in parts and standing.slack_ts is None:
        started(parts[0])
    return LiveMessage(
        deps.slack,
        deps.pace,
        channel=ask.channel_id,
        thread_ts=ask.thread_ts,
        recipient_user=ask.user_id,
        recipient_team=ask.team_id,
        question_id=question.id,
        standing=parts,
        started=started,
    )


def _look(deps: Deps, question: Question, ask: Ask) -> dict[int, str]:
    def taken(ts: str) -> bool:
        with deps.sessions() as session:
            return questions.by_message(session, channel=ask.channel_id, ts=ts) is not None

    return find_standing(
        deps.slack,
        channel=ask.channel_id,
        thread_ts=ask.thread_ts,
        question_id=question.id,
        asked_ts=ask.message_ts,
        bot_user=deps.me.user_id,
        taken=taken,
    )


def _status(deps: Deps, ask: Ask) -> None:
    try:
        deps.slack.assistant_threads_setStatus(
            channel_id=ask.channel_id, thread_ts=ask.thread_ts, status=THINKING
        )
    except SlackApiError as error:
        log.debug("no status shown: %s", reason(error))


def _place_audience(deps: Deps, ask: Ask) -> str:
    try:
        return place_audience(ask.user_id, deps.directory.place(ask.channel_id))
    except SlackApiError as error:
        log.info("the place of a question is unknown: %s", reason(error))
        return place_audience(ask.user_id, None)


def _anything(deps: Deps, audience: Audience) -> bool:
    with deps.sessions() as session:
        known = exists().where(Chunk.audience.in_(audience.sorted_keys()))
        return bool(session.scalar(select(known)))


def _being_read(deps: Deps, audience: Audience) -> int:
    with deps.sessions() as session:
        return documents.being_read(session, audience)


def _outcome(done: Done) -> Outcome:
    return Outcome(
        text=done.text,
        refused=done.refused,
        grounded=done.grounded,
        passages=[passage.as_json() for passage in done.passages],
        citations=[citation.as_json() for citation in done.citations],
        generator=done.generator,
        adapter=done.adapter,
        latencies=done.latencies,
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def again(ask: Ask, *, attempt: int) -> Ask:
    """The same question, another attempt."""
    return replace(ask, attempt=attempt)
