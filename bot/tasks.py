"""The one place that names the workers' tasks; the bot and the command line never import them."""

from __future__ import annotations

import logging
from functools import cache

from celery import Celery
from kombu.exceptions import OperationalError

from models import redis_url
from models.queues import BULK
from models.settings import Queue

log = logging.getLogger(__name__)

_QUEUES = {"ingest": "ingest", "tick": "ingest", "refresh": "refresh", "adapters": "refresh"}


@cache
def _client(url: str) -> Celery:
    client = Celery("phi3-client", broker=redis_url.for_celery(url), set_as_current=False)
    client.conf.update(
        task_serializer="json",
        task_ignore_result=True,
        broker_connection_timeout=2,
        broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5},
    )
    return client


def send(name: str, *args: int | str, bulk: bool = False) -> bool:
    """Ring the bell for a row that is already committed: ``send("ingest.document", 7)``.

    ``bulk``: one of many that nobody waits for in a conversation; a file shared in Slack overtakes.

    Returns whether the broker took it. One that is down is only logged, since the workers' tick
    finds the row within a minute.
    """
    queue = _QUEUES[name.partition(".")[0]]
    try:
        _client(Queue().url.get_secret_value()).send_task(
            name, args=list(args), queue=queue, retry=False, priority=BULK if bulk else 0
        )
    except (OperationalError, OSError) as error:
        log.warning("the broker did not take %s%r, the tick will: %s", name, args, error)
        return False
    return True
