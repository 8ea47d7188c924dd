"""The timetable. Beat sends one ``tick`` a minute; what is due stands in Postgres."""

from __future__ import annotations

import logging
from typing import Any

from models.store.session import Sessions
from workers.app import app, sessions

log = logging.getLogger(__name__)

TICK_S = 60
# A tick that waited longer than this is not worth running: the next one does its work.
BEAT: dict[str, dict[str, Any]] = {
    "tick": {"task": "tick", "schedule": TICK_S, "options": {"expires": TICK_S - 5}}
}


@app.task(name="tick")
def tick() -> None:
    """Once a minute: sweep documents, poll sources, and let the nights look at the clock.

    One part that fails is logged and leaves the others alone; it is tried again in a minute.
    """
    from workers.ingest.embed import measure_scale
    from workers.ingest.sweep import sweep

    for name, part in (("ingest", sweep), ("scale", measure_scale), ("nights", _nights)):
        try:
            part(sessions())
        except Exception:
            log.exception("tick: %s failed; the next tick tries again", name)


def _nights(opened: Sessions) -> None:
    """What workers.refresh finds due: it decides from the rows and sends its own tasks."""
    from workers.refresh import schedule

    schedule.due(opened)
