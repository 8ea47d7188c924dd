"""When a night is due."""

from __future__ import annotations

import datetime as dt
import threading
from zoneinfo import ZoneInfo

import pytest

from models.store import consents, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Refresh
from workers.refresh import schedule
from workers.refresh.schedule import wanted
from workers.refresh.settings import Nights

AT = dt.time(2, 0)
TODAY = dt.date(2026, 3, 10)


def at(hour: int, minute: int = 0, day: int = 10) -> dt.datetime:
    return dt.datetime(2026, 3, day, hour, minute, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "last", "night"),
    [
        (at(2), TODAY - dt.timedelta(days=1), TODAY),  # on time
        (at(1, 59), TODAY - dt.timedelta(days=1), None),  # that night is done, the next is not due
        (at(9), TODAY - dt.timedelta(days=1), TODAY),  # caught up after downtime
        (at(23), TODAY - dt.timedelta(days=1), None),  # too late: the next one is near
        (at(9), TODAY, None),  # done
        (at(2, 30), None, TODAY),  # the first of all
        (at(12), None, None),  # learning was turned on at noon: tonight, not now
        (at(1, day=11), TODAY - dt.timedelta(days=1), None),
        (at(2, 30), dt.date(2027, 6, 1), TODAY),  # the clock was ahead, and is right again
        (at(12), dt.date(2027, 6, 1), None),
        (at(2, 30), TODAY + dt.timedelta(days=1), None),  # begun in a zone further east
    ],
)
def test_one_night_a_day_at_its_hour_or_caught_up(
    now: dt.datetime, last: dt.date | None, night: dt.date | None
) -> None:
    assert wanted(now, at=AT, learning=True, last=last, running=False) == night


def test_nothing_begins_while_learning_is_off_or_a_night_runs() -> None:
    assert wanted(at(2), at=AT, learning=False, last=None, running=False) is None
    assert wanted(at(2), at=AT, learning=True, last=None, running=True) is None


def test_the_hour_is_the_teams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHI3_TIMEZONE", "Asia/Tokyo")
    monkeypatch.setenv("PHI3_REFRESH_AT", "03:30")
    nights = Nights()
    assert nights.at == dt.time(3, 30)
    assert nights.local(at(18, 30)).time() == dt.time(3, 30)
    monkeypatch.setenv("PHI3_TIMEZONE", "Mars/Olympus")
    with pytest.raises(ValueError, match="time zone"):
        Nights()


@pytest.mark.integration
def test_two_beats_at_once_begin_a_night_once(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrange: one beat has begun the night, and it has ended, before that is committed
    monkeypatch.setenv("PHI3_TIMEZONE", "UTC")
    with transaction(sessions) as session:
        consents.switch(session, on=True, actor="U0ADMIN")
    reads = threading.Event()

    def beat() -> None:
        with transaction(sessions) as session:
            reads.set()
            schedule.begin(session, now=at(2))

    other = threading.Thread(target=beat)

    # Act
    with transaction(sessions) as session:
        schedule.begin(session, now=at(2))
        other.start()
        reads.wait(10)
        other.join(0.5)
        row = refreshes.running(session)
        assert row is not None
        refreshes.end(session, row, verdict="skipped", reasons=["Too few."])
    other.join()

    # Assert
    with transaction(sessions) as session:
        assert [row.night for row in session.query(Refresh)] == [TODAY]


def nights_begun(first: dt.datetime, hours: int, *, at: dt.time, zone: str) -> list[dt.datetime]:
    """When a beat that looks every ten minutes begins nights, as the wall clock shows it."""
    last, begun = first.astimezone(ZoneInfo(zone)).date() - dt.timedelta(days=1), []
    for minutes in range(0, hours * 60, 10):
        now = (first + dt.timedelta(minutes=minutes)).astimezone(ZoneInfo(zone))
        night = wanted(now, at=at, learning=True, last=last, running=False)
        if night is not None:
            last = night
            begun.append(now)
    return begun


@pytest.mark.parametrize(
    ("first", "seen"),
    [
        # 02:30 does not exist on the 29th of March, and exists twice on the 25th of October
        (dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC), ["2026-03-29T03:00:00+02:00"]),
        (dt.datetime(2026, 10, 24, 12, tzinfo=dt.UTC), ["2026-10-25T02:30:00+02:00"]),
    ],
)
def test_the_night_when_the_clocks_change_begins_once(first: dt.datetime, seen: list[str]) -> None:
    begun = nights_begun(first, 30, at=dt.time(2, 30), zone="Europe/Berlin")
    assert [now.isoformat() for now in begun if now.date() > first.date()] == seen
