"""A channel as a source: its threads are documents, read within limits, kept in step."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackApiError
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from bot import tasks
from bot.alone import alone
from bot.audience import document_audiences
from bot.deps import Deps
from bot.settings import MAX_HISTORY
from bot.wording import question_text
from models.store import blobs, documents, resting
from models.store.session import transaction
from models.store.tables import Document, Source

log = logging.getLogger(__name__)

HISTORY_DAYS = 365
_GONE = frozenset({"message_not_found", "thread_not_found"})
SHORTEST = 80  # characters; shorter threads are greetings and thanks


def source_uri(channel_id: str) -> str:
    """A channel's identity among sources."""
    return f"slack:channel:{channel_id}"


def thread_uri(channel_id: str, ts: str) -> str:
    """A thread's identity among documents."""
    return f"slack:message:{channel_id}:{ts}"


def is_source(deps: Deps, channel_id: str) -> bool:
    """Whether an admin made this channel a source."""
    with deps.sessions() as session:
        found = exists().where(Source.uri == source_uri(channel_id))
        return bool(session.scalar(select(found)))


def ingest(deps: Deps, *, channel_id: str, user_id: str, job_id: int) -> int:
    """Read a channel's history within limits, a document a thread; returns how many are queued.

    The channel stays a source: later messages, edits and deletions are followed. Raises Slack's
    errors.
    """
    audiences = _audiences(deps, channel_id, user_id)
    with transaction(deps.sessions) as session:
        for audience in audiences:
            session.execute(
                insert(Source)
                .values(
                    kind="channel", uri=source_uri(channel_id), audience=audience, added_by=user_id
                )
                .on_conflict_do_nothing()
            )
    oldest = dt.datetime.now(dt.UTC) - dt.timedelta(days=HISTORY_DAYS)
    queued = 0
    read = 0
    cursor = ""
    while read < MAX_HISTORY:
        page = deps.slack.conversations_history(
            channel=channel_id, limit=200, oldest=str(oldest.timestamp()), cursor=cursor or None
        )
        messages = page.get("messages") or []
        read += len(messages)
        for message in messages:
            # It may have been deleted since the page was read.
            with alone(deps.sessions, thread_uri(channel_id, str(message["ts"]))):
                made = _take_in(deps, channel_id, message, audiences, user_id, job_id)
            queued += made or 0
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            break
    return queued


def read_again(deps: Deps, channel_id: str, root_ts: str, *, new: bool = False) -> None:
    """Bring a thread's document up to date; ``new`` ones are begun only in channels of a source."""
    uri = thread_uri(channel_id, root_ts)
    if not is_source(deps, channel_id) or not (new or _rows(deps, uri)):
        return
    with deps.sessions() as session:
        of_channel = select(Source.added_by).where(Source.uri == source_uri(channel_id))
        added_by = session.scalars(of_channel).first()
    audiences = _audiences(deps, channel_id, added_by)
    settle(deps, channel_id, audiences)
    with alone(deps.sessions, uri):
        root = _root(deps, channel_id, root_ts)
        if root is None or _take_in(deps, channel_id, root, audiences, added_by, None) is None:
            _forget(deps, uri)


def _root(deps: Deps, channel_id: str, ts: str) -> Mapping[str, Any] | None:
    try:
        page = deps.slack.conversations_replies(channel=channel_id, ts=ts, limit=1)
    except SlackApiError as error:
        if error.response.get("error") in _GONE:
            return None
        raise
    return next((one for one in page.get("messages") or [] if one.get("ts") == ts), None)


def settle(deps: Deps, channel_id: str, audiences: Sequence[str]) -> None:
    """Narrow what was read and asked while the channel was public, with the pairs that came of it;
    what was private is never widened.
    """
    if "workspace" in audiences:
        return
    with transaction(deps.sessions) as session:
        public = session.scalars(
            select(Document.id).where(
                Document.uri.startswith(thread_uri(channel_id, ""), autoescape=True),
                Document.audience == "workspace",
                Document.state != "deleted",
            )
        ).all()
        for document_id in sorted(public):
            documents.narrow(session, document_id, audiences[0])
        resting.narrow_channel(session, channel_id)


def converted(deps: Deps, channel_id: str) -> None:
    """The channel became private or public. Raises Slack's errors."""
    settle(deps, channel_id, _audiences(deps, channel_id, None))


def message_gone(deps: Deps, channel_id: str, ts: str, thread_ts: str | None) -> None:
    """A message was deleted: the thread's document goes with its root, or loses a reply."""
    if thread_ts is None or thread_ts == ts:
        with alone(deps.sessions, thread_uri(channel_id, ts)):
            _forget(deps, thread_uri(channel_id, ts))
    else:
        read_again(deps, channel_id, thread_ts)


def _audiences(deps: Deps, channel_id: str, user_id: str | None) -> tuple[str, ...]:
    """Who may read the channel as it is now: it may have been another kind when it was added."""
    return document_audiences(user_id or "", deps.directory.place_now(channel_id))


def _take_in(
    deps: Deps,
    channel_id: str,
    root: Mapping[str, Any],
    audiences: Iterable[str],
    user_id: str | None,
    job_id: int | None,
) -> int | None:
    """How many documents are queued for a thread; none where it is gone or too short."""
    ts = str(root["ts"])
    try:
        text = _as_text(deps, channel_id, root)
        if len(text) < SHORTEST:
            return None
        link = deps.slack.chat_getPermalink(channel=channel_id, message_ts=ts)["permalink"]
    except SlackApiError as error:
        if error.response.get("error") in _GONE:
            return None
        raise
    first = text.partition("\n")[0]
    ids: list[int] = []
    with transaction(deps.sessions) as session:
        sha256 = blobs.put(session, text.encode())
        for audience in audiences:
            made = documents.register(
                session,
                uri=thread_uri(channel_id, ts),
                audience=audience,
                title=first[:80],
                origin="slack_text",
                link=str(link),
                filename="thread.txt",
                mime="text/plain",
                blob_sha256=sha256,
                added_by=user_id,
                job_id=job_id,
                revive=False,
            )
            if made.queued:
                ids.append(made.document_id)
    for document_id in ids:
        tasks.send("ingest.document", document_id, bulk=True)
    return len(ids)


def _as_text(deps: Deps, channel_id: str, root: Mapping[str, Any]) -> str:
    messages = [root]
    if int(root.get("reply_count") or 0):
        page = deps.slack.conversations_replies(channel=channel_id, ts=str(root["ts"]), limit=200)
        messages = page.get("messages") or [root]
    said = [
        question_text(str(message.get("text") or ""), deps.me.user_id)
        for message in messages
        if message.get("user") not in (None, deps.me.user_id)
        and message.get("subtype") in (None, "thread_broadcast", "file_share")
    ]
    return "\n\n".join(words for words in said if words)


def _rows(deps: Deps, uri: str) -> list[Document]:
    with deps.sessions() as session:
        return documents.find(session, uri)


def _forget(deps: Deps, uri: str) -> None:
    with transaction(deps.sessions) as session:
        for row in documents.find(session, uri):
            documents.forget(session, row.id, actor="Slack: message deleted")
