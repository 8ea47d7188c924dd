"""Texts and chats to token ids, always by the tokenizer's own template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.serve.errors import RequestError
from models.serve.generation import Message


class ChatTokenizer:
    """A tokenizer with its chat template. Thread-safe: nothing in it changes."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._takes_system = self._shows_system()

    def chat(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> list[int]:
        """The chat's token ids; raises RequestError for a chat that the template refuses."""
        try:
            ids = self.tokenizer.apply_chat_template(
                self._fitted(messages),
                tokenize=True,
                return_dict=True,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=continue_final_message,
            )["input_ids"]
        except Exception as error:  # templates raise what they like
            raise RequestError(
                f"The model's template refuses this chat: {' '.join(str(error).split())[:200]}",
                param="messages",
            ) from error
        return [int(token) for token in ids]

    def text(self, text: str, *, special: bool) -> list[int]:
        """A text's token ids."""
        ids = self.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return [int(token) for token in ids]

    def strings(self, ids: Sequence[int]) -> list[str]:
        """What each token reads as by itself."""
        return [self.tokenizer.decode([token]) for token in ids]

    def _fitted(self, messages: Sequence[Message]) -> list[Message]:
        """The chat as the template takes it: Phi-3's first template silently drops the system."""
        if self._takes_system or not messages or messages[0]["role"] != "system":
            return list(messages)
        system, rest = messages[0]["content"], list(messages[1:])
        for at, message in enumerate(rest):
            if message["role"] == "user":
                rest[at] = {"role": "user", "content": f"{system}\n\n{message['content']}"}
                return rest
        return [{"role": "user", "content": system}, *rest]

    def _shows_system(self) -> bool:
        mark = "a mark to look for"
        chat = [{"role": "system", "content": mark}, {"role": "user", "content": "x"}]
        try:
            return mark in self.tokenizer.apply_chat_template(chat, tokenize=False)
        except Exception:  # a template may also raise on a system turn
            return False
