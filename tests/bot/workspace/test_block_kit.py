"""What Slack would refuse."""

from __future__ import annotations

import pytest

from bot.workspace.block_kit import characters, problems_of
from bot.workspace.mrkdwn import link_urls, mentioned

PLAIN = {"type": "plain_text", "text": "x"}


def section(text: str) -> dict[str, object]:
    """A section block."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(**more: object) -> dict[str, object]:
    """A button."""
    return {"type": "button", "text": PLAIN, "action_id": "a"} | more


@pytest.mark.parametrize(
    "block",
    [
        section("x" * 3000),
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 150}},
        {"type": "markdown", "text": "x" * 12_000},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 10},
        {"type": "actions", "elements": [button(value="x" * 2000)]},
        {"type": "divider"},
        {
            "type": "context_actions",
            "elements": [
                {
                    "type": "feedback_buttons",
                    "action_id": "f",
                    "positive_button": {"text": PLAIN, "value": "1"},
                    "negative_button": {"text": PLAIN, "value": "0"},
                }
            ],
        },
        {
            "type": "rich_text",
            "elements": [
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}
            ],
        },
        {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]},
    ],
)
def test_what_is_allowed(block: dict[str, object]) -> None:
    """The limits themselves."""
    assert problems_of([block]) == []


@pytest.mark.parametrize(
    ("block", "pointer"),
    [
        (section("x" * 3001), "/blocks/0/text/text"),
        (section(""), "/blocks/0/text/text"),
        ({"type": "section"}, "/blocks/0"),
        ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "/blocks/0/text/type"),
        ({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}, "/blocks/0/text"),
        ({"type": "markdown", "text": "x" * 12_001}, "/blocks/0/text"),
        ({"type": "context", "elements": [PLAIN] * 11}, "/blocks/0/elements"),
        ({"type": "actions", "elements": []}, "/blocks/0/elements"),
        ({"type": "actions", "elements": [button(value="x" * 2001)]}, "elements/0/value"),
        ({"type": "actions", "elements": [button(), button()]}, "/blocks/0/elements"),
        ({"type": "actions", "elements": [button(action_id="x" * 256)]}, "elements/0/action_id"),
        ({"type": "actions", "elements": [button(url="javascript:1")]}, "elements/0/url"),
        ({"type": "divider", "block_id": "x" * 256}, "/blocks/0/block_id"),
        ({"type": "image", "image_url": "https://x.example/x.png"}, "/blocks/0"),
        ({"type": "carousel_of_dreams"}, "/blocks/0/type"),
        ({"type": "input", "label": PLAIN, "element": button()}, "/blocks/0/element/type"),
    ],
)
def test_what_is_not(block: dict[str, object], pointer: str) -> None:
    """Each problem names its place."""
    problems = problems_of([block])
    assert problems
    assert any(pointer in problem for problem in problems)


def test_counts_and_ids_of_all_blocks() -> None:
    """Fifty blocks, no id twice, and only an array."""
    assert problems_of([{"type": "divider"}] * 50) == []
    assert problems_of([{"type": "divider"}] * 51)
    assert problems_of([{"type": "divider", "block_id": "a"}] * 2)
    assert problems_of({"type": "divider"})
    assert problems_of([{"type": "markdown", "text": "x"}], surface="modal")
    assert characters([section("abc"), {"type": "markdown", "text": "de"}]) == 5


def test_texts_are_stored_as_slack_stores_them() -> None:
    """Addresses are wrapped, code and what is wrapped already stay."""
    assert link_urls("see https://a.example/b. ok") == "see <https://a.example/b>. ok"
    assert link_urls("<https://a.example|a> `https://b.example`") == (
        "<https://a.example|a> `https://b.example`"
    )
    assert mentioned("hi <@U1> and <@U2|ben>") == {"U1", "U2"}
