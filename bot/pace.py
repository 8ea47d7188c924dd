"""About one message a second per channel, as Slack asks."""

from __future__ import annotations

import threading
import time


class Pace:
    """Hands out moments to post at, per channel, in the order in which threads ask."""

    def __init__(self, every_s: float = 1.0) -> None:
        """``every_s`` is the shortest time between two messages in one channel."""
        self._every = every_s
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, channel: str) -> None:
        """Return when a message may go into ``channel``."""
        now = time.monotonic()
        with self._lock:
            at = max(now, self._next.get(channel, 0.0))
            self._next[channel] = at + self._every
            if len(self._next) > 1_000:
                self._next = {key: due for key, due in self._next.items() if due > now}
        if at > now:
            time.sleep(at - now)
