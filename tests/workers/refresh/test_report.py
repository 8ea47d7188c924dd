"""Who is told how a night ended."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select

from bot.blocks.registry import render
from models.store import forgetting, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Outbox, Refresh
from tests.models.store.learning import night, pair
from workers.refresh import report

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("trigger", "messages"), [("evaluate", 0), ("dry_run", 0), ("manual", 1), ("schedule", 1)]
)
def test_only_what_changes_something_is_reported(
    sessions: Sessions, trigger: str, messages: int
) -> None:
    with transaction(sessions) as session:
        number = refreshes.open_night(session, night=dt.date(2026, 1, 1), trigger=trigger)
        row = session.get_one(Refresh, number)
        row.verdict, row.reasons = "skipped", ["5 pairs"]
        report.morning(session, row, adapter=None)
        sent = session.query(Outbox).filter_by(key=f"refresh:{number}").all()
    assert len(sent) == messages
    assert [one.payload["trigger"] for one in sent] == [trigger] * messages
    with transaction(sessions) as session:
        report.failed(session, session.get_one(Refresh, number), sentence="No.", error_id="0" * 8)
        assert session.query(Outbox).filter_by(key=f"refresh:{number}").count() == messages


def test_the_next_report_says_that_it_learned_without_what_was_withdrawn(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        kept, theirs = pair(session, "A?"), pair(session, "B?", author="U1")
        first = night(session, {kept.id: "training", theirs.id: "training"})
        before = session.scalars(select(Refresh)).one()
        before.metrics = {"training": {"steps": 3}}
    with transaction(sessions) as session:
        forgetting.forget_person(session, "U1", actor="U1")
    with transaction(sessions) as session:
        second = night(session, {kept.id: "training"})
        row = session.scalars(select(Refresh).order_by(Refresh.id.desc()).limit(1)).one()
        cost = {"steps": 12, "tokens": 34_567, "seconds": 90.0, "loss": 1.0, "stopped": None}
        row.metrics = {"training": cost}
        report.morning(session, row, adapter=second)
        sent = session.query(Outbox).filter_by(key=f"refresh:{row.id}").one()
        assert sent.payload["withdrawn"] == [first]
        shown = str(render(sent.payload).blocks)
    assert f"Learned without the words that were withdrawn since; {first} had." in shown
    assert "1.5 min of it training, 12 steps, 34,567 tokens" in shown
