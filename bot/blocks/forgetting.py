"""Pure: what ``/phi3 forget me`` asks before it forgets."""

from __future__ import annotations

from bot.blocks.text import Block, button, section

FORGET_ME, KEEP_ME = "forget_me", "keep_me"


def ask(*, questions: int, pairs: int) -> list[Block]:
    """What would be removed, in numbers, and the two ways on."""
    asked = (
        "1 question with its answer" if questions == 1 else f"{questions} questions with answers"
    )
    words = (
        f"*Forget your words, for good?* This removes {asked}, {pairs} "
        f"pair{'' if pairs == 1 else 's'} written or asked by you, your feedback, and what Slack "
        "sent me of what you said and did. Adapters that learned from your words are retired at "
        "once. Your name stays known, to be taken out of what is learned from others. Documents "
        "that you added stay: `/phi3 forget TITLE` takes one away."
    )
    buttons = [
        button(FORGET_ME, "Forget my words", "yes", style="danger"),
        button(KEEP_ME, "Cancel", "no"),
    ]
    return [section(words), {"type": "actions", "elements": buttons}]
