"""Postgres' LISTEN/NOTIFY, so that a row committed by any process wakes the threads at once."""

from __future__ import annotations

import logging
import threading

import psycopg
from psycopg import sql

log = logging.getLogger(__name__)


class Bell:
    """One connection that listens; threads wait on it by channel name."""

    def __init__(self, url: str, channels: tuple[str, ...]) -> None:
        """``url`` as libpq takes it; ``channels`` are the NOTIFY names."""
        self._url = url
        self._rung = {name: threading.Condition() for name in channels}
        self._count = dict.fromkeys(channels, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Wake everybody for the last time."""
        self._stop.set()
        for name in self._rung:
            self.ring(name)

    def heard(self, channel: str) -> int:
        """How often the bell has rung; read it before looking for work, then ``wait``."""
        return self._count[channel]

    def wait(self, channel: str, heard: int, timeout_s: float) -> None:
        """Return once the bell has rung after ``heard``, or after ``timeout_s`` seconds."""
        condition = self._rung[channel]
        with condition:
            condition.wait_for(lambda: self._count[channel] != heard, timeout=timeout_s)

    def ring(self, channel: str) -> None:
        """Wake whoever waits on ``channel``."""
        condition = self._rung[channel]
        with condition:
            self._count[channel] += 1
            condition.notify_all()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=5) as connection:
                    for name in self._rung:
                        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(name)))
                        self.ring(name)  # something may have come while nobody listened
                    while not self._stop.is_set():
                        for notice in connection.notifies(timeout=1.0):
                            self.ring(notice.channel)
            except psycopg.Error as error:
                # Nothing is lost: the threads look by themselves every few seconds.
                log.warning("not listening to Postgres for now: %s", error)
                self._stop.wait(2.0)
