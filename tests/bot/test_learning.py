"""Pairs, learning, forgetting and the nights' messages in Slack."""

from __future__ import annotations

from typing import Any

import pytest

from bot.blocks import learning as blocks
from bot.blocks.answers import CORRECT
from bot.blocks.forgetting import FORGET_ME, KEEP_ME
from bot.blocks.learning import ANSWER, APPROVE, EDIT, QUESTION, ROLL_BACK
from bot.blocks.modals import ANSWER as BETTER
from models.store import blobs, outbox, pairs, refreshes
from models.store.session import transaction
from models.store.tables import Event, Pair, Question
from tests.bot.house import House, eventually, everything
from workers.refresh import picture

pytestmark = pytest.mark.integration


def said(
    house: House, name: str, channel: str, having: str, *, thread: str | None = None
) -> dict[str, Any]:
    """What only that person sees, once it says so; in a ``thread``, if one is given."""
    person = house.person(name)

    def look() -> dict[str, Any] | None:
        seen = person.call("_workspace.ephemerals", channel=channel)["messages"]
        here = [one for one in seen if thread in (None, one.get("thread_ts"))]
        return next((one for one in reversed(here) if having in everything(one)), None)

    return eventually(look, f"{having!r} for {name}")


def test_learning_is_off_and_only_admins_turn_it_on(house: House) -> None:
    channel = house.channel("general")
    house.person("ben").command(channel, "learning on")
    said(house, "ben", channel, "Only admins turn learning on or off")
    house.person("ada").command(channel, "refresh")
    said(house, "ada", channel, "Learning is off")
    house.person("ada").command(channel, "learning on")
    said(house, "ada", channel, "Learning is on: approved answers")
    said(house, "ada", channel, "No Phi-3 is set up here, so nothing is trained yet")
    house.person("ada").command(channel, "refresh --dry-run")
    said(house, "ada", channel, "Nothing has begun")
    house.person("ada").command(channel, "refresh later")
    said(house, "ada", channel, "both begin one now")
    with house.sessions() as session:
        assert refreshes.latest(session) is None
    assert "takes no other words" in house.person("ada").command(channel, "adapters frob")
    house.person("ben").command(channel, "learning me")
    said(house, "ben", channel, "may be learned from")
    house.person("ben").command(channel, "learning")
    said(house, "ben", channel, "Learning is on here, and your own words are used")
    house.person("ada").command(channel, "learning off")
    said(house, "ada", channel, "What is in service stays in service")
    house.person("ada").command(channel, "adapters")
    said(house, "ada", channel, "the extractive reader answers")


def test_a_proposed_pair_is_approved_by_a_button(house: House) -> None:
    channel = house.channel("general")
    with transaction(house.sessions) as session:
        row = pairs.propose(
            session,
            pairs.NewPair(
                question="Who waters the office fern?",
                answer="Dora does.",
                origin="correction",
                author="U0NOBODY",
            ),
        )
        number = row.id
    house.person("ada").command(channel, "pairs")
    shown = said(house, "ada", channel, "Who waters the office fern?")
    # Other pairs may wait on the same card: it is the button of this one that is pressed.
    row_of = next(
        block["block_id"]
        for block in shown["blocks"]
        for element in block.get("elements", [])
        if element.get("action_id") == APPROVE and element.get("value") == str(number)
    )
    house.person("ada").press(channel, shown, APPROVE, block_id=row_of)
    said(house, "ada", channel, f"Pair {number} is approved")
    seen = house.person("ada").call("_workspace.ephemerals", channel=channel)["messages"]
    assert shown["ts"] not in [one["ts"] for one in seen]  # its buttons are gone with it
    with transaction(house.sessions) as session:
        assert session.get_one(Pair, number).state == "approved"


def test_a_pair_that_went_stale_under_an_open_editor_is_not_saved(house: House) -> None:
    # Arrange
    ada, channel = house.person("ada"), house.channel("general")
    with transaction(house.sessions) as session:
        new = pairs.NewPair(question="Who winds the clock?", answer="Ben does.", origin="import")
        number = pairs.propose(session, new).id
    ada.command(channel, "pairs")
    shown = said(house, "ada", channel, "Who winds the clock?")
    row_of = next(
        block["block_id"]
        for block in shown["blocks"]
        for element in block.get("elements", [])
        if element.get("action_id") == EDIT and element.get("value") == str(number)
    )

    def save(answer: str) -> None:
        ada.press(channel, shown, EDIT, block_id=row_of)
        view = eventually(lambda: ada.call("_workspace.views")["views"], "the editor")[-1]
        with transaction(house.sessions) as session:
            session.get_one(Pair, number).state = "stale"
        typed = {QUESTION: {QUESTION: "Who winds the clock?"}, ANSWER: {ANSWER: answer}}
        ada.call("_workspace.view.submit", view_id=view["id"], values=typed)

    # Act and assert: the first time it goes stale while it is edited, the second time it was
    save("Chloe does.")
    said(house, "ada", channel, f"What pair {number} rests on has changed")
    save("Dora does.")
    said(house, "ada", channel, f"Pair {number} is approved")
    with transaction(house.sessions) as session:
        row = session.get_one(Pair, number)
        assert (row.state, row.answer) == ("approved", "Dora does.")
        session.delete(row)


def test_who_corrects_where_no_admin_reads_is_told_what_it_waits_for(house: House) -> None:
    # Arrange
    ben = house.person("ben")
    channel = ben.direct()
    answer = ben.answer(channel, ben.post(channel, "Which tide lifts the old ferry bell?"))

    # Act
    ben.press(channel, answer, CORRECT)
    view = eventually(lambda: ben.call("_workspace.views")["views"], "the modal")[-1]
    typed = {BETTER: {BETTER: "The spring tide does."}}
    ben.call("_workspace.view.submit", view_id=view["id"], values=typed)

    # Assert
    def told() -> dict[str, Any] | None:
        seen = [
            *ben.call("_workspace.ephemerals", channel=channel)["messages"],
            *ben.call("conversations.history", channel=channel, limit=20)["messages"],
        ]
        return next((one for one in seen if "No admin can read" in everything(one)), None)

    with transaction(house.sessions) as session:
        assert eventually(told, "it is told")
        row = session.query(Pair).filter_by(question="Which tide lifts the old ferry bell?").one()
        assert row.audience == f"user:{ben.id}"
        session.delete(row)


def test_who_corrects_in_a_channel_is_thanked_in_the_thread(house: House) -> None:
    # Arrange
    ben = house.person("ben")
    channel = house.channel("general")
    root = ben.ask(channel, "Which knot holds the old ferry flag?")
    answer = ben.answer(channel, root)

    # Act
    ben.press(channel, answer, CORRECT)
    view = eventually(lambda: ben.call("_workspace.views")["views"], "the modal")[-1]
    typed = {BETTER: {BETTER: "The sheet bend does."}}
    ben.call("_workspace.view.submit", view_id=view["id"], values=typed)

    # Assert
    said(house, "ben", channel, "Your answer is kept", thread=root)
    with transaction(house.sessions) as session:
        session.query(Pair).filter_by(question="Which knot holds the old ferry flag?").delete()


def test_forget_me_removes_a_persons_words(house: House) -> None:
    person = house.person("chloe")
    ts = person.ask(person.direct(), "What is my most secret hobby?")
    person.answer(person.direct(), ts)
    channel = person.direct()
    person.command(channel, "forget me")
    asked = said(house, "chloe", channel, "1 question with its answer")
    person.press(channel, asked, KEEP_ME)
    said(house, "chloe", channel, "Nothing was removed")
    with transaction(house.sessions) as session:
        assert session.query(Question).filter_by(user_id=person.id).count() == 1
    person.command(channel, "forget me")
    person.press(channel, said(house, "chloe", channel, "1 question with its answer"), FORGET_ME)
    said(house, "chloe", channel, "Your words are removed")
    with transaction(house.sessions) as session:
        assert session.query(Question).filter_by(user_id=person.id).count() == 0
        left = [event for event in session.query(Event) if "secret hobby" in str(event.payload)]
        assert left == []


def test_a_night_reports_with_a_picture_and_a_way_back(house: House) -> None:
    general = house.channel("general")
    arms = {"base": {"token_f1": 0.2}, "rag": {"token_f1": 0.5}, "rag_adapter": {"token_f1": 0.8}}
    report = {
        "kind": "refresh_report",
        "refresh": 7,
        "night": "2026-01-01",
        "verdict": "promoted",
        "reasons": ["token f1 rose by +0.300"],
        "adapter": "refresh-0007",
        "arms": arms,
        "advice": "Both help.",
        "pairs": {"training": 80, "holdout": 20},
        "seconds": 120,
        "examples": {"better": [{"question": "Q?", "before": "x", "after": "y"}], "worse": []},
        "can_roll_back": True,
    }
    with transaction(house.sessions) as session:
        sha = blobs.put(session, picture.arms(arms, title="Night"))
        outbox.put(session, key="night:7", destination={"channel": general}, payload=report)
        outbox.put(
            session,
            key="night:7:arms",
            destination={"channel": general},
            payload={"kind": "picture", "blob": sha, "name": "arms.png", "title": "Four arms"},
        )
    ada = house.person("ada")

    def look() -> dict[str, Any] | None:
        messages = ada.call("conversations.history", channel=general, limit=20)["messages"]
        if not any(
            file.get("name") == "arms.png" for m in messages for file in m.get("files") or []
        ):
            return None
        return next((m for m in messages if "A better adapter" in everything(m)), None)

    message = eventually(look, "the report and its picture")
    assert "0.80" in everything(message)
    ada.press(general, message, ROLL_BACK, value="refresh-0007")
    said(house, "ada", general, "refresh-0007 is not in service")


def test_messages_of_the_nights_are_words() -> None:
    stale = blocks.stale({"title": "Hand*book", "pairs": [3, 4]})
    assert "2 pairs rest on it" in stale.text
    training = {"step": "train", "at": 3, "steps": 10, "loss": 1.5, "left_s": 200}
    shown = blocks.progress({"refresh": 4, "progress": training})
    assert "step 3 of 10, loss 1.500, about 3 min left" in shown.text
    bare = blocks.report({"verdict": "skipped", "reasons": ["5 pairs"], "night": "2026-01-01"})
    assert bare.text == "Nothing was trained last night."
    by_hand = blocks.report({"verdict": "skipped", "trigger": "manual", "night": "2026-01-01"})
    assert by_hand.text == "Nothing was trained."
    assert "Refresh of 2026-01-01" in str(by_hand.blocks)
    assert blocks.review([], 0)[0]["type"] == "section"
