"""Nights as rows."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import text

from models.store import refreshes
from models.store.session import Sessions, transaction
from tests.models.store.learning import pair

pytestmark = pytest.mark.integration

NIGHT = dt.date(2026, 1, 1)


def open_one(sessions: Sessions) -> int | None:
    with transaction(sessions) as session:
        return refreshes.open_night(session, night=NIGHT, trigger="manual")


def test_one_night_runs_at_a_time(sessions: Sessions) -> None:
    first = open_one(sessions)
    assert first is not None
    assert open_one(sessions) is None
    with transaction(sessions) as session:
        assert refreshes.claim(session, first, worker="a", lease_s=60) is not None
        row = refreshes.held(session, first, worker="a")
        refreshes.end(session, row, verdict="skipped", reasons=["Too few."])
    assert open_one(sessions) is not None


def test_a_lease_that_ran_out_may_be_taken_and_is_lost_to_the_old_worker(
    sessions: Sessions,
) -> None:
    night = open_one(sessions)
    assert night is not None
    with transaction(sessions) as session:
        assert refreshes.claim(session, night, worker="a", lease_s=60)
        assert refreshes.claim(session, night, worker="b", lease_s=60) is None
        assert refreshes.abandoned(session) is None
        assert refreshes.heartbeat(session, night, worker="a", lease_s=60, progress='{"step": 1}')
    with transaction(sessions) as session:
        session.execute(text("UPDATE refreshes SET claimed_until = now() - interval '1 second'"))
    with transaction(sessions) as session:
        assert refreshes.abandoned(session) == night
        taken = refreshes.claim(session, night, worker="b", lease_s=60)
        assert taken is not None
        assert taken.progress == {"step": 1}
        assert not refreshes.heartbeat(session, night, worker="a", lease_s=60)
        with pytest.raises(refreshes.Lost):
            refreshes.held(session, night, worker="a")


def test_scores_said_again_replace_and_uses_count_nights_by_cluster(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        one, two = pair(session, "One?"), pair(session, "Two?")
        one.cluster, two.cluster = "a", "b"
    first = open_one(sessions)
    assert first is not None
    for value in (0.1, 0.7):
        with transaction(sessions) as session:
            refreshes.put_scores(
                session,
                first,
                item=f"holdout:{one.id}",
                pair_id=one.id,
                arm="live",
                values={"token_f1": value, "words": 3},
                output="so it is",
            )
    with transaction(sessions) as session:
        found = {row.metric: row for row in refreshes.scores(session, first)}
        assert found["token_f1"].value == 0.7
        assert found["words"].output == "so it is"
        assert refreshes.holdout_uses(session, [one.id, two.id], but=0) == 0  # only measured
        row = refreshes.running(session)
        assert row is not None
        row.metrics = {"gate": {"alpha": 0.02}}
    with transaction(sessions) as session:
        assert refreshes.holdout_uses(session, [one.id, two.id], but=0) == 0.5
        assert refreshes.holdout_uses(session, [one.id, two.id], but=first) == 0
        assert refreshes.alpha_spent(session, but=0) == pytest.approx(0.02)
        assert refreshes.alpha_spent(session, but=first) == 0
