"""Asking and being answered in Slack, through every real part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from models.store import documents
from models.store.session import transaction
from tests.bot.house import House, eventually, everything, links

pytestmark = pytest.mark.integration

PARENTAL = b"""# Parental leave

Every parent may take 26 weeks of paid parental leave in the first two years after a birth.
The leave is requested from the People team at least eight weeks ahead.

# Bicycle scheme

The company pays half of the price of a bicycle, up to 900 euro, every three years.
"""


@pytest.fixture(scope="module")
def handbook(house: House) -> str:
    """A document that everybody may see; its file id."""
    ada = house.person("ada")
    general = house.channel("general")
    file_id = ada.share(general, "handbook.md", PARENTAL)
    eventually(
        lambda: any("have read" in one.get("text", "") for one in _history(house, general)),
        "handbook.md is read",
    )
    return file_id


def _history(house: House, channel: str) -> list[dict[str, Any]]:
    person = house.person("ada")
    roots = person.call("conversations.history", channel=channel, limit=50)["messages"]
    replies = [
        reply
        for root in roots
        if root.get("reply_count")
        for reply in person.thread(channel, root["ts"])
    ]
    return [*roots, *replies]


def test_a_mention_is_answered_in_its_thread_with_a_source_that_opens(
    house: House, handbook: str
) -> None:
    ben = house.person("ben")
    channel = house.channel("general")
    ts = ben.ask(channel, "How many weeks of parental leave may a parent take?")
    answer = ben.answer(channel, ts)
    words = everything(answer)
    assert "26 weeks" in words
    assert "[1]" in words
    assert "handbook" in words
    assert "quoting the sources" in words
    assert "feedback_buttons" in words
    opened = httpx.get(links(answer)[0], trust_env=False, follow_redirects=True)
    assert opened.status_code == 200


def test_a_follow_up_needs_no_mention_and_knows_what_was_asked(house: House, handbook: str) -> None:
    ben = house.person("ben")
    channel = house.channel("general")
    ts = ben.ask(channel, "Does the company pay for a bicycle?")
    ben.answer(channel, ts)
    ben.post(channel, "And up to how much?", thread_ts=ts)
    assert "900 euro" in everything(ben.answer(channel, ts, count=2))


def test_nothing_known_is_refused_with_a_way_to_an_expert(house: House, handbook: str) -> None:
    ben = house.person("ben")
    channel = house.channel("general")
    ts = ben.ask(channel, "What is the boiling point of tungsten hexafluoride?")
    answer = ben.answer(channel, ts)
    assert "would rather not guess" in answer["text"]
    ben.press(channel, answer, "answer_expert")
    ben.answer(channel, ts, having="I passed this on to")
    ada = house.person("ada")
    direct = ada.direct()
    request = eventually(
        lambda: next(
            (
                one
                for one in ada.call("conversations.history", channel=direct)["messages"]
                if "tungsten" in one.get("text", "")
            ),
            None,
        ),
        "ada is asked",
    )
    ada.post(direct, "It boils at 17 degrees Celsius.", thread_ts=request["ts"])
    brought = ben.answer(channel, ts, having="17 degrees")
    assert f"<@{ada.id}> answers" in brought["text"]


def test_a_question_asked_early_hears_that_documents_are_still_being_read(house: House) -> None:
    with transaction(house.sessions) as session:
        waiting = documents.register(
            session, uri="file:///late.md", audience="workspace", title="late.md", origin="cli"
        ).document_id
    ben = house.person("ben")
    channel = house.channel("general")
    ts = ben.ask(channel, "What is the melting point of tungsten carbide?")
    answer = ben.answer(channel, ts)
    assert "would rather not guess. I am still reading 1 document;" in answer["text"]
    with transaction(house.sessions) as session:
        documents.forget(session, waiting, actor="test")


def test_a_mention_without_words_gets_a_hint(house: House) -> None:
    ben = house.person("ben")
    channel = house.channel("engineering")
    ts = ben.post(channel, f"<@{ben.bot}>")
    assert "Ask me a question" in ben.answer(channel, ts)["text"]
    ben.post(channel, f"<@{ben.bot}> thanks!", thread_ts=ts)
    assert "You are welcome" in ben.answer(channel, ts, count=2)["text"]


def test_forty_thousand_characters_get_a_sentence(house: House) -> None:
    ben = house.person("ben")
    channel = ben.direct()
    ts = ben.post(channel, "why " * 10_000)
    assert "questions of up to 4,000" in ben.answer(channel, ts)["text"]


def test_thumbs_are_kept_and_thanked_for(house: House, handbook: str) -> None:
    ben = house.person("ben")
    channel = house.channel("general")
    ts = ben.ask(channel, "How long ahead is parental leave requested?")
    answer = ben.answer(channel, ts)
    button = next(
        element
        for block in answer["blocks"]
        if block["type"] == "context_actions"
        for element in block["elements"]
    )
    ben.press(channel, answer, "answer_feedback", value=button["positive_button"]["value"])
    eventually(
        lambda: any("this answer was good" in one for one in ben.whispers(channel)), "thanks"
    )

    def proposed() -> list[str]:
        with house.sessions() as session:
            return list(session.scalars(text("SELECT question FROM pairs WHERE origin = 'thumb'")))

    assert proposed() == ["How long ahead is parental leave requested?"]
    ben.press(channel, answer, "answer_feedback", value=button["negative_button"]["value"])
    eventually(lambda: any("was not good" in one for one in ben.whispers(channel)), "thanks")
    assert proposed() == []


def test_a_better_answer_is_taken_in_a_modal(house: House, handbook: str) -> None:
    ben = house.person("ben")
    channel = house.channel("general")
    ts = ben.ask(channel, "Who pays half of the price of a bicycle?")
    answer = ben.answer(channel, ts)
    ben.press(channel, answer, "answer_correct")
    view = eventually(lambda: ben.call("_workspace.views")["views"], "the modal")[-1]

    def submit(words: str) -> dict[str, Any]:
        values = {"better_answer": {"better_answer": words}}
        return ben.call("_workspace.view.submit", view_id=view["id"], values=values)

    (shown,) = (one["element"]["initial_value"] for one in view["blocks"] if "element" in one)
    assert submit(f"{shown}\n")["errors"] == {"better_answer": "This is the answer as it stands."}
    submit("Harbor & Pine pays half. [1]")

    def proposed() -> bool:
        from sqlalchemy import select

        from models.store.tables import Pair

        with house.sessions() as session:
            return bool(session.scalars(select(Pair).where(Pair.origin == "correction")).first())

    eventually(proposed, "a proposed pair")


def test_an_edited_question_is_answered_anew_in_place(house: House, handbook: str) -> None:
    ben = house.person("ben")
    channel = house.channel("general")
    ts = ben.ask(channel, "How many weeks of parental leave may a parent take?")
    first = ben.answer(channel, ts)
    ben.call(
        "chat.update", channel=channel, ts=ts, text=f"<@{ben.bot}> Up to how much for a bicycle?"
    )
    second = ben.answer(channel, ts, having="900 euro")
    assert second["ts"] == first["ts"]
    assert len(ben.thread(channel, ts)) == 1


def _phi3(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from bot.cli.main import main; main()", *arguments],
        env=dict(house.environment),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_line_answers_as_the_bot_does(house: House, handbook: str) -> None:
    asked = _phi3(house, "ask", "How many weeks of parental leave may a parent take?", "--json")
    assert asked.returncode == 0, asked.stderr
    body = json.loads(asked.stdout)
    assert "26 weeks" in body["answer"]
    assert body["citations"][0]["n"] == 1
    assert (body["refused"], body["generator"], body["adapter"]) == (False, "extractive", None)
    refused = _phi3(house, "ask", "What is the boiling point of tungsten hexafluoride?")
    assert refused.returncode == 0
    assert "would rather not guess" in refused.stdout
    guest = _phi3(
        house, "ask", "--as", house.person("dev").id, "--json",
        "How many weeks of parental leave may a parent take?",
    )  # fmt: skip
    assert json.loads(guest.stdout)["refused"] is True
    assert _phi3(house, "ask", " ").returncode != 0
    listed = _phi3(house, "adapters", "list").stdout
    assert listed == "There are no adapters yet; the extractive reader answers.\n"


def test_who_asks_where_the_bot_is_not_is_told_where_it_answers(
    house: House, handbook: str
) -> None:
    ben = house.person("ben")
    channel, direct = house.channel("random"), ben.direct()
    ben.command(channel, "ask How many weeks of parental leave may a parent take?")
    eventually(
        lambda: "I answer in our direct message." in ben.whispers(channel), "where the answer comes"
    )
    root = next(
        one["ts"]
        for one in ben.call("conversations.history", channel=direct)["messages"]
        if "asks: How many weeks" in one.get("text", "")
    )
    assert "26 weeks" in everything(ben.answer(direct, root))


def test_a_person_or_place_that_is_not_there_gets_a_sentence(house: House) -> None:
    ben, dev = house.person("ben").id, house.person("dev").id
    for status, asker, words in [
        (2, ("--as", "U0NOBODY"), "no person U0NOBODY"),
        (2, ("--as", ben, "--channel", "CNOPE"), "no channel CNOPE"),
        (1, ("--as", dev, "--channel", house.channel("general")), f"{dev} is not in"),
    ]:
        asked = _phi3(house, "ask", *asker, "How many weeks of leave?")
        assert (asked.returncode, asked.stdout) == (status, "")
        assert words in asked.stderr
        assert len(asked.stderr.splitlines()) == 1, asked.stderr


def test_nothing_is_ingested_for_a_channel_or_person_that_slack_does_not_know(
    house: House, tmp_path: Path
) -> None:
    note = tmp_path / "tides.md"
    note.write_text("The tide of the eleventh is the highest of the year.")
    ben = house.person("ben")
    for audience, words in [
        ("channel:C0NOPE", "no channel C0NOPE"),
        ("user:U0NOBODY", "no person U0NOBODY"),
        (f"channel:{ben.direct()}", f"name its person, user:{ben.id}"),
    ]:
        said = _phi3(house, "ingest", str(note), "--audience", audience)
        assert (said.returncode, said.stdout) == (2, "")
        assert words in said.stderr
        assert len(said.stderr.splitlines()) == 1, said.stderr
    general = house.channel("general")
    taken = _phi3(house, "ingest", str(note), "--audience", f"channel:{general}")
    assert (taken.returncode, general in taken.stderr) == (0, False)
    assert _phi3(house, "forget", str(note), "--yes").returncode == 0


def test_somebody_who_became_a_guest_is_one_at_once(house: House) -> None:
    ben = house.person("ben").id
    sees = ("search", "--as", ben, "--json", "parental leave")
    assert _phi3(house, *sees).returncode == 0
    look = "SELECT is_guest FROM members WHERE user_id = :user"

    def is_guest() -> bool:
        with house.sessions() as session:
            return bool(session.execute(text(look), {"user": ben}).scalar())

    assert not is_guest()
    house.control("person", user=ben, is_restricted=True)
    try:
        eventually(is_guest, "the bot hears of it")
    finally:
        house.control("person", user=ben, is_restricted=False)
    eventually(lambda: not is_guest(), "the bot hears of it")
