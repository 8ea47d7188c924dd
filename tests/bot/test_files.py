"""Files over their life, and who may see them."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from bot.alone import alone
from models.store.session import transaction
from models.store.tables import Document
from tests.bot.house import House, eventually, everything, links

pytestmark = pytest.mark.integration


def _states(house: House, file_id: str) -> dict[str, str]:
    with house.sessions() as session:
        rows = session.execute(
            text("SELECT audience, state FROM documents WHERE external_id = :id"), {"id": file_id}
        )
        return {row.audience: row.state for row in rows}


def test_a_private_channels_file_stays_in_its_channel(house: House) -> None:
    ada, ben = house.person("ada"), house.person("ben")
    private, public = house.channel("people-team"), house.channel("general")
    file_id = ada.share(
        private, "salaries.md", b"# Salary bands\n\nThe senior salary band starts at 88000 euro.\n"
    )
    eventually(
        lambda: _states(house, file_id) == {f"channel:{private}": "ready"}, "the file is read"
    )
    question = "At how many euro does the senior salary band start?"
    inside = ada.ask(private, question)
    assert "88000" in everything(ada.answer(private, inside))
    outside = ada.ask(public, question)
    assert "88000" not in everything(ada.answer(public, outside))
    direct = ada.direct()
    alone = ada.post(direct, question)
    assert "88000" in everything(ada.answer(direct, alone))
    stranger = ben.direct()
    refused = ben.post(stranger, question)
    assert "88000" not in everything(ben.answer(stranger, refused))


def test_a_guests_channel_shows_its_own_documents_alone(house: House) -> None:
    ada, dev = house.person("ada"), house.person("dev")
    onboarding, general = house.channel("onboarding"), house.channel("general")
    shared = ada.share(
        onboarding, "laptops.md", b"# Laptops\n\nNew colleagues fetch their laptop in room 412.\n"
    )
    other = ada.share(
        general, "parking.md", b"# Parking\n\nThe parking garage opens with the code 7319.\n"
    )
    eventually(lambda: set(_states(house, shared).values()) == {"ready"}, "laptops.md is read")
    eventually(lambda: set(_states(house, other).values()) == {"ready"}, "parking.md is read")
    ts = dev.ask(onboarding, "In which room do new colleagues fetch their laptop?")
    assert "412" in everything(dev.answer(onboarding, ts))
    ts = ada.ask(onboarding, "With which code does the parking garage open?")
    assert "7319" not in everything(ada.answer(onboarding, ts))


def test_a_changed_file_is_read_again_and_a_deleted_one_is_gone_at_once(house: House) -> None:
    ben = house.person("ben")
    channel = ben.direct()
    file_id = ben.share(channel, "coffee.md", b"# Coffee\n\nThe coffee machine is on floor 3.\n")
    eventually(lambda: set(_states(house, file_id).values()) == {"ready"}, "coffee.md is read")
    ts = ben.post(channel, "On which floor is the coffee machine?")
    answer = ben.answer(channel, ts)
    assert "floor 3" in everything(answer)
    assert httpx.get(links(answer)[0], trust_env=False).status_code in (200, 302, 303)
    for floor in (4, 5):
        new = f"# Coffee\n\nThe coffee machine is on floor {floor}.\n".encode()
        made = ben.call("files.getUploadURLExternal", filename="coffee.md", length=len(new))
        httpx.post(made["upload_url"], content=new, trust_env=False).raise_for_status()
        ben.call("_workspace.file.replace", file=file_id, upload=made["file_id"])
        root = ben.call("conversations.history", channel=channel)["messages"]
        shared = next(one["ts"] for one in root if one.get("files"))
        ben.answer(
            channel, shared, count=floor - 3, having="I have read the new version of coffee.md"
        )
    ts = ben.post(channel, "On which floor is the coffee machine?")
    assert "floor 5" in everything(ben.answer(channel, ts))
    with alone(house.sessions, f"slack file {file_id}"):  # whatever else is being done with it
        ben.call("files.delete", file=file_id)
        eventually(lambda: set(_states(house, file_id).values()) == {"deleted"}, "it is forgotten")
    ts = ben.post(channel, "On which floor is the coffee machine?")
    assert "floor 5" not in everything(ben.answer(channel, ts))


def test_what_cannot_be_read_is_said_in_words(house: House) -> None:
    ben = house.person("ben")
    channel = ben.direct()
    ben.share(channel, "photo.png", b"\x89PNG\r\n\x1a\n" + b"0" * 200)

    def told() -> bool:
        return any(
            "no text that I can read" in one.get("text", "")
            for root in ben.call("conversations.history", channel=channel)["messages"]
            for one in [root, *ben.thread(channel, root["ts"])]
        )

    eventually(told, "photo.png is refused in words")


def test_a_missing_scope_is_named(house: House) -> None:
    ben = house.person("ben")
    channel = ben.direct()
    house.control("scopes", without=["files:read"])
    ben.share(channel, "secret.md", b"# Secret\n\nNothing to see here at all, move along.\n")

    def told() -> bool:
        return any(
            "could not" in one.get("text", "") or "files:read" in one.get("text", "")
            for root in ben.call("conversations.history", channel=channel)["messages"]
            for one in [root, *ben.thread(channel, root["ts"])]
        )

    eventually(told, "the missing scope is told")


def test_slash_commands(house: House) -> None:
    ben = house.person("ben")
    channel = house.channel("engineering")
    assert "/phi3 ingest" in ben.command(channel, "help")
    assert "There is no `/phi3 inges`" in ben.command(channel, "inges x")
    ben.command(
        channel,
        "ingest The release train leaves every second Tuesday at ten o'clock, rain or shine.",
    )
    eventually(
        lambda: any(
            "have read" in one.get("text", "") and "release train" in one.get("text", "")
            for one in ben.call("conversations.history", channel=channel)["messages"]
        ),
        "the text is read",
    )
    ben.command(channel, "ask When does the release train leave?")
    root = eventually(
        lambda: next(
            (
                one
                for one in ben.call("conversations.history", channel=channel)["messages"]
                if "asks: When does the release train" in one.get("text", "")
            ),
            None,
        ),
        "the question is shown",
    )
    answer = ben.answer(channel, root["ts"])
    assert "second Tuesday" in everything(answer)
    page = next(url for url in links(answer) if "/documents/" in url)
    opened = httpx.get(page, trust_env=False)
    assert opened.status_code == 200
    assert 'id="cited"' in opened.text
    assert httpx.get(page.replace("sig=", "sig=0"), trust_env=False).status_code == 403
    ben.command(channel, "sources release")
    eventually(
        lambda: any("1 document that you may see" in one for one in ben.whispers(channel)),
        "the list",
    )
    ben.command(
        channel,
        "forget The release train leaves every second Tuesday at ten o'clock, rain or shine.",
    )
    eventually(lambda: any("Forgotten:" in one for one in ben.whispers(channel)), "forgotten")
    assert httpx.get(page, trust_env=False).status_code == 404
    ben.command(channel, "status")
    eventually(
        lambda: any("no language model is set up" in one for one in ben.whispers(channel)),
        "the status",
    )
    ben.command(channel, "ingest #general")
    eventually(lambda: any("for admins" in one for one in ben.whispers(channel)), "a refusal")


def test_a_document_is_forgotten_by_what_people_call_it(house: House) -> None:
    # Arrange: two files of one name, whose titles became their headings, and a typed text
    ada = house.person("ada")
    channel = ada.direct()
    tide = "The tide tables hang beside the door of the…"
    with transaction(house.sessions) as session:
        for uri, title, filename, origin in (
            ("file:///a/leave-policy.md", "Leave", "leave-policy.md", "cli"),
            ("file:///b/bell.md", "The bell", "bell.md", "cli"),
            ("file:///c/bell.md", "Another bell", "bell.md", "cli"),
            ("file:///d/own.md", "My own manual", "own.md", "built-in"),
            ("text:0123", tide, "text.md", "slack_text"),
        ):
            session.add(
                Document(
                    uri=uri, audience="workspace", title=title, filename=filename, origin=origin,
                    state="ready",
                )
            )  # fmt: skip

    # Act and assert
    def told(words: str, *expected: str) -> None:
        ada.command(channel, words)
        eventually(
            lambda: any(all(one in seen for one in expected) for seen in ada.whispers(channel)),
            f"what comes of {words}",
        )

    try:
        told("sources", "• 1 more about me came with me: `/phi3 sources built-in`")
        told("sources built-in", "*1 document that you may see here*\n• My own manual")
        told("forget text.md", "no document here by the name or link “text.md”")
        told("forget The tide...", "by the name or link “The tide”. `/phi3")
        told("forget bell.md", "Several", "“The bell” (file:///b/bell.md)", "file:///c/bell.md")
        told("forget Leave-Policy.md", "Forgotten: “Leave”.")
        told("forget The tide tables hang beside the door of the", "Forgotten: “The tide tables")
        told("forget own.md", "Forgotten: “My own manual”.")
    finally:
        with transaction(house.sessions) as session:
            session.execute(
                text("DELETE FROM documents WHERE uri ~ '^file:///[abcd]/' OR uri = 'text:0123'")
            )


def test_among_thousands_of_documents_each_is_found(house: House) -> None:
    # Arrange: a folder from the command line, newer than all else
    ada = house.person("ada")
    channel = ada.direct()
    with transaction(house.sessions) as session:
        session.execute(
            text(
                "INSERT INTO documents (uri, audience, title, origin, state) SELECT "
                "'file:///many/' || n || '.md', 'workspace', 'Many ' || n, 'cli', 'ready' "
                "FROM generate_series(10000, 15100) AS n"
            )
        )
    try:
        # Act
        ada.command(channel, "sources")
        ada.command(channel, "sources many 15100")
        ada.command(channel, "forget many 15100")

        # Assert
        expected = {
            "more: `/phi3 sources WORD`",
            "*1 document that you may see here*\n• Many 15100",
            "Forgotten: “Many 15100”.",
        }
        eventually(
            lambda: all(any(words in one for one in ada.whispers(channel)) for words in expected),
            "all three answers",
        )
    finally:
        with transaction(house.sessions) as session:
            session.execute(text("DELETE FROM documents WHERE uri LIKE 'file:///many/%'"))


def test_a_link_to_a_file_that_is_known_already_is_answered(house: House) -> None:
    # Arrange
    ada, ben = house.person("ada"), house.person("ben")
    shared = ada.share(house.channel("engineering"), "buoys.md", b"# Buoys\n\nBuoy 9 is green.\n")
    eventually(lambda: set(_states(house, shared).values()) == {"ready"}, "buoys.md is read")
    link = ben.call("files.info", file=shared)["file"]["permalink"]
    direct = ben.direct()

    # Act
    ben.command(direct, f"ingest <{link}>")

    # Assert
    eventually(
        lambda: any(
            "I know buoys.md already" in one.get("text", "")
            for one in ben.call("conversations.history", channel=direct)["messages"]
        ),
        "what is known of the file",
    )
