"""Forgetting: words go, and what was trained on them goes with them."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import func, select, update

from bot.blocks.registry import render
from models.store import adapters, consents, forgetting, lineage, outbox, pairs, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import (
    Adapter,
    Answer,
    Event,
    Member,
    Outbox,
    Pair,
    Question,
    Refresh,
    Snapshot,
)
from tests.models.store.learning import night, pair, passage

pytestmark = pytest.mark.integration

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def test_an_adapter_that_learned_a_persons_words_retires_to_the_newest_clean_one(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        clean, theirs = pair(session, "A?"), pair(session, "B?", author="U1")
        kept = night(session, {clean.id: "training"})
    with transaction(sessions) as session:
        middle = night(session, {clean.id: "training", theirs.id: "holdout"})
    with transaction(sessions) as session:
        newest = night(session, {clean.id: "training", theirs.id: "training"})
    with transaction(sessions) as session:
        done = forgetting.forget_person(session, "U1", actor="U1")
    assert done.pairs == 1
    assert set(done.withdrawn.adapters) == {middle, newest}
    assert (done.withdrawn.left, done.withdrawn.now_live) == (newest, kept)
    with transaction(sessions) as session:
        live = adapters.live(session)
        assert live is not None
        assert live.name == kept
        assert adapters.before(session, live) is None
        assert session.scalars(select(Pair.id)).all() == [clean.id]
        paths = session.scalars(select(Snapshot.path).order_by(Snapshot.id)).all()
        assert paths[1:] == [None, None]
        assert lineage.files_in_use(session) == {paths[0], f"/adapters/{kept}"}
        told = session.query(Outbox).filter_by(key=f"withdrawn:{newest}:None").one()
        assert told.destination == {"admins": True}
        shown = render(told.payload).text
        assert f"{newest} learned from it and is out of service; {kept} answers." in shown
        assert lineage.withdrawn_since(session, LONG_AGO) == [middle, newest]
        assert lineage.withdrawn_since(session, dt.datetime.now(dt.UTC)) == []


def test_words_leave_questions_answers_events_and_messages(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        theirs = pair(session, "Where do I live?", author="U1")
        asked = Question(surface="dm", user_id="U1", text="My secret", audience="user:U1")
        other = Question(surface="dm", user_id="U2", text="Hm", audience="user:U2")
        session.add_all([asked, other])
        session.flush()
        shown = {**passage("x"), "pair_id": theirs.id}
        session.add_all(
            [
                Answer(question_id=asked.id, text="You"),
                Answer(
                    question_id=other.id,
                    text="Words of U1",
                    passages=[shown],
                    citations=[{"n": 1, "pair_id": theirs.id}],
                ),
                Event(
                    team_id="T",
                    event_id="1",
                    kind="message",
                    payload={"event": {"user": "U1"}},
                    state="done",
                ),
                Event(
                    team_id="T",
                    event_id="2",
                    kind="command",
                    payload={"user_id": "U1"},
                    state="claimed",
                ),
                Event(
                    team_id="T",
                    event_id="3",
                    kind="message",
                    payload={"event": {"user": "U2"}},
                    state="done",
                ),
            ]
        )
        session.flush()
        current = session.scalars(select(Event.id).where(Event.event_id == "2")).one()
        outbox.put(session, key="a", destination={"user": "U1"}, payload={"kind": "text"})
        outbox.put(
            session,
            key="b",
            destination={"admins": True},
            payload={"kind": "pair", "shows": [theirs.id], "text": "Where do I live?"},
        )
        outbox.put(
            session, key="c", destination={"admins": True}, payload={"kind": "pair", "shows": [0]}
        )
        asking = {"kind": "mrkdwn", "text": "<@U1> asked me something: My secret"}
        outbox.put(session, key="d", destination={"user": "U3"}, payload=asking)
        outbox.put(
            session, key="e", destination={"admins": True}, payload={"learned": "<@U10> 4, <@U2> 1"}
        )
        consents.grant(session, "U1")
        session.add(Member(user_id="U1", name="dora", real_name="Dora Quill"))
    with transaction(sessions) as session:
        forgetting.forget_person(session, "U1", actor="U1", current_event=current)
    with transaction(sessions) as session:
        assert [q.user_id for q in session.scalars(select(Question))] == ["U2"]
        answer = session.scalars(select(Answer)).one()
        assert (answer.text, answer.passages, answer.citations) == ("", [], [])
        payloads = {e.event_id: e.payload for e in session.scalars(select(Event))}
        assert payloads == {"1": {}, "2": {"user_id": "U1"}, "3": {"event": {"user": "U2"}}}
        messages = {m.key: m.payload for m in session.scalars(select(Outbox))}
        assert set(messages) == {"b", "c", "d", "e"}
        assert messages["d"]["text"] == "What stood here was removed on request."
        assert messages["e"] == {"learned": "<@U10> 4, <@U2> 1"}
        assert messages["b"]["kind"] == "text"
        assert messages["c"]["shows"] == [0]
        assert consents.granted(session, ["U1"]) == set()
        # What others wrote may name them: the name is what it is taken out by.
        assert session.scalars(select(Member.real_name)).all() == ["Dora Quill"]


def test_what_a_model_said_that_learned_the_words_goes_with_it(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        clean, theirs = pair(session, "A?"), pair(session, "B?", asker="U1")
        night(session, {clean.id: "holdout", theirs.id: "training"})
        number = session.scalars(select(Refresh.id)).one()
        values, said = {"words": 2.0, "token_f1": 0.5}, "U1 lives there."
        refreshes.put_scores(
            session,
            number,
            item="h",
            pair_id=clean.id,
            arm="rag_adapter",
            values=values,
            output=said,
        )
    with transaction(sessions) as session:
        forgetting.forget_person(session, "U1", actor="U1")
    with transaction(sessions) as session:
        scores = refreshes.scores(session, number)
        assert {score.metric: score.value for score in scores} == values
        assert {score.output for score in scores} == {None}


def test_what_is_old_goes_by_setting_and_pairs_stay(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        row = pair(session, "A?")
        name = night(session, {row.id: "holdout"}, live=False)
        adapters.judged(session, name, verdict="rejected", reason="No better.")
        number = session.scalars(select(Refresh.id)).one()
        refreshes.put_scores(
            session,
            number,
            item="h",
            pair_id=row.id,
            arm="rag",
            values={"words": 1.0},
            output="Said",
        )
        for age in (1, 40):
            when = dt.datetime.now(dt.UTC) - dt.timedelta(days=age)
            asked = Question(
                surface="dm", user_id="U1", text=f"{age}", audience="user:U1", created_at=when
            )
            session.add(asked)
            session.flush()
            session.add(Answer(question_id=asked.id, text="Yes"))
            session.add(
                Outbox(key=f"{age}", destination={}, payload={}, state="sent", created_at=when)
            )
    with transaction(sessions) as session:
        assert forgetting.expire(session, days=30) == 1
        assert lineage.retain(session, days=30) == 0
        assert [question.text for question in session.scalars(select(Question))] == ["1"]
        assert session.scalars(select(Outbox.key)).all() == ["1"]
        assert len(session.scalars(select(Answer)).all()) == 1
        assert refreshes.scores(session, number)[0].output == "Said"
    with transaction(sessions) as session:
        for aged in (Refresh, Snapshot, Adapter):
            column = "started_at" if aged is Refresh else "created_at"
            past = func.now() - dt.timedelta(days=40)
            session.execute(update(aged).values({column: past}))
    with transaction(sessions) as session:
        assert lineage.retain(session, days=30) == 2  # the snapshot and the rejected adapter
        assert lineage.files_in_use(session) == set()
        assert refreshes.scores(session, number)[0].output is None
        assert adapters.by_name(session, name).path is None
        assert session.get(Pair, row.id) is not None


def test_who_was_edited_is_still_heard_and_forgotten(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        row = pair(session, "A?", "Mine.", author="U1", asker="U2")
        pairs.edit(session, row.id, actor="U3", question="B?", answer="Ours.")
        assert (row.author, row.asker, row.contributors) == ("U3", "U2", ["U1"])
        assert row.people == {"U1", "U2", "U3"}
    with transaction(sessions) as session:
        assert forgetting.forget_person(session, "U1", actor="U1").pairs == 1


def test_a_running_night_that_holds_the_words_is_stopped(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        theirs = pair(session, "A?", asker="U1")
        running = refreshes.open_night(session, night=dt.date(2026, 1, 1), trigger="manual")
        assert running is not None
        refreshes.claim(session, running, worker="w", lease_s=60)
        refreshes.keep_snapshot(
            session, running, path="/s", digest="d", card={}, sides={theirs.id: "training"}
        )
    with transaction(sessions) as session:
        done = forgetting.forget_person(session, "U1", actor="U1")
        assert done.withdrawn.stopped == running
    with transaction(sessions) as session, pytest.raises(refreshes.Lost):
        refreshes.held(session, running, worker="w")


def test_a_narrowed_source_withdraws_only_what_was_trained_on_it(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        one, two = pair(session, "A?"), pair(session, "B?")
        name = night(session, {one.id: "training"})
    with transaction(sessions) as session:
        assert lineage.narrowed(session, [one.id, two.id], actor="U1").adapters == ()
        session.get_one(Pair, two.id).audience = "channel:C1"
        session.flush()
        assert lineage.narrowed(session, [one.id, two.id], actor="U1").adapters == ()
        session.get_one(Pair, one.id).audience = "channel:C1"
        session.flush()
        assert lineage.narrowed(session, [one.id, two.id], actor="U1").adapters == (name,)
        adapter = session.scalars(select(Adapter)).one()
        assert (adapter.state, adapter.tainted) == ("retired", True)
        assert lineage.learned_from(session, adapter)["people"] == {"import": 1}


def test_learning_is_off_until_somebody_turns_it_on(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        assert not consents.learning(session)
        consents.switch(session, on=True, actor="U0ADMIN")
        assert consents.learning(session)
        consents.grant(session, "U1")
        consents.grant(session, "U2")
        consents.revoke(session, "U2")
        assert consents.granted(session, ["U1", "U2", "U3"]) == {"U1"}


def test_documents_are_named_as_they_came_numbers_or_not(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        shown = [passage(f"p{key}") | {"document_id": key} for key in (10, "kb-17", 2, None)]
        rows = [pair(session, f"Q{n}?", passages=[one]).id for n, one in enumerate(shown)]
        night(session, dict.fromkeys(rows, "training"))
        adapter = session.scalars(select(Adapter)).one()
        assert lineage.learned_from(session, adapter)["documents"] == [2, 10, "kb-17"]
