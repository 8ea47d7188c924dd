"""Pairs follow what they rest on, whatever happens to it and whenever."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from models.store import adapters, documents, forgetting, pairs, proposals, resting
from models.store.audience import NO_ONE
from models.store.session import Sessions, transaction
from models.store.tables import Answer, Pair, Question
from tests.models.store import corpus
from tests.models.store.corpus import digest
from tests.models.store.learning import night, pair, passage

pytestmark = pytest.mark.integration

PRICE = "The price is four."
TERMS = "The terms are hard."


def brought(session: Session, uri: str, *texts: str, audience: str = "workspace") -> int:
    return corpus.add(session, uri, dict.fromkeys(texts, (1.0, 0.0)), audience=audience)


def shown(text: str, document: int, *, audience: str = "workspace") -> dict[str, Any]:
    found = passage("p", audience=audience, text=text, document=document)
    return found | {"hash": digest(text)}


def live_name(session: Session) -> str | None:
    live = adapters.live(session)
    return live.name if live is not None else None


@pytest.mark.parametrize("how", ["forgotten", "changed"])
def test_what_stays_in_a_private_copy_alone_is_for_its_people_alone(
    sessions: Sessions, how: str
) -> None:
    # Arrange: the same words for everybody and in a channel; an adapter learned them
    with transaction(sessions) as session:
        public = brought(session, "file:///1", PRICE)
        brought(session, "slack:file:F1", PRICE, audience="channel:C9")
        cited = pair(session, "Q?", "Four [1].", passages=[shown(PRICE, public)])
        rejected = pair(session, "R?", "Four [1].", passages=cited.passages, state="rejected")
        night(session, {cited.id: "training"})

    # Act
    with transaction(sessions) as session:
        if how == "forgotten":
            documents.forget(session, public, actor="U1")
        else:
            brought(session, "file:///1", "Nothing is said of it here.")

    # Assert
    with transaction(sessions) as session:
        kept = session.get_one(Pair, cited.id)
        assert (kept.state, kept.audience) == ("approved", "channel:C9")
        assert session.get_one(Pair, rejected.id).audience == "channel:C9"
        assert live_name(session) is None


def test_what_is_gone_for_good_leaves_the_adapter_in_service(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        public = brought(session, "file:///1", PRICE)
        cited = pair(session, "Q?", "Four [1].", passages=[shown(PRICE, public)])
        name = night(session, {cited.id: "training"})
    with transaction(sessions) as session:
        documents.forget(session, public, actor="U1")
    with transaction(sessions) as session:
        kept = session.get_one(Pair, cited.id)
        assert (kept.state, kept.audience) == ("stale", "workspace")
        assert live_name(session) == name


def test_a_pair_that_is_stale_or_rejected_is_narrowed_too(sessions: Sessions) -> None:
    # Arrange
    with transaction(sessions) as session:
        plan = brought(session, "slack:message:C9:1", PRICE, TERMS)
        stale = pair(session, "Q?", "Four [1].", passages=[shown(PRICE, plan)])
        rejected = pair(session, "R?", "[1].", passages=[shown(TERMS, plan)], state="rejected")
    with transaction(sessions) as session:
        brought(session, "slack:message:C9:1", "The price is five.", TERMS)
        assert session.get_one(Pair, stale.id).state == "stale"

    # Act
    with transaction(sessions) as session:
        changed = documents.narrow(session, plan, "channel:C9")

    # Assert
    assert sorted(changed) == [stale.id, rejected.id]
    with transaction(sessions) as session:
        for number in changed:
            again = pairs.decide(session, number, state="approved", actor="U0ADMIN")
            assert (again.state, again.audience) == ("approved", "channel:C9")


def test_with_no_readers_in_common_a_pair_is_for_no_one_and_stays_out(sessions: Sessions) -> None:
    # Arrange: one source for everybody, whose two passages have other private copies
    with transaction(sessions) as session:
        public = brought(session, "file:///1", PRICE, TERMS)
        brought(session, "file:///2", PRICE, audience="channel:C1")
        brought(session, "file:///3", TERMS, audience="channel:C2")
        both = [shown(PRICE, public), shown(TERMS, public)]
        used = pair(session, "Q?", "Four [1], and hard [2].", passages=both)
        rejected = pair(session, "R?", "[1] [2]", passages=both, state="rejected")

    # Act
    with transaction(sessions) as session:
        documents.forget(session, public, actor="U1")

    # Assert
    with transaction(sessions) as session:
        kept = session.get_one(Pair, used.id)
        assert (kept.state, kept.audience) == ("stale", NO_ONE)
        assert kept.reason == "Its sources have no readers in common any more."
        assert session.get_one(Pair, rejected.id).state == "rejected"
        for number in (used.id, rejected.id):
            with pytest.raises(pairs.PairRefused, match="Nobody in common"):
                pairs.decide(session, number, state="approved", actor="U0ADMIN")


def test_a_stale_pair_is_approved_for_those_who_still_have_its_document(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        public = brought(session, "slack:file:F1", PRICE)
        brought(session, "slack:file:F1", TERMS, audience="channel:C9")
        cited = pair(session, "Q?", "Four [1].", passages=[shown(PRICE, public)])
    with transaction(sessions) as session:
        documents.forget(session, public, actor="U1")
        again = pairs.decide(session, cited.id, state="approved", actor="U0ADMIN")
        assert (again.audience, again.passages) == ("channel:C9", [])


def test_a_removal_while_an_imported_pair_settles_is_noticed(sessions: Sessions) -> None:
    # Arrange: the search still saw the passage, whose removal commits only now
    with transaction(sessions) as session:
        gone = brought(session, "file:///1", PRICE)
        narrowed = brought(session, "file:///2", TERMS)
        on_gone, on_narrowed = pair(session, "Q?", "Four."), pair(session, "R?", "Hard.")
        night(session, {on_narrowed.id: "training"})
    removing = sessions()
    removing.begin()
    documents.forget(removing, gone, actor="U1")
    documents.narrow(removing, narrowed, "channel:C9")
    with transaction(sessions) as session:
        pairs.rest_on(session, on_gone.id, [shown(PRICE, gone)])
        pairs.rest_on(session, on_narrowed.id, [shown(TERMS, narrowed)])
    removing.commit()
    removing.close()

    # Act
    with transaction(sessions) as session:
        assert resting.sweep_stale(session) == [on_gone.id]

    # Assert
    with transaction(sessions) as session:
        assert session.get_one(Pair, on_gone.id).state == "stale"
        kept = session.get_one(Pair, on_narrowed.id)
        assert (kept.state, kept.audience) == ("approved", "channel:C9")
        assert live_name(session) is None


@pytest.mark.parametrize("expired", [False, True])
def test_a_channel_that_goes_private_takes_its_questions_and_pairs_along(
    sessions: Sessions, expired: bool
) -> None:
    # Arrange
    with transaction(sessions) as session:
        rows = []
        for channel, audience in (("C9", "workspace"), ("C9", "user:U1"), ("C1", "workspace")):
            asked = Question(
                surface="mention", channel_id=channel, user_id="U1", text="Who?", audience=audience
            )
            session.add(asked)
            session.flush()
            answer = Answer(question_id=asked.id, refused=True)
            session.add(answer)
            session.flush()
            rows.append(
                proposals.from_answer(session, answer, origin="expert", author="U2", better="We.")
            )
        learned, alone, elsewhere = rows
        night(session, {learned.id: "training"})
        assert elsewhere.id == learned.id  # the same words for the same people
        other = pair(session, "Where?", audience="channel:C1", channel_id="C9")

    if expired:
        with transaction(sessions) as session:
            session.execute(
                update(Question).values(created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
            )
            assert forgetting.expire(session, days=30) == 3

    # Act
    with transaction(sessions) as session:
        assert resting.narrow_channel(session, "C9") == [learned.id, other.id]
        statements: list[str] = []
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *one: statements.append(one[2]))
        assert resting.narrow_channel(session, "C9") == []
        assert not any("FOR UPDATE" in one for one in statements)

    # Assert
    with transaction(sessions) as session:
        asked_in = select(Question.audience).order_by(Question.id)
        left = [] if expired else ["channel:C9", "user:U1", "workspace"]
        assert session.scalars(asked_in).all() == left
        assert session.get_one(Pair, learned.id).audience == "channel:C9"
        assert session.get_one(Pair, alone.id).audience == "user:U1"
        assert session.get_one(Pair, other.id).state == "stale"
        assert live_name(session) is None


def test_passages_that_are_found_count_in_the_audience_of_now(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        plan = brought(session, "file:///1", PRICE)
        row = pair(session, "Q?", "Four.")
        documents.narrow(session, plan, "channel:C9")
        pairs.rest_on(session, row.id, [shown(PRICE, plan)])
        assert row.audience == "channel:C9"
