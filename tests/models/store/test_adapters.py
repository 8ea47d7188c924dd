"""The registry: one live row, and ways back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from models.store import adapters
from models.store.session import Sessions, transaction
from models.store.tables import Adapter, Outbox
from tests.models.store.learning import night

pytestmark = pytest.mark.integration


def live(sessions: Sessions) -> str | None:
    with transaction(sessions) as session:
        rows = session.query(Adapter).filter_by(state="live").all()
        assert len(rows) <= 1
        return rows[0].name if rows else None


def test_promotion_retires_the_one_before_and_rollback_returns_to_it(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        first = night(session, {})
    with transaction(sessions) as session:
        second = night(session, {})
    assert live(sessions) == second
    with transaction(sessions) as session:
        assert [a.name for a in adapters.wanted(session)] == [second, first]
        assert adapters.roll_back(session, actor="U1") == (second, first)
    assert live(sessions) == first
    with transaction(sessions) as session:
        assert adapters.roll_back(session, actor="U1") == (first, None)
    assert live(sessions) is None
    with transaction(sessions) as session, pytest.raises(adapters.NoSuchAdapter, match="nothing"):
        adapters.roll_back(session, actor="U1")


def test_what_was_rolled_back_is_no_target_of_a_later_rollback(sessions: Sessions) -> None:
    names = []
    for _ in range(2):
        with transaction(sessions) as session:
            names.append(night(session, {}))
    with transaction(sessions) as session:
        adapters.roll_back(session, actor="U1")
    with transaction(sessions) as session:
        names.append(night(session, {}))
    with transaction(sessions) as session:
        assert adapters.roll_back(session, actor="U1") == (names[2], names[0])


def test_of_two_who_leave_the_same_adapter_one_goes_back(sessions: Sessions) -> None:
    # Arrange
    names = []
    for _ in range(3):
        with transaction(sessions) as session:
            names.append(night(session, {}))
    start = threading.Barrier(2)

    def press(_: int) -> str | None:
        start.wait()
        try:
            with transaction(sessions) as session:
                adapters.roll_back(session, actor="U1", expected=names[2])
                session.execute(select(func.pg_sleep(0.3)))  # the other one presses meanwhile
        except adapters.NoSuchAdapter as error:
            return str(error)
        return None

    # Act
    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(press, range(2)))

    # Assert
    assert live(sessions) == names[1]
    assert set(told) == {None, f"{names[2]} is not in service; {names[1]} is."}


def test_promoting_twice_changes_nothing_and_a_rejected_one_cannot_be(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        name = night(session, {})
        assert adapters.promote(session, name, actor="night") is False
    with transaction(sessions) as session:
        other = night(session, {}, live=False)
        adapters.judged(session, other, verdict="rejected", reason="No improvement.")
        with pytest.raises(adapters.NoSuchAdapter):
            adapters.promote(session, other, actor="night")
    assert live(sessions) == name


def test_an_adapter_whose_files_are_gone_gives_way_and_is_never_returned_to(
    sessions: Sessions,
) -> None:
    # Arrange: three that were live; the files of the newest two are lost
    names = []
    for _ in range(3):
        with transaction(sessions) as session:
            names.append(night(session, {}))

    # Act
    with transaction(sessions) as session:
        assert [row.name for row in adapters.with_files(session)] == names
        adapters.lose(session, names[1:])

    # Assert
    assert live(sessions) == names[0]
    with transaction(sessions) as session:
        told = session.query(Outbox).filter_by(key=f"gave-way:{names[2]}").one()
        assert told.destination == {"admins": True}
        assert told.payload["text"] == (
            f"{names[2]} is out of service, for its files are gone; {names[0]} answers."
        )
        adapters.give_way(session, names[2], reason="a model server refuses it")
        assert session.query(Outbox).count() == 1  # it was not live any more


def test_a_lost_adapter_that_is_not_live_is_no_target_of_a_rollback(sessions: Sessions) -> None:
    names = []
    for _ in range(3):
        with transaction(sessions) as session:
            names.append(night(session, {}))
    with transaction(sessions) as session:
        adapters.lose(session, [names[1]])
        assert adapters.roll_back(session, actor="U1") == (names[2], names[0])
        assert session.query(Outbox).count() == 0
