"""When a night is due: a local time of day, caught up after downtime, one at a time."""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy.orm import Session

from models.store import consents, forgetting, lineage, refreshes
from models.store.session import Sessions, transaction
from workers.refresh.settings import Nights

log = logging.getLogger(__name__)

CATCH_UP = dt.timedelta(hours=20)  # after this a missed night is let go: the next one is near
FIRST = dt.timedelta(hours=1)  # the first night of all is caught up no longer than this


def wanted(
    now: dt.datetime, *, at: dt.time, learning: bool, last: dt.date | None, running: bool
) -> dt.date | None:
    """The night to begin at ``now`` (local), if one is due; named after the date it begins on.

    ``last``: the newest night; one of a date that is yet to come was begun by a wrong clock.
    """
    if last is not None and last > now.date() + dt.timedelta(days=1):  # a zone may have changed
        last = None
    begun = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    if begun > now:
        begun -= dt.timedelta(days=1)
    late = now - begun
    if running or not learning or late > (CATCH_UP if last is not None else FIRST):
        return None
    return begun.date() if last is None or last < begun.date() else None


def begin(session: Session, *, now: dt.datetime) -> None:
    """Open the night that is due at ``now``, if one is."""
    nights = Nights()
    refreshes.one_at_a_time(session)
    last = refreshes.latest(session, trigger="schedule")
    night = wanted(
        nights.local(now),
        at=nights.at,
        learning=consents.learning(session),
        last=last.night if last is not None else None,
        running=refreshes.running(session) is not None,
    )
    if night is not None:
        begun = refreshes.open_night(session, night=night, trigger="schedule")
        log.info("the night of %s begins as refresh %s", night, begun)


def due(sessions: Sessions, *, now: dt.datetime | None = None) -> None:
    """Begin the night if it is time, go on with one that lost its worker, let old files go.

    Called by the tick; rows are committed before any task is sent.
    """
    from workers.app import app

    nights = Nights()
    with transaction(sessions) as session:
        begin(session, now=now or dt.datetime.now(dt.UTC))
        lineage.retain(session, days=nights.keep_days)
        if nights.keep_questions_days is not None:
            forgetting.expire(session, days=nights.keep_questions_days)
    with transaction(sessions) as session:
        waiting = refreshes.abandoned(session)
    if waiting is not None:
        app.send_task("refresh.run", args=[waiting], queue="refresh")
    app.send_task("adapters.reconcile", queue="refresh", expires=55)
