"""Heartbeats in Redis, for whoever asks whether a worker or beat still turns.

``phi3:alive:<queue>`` and ``phi3:alive:beat`` hold the process id of whoever beat last, for 20 s.
``python -m workers.alive ingest`` exits 0 or 1: a container's health check.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import bootsteps
from celery.beat import PersistentScheduler
from redis import Redis
from redis.exceptions import RedisError

from models import redis_url
from models.settings import Queue

PREFIX = "phi3:alive:"
EVERY_S = 5.0
LASTS_S = 20


def _redis() -> Redis:
    url = redis_url.for_redis(Queue().url.get_secret_value())
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def beat(redis: Redis, name: str) -> None:
    """Say that this process turns. A Redis that is away is no reason to stop: the key runs out."""
    try:
        redis.set(PREFIX + name, os.getpid(), ex=LASTS_S)
    except RedisError:
        return


class Alive(bootsteps.StartStopStep):
    """A worker's step: beats for each of its queues while its consumer is connected."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._redis = _redis()
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Called once the queues are being consumed, again after each reconnection."""
        queues = list(parent.app.amqp.queues.consume_from)
        self._beat(queues)
        self._timer = parent.timer.call_repeatedly(EVERY_S, self._beat, (queues,))

    def stop(self, parent: Any) -> None:
        """Called when the connection is lost or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self, queues: list[str]) -> None:
        for queue in queues:
            beat(self._redis, queue)


class Scheduler(PersistentScheduler):
    """Celery's own, with a heartbeat in its loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._redis = _redis()
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Beat, then send what is due; return the seconds until the next look."""
        beat(self._redis, "beat")
        wait: float = super().tick(*args, **kwargs)
        return wait


if __name__ == "__main__":
    sys.exit(0 if _redis().exists(PREFIX + sys.argv[1]) else 1)
