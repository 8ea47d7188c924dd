"""Pure: the home tab."""

from __future__ import annotations

from collections.abc import Sequence

from bot.blocks.text import Block, section

PROMPTS = (
    ("Add documents", "How do I add my own documents?"),
    ("Who sees what", "Who can see the documents that I add?"),
    ("Learning", "How does the expert learn from corrections?"),
)


def home(status: Sequence[str], *, help_text: str) -> Block:
    """The view for ``views.publish``; ``status`` lines are mrkdwn."""
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Your team's expert"}},
            section(
                "Ask me in the *Messages* tab, or mention me in a channel. I answer from the "
                "documents that you may see there, and name them."
            ),
            {"type": "divider"},
            section("*How things are*\n" + "\n".join(status)),
            {"type": "divider"},
            section(help_text),
        ],
    }


def suggested_prompts() -> list[dict[str, str]]:
    """What the pane proposes to somebody who has asked nothing yet."""
    return [{"title": title, "message": message} for title, message in PROMPTS]
