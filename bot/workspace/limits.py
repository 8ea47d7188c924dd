"""Failures on demand and, where asked for, Slack's posting rate."""

from __future__ import annotations

import time
from dataclasses import dataclass

POSTING = frozenset({"chat.postMessage", "chat.startStream", "files.completeUploadExternal"})
BURST = 5


@dataclass(kw_only=True)
class Failure:
    """The next calls of a method fail like this."""

    method: str  # "*" means every method
    times: int
    status: int  # 200 answers with ``error``, 429 with Retry-After, others with a bare body
    retry_after: int = 1
    error: str = "internal_error"
    delay: float = 0.0  # seconds before the answer; status 0 means: only the delay


class Limits:
    """Decides before each call whether it goes through."""

    def __init__(self, *, enforce: bool) -> None:
        self._enforce = enforce
        self._failures: list[Failure] = []
        self._buckets: dict[str, tuple[float, float]] = {}  # channel -> (tokens, when counted)

    def plan(self, failure: Failure) -> None:
        """Make calls fail from now on."""
        self._failures.append(failure)

    def clear(self) -> None:
        """Forget what was planned."""
        self._failures.clear()

    def planned(self, method: str) -> Failure | None:
        """The failure that this call takes, used up by one."""
        for failure in self._failures:
            if failure.method in (method, "*") and failure.times > 0:
                failure.times -= 1
                return failure
        return None

    def too_fast(self, method: str, channel: str) -> int | None:
        """Seconds to wait where a channel gets more than about a message a second."""
        if not self._enforce or method not in POSTING or not channel:
            return None
        now = time.monotonic()
        tokens, counted = self._buckets.get(channel, (float(BURST), now))
        tokens = min(float(BURST), tokens + now - counted)
        if tokens < 1:
            self._buckets[channel] = (tokens, now)
            return 1
        self._buckets[channel] = (tokens - 1, now)
        return None
