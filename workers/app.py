"""The Celery application: which queues there are, how messages travel, one engine per process.

Postgres holds the work; a message only says "look at row 7 now". A message that is lost, delivered
twice or never acknowledged therefore changes nothing but the time at which the row is looked at.
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from importlib.util import find_spec
from typing import Any

from celery import Celery, signals

from models import redis_url
from models.settings import Database, Home, Queue
from models.store.session import Sessions, open_engine, open_sessions
from workers.alive import Alive
from workers.settings import Workers

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
TASK_MODULES = ("workers.schedule", "workers.ingest.tasks", "workers.refresh.tasks")


def configuration() -> dict[str, Any]:
    """Celery's settings, read from the environment when the application is first used."""
    from workers.schedule import BEAT

    return {
        "broker_url": redis_url.for_celery(Queue().url.get_secret_value()),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A task that runs longer is delivered again; its row's claim makes that a no-op.
        "broker_transport_options": {"visibility_timeout": 3600, "socket_keepalive": True},
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_default_queue": "ingest",
        "task_routes": {
            "ingest.*": {"queue": "ingest"},
            "tick": {"queue": "ingest"},
            "refresh.*": {"queue": "refresh"},
            "adapters.*": {"queue": "refresh"},
        },
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": Workers().concurrency,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_enable_remote_control": False,
        "beat_schedule": BEAT,
        "beat_scheduler": "workers.alive:Scheduler",
        "beat_schedule_filename": str(Home().run / "beat"),
        "beat_max_loop_interval": 5,
        "timezone": "UTC",
    }


app = Celery("phi3", include=[name for name in TASK_MODULES if find_spec(name)])
app.add_defaults(configuration)
app.steps["consumer"].add(Alive)


@cache
def sessions() -> Sessions:
    """This process' sessions; the engine behind them is made on first use, after the fork."""
    return open_sessions(open_engine(Database().url.get_secret_value(), pool_size=5))


@signals.worker_process_init.connect
def _forget_parents_engine(**_: object) -> None:
    sessions.cache_clear()


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: object) -> None:
    logging.basicConfig(level=loglevel or logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    for chatty in ("httpx", "httpcore", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
