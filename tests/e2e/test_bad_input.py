"""Bad input: one clear sentence each, nothing is lost, the workers live on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.e2e import garbage
from tests.e2e.person import Person, eventually, words
from tests.support.product import Product

pytestmark = pytest.mark.e2e


@pytest.fixture
def ada(product: Product) -> Person:
    """The admin."""
    return Person(product.workspace, "ada")


def test_each_bad_file_gets_a_sentence_and_the_next_good_one_is_read(
    product: Product, ada: Person, tmp_path: Path
) -> None:
    # Arrange
    files = garbage.make(tmp_path / "garbage")
    good = tmp_path / "lamp.md"
    good.write_text("# Lamp\n\nThe lamp of the northern pier burns whale-free rapeseed oil.\n")
    dm = ada.dm()
    workers = [product.state["parts"][name]["pid"] for name in ("ingest", "bot", "models")]

    # Act
    shared = {name: ada.share(path, dm) for name, path in files.items()}
    ada.share(good, dm)

    # Assert
    ada.said_in(dm, "I have read lamp.md")
    for name in shared:
        said = eventually(partial(verdict, ada, dm, name), what=f"a verdict on {name}")
        assert "traceback" not in said.lower()
        assert len(said) < 400, said
    assert "rapeseed" in words(ada.ask("Which oil does the lamp of the northern pier burn?"))
    assert workers == [product.state["parts"][name]["pid"] for name in ("ingest", "bot", "models")]


def verdict(person: Person, dm: str, name: str) -> str | None:
    """The bot's warning below the message that shared a file."""
    for message in person.history(dm):
        if any(file.get("name") == name for file in message.get("files", [])):
            for reply in person.thread(dm, message["ts"]):
                text = words(reply)
                if reply.get("bot_id") and ":warning:" in text:
                    return text
    return None


def test_an_empty_question_is_answered_with_how_to_ask(ada: Person) -> None:
    general = ada.channels["general"]
    ts = ada.mention(general, "")
    reply = eventually(
        lambda: next((m for m in ada.thread(general, ts) if m.get("bot_id")), None),
        what="a word about an empty question",
    )
    assert "question" in words(reply).lower() or "ask" in words(reply).lower()


def test_forty_thousand_characters_are_no_question(ada: Person) -> None:
    dm = ada.dm()
    ts = ada.say(dm, "why " * 10_000)
    reply = eventually(
        lambda: next((m for m in ada.thread(dm, ts) if m.get("bot_id")), None),
        what="a word about a very long question",
    )
    assert "4,000" in words(reply) or "long" in words(reply).lower()


def test_a_channel_that_the_bot_is_not_in(ada: Person) -> None:
    # The answer comes by direct message, or the command says what to do.
    dm = ada.dm()
    marker = ada.say(dm, "before")
    ada.command("ask How do I add my own documents?", ada.channels["random"])
    reply = ada.said_in(dm, "Share a file", after=marker)
    assert reply["bot_id"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("frobnicate the widgets", "There is no `/phi3 frobnicate`"),
        ("sorces", "Did you mean `/phi3 sources`"),
        ("help", "What I can do"),
        ("", "What I can do"),
        ("ask", "QUESTION"),
        ("status", "quoting the sources"),
        ("forget nothing-of-this-name", "I know no document here"),
        ("ingest ./secret.txt", "I cannot see your disk"),
    ],
)
def test_a_command_always_answers(ada: Person, text: str, told: str) -> None:
    place = ada.channels["general"]
    before = ada.say(place, "Let us see.")
    ada.command(text, place)
    ada.hears(place, told, after=before)
