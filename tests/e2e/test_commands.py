"""Slash commands over a document's life: ingest, ask, sources, forget."""

from __future__ import annotations

import pytest

from tests.e2e.person import Person, nodes, words
from tests.support.product import Product

pytestmark = pytest.mark.e2e

TEXT = "The harbour master of Quillmere is called Ottoline Fairweather and keeps the tide book."
QUESTION = "What is the harbour master of Quillmere called?"


def test_text_is_ingested_asked_about_listed_and_forgotten(product: Product) -> None:
    # Arrange
    ada = Person(product.workspace, "ada")
    place = ada.channels["engineering"]
    start = ada.say(place, "Let us see.")

    # Act, assert: ingest
    acknowledged = ada.command(f"ingest {TEXT}", place)
    assert acknowledged["ok"]
    ada.said_in(place, "I have read", after=start)

    # ask
    ada.command(f"ask {QUESTION}", place)
    answer = ada.said_in(place, "Sources", after=start)
    assert "Ottoline Fairweather" in words(answer)
    assert any(node.get("action_id") == "answer_feedback" for node in nodes(answer["blocks"]))

    # sources
    ada.command("sources", place)
    ada.hears(place, "harbour master of Quillmere")

    # forget
    ((uri,),) = product.rows(
        "SELECT uri FROM documents WHERE state = 'ready' AND title ILIKE %s", "%harbour master%"
    )
    ada.command(f"forget {uri}", place)
    ada.hears(place, "Forgotten")
    refused = ada.ask(QUESTION, channel=place)
    assert "Ottoline" not in words(refused)
    assert any(node.get("action_id") == "answer_expert" for node in nodes(refused["blocks"]))
