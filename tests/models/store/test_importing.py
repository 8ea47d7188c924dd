"""Pairs of a file join the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from models.store import importing, pairs
from models.store.importing import Given, Taken
from models.store.session import Sessions, transaction
from models.store.tables import Audit, Pair
from tests.models.store.corpus import add, digest
from tests.models.store.learning import pair, passage

pytestmark = pytest.mark.integration


def take(session: Session, *given: Given, approve: bool = False) -> list[Any]:
    return importing.take(session, given, approve=approve, actor="U0ADMIN", added=set())


def exported(answer: str = "Six.", **changes: Any) -> Given:
    values = {"question": "When?", "audience": "user:U5", "state": "approved", **changes}
    return Given(answer=answer, **values)


def test_an_exports_pair_keeps_people_decision_and_consent(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        taken = take(
            session,
            exported(author="U5", asker="U6", contributors=("U7", "U5"), locked=True),
            exported("Nonsense.", state="rejected", reason="Wrong."),
            exported("Old.", state="stale", reason="A source has changed."),
            exported("New.", state="proposed"),
            approve=True,
        )
        assert [one.state for one in taken] == ["approved", "rejected", "stale", "approved"]
        first, second, third, _ = session.query(Pair).order_by(Pair.id)
        assert (first.people, first.consent, first.audience) == (
            {"U5", "U6", "U7"},
            False,
            "user:U5",
        )
        assert (first.contributors, first.locked, first.origin) == (["U7"], True, "import")
        assert (second.reason, third.reason) == ("Wrong.", "A source has changed.")


def test_what_is_here_is_neither_copied_nor_widened_nor_decided_anew(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        here = pair(session, "When?", "Six.", audience="channel:C1", state="proposed")
        taken = take(session, exported(audience="workspace", author="U5", consent=True))
        assert taken == [Taken("proposed", known=True)]
        assert session.query(Pair).one() is here
        assert (here.audience, here.people) == ("channel:C1", {"U5"})


def test_a_rejected_pair_does_not_come_back(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        here = pair(session, "When?", "Six.", state="rejected")
        (refused,) = take(session, Given(question="when?", answer="Six."), approve=True)
        assert isinstance(refused, pairs.PairRefused)
        assert str(refused) == f"Pair {here.id} says the same and was rejected."
        assert here.state == "rejected"


def test_a_batch_goes_to_the_database_as_a_whole(sessions: Sessions) -> None:
    # Arrange: what is here, what is said twice, what nobody here may see
    with transaction(sessions) as session:
        here = pair(session, "Number 7?", "Yes.", state="proposed")
        add(session, "file:///gate", {"The gate opens at six.": [1.0, 0.0]}, audience="channel:C1")
    shown = passage("a") | {"hash": digest("The gate opens at six."), "document_id": None}
    batch = [Given(question=f"Number {n % 40}?", answer="Yes.") for n in range(50)]
    batch.append(exported(passages=[shown]))

    # Act
    with transaction(sessions) as session:
        statements: list[str] = []
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *one: statements.append(one[2]))
        taken = take(session, *batch, approve=True)

    # Assert
    assert len(statements) < 10
    assert taken[:7] == [Taken("approved", known=False)] * 7
    assert taken[7] == Taken("approved", known=True)
    assert taken[40:50] == [Taken("approved", known=True)] * 10
    assert isinstance(taken[50], pairs.PairRefused)
    with transaction(sessions) as session:
        rows = session.scalars(select(Pair).order_by(Pair.id)).all()
        assert [row.question for row in rows[:2]] == [here.question, "Number 0?"]
        assert {(row.state, row.decided_by) for row in rows} == {("approved", "U0ADMIN")}
        assert all(row.decided_at and row.decided_at >= row.created_at for row in rows)
        told = session.scalars(select(Audit.subject).where(Audit.action == "pair_approved"))
        assert sorted(told) == sorted(f"pair:{row.id}" for row in rows)
        assert pair(session, "Another?").id not in {row.id for row in rows}


def test_of_two_imports_at_once_the_second_finds_the_firsts(sessions: Sessions) -> None:
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

    def bring() -> list[Any]:
        with transaction(sessions) as session:
            return take(session, Given(question="where? ", answer="Here."), exported())

    with sessions() as first, ThreadPoolExecutor(1) as pool:
        take(first, exported(), Given(question="Where?", answer="Here."))
        second = pool.submit(bring)
        with sessions() as session:
            while not second.done() and not session.scalar(waits):
                session.rollback()
        first.commit()
        assert [one.known for one in second.result()] == [True, True]


def test_the_same_words_for_two_audiences_are_two_pairs_of_an_export(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        both = exported(), exported(audience="workspace")
        assert [one.known for one in take(session, *both)] == [False, False]
        assert [one.known for one in take(session, *both)] == [True, True]
        assert session.query(Pair).count() == 2


def test_an_exports_pair_is_for_those_who_see_its_sources_here(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        add(session, "file:///gate", {"The gate opens at six.": [1.0, 0.0]}, audience="channel:C1")
        shown = passage("a") | {"hash": digest("The gate opens at six."), "document_id": None}
        narrow, nobody = (
            exported(audience="workspace", passages=[shown]),
            exported("Seven.", passages=[shown]),
        )
        taken = take(session, narrow, nobody)
        assert session.query(Pair).one().audience == "channel:C1"
        assert isinstance(taken[1], pairs.PairRefused)
