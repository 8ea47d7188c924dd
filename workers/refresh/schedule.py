"""When a night is due: a local time of day, caught up after downtime, one at a time."""

from __future__ import annotations

import datetime as dt
import logging

from pydantic import ValidationError
from sqlalchemy.orm import Session

from models.settings import Learning, wrong_settings
from models.store import consents, forgetting, lineage, outbox, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Outbox
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

    try:
        nights, _ = Nights(), Learning()
    except ValidationError as error:
        _tell(sessions, wrong_settings(error))
    else:
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


def _tell(sessions: Sessions, wrong: str) -> None:
    """No night begins with a setting that is wrong: the admins hear of it once a day."""
    log.error("no night can begin: %s", wrong)
    key = f"nights-wrong:{dt.datetime.now(dt.UTC).date()}"
    with transaction(sessions) as session:
        told = session.query(Outbox.id).filter_by(key=key).first() is not None
        if not told and _learns(session):
            payload = {"kind": "text", "text": f"No night can begin. {wrong}."}
            outbox.put(session, key=key, destination={"admins": True}, payload=payload)


def _learns(session: Session) -> bool:
    """Whether nights are wanted here, as far as that can be read."""
    try:
        return consents.learning(session)
    except ValidationError:
        return True
