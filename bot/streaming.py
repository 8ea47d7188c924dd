"""One answer in Slack: streamed, and finished by an update where the stream is gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks.answers import whole
from bot.blocks.text import MARKDOWN, Block, Message, safe_markdown
from bot.pace import Pace
from bot.settings import UPDATE_EVERY_S

log = logging.getLogger(__name__)

METADATA = "phi3_answer"
FLUSH_S = 0.8  # between two appends
FIRST = 24  # characters before the stream begins; until then the status shows that work goes on
NOT_OURS_TO_RETRY = frozenset({"ratelimited", "rate_limited", "fatal_error", "internal_error"})


def metadata(question_id: int, part: int) -> dict[str, Any]:
    """What an answer's message carries, so that it can be recognised after a crash."""
    payload = {"question": str(question_id), "part": str(part)}
    return {"event_type": METADATA, "event_payload": payload}


class LiveMessage:
    """Grows while the answer is written; ``finish`` leaves exactly one finished answer."""

    def __init__(
        self,
        slack: WebClient,
        pace: Pace,
        *,
        channel: str,
        thread_ts: str,
        recipient_user: str,
        recipient_team: str,
        question_id: int,
        standing: Mapping[int, str],
        started: Callable[[str], None],
    ) -> None:
        """``standing``: timestamps of this answer's messages which are in Slack already, by part.

        ``started`` is called with the timestamp as soon as there is one; it commits it.
        """
        self._slack = slack
        self._pace = pace
        self._channel = channel
        self._thread = thread_ts
        self._recipient_user = recipient_user
        self._recipient_team = recipient_team
        self._question = question_id
        self._standing = dict(standing)
        self._started = started
        self._ts = standing.get(0)
        self._streaming = self._ts is None
        self._text = ""
        self._sent = 0
        self._flushed = 0.0

    @property
    def ts(self) -> str | None:
        """Where the answer stands; none before its first words."""
        return self._ts

    def feed(self, piece: str) -> None:
        """Take a piece of the answer in; show it if it is time to."""
        self._text += piece if self._text else piece.lstrip()
        if not self._text:
            return
        if self._ts is None and len(self._text) < FIRST:
            return
        every = FLUSH_S if self._streaming else UPDATE_EVERY_S
        if self._sent and time.monotonic() - self._flushed < every:
            return
        self._flush()

    def finish(self, below: Sequence[Block]) -> None:
        """Complete the answer with ``below`` under it."""
        parts = whole(self._text.rstrip(), below)
        self._finish(parts)

    def replace(self, message: Message) -> None:
        """Let ``message`` stand where the answer would have stood."""
        if self._ts is not None and self._streaming:
            self._quietly_stop()
        self._streaming = False
        self._finish([message])

    def _flush(self) -> None:
        shown = safe_markdown(self._text)[:MARKDOWN]
        fresh = shown[self._sent :]
        if not fresh:
            return
        if not self._streaming:
            if self._ts is not None and self._sent:
                self._update(Message(shown[:2_900], [{"type": "markdown", "text": shown}]), 0)
            self._sent = len(shown)
        elif self._ts is None:
            self._start(fresh)
        else:
            try:
                self._slack.chat_appendStream(
                    channel=self._channel, ts=self._ts, markdown_text=fresh
                )
                self._sent = len(shown)
            except SlackApiError as error:
                self._fall_back(error)
        self._flushed = time.monotonic()

    def _start(self, fresh: str) -> None:
        self._pace.wait(self._channel)
        try:
            response = self._slack.chat_startStream(
                channel=self._channel,
                thread_ts=self._thread,
                markdown_text=fresh,
                recipient_user_id=self._recipient_user,
                recipient_team_id=self._recipient_team,
            )
        except SlackApiError as error:
            self._fall_back(error)
            return
        self._ts = str(response["ts"])
        self._sent += len(fresh)
        self._started(self._ts)

    def _finish(self, parts: Sequence[Message]) -> None:
        first = parts[0]
        if self._ts is None:
            self._post(first, 0)
        elif not (self._streaming and self._stop(first)):
            self._quietly_stop()
            self._update(first, 0)
        for part, message in enumerate(parts[1:], start=1):
            if part in self._standing:
                self._slack.chat_update(
                    channel=self._channel,
                    ts=self._standing[part],
                    text=message.text,
                    blocks=message.blocks,
                    metadata=metadata(self._question, part),
                )
            else:
                self._post(message, part)

    def _stop(self, message: Message) -> bool:
        if not message.blocks or message.blocks[0]["type"] != "markdown":
            return False
        rest = str(message.blocks[0]["text"])[self._sent :]
        try:
            self._slack.chat_stopStream(
                channel=self._channel,
                ts=self._ts or "",
                markdown_text=rest or None,
                blocks=message.blocks[1:] or None,
                metadata=metadata(self._question, 0),
            )
        except SlackApiError as error:
            self._fall_back(error)
            return False
        return True

    def _quietly_stop(self) -> None:
        """A stream that a killed process left open would refuse the update."""
        try:
            self._slack.chat_stopStream(channel=self._channel, ts=self._ts or "")
        except SlackApiError as error:
            log.debug("no stream to stop: %s", error.response.get("error"))

    def _update(self, message: Message, part: int) -> None:
        self._slack.chat_update(
            channel=self._channel,
            ts=self._ts or "",
            text=message.text,
            blocks=message.blocks,
            metadata=metadata(self._question, part),
        )

    def _post(self, message: Message, part: int) -> None:
        self._pace.wait(self._channel)
        response = self._slack.chat_postMessage(
            channel=self._channel,
            thread_ts=self._thread,
            text=message.text,
            blocks=message.blocks,
            metadata=metadata(self._question, part),
            unfurl_links=False,
            unfurl_media=False,
        )
        if part == 0:
            self._ts = str(response["ts"])
            self._started(self._ts)

    def _fall_back(self, error: SlackApiError) -> None:
        """The stream cannot go on; what was not sent comes with the next update."""
        word = error.response.get("error")
        if word in NOT_OURS_TO_RETRY:
            raise error
        log.info("streaming gave way to updates: %s", word)
        self._streaming = False


def find_standing(
    slack: WebClient,
    *,
    channel: str,
    thread_ts: str,
    question_id: int,
    asked_ts: str | None,
    bot_user: str,
    taken: Callable[[str], bool],
) -> dict[int, str]:
    """Timestamps of this answer's messages in the thread, by part.

    A stream that was cut off carries no metadata yet: the bot's reply after the question which no
    other answer owns (``taken``) is it.
    """
    found: dict[int, str] = {}
    orphan: str | None = None
    cursor = ""
    while True:
        page = slack.conversations_replies(
            channel=channel,
            ts=thread_ts,
            include_all_metadata=True,
            limit=200,
            cursor=cursor or None,
        )
        for message in page.get("messages") or []:
            ts = str(message.get("ts"))
            if message.get("user") != bot_user or ts == thread_ts:
                continue
            about = message.get("metadata") or {}
            payload = about.get("event_payload") or {}
            if about.get("event_type") == METADATA:
                if payload.get("question") == str(question_id):
                    found.setdefault(int(payload.get("part") or 0), ts)
            elif (
                not about
                and orphan is None
                and (asked_ts is None or float(ts) > float(asked_ts))
                and not taken(ts)
            ):
                orphan = ts
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            break
    if 0 not in found and orphan is not None:
        found[0] = orphan
    return found
