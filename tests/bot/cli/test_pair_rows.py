"""One row of a file of pairs."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bot.cli.pair_rows import BadRow, given

PAIR = {"question": "Q", "answer": "A"}
EXPORTED = PAIR | {"origin": "correction", "state": "approved", "audience": "user:U5"}


def test_passages_come_as_words_or_as_objects() -> None:
    found = given(PAIR | {"passages": ["one", {"title": "T", "text": "two", "url": "https://x/"}]})
    assert [(p["title"], p["text"], p["link"]) for p in found.passages] == [
        ("Imported passage", "one", None),
        ("T", "two", "https://x/"),
    ]
    assert len({p["hash"] for p in found.passages}) == 2
    assert given(PAIR | {"passages": '["in a cell"]'}).passages[0]["text"] == "in a cell"
    assert given(PAIR | {"passages": "[words"}).passages[0]["text"] == "[words"


def test_of_a_passage_what_names_rows_of_elsewhere_is_dropped() -> None:
    foreign = {
        "text": "t\x00ext", "document_id": "kb-17", "chunk_id": 3, "hash": {}, "pair_id": 9,
        "score": math.nan, "link": "javascript:x",
    }  # fmt: skip
    (kept,) = given(PAIR | {"passages": [foreign]}).passages
    assert (kept["document_id"], kept["chunk_id"], kept["pair_id"]) == (None, None, None)
    assert (kept["text"], kept["score"], kept["link"]) == ("text", 0.0, None)
    assert len(kept["hash"]) == 64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"passages": [1]}, "passage 1 is neither text nor an object"),
        ({"passages": 5}, "passage 1 is neither text nor an object"),
        ({"passages": [{"text": ["t"]}]}, "passage 1 is not text"),
        ({"passages": ["\ud800"]}, "half a character"),
        ({"passages": "[" * 200_000}, "nested too deeply"),
        ({"passages": [{"text": "t", "audience": "public"}]}, "'public' is no audience"),
        ({"passages": [{"text": "t", "audience": 5}]}, "audience of passage 1 is not text"),
        ({"audience": "customers"}, "'customers' is no audience"),
        ({"answer": math.nan}, "answer is not text"),
        ({"answer": ["a"]}, "answer is not text"),
        ({"answer": True}, "answer is not text"),
        ({"answer": " "}, "needs a question and an answer"),
        ({"question": "a\ud800"}, "half a character"),
    ],
)
def test_an_odd_value_is_said(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRow, match=says):
        given(PAIR | change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state": "fine"}, "'fine' is no state of a pair"),
        ({"author": "Jane Doe"}, "'Jane Doe' is no Slack user id"),
        ({"contributors": "U1"}, "no list of Slack user ids"),
        ({"contributors": [{}]}, "no Slack user id"),
        ({"consent": "yes"}, "consent is neither true nor false"),
    ],
)
def test_an_odd_value_of_an_export_is_said(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRow, match=says):
        given(EXPORTED | change)


def test_numbers_are_words_and_a_missing_state_is_none() -> None:
    found = given({"Question ": "How many?", "answer": 42, "author": "Jane Doe", "lang": "en"})
    assert (found.answer, found.author, found.state, found.consent) == ("42", None, None, True)
    assert (found.audience, found.language) == ("workspace", "en")


def test_alpacas_input_belongs_to_its_instruction() -> None:
    alpaca = {"instruction": "Translate.", "input": "Gull", "output": "Möwe"}
    assert given(alpaca).question == "Translate.\nGull"
    assert given(alpaca | {"input": ""}).question == "Translate."
    assert given(alpaca | {"question": "What is a gull?"}).question == "What is a gull?"


def test_an_export_that_does_not_say_so_gives_no_consent() -> None:
    found = given(EXPORTED)
    assert (found.consent, found.audience, found.state) == (False, "user:U5", "approved")
