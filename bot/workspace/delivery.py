"""Events leave in order, wait for an app that is away, and are sent again unless acknowledged."""

from __future__ import annotations

import asyncio
import json
import logging
import time

from bot.workspace.core import Workspace
from bot.workspace.transport import NotDelivered, Transport

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0  # an event that found no app for an hour is dropped
AT_ONCE = 200  # events on their way at the same time


class Delivery:
    """The pump between the stored events and the app."""

    def __init__(self, workspace: Workspace, transport: Transport) -> None:
        self._w = workspace
        self._transport = transport
        self._waits = workspace.settings.retry_waits()
        self._bell = asyncio.Event()
        self._flying: dict[int, asyncio.Task[None]] = {}

    def ring(self) -> None:
        """There may be something to send."""
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._bell.clear()
                pause = self._start_due()
                try:
                    await asyncio.wait_for(self._bell.wait(), pause)
                except TimeoutError:
                    continue
        finally:
            for task in self._flying.values():
                task.cancel()

    def _start_due(self) -> float:
        """Start what is due; returns the seconds until more may be."""
        now = time.time()
        if not self._transport.ready():
            self._w.db.run("DELETE FROM deliveries WHERE created < ?", now - KEEP_SECONDS)
            return 60.0
        for number, body, attempt, reason in self._w.db.rows(
            "SELECT id, body, attempt, reason FROM deliveries WHERE due <= ? ORDER BY id LIMIT ?",
            now, AT_ONCE,
        ):  # fmt: skip
            if number not in self._flying:
                task = asyncio.create_task(self._attempt(number, body, attempt, reason))
                self._flying[number] = task
        later = self._w.db.row("SELECT min(due) FROM deliveries WHERE due > ?", now)
        return min(60.0, later[0] - now) if later and later[0] else 60.0

    async def _attempt(self, number: int, body: str, attempt: int, reason: str) -> None:
        try:
            await self._transport.send(
                "events_api", json.loads(body), attempt=attempt, reason=reason
            )
            self._w.db.run("DELETE FROM deliveries WHERE id = ?", number)
        except NotDelivered as missed:
            self._missed(number, attempt, str(missed))
        finally:
            del self._flying[number]
            self._bell.set()

    def _missed(self, number: int, attempt: int, reason: str) -> None:
        if reason == "no_connection":
            return  # it waits for the next connection and this was no attempt
        if attempt >= len(self._waits):
            log.warning("an event was not acknowledged in %d attempts and is dropped", attempt + 1)
            self._w.db.run("DELETE FROM deliveries WHERE id = ?", number)
            return
        self._w.db.run(
            "UPDATE deliveries SET attempt = ?, reason = ?, due = ? WHERE id = ?",
            attempt + 1, reason, time.time() + self._waits[attempt], number,
        )  # fmt: skip
