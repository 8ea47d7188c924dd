"""What must survive: kill -9, a database away, a stream that breaks, a busy Slack, a proxy."""

from __future__ import annotations

import time

import httpx
import pytest
from sqlalchemy import select, text

from models.store.tables import Answer, Event, Question
from tests.bot.house import House, eventually, everything

pytestmark = pytest.mark.integration

FACTS = b"""# Harbor facts

The harbour master's telephone number is 555 0142 and it is answered day and night.
The ferry to the island leaves at seven in the morning and at six in the evening.
"""


@pytest.fixture(scope="module")
def harbor(house: House) -> str:
    """A document in the channel of engineers."""
    ben = house.person("ben")
    channel = house.channel("engineering")
    file_id = ben.share(channel, "harbor.md", FACTS)

    def ready() -> bool:
        with house.sessions() as session:
            row = session.execute(
                text("SELECT state FROM documents WHERE external_id = :id"), {"id": file_id}
            ).first()
        return row is not None and row.state == "ready"

    eventually(ready, "harbor.md is read")
    return channel


def _answers(house: House, channel: str, ts: str) -> list[Answer]:
    with house.sessions() as session:
        return list(
            session.scalars(
                select(Answer)
                .join(Question, Question.id == Answer.question_id)
                .where(Question.channel_id == channel, Question.message_ts == ts)
            )
        )


@pytest.mark.parametrize("method", ["chat.stopStream", "chat.startStream", "conversations.info"])
def test_a_bot_killed_in_the_middle_of_an_answer_finishes_it_once(
    house: House, harbor: str, method: str
) -> None:
    ben = house.person("ben")
    house.control("fail", method=method, times=1, status=0, delay=8)
    ts = ben.ask(harbor, "What is the harbour master's telephone number?")

    def under_way() -> bool:
        with house.sessions() as session:
            event = session.scalars(
                select(Event).where(Event.message_key.endswith(f":{ts}"))
            ).first()
        return event is not None and event.state == "claimed"

    eventually(under_way, "the question is claimed")
    time.sleep(1.5)
    with house.bot_down():
        house.control("clear")
        with (
            house.sessions() as session,
            session.begin(),
        ):  # the lease would run out in half a minute
            session.execute(text("UPDATE events SET claimed_until = now() WHERE state = 'claimed'"))

    def done() -> bool:
        rows = _answers(house, harbor, ts)
        return len(rows) == 1 and rows[0].state == "done"

    eventually(done, "the answer is finished")
    messages = ben.thread(harbor, ts)
    assert len(messages) == 1, [everything(one) for one in messages]
    assert "555 0142" in everything(messages[0])
    assert "feedback_buttons" in everything(messages[0])


def test_without_its_database_the_bot_acknowledges_nothing_and_loses_nothing(
    house: House, harbor: str
) -> None:
    ben = house.person("ben")
    with house.sessions() as session:
        session.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        ts = ben.ask(harbor, "When does the ferry to the island leave in the morning?")
        time.sleep(1.0)
        assert house.control("deliveries")["waiting"] >= 1
    answer = ben.answer(harbor, ts)
    assert "seven in the morning" in everything(answer)
    assert len(ben.thread(harbor, ts)) == 1


def test_a_stream_that_breaks_gives_way_to_an_update(house: House, harbor: str) -> None:
    ben = house.person("ben")
    house.control(
        "fail", method="chat.stopStream", times=1, status=200,
        error="message_not_in_streaming_state",
    )  # fmt: skip
    ts = ben.ask(harbor, "When does the ferry to the island leave in the morning?")
    answer = ben.answer(harbor, ts, having="Sources")
    assert "seven in the morning" in everything(answer)
    assert len(ben.thread(harbor, ts)) == 1


def test_no_streaming_at_all_still_answers(house: House, harbor: str) -> None:
    ben = house.person("ben")
    house.control("fail", method="chat.startStream", times=3, status=200, error="unknown_method")
    ts = ben.ask(harbor, "What is the telephone number of the harbour master?")
    answer = ben.answer(harbor, ts, having="Sources")
    assert "555 0142" in everything(answer)
    assert len(ben.thread(harbor, ts)) == 1


def test_a_busy_slack_is_waited_for(house: House, harbor: str) -> None:
    ben = house.person("ben")
    house.control("fail", method="chat.startStream", times=1, status=429, retry_after=2)
    begun = time.monotonic()
    ts = ben.ask(harbor, "What is the harbour master's number?")
    assert "555 0142" in everything(ben.answer(harbor, ts, having="Sources"))
    assert time.monotonic() - begun >= 2


def test_a_lost_connection_is_made_again(house: House, harbor: str) -> None:
    ben = house.person("ben")
    house.control("disconnect", reason="refresh_requested")
    ts = ben.ask(harbor, "When does the ferry to the island leave in the evening?")
    assert "six in the evening" in everything(ben.answer(harbor, ts, having="Sources"))


def test_models_away_for_good_are_told_in_a_sentence_with_an_id(house: House, harbor: str) -> None:
    ben = house.person("ben")
    house.line.cut = True
    try:
        ts = ben.ask(harbor, "What is the harbour master's telephone number?")
        answer = ben.answer(harbor, ts, having="could not finish")
    finally:
        house.line.cut = False
    assert "this id: " in answer["text"]
    error_id = answer["text"].rstrip(".")[-8:]
    assert error_id in house.bot.tail()


def test_the_bot_ends_within_seconds_when_asked_to(house: House) -> None:
    process = house.bot.process
    assert process is not None
    begun = time.monotonic()
    process.terminate()
    assert process.wait(10) == 0
    assert time.monotonic() - begun < 8
    house.start_bot()


def test_other_hosts_and_origins_are_refused(house: House) -> None:
    assert httpx.get(f"{house.bot_url}/health", trust_env=False).status_code == 200
    strange = {"Host": "evil.example"}
    assert httpx.get(f"{house.bot_url}/health", headers=strange, trust_env=False).status_code == 421
    page = {"Origin": "https://evil.example"}
    assert httpx.get(f"{house.bot_url}/health", headers=page, trust_env=False).status_code == 403
