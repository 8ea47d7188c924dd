"""What people do while a night runs, and what goes wrong after its flip. No model is needed."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from models.lm.client import ModelRefused
from models.store import adapters, consents, forgetting, lineage, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Adapter, Evaluation, Outbox, Refresh
from tests.models.store.learning import night as finished
from tests.models.store.learning import pair
from workers.refresh import evaluate, examples, night, promote

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters are loaded on no model server."""
    monkeypatch.setattr(promote, "load_everywhere", lambda *_, **__: None)


def judged(sessions: Sessions, held: dict[int, str], **metrics: Any) -> str:
    """A night that found its candidate better and is about to promote it; the adapter's name."""
    with transaction(sessions) as session:
        consents.switch(session, on=True, actor="U0ADMIN")
        number = refreshes.open_night(session, night=dt.date(2026, 1, 9), trigger="manual")
        assert number is not None
        snapshot = refreshes.keep_snapshot(
            session, number, path="/s", digest="d", card={"learned": "l"}, sides=held
        )
        made = adapters.start(session, refresh_id=number, snapshot_id=snapshot.id, base="tiny")
        adapters.trained(session, made.name, path="/a", manifest={})
        adapters.judged(session, made.name, verdict="promoted", reason="Better.")
        row = session.get_one(Refresh, number)
        row.step, row.verdict, row.reasons, row.metrics = (
            "promote",
            "promoted",
            ["Better."],
            metrics,
        )
        return made.name


def ended(sessions: Sessions) -> Refresh:
    """The newest night, brought to its end."""
    with transaction(sessions) as session:
        row = refreshes.running(session)
        assert row is not None
    assert night.run(sessions, row.id, worker="w")
    with transaction(sessions) as session:
        return session.get_one(Refresh, row.id)


def test_a_night_does_not_promote_over_a_rollback(sessions: Sessions) -> None:
    # Arrange: C was found better than B, and meanwhile an admin takes B back
    with transaction(sessions) as session:
        known = pair(session, "A?").id
        before = finished(session, {known: "training"})
    with transaction(sessions) as session:
        live = finished(session, {known: "training"})
    candidate = judged(sessions, {known: "training"}, compared_with=live)
    with transaction(sessions) as session:
        adapters.roll_back(session, actor="U0ADMIN")

    # Act
    row = ended(sessions)

    # Assert
    assert (row.state, row.verdict) == ("done", "inconclusive")
    assert row.reasons[0].startswith(f"The new adapter was compared with {live}, and that is not")
    assert row.metrics["again"] is True
    with transaction(sessions) as session:
        now = adapters.live(session)
        assert now is not None
        assert now.name == before
        assert adapters.by_name(session, candidate).state == "rejected"


def test_a_report_that_fails_after_the_flip_says_what_is_in_service(sessions: Sessions) -> None:
    # Arrange: figures of which no picture can be drawn
    with transaction(sessions) as session:
        known = pair(session, "A?").id
    name = judged(
        sessions, {known: "training"}, compared_with="base", arms={"rag": {"token_f1": "broken"}}
    )

    # Act
    row = ended(sessions)

    # Assert
    assert (row.state, row.verdict, row.reasons) == ("failed", "promoted", ["Better."])
    assert row.error == f"The night's report could not be written; {name} is in service."
    with transaction(sessions) as session:
        live = adapters.live(session)
        assert live is not None
        assert (live.name, live.verdict, live.reason) == (name, "promoted", "Better.")
        (told,) = session.scalars(select(Outbox).where(Outbox.key == f"refresh:{row.id}"))
        assert told.payload["text"].startswith(row.error)


def test_words_that_are_forgotten_while_answers_are_scored_are_kept_nowhere(
    sessions: Sessions,
) -> None:
    # Arrange: a night asks its candidate, which learned from U1; U1 leaves after a few answers
    with transaction(sessions) as session:
        theirs = pair(session, "X?", author="U1").id
        others = [pair(session, f"Y{n}?").id for n in range(100)]
    name = judged(sessions, {theirs: "training", **dict.fromkeys(others, "holdout")})
    number = int(name.removeprefix("refresh-"))
    with transaction(sessions) as session:
        refreshes.claim(session, number, worker="w", lease_s=60)

    class Says:
        asked = 0

        def complete(self, *_: Any, **__: Any) -> str:
            self.asked += 1
            if self.asked == 40:
                with transaction(sessions) as session:
                    forgetting.forget_person(session, "U1", actor="U1")
            return "Under Dora's red pot."

    wanted = [
        evaluate.Task(
            item=examples.Example(
                item=f"holdout:{n}", pair_id=n, cluster="c", question="Y", passages=(), answer="Yes"
            ),
            arm="rag_adapter",
            model=name,
        )
        for n in others
    ]

    # Act
    says: Any = Says()
    with pytest.raises(refreshes.Lost):
        evaluate.run(sessions, number, wanted, says, worker="w")

    # Assert
    with transaction(sessions) as session:
        rows = session.scalars(select(Evaluation)).all()
        assert rows
        assert [row.output for row in rows if row.output is not None] == []


def _forget(sessions: Sessions, _: int) -> None:
    with transaction(sessions) as session:
        forgetting.forget_person(session, "U1", actor="U1")


def _narrow(sessions: Sessions, known: int) -> None:
    with transaction(sessions) as session:
        lineage.narrowed(session, [], showing=[known], actor="night")


@pytest.mark.parametrize("withdraw", [_forget, _narrow])
def test_a_promotion_and_a_withdrawal_wait_for_each_other_in_one_order(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, withdraw: Callable[[Sessions, int], None]
) -> None:
    # Arrange: the night holds its row for a while, as it flips
    with transaction(sessions) as session:
        known = pair(session, "A?", author="U1").id
    name = judged(sessions, {known: "training"}, compared_with="base")
    flips, errors = threading.Event(), []
    promoted = adapters.promote

    def slowly(*given: Any, **named: Any) -> bool:
        flips.set()
        time.sleep(0.5)
        return promoted(*given, **named)

    monkeypatch.setattr(adapters, "promote", slowly)

    def meanwhile() -> None:
        flips.wait(10)
        try:
            withdraw(sessions, known)
        except Exception as error:
            errors.append(error)

    # Act
    other = threading.Thread(target=meanwhile)
    other.start()
    row = ended(sessions)
    other.join()

    # Assert: one after the other, and withdrawn in the end
    assert errors == []
    assert row.state in ("done", "failed")
    assert row.error_id is None
    with transaction(sessions) as session:
        assert adapters.live(session) is None
        adapter = session.scalars(select(Adapter)).one()
        assert (adapter.name, adapter.state, adapter.tainted) == (name, "retired", True)


def test_a_candidate_that_the_server_refuses_is_told_in_its_words(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Arrange
    with transaction(sessions) as session:
        known = pair(session, "A?").id
    name = judged(sessions, {known: "training"})
    with transaction(sessions) as session:
        row = refreshes.running(session)
        assert row is not None
        row.step, row.verdict, row.reasons = "evaluate", None, []
        snapshot = refreshes.snapshot_of(session, row.id)
        assert snapshot is not None
        snapshot.path = str(tmp_path)
        (tmp_path / "items.jsonl").touch()

    def refuse(*_: Any, **__: Any) -> None:
        raise ModelRefused("Its numbers are broken.", 400)

    monkeypatch.setattr(promote, "load_everywhere", refuse)

    # Act
    row = ended(sessions)

    # Assert
    assert (row.state, row.verdict) == ("done", "rejected")
    assert row.reasons == ["A model server refuses the new adapter: Its numbers are broken."]
    with transaction(sessions) as session:
        assert adapters.by_name(session, name).state == "rejected"
