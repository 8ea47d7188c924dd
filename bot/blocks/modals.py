"""Pure: modals."""

from __future__ import annotations

from bot.blocks.text import TYPED, Block, fits, plain, section, shorten

CORRECTION = "answer_correction"
ANSWER = "better_answer"


def correction(question: str, shown: str, private_metadata: str) -> Block:
    """The modal that takes a better answer; ``private_metadata`` comes back with it."""
    return {
        "type": "modal",
        "callback_id": CORRECTION,
        "private_metadata": private_metadata,
        "title": {"type": "plain_text", "text": "A better answer"},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "blocks": [
            section(f"*Question*\n{plain(shorten(question, 1_000))}"),
            {
                "type": "input",
                "block_id": ANSWER,
                "label": {"type": "plain_text", "text": "What should the answer be?"},
                "hint": {
                    "type": "plain_text",
                    "text": "It is used once an admin has approved it.",
                },
                "element": {
                    "type": "plain_text_input",
                    "action_id": ANSWER,
                    "multiline": True,
                    "max_length": TYPED,
                    # What does not fit is not begun from: a correction would cut it.
                    **({"initial_value": shown} if shown and fits(shown) else {}),
                },
            },
        ],
    }
