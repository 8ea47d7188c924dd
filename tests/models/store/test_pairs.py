"""The ledger of pairs."""

from __future__ import annotations

import pytest
from sqlalchemy import func

from models.store import documents, pairs, resting, settling
from models.store.session import Sessions, transaction
from models.store.tables import Audit, Pair
from tests.models.store import corpus
from tests.models.store.learning import pair, passage

pytestmark = pytest.mark.integration


def test_the_same_pair_sent_twice_is_one_row(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        first = pair(session, "When does the gate open?", "At six.", state="proposed")
        again = pair(session, "  when does the GATE open? ", "At six.", state="proposed")
        assert again.id == first.id
        assert pairs.counts(session) == {"proposed": 1, "approved": 0, "rejected": 0, "stale": 0}


def test_a_pair_is_seen_by_those_who_see_its_place_and_all_its_passages(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        narrow = pair(session, "Q?", passages=[passage("a"), passage("b", audience="channel:C1")])
        assert narrow.audience == "channel:C1"
        with pytest.raises(pairs.PairRefused, match="not visible to the same people"):
            pair(session, "Q2?", audience="user:U1", passages=[passage("b", audience="channel:C1")])


def test_it_rests_on_what_it_cites(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        both = [passage("a"), passage("b")]
        assert pair(session, "One?", "Six [2].", passages=both).chunk_hashes == ["b" * 8]
        assert pair(session, "Two?", "Six.", passages=both).chunk_hashes == ["a" * 8]
        assert pair(session, "Three?", "Six [7].").chunk_hashes == []


@pytest.mark.parametrize(("question", "answer"), [("", "x"), ("x", " "), ("\x00", "x")])
def test_an_empty_pair_is_refused(sessions: Sessions, question: str, answer: str) -> None:
    with transaction(sessions) as session, pytest.raises(pairs.PairRefused):
        pair(session, question, answer)


def test_decisions_are_kept_with_who_and_why(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        row = pair(session, "Q?", state="proposed")
        pairs.decide(session, row.id, state="rejected", actor="U1", reason="Not so.")
        assert (row.state, row.decided_by, row.reason) == ("rejected", "U1", "Not so.")
        assert session.query(Audit).filter_by(action="pair_rejected").one().detail == {
            "reason": "Not so."
        }
        with pytest.raises(pairs.PairRefused, match="no pair 999"):
            pairs.decide(session, 999, state="approved", actor="U1")


def test_a_stale_pair_that_is_approved_again_looks_for_the_passages_of_today(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        row = pair(session, "Q?", "Six [1].", passages=[passage("a")])
        row.state, row.reason, row.settled_at = "stale", "A source has changed.", func.now()
        session.flush()
        assert [one.id for one in pairs.listing(session, state=pairs.WAITING)] == [row.id]
        assert pairs.waiting(session) == 1
        pairs.decide(session, row.id, state="approved", actor="U1")
        assert (row.answer, row.passages, row.chunk_hashes) == ("Six.", [], [])
        assert [one.id for one in settling.unsettled(session)] == [row.id]


def test_a_stale_pair_that_is_edited_rests_on_nothing(sessions: Sessions) -> None:
    # Arrange
    with transaction(sessions) as session:
        plan = corpus.add(session, "file:///1", {"It is four.": [1, 0]})
        shown = passage("a", document=plan) | {"hash": corpus.digest("It is four.")}
        numbers = [
            pair(session, f"{origin}?", "Four [1].", origin=origin, passages=[shown]).id
            for origin in ("correction", "import")
        ]
    with transaction(sessions) as session:
        documents.forget(session, plan, actor="U1")

    # Act
    with transaction(sessions) as session:
        for number in numbers:
            assert session.get_one(Pair, number).state == "stale"
            pairs.edit(session, number, actor="U0ADMIN", answer="It is five [1].")
            pairs.decide(session, number, state="approved", actor="U0ADMIN")

    # Assert
    with transaction(sessions) as session:
        assert resting.sweep_stale(session) == []
        for number in numbers:
            row = session.get_one(Pair, number)
            assert (row.state, row.answer) == ("approved", "It is five.")
            assert (row.passages, row.chunk_hashes) == ([], [])
        assert [row.id for row in settling.unsettled(session)] == numbers


def test_an_edited_pair_waits_for_approval_and_never_leaves_the_holdout(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        row = pair(session, "Q?", "Old.")
        row.side, row.cluster = "holdout", "c"
        pairs.edit(session, row.id, actor="U2", question="Other?", answer="New.")
        assert (row.state, row.author, row.side, row.question_hash) == (
            "proposed",
            "U2",
            "holdout",
            pairs.question_hash("Other?"),
        )
        pairs.decide(session, row.id, state="approved", actor="U1")
        pairs.lock(session, row.id, locked=True, actor="U1")
        with pytest.raises(pairs.PairRefused, match="locked"):
            pairs.edit(session, row.id, actor="U2", answer="Worse.")
        with pytest.raises(pairs.PairRefused, match="locked"):
            pairs.decide(session, row.id, state="rejected", actor="U2")


def test_passages_found_later_narrow_the_pair(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        row = pair(session, "Q?", "Six.", audience="channel:C1")
        pairs.rest_on(session, row.id, [passage("a"), passage("b", audience="user:U1")])
        assert [p["uri"] for p in row.passages] == ["file:///a"]
        assert row.audience == "channel:C1"
        assert pairs.rest_on(session, row.id, [passage("c")]) is None
