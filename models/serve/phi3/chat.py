"""Texts and chats to token ids, always by the tokenizer's own template.

What a message says never becomes a control token: it could end its turn and begin another. Such
words are broken as ``neutralise`` breaks them in our own prompts, which hold none any more and so
keep their ids. To tokenize template and contents apart would keep the letters, but gives other ids
where they meet, and a tokenizer can be told to ignore control tokens only for all threads at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from models.lm.prompt import JOINER
from models.lm.template import fitted, shows_system
from models.serve.errors import RequestError
from models.serve.generation import Message


class ChatTokenizer:
    """A tokenizer with its chat template. Thread-safe: nothing in it changes."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._control = _control(tokenizer)
        self._system = shows_system(tokenizer)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> list[int]:
        """The chat's token ids; raises RequestError for a chat that the template refuses."""
        said = [message | {"content": self._broken(message["content"])} for message in messages]
        try:
            ids = self.tokenizer.apply_chat_template(
                fitted(said, system=self._system),
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
        """A raw text's token ids; whoever writes one may write control tokens, as with vLLM."""
        ids = self.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return [int(token) for token in ids]

    def strings(self, ids: Sequence[int]) -> list[str]:
        """What each token reads as by itself."""
        return [self.tokenizer.decode([token]) for token in ids]

    def _broken(self, text: str) -> str:
        return self._control.sub(lambda found: f"{found[0][0]}{JOINER}{found[0][1:]}", text)


def _control(tokenizer: Any) -> re.Pattern[str]:
    """Finds control tokens in a text: what is special, and what is written as if it were.

    Phi-3's ``</s>`` is not declared special. Words that somebody added are words.
    """
    added = tokenizer.added_tokens_decoder.values()
    marks = {one.content for one in added if one.special or re.fullmatch(r"<.*>", one.content)}
    longest_first = sorted(marks | set(tokenizer.all_special_tokens), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, filter(None, longest_first))) or r"(?!)")
