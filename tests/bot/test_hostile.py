"""What a hostile or a hasty person does, and what nobody sees because of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from bot.blocks.learning import APPROVE
from models.store import pairs
from models.store.session import transaction
from models.store.tables import Pair
from tests.bot.house import House, eventually, everything

pytestmark = pytest.mark.integration


def _audiences(house: House, *, uri: str = "%", file_id: str = "") -> set[tuple[str, str]]:
    """Audience and state of the documents that are not forgotten."""
    with house.sessions() as session:
        rows = session.execute(
            text(
                "SELECT audience, state FROM documents WHERE state <> 'deleted' "
                "AND uri LIKE :uri AND (:file_id = '' OR external_id = :file_id)"
            ),
            {"uri": uri, "file_id": file_id},
        )
        return {(row.audience, row.state) for row in rows}


@pytest.mark.parametrize("words", [r"What does the escape \u0000 mean?", "And \\\\u0000 then?"])
def test_an_escape_in_a_question_is_text(house: House, words: str) -> None:
    ben = house.person("ben")
    channel = ben.direct()
    ben.answer(channel, ben.post(channel, words))


def test_a_deleted_question_is_not_a_new_one(house: House) -> None:
    ben = house.person("ben")
    channel = ben.direct()
    ts = ben.post(channel, "How many moons has the harbor office?")
    before = ben.answer(channel, ts)
    ben.call("chat.delete", channel=channel, ts=ts)
    eventually(lambda: house.control("deliveries")["waiting"] == 0, "the deletion is told")
    with house.sessions() as session:
        eventually(
            lambda: session.execute(
                text("SELECT count(*) = 0 FROM events WHERE state NOT IN ('done', 'failed')")
            ).scalar(),
            "it is worked off",
        )
    assert ben.thread(channel, ts) == [before]
    with house.sessions() as session:
        asked = "SELECT text FROM questions WHERE message_ts = :ts"
        assert session.execute(text(asked), {"ts": ts}).scalars().all() == [
            "How many moons has the harbor office?"
        ]


def test_a_file_taken_back_before_it_was_looked_at_stays_out(house: House) -> None:
    ada = house.person("ada")
    general, private = house.channel("general"), house.channel("people-team")
    with house.bot_down():
        file_id = ada.share(private, "pay.md", b"# Pay\n\nThe bonus of the year is 4711 euro.\n")
        by_mistake = ada.share(general, "draft.md", b"# Draft\n\nThe draft names 815 euro.\n")
        for message in ada.call("conversations.history", channel=general)["messages"]:
            if any(file["id"] == by_mistake for file in message.get("files") or []):
                ada.call("chat.delete", channel=general, ts=message["ts"])
    eventually(
        lambda: _audiences(house, file_id=file_id) == {(f"channel:{private}", "ready")},
        "the other file is read",
    )
    ts = ada.ask(general, "How many euro does the draft name?")
    assert "815" not in everything(ada.answer(general, ts))
    assert not _audiences(house, file_id=by_mistake)


def test_what_was_public_goes_private_with_its_channel(house: House) -> None:
    ada, ben = house.person("ada"), house.person("ben")
    channel, general = house.channel("engineering"), house.channel("general")
    ada.post(
        channel,
        "The mainframe of the old harbor is switched off on the 19th of October, "
        "so please copy your ledgers before then.",
    )
    ada.command(general, "ingest #engineering")
    uri = f"slack:message:{channel}:%"
    eventually(lambda: _audiences(house, uri=uri) == {("workspace", "ready")}, "it is read")
    try:
        house.control("channel", channel=channel, is_private=True)
        eventually(
            lambda: _audiences(house, uri=uri) == {(f"channel:{channel}", "ready")},
            "its threads are for its members",
        )
        ada.post(
            channel,
            "The password of the spare lighthouse lamp is in the red envelope, which lies in "
            "the drawer of the harbor master.",
        )
        with house.sessions() as session:
            eventually(
                lambda: session.execute(
                    text("SELECT count(*) FROM chunks WHERE text LIKE '%red envelope%'")
                ).scalar(),
                "the new message is read",
            )
        assert {seen for seen, _ in _audiences(house, uri=uri)} == {f"channel:{channel}"}
        ts = ben.ask(general, "Where is the password of the spare lighthouse lamp?")
        assert "red envelope" not in everything(ben.answer(general, ts))
    finally:
        house.control("channel", channel=channel, is_private=False)


def test_what_was_asked_goes_private_with_a_channel_that_is_no_source(house: House) -> None:
    # Arrange
    ada, ben = house.person("ada"), house.person("ben")
    channel = house.channel("random")
    ben.call("conversations.invite", channel=channel, users=ben.bot)
    ts = ben.ask(channel, "Who gets the kestrel bonus of the lighthouse?")
    answer = ben.answer(channel, ts)
    ben.press(channel, answer, "answer_expert")

    def passed_on() -> dict[str, Any] | None:
        said = ada.call("conversations.history", channel=ada.direct())["messages"]
        return next((one for one in said if "kestrel bonus" in everything(one)), None)

    request = eventually(passed_on, "the expert is asked")
    ada.post(ada.direct(), "Only the keeper does.", thread_ts=request["ts"])

    def audiences() -> set[str]:
        with house.sessions() as session:
            asked = "SELECT audience FROM questions WHERE text LIKE '%kestrel bonus%'"
            pairs_of = "SELECT audience FROM pairs WHERE question LIKE '%kestrel bonus%'"
            return {*session.scalars(text(asked)), *session.scalars(text(pairs_of))}

    def proposed() -> bool:
        with house.sessions() as session:
            held = text("SELECT count(*) FROM pairs WHERE question LIKE '%kestrel bonus%'")
            return bool(session.scalar(held))

    eventually(proposed, "a pair comes of it")
    assert audiences() == {"workspace"}

    # Act and assert
    try:
        house.control("channel", channel=channel, is_private=True)
        eventually(lambda: audiences() == {f"channel:{channel}"}, "it is for the members")
    finally:
        house.control("channel", channel=channel, is_private=False)
        with transaction(house.sessions) as session:
            session.execute(text("DELETE FROM pairs WHERE question LIKE '%kestrel bonus%'"))


def test_an_admin_learns_nothing_of_a_private_channel_they_are_not_in(house: House) -> None:
    ada, ben = house.person("ada"), house.person("ben")
    general, private = house.channel("general"), house.channel("people-team")
    house.control("person", user=ben.id, is_admin=True)
    try:
        for words in ("ingest #people-team", f"ingest <#{private}|people-team>"):
            ben.command(general, words)
        eventually(
            lambda: sum("no such channel" in one for one in ben.whispers(general)) == 2,
            "both are refused alike",
        )
        said = ada.call("conversations.history", channel=general)["messages"]
        assert not any("#people-team" in one.get("text", "") for one in said)
    finally:
        house.control("person", user=ben.id, is_admin=False)


def test_an_expert_is_found_among_slacks_admins(house: House) -> None:
    ada, ben = house.person("ada"), house.person("ben")
    channel = ben.direct()
    answer = ben.answer(channel, ben.post(channel, "Which comet hit the fish market in 1911?"))
    ben.press(channel, answer, "answer_expert")
    eventually(
        lambda: any(
            "fish market" in one.get("text", "")
            for one in ada.call("conversations.history", channel=ada.direct())["messages"]
        ),
        "the admin is asked",
    )


def _proposed(house: House, question: str, audience: str) -> int:
    with transaction(house.sessions) as session:
        new = pairs.NewPair(
            question=question, answer="It does.", origin="correction", audience=audience
        )
        return pairs.propose(session, new).id


def test_admins_decide_on_what_they_may_see(house: House) -> None:
    ada, ben = house.person("ada"), house.person("ben")
    general = house.channel("general")
    with transaction(house.sessions) as session:
        session.execute(text("DELETE FROM pairs WHERE state = 'proposed'"))
    hidden = _proposed(house, "Does the hidden lamp blink?", f"user:{ben.id}")
    open_one = _proposed(house, "Does the open lamp blink?", "workspace")
    ada.command(general, "pairs")

    def card() -> dict[str, Any] | None:
        for one in ada.call("_workspace.ephemerals", channel=general)["messages"]:
            if "open lamp" in everything(one):
                return dict(one)
        return None

    shown = eventually(card, "the pairs are shown")
    assert "hidden lamp" not in everything(shown)
    assert "1 more come" in everything(shown)
    with transaction(house.sessions) as session:
        session.get_one(Pair, open_one).state = "stale"  # since it was shown
    row_of = next(
        block["block_id"]
        for block in shown["blocks"]
        for element in block.get("elements", [])
        if element.get("action_id") == APPROVE and element.get("value") == str(open_one)
    )
    ada.press(general, shown, APPROVE, block_id=row_of)
    eventually(
        lambda: any("has changed since" in one for one in ada.whispers(general)), "it is told"
    )
    with house.sessions() as session:
        assert session.get_one(Pair, open_one).state == "stale"
    with transaction(house.sessions) as session:
        for number in (hidden, open_one):
            session.delete(session.get_one(Pair, number))
