"""Fits a chat to a chat template; no tokenizer library is needed here, one's object is given.

Phi-3's first template silently drops the system turn: it is then the beginning of the first
question, for serving and for training alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]


def shows_system(tokenizer: Any) -> bool:
    """Whether the tokenizer's template writes what a system turn says."""
    mark = "a mark to look for"
    chat = [{"role": "system", "content": mark}, {"role": "user", "content": "x"}]
    try:
        return mark in tokenizer.apply_chat_template(chat, tokenize=False)
    except Exception:  # a template may also raise on a system turn, and raises what it likes
        return False


def fitted(messages: Sequence[Message], *, system: bool) -> list[Message]:
    """The chat as a template takes it that does or does not show the ``system`` turn."""
    if system or not messages or messages[0]["role"] != "system":
        return list(messages)
    said, rest = messages[0]["content"], list(messages[1:])
    for at, message in enumerate(rest):
        if message["role"] == "user":
            rest[at] = {"role": "user", "content": f"{said}\n\n{message['content']}"}
            return rest
    return [{"role": "user", "content": said}, *rest]
