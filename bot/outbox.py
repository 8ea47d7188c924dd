"""The poster: what stands in the outbox is posted once in Slack, and updated in place."""

from __future__ import annotations

import logging
import threading
from typing import Any
from uuid import uuid4

from slack_sdk.errors import SlackApiError
from sqlalchemy.exc import SQLAlchemyError

from bot.admins import admin_ids
from bot.bell import Bell
from bot.blocks.registry import UnknownKind, render
from bot.blocks.text import Message
from bot.deps import Deps
from bot.settings import ATTEMPTS, LEASE_S, UPDATE_EVERY_S
from models.store import blobs, outbox, questions, settings
from models.store.session import transaction
from models.store.tables import Outbox

log = logging.getLogger(__name__)

METADATA = "phi3_outbox"
PICTURE = "picture"  # {"blob": sha256, "name": file name, "title"}
# Slack says no for good: another attempt would hear the same.
FOR_GOOD = frozenset(
    {
        "cannot_dm_bot",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "invalid_blocks",
        "is_archived",
        "message_not_found",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "not_in_channel",
        "restricted_action",
        "user_disabled",
        "user_not_found",
    }
)


class Poster:
    """One thread a process; rows are claimed, so replicas share the work."""

    def __init__(self, deps: Deps, bell: Bell) -> None:
        """``bell`` must listen on ``outbox``."""
        self._deps = deps
        self._bell = bell
        self._worker = f"outbox-{uuid4().hex[:12]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def stop(self, *, wait_s: float) -> None:
        """Finish the message at hand and stop."""
        self._stop.set()
        self._bell.ring(outbox.CHANNEL)
        self._thread.join(timeout=wait_s)

    def _work(self) -> None:
        while not self._stop.is_set():
            heard = self._bell.heard(outbox.CHANNEL)
            try:
                with transaction(self._deps.sessions) as session:
                    row = outbox.claim(
                        session, worker=self._worker, lease_s=LEASE_S, every_s=UPDATE_EVERY_S
                    )
                if row is None:
                    self._bell.wait(outbox.CHANNEL, heard, self._pause())
                else:
                    self._deliver(row)
            except SQLAlchemyError as error:
                log.warning("the database does not answer, trying again: %s", error)
                self._stop.wait(2.0)
            except Exception:
                log.exception("the poster failed outside of a message")
                self._stop.wait(2.0)

    def _pause(self) -> float:
        with self._deps.sessions() as session:
            due = outbox.seconds_to_next(session, every_s=UPDATE_EVERY_S)
        return 5.0 if due is None else min(max(due, 0.05), 5.0)

    def _deliver(self, row: Outbox) -> None:
        try:
            if row.destination.get("admins"):
                self._to_admins(row)
                return
            picture = row.payload.get("kind") == PICTURE
            channel, ts = self._upload(row) if picture else self._send(row, render(row.payload))
        except SlackApiError as error:
            word = str(error.response.get("error"))
            self._failed(row, word, for_good=word in FOR_GOOD)
        except UnknownKind as unknown:
            self._failed(row, f"unknown kind {unknown}", for_good=True)
        except OSError as error:
            self._failed(row, type(error).__name__, for_good=False)
        except Exception as error:
            log.exception("message %s cannot be made", row.key)
            self._failed(row, type(error).__name__, for_good=True)
        else:
            self._sent(row, channel, ts)

    def _send(self, row: Outbox, message: Message) -> tuple[str, str]:
        deps = self._deps
        about = {"event_type": METADATA, "event_payload": {"key": row.key}}
        channel = row.slack_channel or self._channel(row)
        ts = row.slack_ts
        if ts is None and row.attempts > 1:
            ts = self._standing(row, channel)
        deps.pace.wait(channel)
        if ts is not None:
            deps.slack.chat_update(
                channel=channel, ts=ts, text=message.text, blocks=message.blocks, metadata=about
            )
            return channel, ts
        response = deps.slack.chat_postMessage(
            channel=channel,
            thread_ts=row.destination.get("thread_ts"),
            text=message.text,
            blocks=message.blocks,
            metadata=about,
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(response.get("channel") or channel), str(response["ts"])

    def _upload(self, row: Outbox) -> tuple[str, None]:
        """A picture is a file of its own: it is posted once and never changed."""
        channel = self._channel(row)
        with self._deps.sessions() as session:
            data = blobs.get(session, str(row.payload["blob"]))
        self._deps.pace.wait(channel)
        self._deps.slack.files_upload_v2(
            channel=channel,
            thread_ts=row.destination.get("thread_ts"),
            content=data,
            filename=str(row.payload["name"]),
            title=str(row.payload["title"]),
            alt_txt=str(row.payload["title"]),
        )
        return channel, None

    def _channel(self, row: Outbox) -> str:
        if "channel" in row.destination:
            return str(row.destination["channel"])
        opened = self._deps.slack.conversations_open(users=str(row.destination["user"]))
        return str(opened["channel"]["id"])

    def _standing(self, row: Outbox, channel: str) -> str | None:
        """A killed process may have posted it without being able to say so."""
        thread = row.destination.get("thread_ts")
        window: dict[str, Any] = {"include_all_metadata": True, "limit": 100}
        if thread:
            page = self._deps.slack.conversations_replies(channel=channel, ts=thread, **window)
        else:
            oldest = str(row.created_at.timestamp() - 60)
            page = self._deps.slack.conversations_history(channel=channel, oldest=oldest, **window)
        for message in page.get("messages") or []:
            about: dict[str, Any] = message.get("metadata") or {}
            if (
                about.get("event_type") == METADATA
                and (about.get("event_payload") or {}).get("key") == row.key
            ):
                return str(message["ts"])
        return None

    def _to_admins(self, row: Outbox) -> None:
        """One row a recipient, under keys of their own; the admins' channel if there is one."""
        with self._deps.sessions() as session:
            chosen = settings.get(session, settings.WORKSPACE, "admin_channel")
        recipients: dict[str, dict[str, str]] = (
            {str(chosen): {"channel": str(chosen)}}
            if chosen
            else {user: {"user": user} for user in admin_ids(self._deps)}
        )
        if not recipients:
            self._failed(row, "no admin is known", for_good=True)
            return
        with transaction(self._deps.sessions) as session:
            for name, destination in recipients.items():
                outbox.put(
                    session, key=f"{row.key}@{name}", destination=destination, payload=row.payload
                )
            outbox.sent(
                session, row.id, worker=self._worker, version=row.version, channel=None, ts=None
            )

    def _sent(self, row: Outbox, channel: str, ts: str | None) -> None:
        with transaction(self._deps.sessions) as session:
            outbox.sent(
                session, row.id, worker=self._worker, version=row.version, channel=channel, ts=ts
            )
            if ts is not None:
                questions.place_expert_request(session, row.key, channel=channel, ts=ts)

    def _failed(self, row: Outbox, why: str, *, for_good: bool) -> None:
        log.warning("message %s, attempt %d: %s", row.key, row.attempts, why)
        with transaction(self._deps.sessions) as session:
            if for_good or row.attempts >= ATTEMPTS * 2:
                outbox.fail(session, row.id, worker=self._worker, version=row.version, error=why)
            else:
                delay = min(2.0**row.attempts, 60.0)
                outbox.retry(session, row.id, worker=self._worker, delay_s=delay, error=why)
