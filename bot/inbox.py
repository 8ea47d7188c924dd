"""Durable events: a listener keeps one row and returns; answering threads claim, renew, finish.

A process that dies, however it dies, leaves a lease that runs out; another thread or replica then
takes the event over. Handlers are therefore written so that running twice says things once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError

from bot.bell import Bell
from bot.deps import Deps
from bot.settings import ATTEMPTS, LEASE_S
from models.lm.client import ModelBusy, ModelError
from models.store import events
from models.store.session import Sessions, transaction
from models.store.tables import Event

log = logging.getLogger(__name__)

Run = Callable[[Deps, Event], None]
Tell = Callable[[Deps, Event, str], None]


@dataclass(frozen=True)
class Handler:
    """What to do with one kind of event, and how to tell the person that it could not be done."""

    run: Run
    tell: Tell  # given a calm sentence; must not raise for want of a place to say it


class Refused(Exception):
    """Bad input or no permission: the message is the sentence that the person gets, at once."""


class Later(Exception):
    """Something that the event needs is not there yet; try again in ``delay_s`` seconds."""

    def __init__(self, message: str, delay_s: float) -> None:
        super().__init__(message)
        self.delay_s = delay_s


def keep(
    sessions: Sessions,
    *,
    team_id: str,
    event_id: str,
    kind: str,
    payload: Mapping[str, Any],
    message_key: str | None = None,
) -> bool:
    """Commit one row for what Slack told us; false if it is here already.

    An exception must reach Bolt: without the row there is no acknowledgement, and Slack repeats it.
    """
    with transaction(sessions) as session:
        return events.insert(
            session,
            team_id=team_id,
            event_id=event_id,
            kind=kind,
            payload=payload,
            message_key=message_key,
        )


class Pool:
    """Answering threads of one process, and the heartbeat of what they hold."""

    def __init__(
        self, deps: Deps, handlers: Mapping[str, Handler], bell: Bell, *, threads: int
    ) -> None:
        """``handlers`` by event kind; ``bell`` must listen on ``events``."""
        self._deps = deps
        self._handlers = handlers
        self._bell = bell
        self._name = uuid4().hex[:12]
        self._stop = threading.Event()
        self._held: dict[int, str] = {}  # event id -> worker
        self._threads = [
            threading.Thread(target=self._work, args=(f"{self._name}-{n}",), name=f"answers-{n}")
            for n in range(threads)
        ]
        self._pulse = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to work off the inbox."""
        self._pulse.start()
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def stop(self, *, wait_s: float) -> None:
        """Claim nothing more; wait up to ``wait_s`` seconds for what is being answered."""
        self._stop.set()
        self._bell.ring(events.CHANNEL)
        each = wait_s / max(len(self._threads), 1)
        for thread in self._threads:
            thread.join(timeout=max(each, 0.05) if self._held else 1.0)

    def idle(self) -> bool:
        """Whether nothing is being worked on here."""
        return not self._held

    def _work(self, worker: str) -> None:
        while not self._stop.is_set():
            heard = self._bell.heard(events.CHANNEL)
            try:
                event = self._claim(worker)
                if event is None:
                    self._bell.wait(events.CHANNEL, heard, self._pause())
                    continue
                try:
                    self._handle(event, worker)
                finally:
                    self._held.pop(event.id, None)
            except SQLAlchemyError as error:
                log.warning("the database does not answer, trying again: %s", error)
                self._stop.wait(2.0)
            except Exception:
                log.exception("an answering thread failed outside of a handler")
                self._stop.wait(2.0)

    def _claim(self, worker: str) -> Event | None:
        with transaction(self._deps.sessions) as session:
            event = events.claim(session, worker=worker, lease_s=LEASE_S)
        if event is not None:
            self._held[event.id] = worker
        return event

    def _pause(self) -> float:
        with self._deps.sessions() as session:
            due = events.seconds_to_next(session)
        return 5.0 if due is None else min(max(due, 0.05), 5.0)

    def _handle(self, event: Event, worker: str) -> None:
        handler = self._handlers.get(event.kind)
        if handler is None:
            log.error("nobody handles events of kind %s", event.kind)
            self._end(event, worker, error="unknown kind", error_id=uuid4().hex[:8])
            return
        if event.attempts > ATTEMPTS:  # it killed its process each time
            self._give_up(handler, event, worker, "it ended the process that worked on it")
            return
        try:
            handler.run(self._deps, event)
        except Refused as refused:
            handler.tell(self._deps, event, str(refused))
            self._end(event, worker)
        except Later as later:
            self._again(handler, event, worker, str(later), later.delay_s)
        except ModelBusy as busy:
            self._again(handler, event, worker, f"model busy: {busy}", busy.retry_after)
        except ModelError as error:
            self._again(handler, event, worker, f"model: {error}", 2.0 * event.attempts)
        except Exception as error:
            self._again(handler, event, worker, _word(error), 1.5 * event.attempts, error)
        else:
            self._end(event, worker)

    def _again(
        self,
        handler: Handler,
        event: Event,
        worker: str,
        why: str,
        delay_s: float,
        error: Exception | None = None,
    ) -> None:
        if event.attempts >= ATTEMPTS:
            self._give_up(handler, event, worker, why, error)
            return
        error_id = uuid4().hex[:8]
        log.warning(
            "%s %s event %d, attempt %d: %s",
            error_id, event.kind, event.id, event.attempts, why,
            exc_info=error,
        )  # fmt: skip
        with transaction(self._deps.sessions) as session:
            events.retry(
                session,
                event.id,
                worker=worker,
                delay_s=min(max(delay_s, 0.5), 60.0),
                error=why[:500],
                error_id=error_id,
            )

    def _give_up(
        self,
        handler: Handler,
        event: Event,
        worker: str,
        why: str,
        error: Exception | None = None,
    ) -> None:
        error_id = uuid4().hex[:8]
        log.error(
            "%s gave up on %s event %d: %s", error_id, event.kind, event.id, why, exc_info=error
        )
        sentence = (
            f"I could not finish this, and I am sorry. Please try again in a moment; "
            f"if it happens again, tell your admin this id: {error_id}."
        )
        try:
            handler.tell(self._deps, event, sentence)
        except Exception:
            log.exception("%s could not be told to the person either", error_id)
        self._end(event, worker, error=why[:500], error_id=error_id)

    def _end(
        self, event: Event, worker: str, *, error: str | None = None, error_id: str | None = None
    ) -> None:
        with transaction(self._deps.sessions) as session:
            if error is None or error_id is None:
                events.finish(session, event.id, worker=worker)
            else:
                events.fail(session, event.id, worker=worker, error=error, error_id=error_id)

    def _beat(self) -> None:
        rounds = 0
        while not self._stop.wait(LEASE_S / 3):
            rounds += 1
            try:
                with transaction(self._deps.sessions) as session:
                    for event_id, worker in list(self._held.items()):
                        events.heartbeat(session, event_id, worker=worker, lease_s=LEASE_S)
                    if rounds % 60 == 1:
                        events.blank_old(session)
            except SQLAlchemyError as error:
                log.warning("no heartbeat this time: %s", error)


def _word(error: Exception) -> str:
    """An exception's kind and Slack's word for it, without the text that it may quote."""
    response = getattr(error, "response", None)
    said = response.get("error") if response is not None and hasattr(response, "get") else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
