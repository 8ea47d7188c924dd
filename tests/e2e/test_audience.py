"""A private channel's document answers in its channel and its members' DMs, nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.person import Person, finished, nodes, words
from tests.support.product import Product

pytestmark = pytest.mark.e2e

SECRET = "48,250"
TEXT = f"# Pay bands\n\nThe pay band of a lighthouse keeper in grade seven is {SECRET} crowns.\n"
QUESTION = "What is the pay band of a lighthouse keeper in grade seven?"


@pytest.fixture(scope="module")
def people(product: Product, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    """Everyone, after Chloé has shared the pay bands with the people team."""
    workspace = product.workspace
    found = {row["name"]: Person(workspace, row["name"]) for row in workspace["users"]}
    chloe = found["chloe"]
    path = tmp_path_factory.mktemp("pay") / "pay-bands.md"
    path.write_text(TEXT, "utf-8")
    private = chloe.channels["people-team"]
    chloe.share(path, private)
    chloe.said_in(private, "I have read pay-bands.md")
    return found


def refused(message: dict[str, object]) -> bool:
    """Whether it offers an expert in place of an answer."""
    return any(node.get("action_id") == "answer_expert" for node in nodes(message["blocks"]))


def test_who_is_answered_and_who_is_not(people: dict[str, Person]) -> None:
    # Arrange
    places = {
        "chloe in the channel itself": ("chloe", "people-team", True),
        "chloe in a direct message": ("chloe", None, True),
        "chloe in a public channel": ("chloe", "general", False),
        "ben, no member, in a direct message": ("ben", None, False),
        "ben in a public channel": ("ben", "general", False),
        "dev, a guest, in his channel": ("dev", "onboarding", False),
        "dev, a guest, in a direct message": ("dev", None, False),
        "elin of another organisation, in the shared channel": ("elin", "with-lakeside", False),
        "ada, a member, in the shared channel": ("ada", "with-lakeside", False),
    }

    # Act: all of them ask at once
    asked = {}
    for name, (who, channel, _) in places.items():
        person = people[who]
        place = person.channels[channel] if channel else person.dm()
        say = person.mention if channel else person.say
        asked[name] = (person, place, say(place, QUESTION))
    answers = {name: person.answer(place, ts) for name, (person, place, ts) in asked.items()}

    # Assert
    for name, (_, _, allowed) in places.items():
        assert finished(answers[name])
        assert (SECRET in words(answers[name])) == allowed, name
        assert refused(answers[name]) != allowed, name


def test_the_command_line_sees_what_the_person_sees(
    product: Product, people: dict[str, Person]
) -> None:
    answers = {
        name: json.loads(product.phi3("ask", QUESTION, "--json", *options).stdout)
        for name, options in {
            "everyone": (),
            "chloe": ("--as", people["chloe"].id),
            "ben": ("--as", people["ben"].id),
        }.items()
    }
    found = json.loads(product.phi3("search", QUESTION, "--json").stdout)

    assert answers["everyone"]["refused"]
    assert answers["ben"]["refused"]
    assert SECRET in answers["chloe"]["answer"]
    assert answers["chloe"]["citations"][0]["title"].startswith("Pay bands")
    assert not any(SECRET in row["text"] for row in found)


def test_a_deleted_file_is_gone_for_its_members_too(
    people: dict[str, Person], tmp_path: Path
) -> None:
    # Arrange
    ada = people["ada"]
    path = tmp_path / "buoys.md"
    path.write_text("# Buoys\n\nThe buoy called Old Henrietta is painted vermilion.\n", "utf-8")
    question = "How is the buoy called Old Henrietta painted?"
    file = ada.share(path, ada.dm())
    ada.said_in(ada.dm(), "I have read buoys.md")
    before = ada.ask(question)

    # Act
    ada.delete(file)
    after = ada.ask(question)

    # Assert
    assert "vermilion" in words(before)
    assert "vermilion" not in words(after)
    assert refused(after)
