"""What models said goes with what they learned it from, or with age, wherever it is kept."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from sqlalchemy import func, select, update

from models.store import adapters, documents, forgetting, lineage, outbox, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Answer, Evaluation, Outbox, Question, Refresh
from tests.models.store import corpus
from tests.models.store.learning import night, pair, passage

pytestmark = pytest.mark.integration

SAID = "Dora's key is under the red pot."


def said_in(session: Any, number: int, pair_id: int, **metrics: Any) -> None:
    """A night's answers, and its report as it stands in Slack, say the words."""
    example = {"pair": pair_id, "question": "Y?", "before": "-", "after": SAID, "difference": -0.5}
    told = {"better": [], "worse": [example]}
    row = session.get_one(Refresh, number)
    row.metrics = {"examples": told, **metrics}
    refreshes.put_scores(
        session,
        number,
        item=f"holdout:{pair_id}",
        pair_id=pair_id,
        arm="live",
        values={"words": 7.0},
        output=SAID,
    )
    payload = {"kind": "refresh_report", "refresh": number, "reasons": ["Better."]}
    outbox.put(
        session,
        key=f"refresh:{number}",
        destination={"admins": True},
        payload={**payload, "examples": told, "shows": [pair_id]},
    )
    session.execute(update(Outbox).values(state="sent", slack_ts="1.1", sent_at=func.now()))


def kept(session: Any) -> set[int]:
    """Nights of which something that was said is kept."""
    told = session.scalars(select(Outbox).where(Outbox.key.startswith("refresh:"))).all()
    answers = select(Evaluation.refresh_id).where(Evaluation.output.is_not(None))
    return {
        *session.scalars(answers),
        *session.scalars(select(Refresh.id).where(Refresh.metrics.has_key("examples"))),
        *(message.payload["refresh"] for message in told if SAID in json.dumps(message.payload)),
    }


def latest(session: Any) -> int:
    row = refreshes.latest(session)
    assert row is not None
    return int(row.id)


def test_it_goes_from_every_night_that_asked_the_adapter(sessions: Sessions) -> None:
    # Arrange: a clean night; one whose adapter learned from U1; one that was compared with that
    # adapter without learning from U1; and a measurement
    with transaction(sessions) as session:
        theirs, clean = pair(session, "X?", asker="U1").id, pair(session, "Y?").id
        night(session, {clean: "holdout"})
        first = latest(session)
        said_in(session, first, clean, compared_with="base")
    with transaction(sessions) as session:
        learner = night(session, {clean: "holdout", theirs: "training"})
        said_in(session, latest(session), clean, compared_with="refresh-0001")
    with transaction(sessions) as session:
        night(session, {clean: "holdout"}, live=False)
        said_in(session, latest(session), clean, compared_with=learner)
    with transaction(sessions) as session:
        measured = refreshes.open_night(session, night=dt.date(2026, 1, 2), trigger="evaluate")
        assert measured is not None
        said_in(session, measured, clean, compared_with="base")
        refreshes.end(session, session.get_one(Refresh, measured), verdict="skipped", reasons=[])

    # Act
    with transaction(sessions) as session:
        forgetting.forget_person(session, "U1", actor="U1")

    # Assert: the reports stay, without what was said, and the bot replaces them
    with transaction(sessions) as session:
        assert kept(session) == {first}
        told = session.scalars(select(Outbox).where(Outbox.key == "refresh:2")).one()
        assert (told.state, told.payload["shows"]) == ("pending", [])
        assert told.payload["reasons"] == ["Better."]


def test_it_goes_when_a_source_is_narrowed(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        source = corpus.add(session, "file:///m", {SAID: [1, 0]})
        shown = passage("m", text=SAID, document=source) | {"hash": corpus.digest(SAID)}
        held = pair(session, "Where is the key?", passages=[shown]).id
        night(session, {held: "holdout"})
        said_in(session, latest(session), held)
    with transaction(sessions) as session:
        documents.narrow(session, source, "channel:C9")
    with transaction(sessions) as session:
        assert kept(session) == set()


def test_it_goes_with_age_and_what_was_never_sent_is_not_sent_for_that(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        known = pair(session, "A?").id
        for _ in range(2):
            night(session, {known: "holdout"}, live=False)
            said_in(session, latest(session), known)
        old = session.scalars(select(Refresh.id).order_by(Refresh.id)).first()
        past = func.now() - dt.timedelta(days=200)
        session.execute(update(Refresh).where(Refresh.id == old).values(started_at=past))
        session.execute(update(Outbox).values(state="failed"))
    with transaction(sessions) as session:
        lineage.retain(session, days=180)
    with transaction(sessions) as session:
        assert kept(session) == {latest(session)}
        assert set(session.scalars(select(Outbox.state))) == {"failed"}


def test_an_answer_that_was_shown_the_words_goes_though_it_cites_them_nowhere(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        theirs = pair(session, "Where is the key?", author="U1").id
        asked = Question(surface="mention", user_id="U2", text="Where?", audience="workspace")
        session.add(asked)
        session.flush()
        shown = [{**passage("k"), "pair_id": theirs}, passage("d")]
        session.add(Answer(question_id=asked.id, text=SAID, passages=shown, citations=[]))
    with transaction(sessions) as session:
        forgetting.forget_person(session, "U1", actor="U1")
    with transaction(sessions) as session:
        answer = session.scalars(select(Answer)).one()
        assert (answer.text, answer.passages) == ("", [passage("d")])


@pytest.mark.parametrize("trigger", ["manual", "evaluate"])
def test_a_night_that_asks_the_adapter_now_is_stopped(sessions: Sessions, trigger: str) -> None:
    with transaction(sessions) as session:
        theirs, clean = pair(session, "X?", author="U1").id, pair(session, "Y?").id
        learner = night(session, {theirs: "training"})
        running = refreshes.open_night(session, night=dt.date(2026, 1, 2), trigger=trigger)
        assert running is not None
        refreshes.claim(session, running, worker="w", lease_s=60)
        if trigger == "manual":
            refreshes.keep_snapshot(
                session, running, path="/s", digest="d", card={}, sides={clean: "training"}
            )
            session.get_one(Refresh, running).metrics = {"compared_with": learner}
    with transaction(sessions) as session:
        done = forgetting.forget_person(session, "U1", actor="U1")
        assert done.withdrawn.stopped == (running if trigger == "manual" else None)
    with transaction(sessions) as session, pytest.raises(refreshes.Lost):
        refreshes.held(session, running, worker="w")
    with transaction(sessions) as session:
        assert adapters.live(session) is None
