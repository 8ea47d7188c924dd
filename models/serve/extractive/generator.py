"""The extractive reader as a generator behind the protocol."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

from models.lm.followup import search_query
from models.lm.prompt import parse
from models.serve.embedder import Embedder
from models.serve.errors import RequestError, UnknownModel
from models.serve.extractive.reader import answer
from models.serve.extractive.vectors import Remembered
from models.serve.generation import (
    Card,
    Generation,
    Likelihood,
    Message,
    Params,
    Piece,
    Tokens,
)

EXTRACTIVE = "extractive"
MAX_WORDS = 16_384

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])")
_PIECE = re.compile(r"\S+\s*|\s+")


class ExtractiveReader:
    """Serves the model ``extractive``: no weights but the embedding model's."""

    id = EXTRACTIVE

    def __init__(self, embedder: Embedder | None) -> None:
        """Without an embedder only shared words count."""
        self._embed = Remembered(embedder) if embedder else None

    def cards(self) -> list[Card]:
        """The reader has no adapters."""
        return [Card(id=EXTRACTIVE, root=EXTRACTIVE, max_model_len=MAX_WORDS)]

    def chat(self, messages: Sequence[Message], params: Params) -> Generation:
        """Answer from the passages that the prompt holds; raises RequestError if it is too long."""
        if params.model != EXTRACTIVE:
            raise UnknownModel(params.model)
        prompt_tokens = len(self.tokenize(messages, {}).ids)
        if prompt_tokens > MAX_WORDS:
            raise RequestError(
                f"This model's maximum context length is {MAX_WORDS} tokens, the prompt has "
                f"{prompt_tokens}.",
                code="context_length_exceeded",
                param="messages",
            )
        generation = Generation(prompt_tokens=prompt_tokens, pieces=_nothing())
        generation.pieces = self._stream(messages, params, generation)
        return generation

    async def _stream(
        self, messages: Sequence[Message], params: Params, generation: Generation
    ) -> AsyncIterator[Piece]:
        asked = parse(messages)
        earlier = [turn.text for turn in asked.thread if turn.role == "user"]
        question = search_query(asked.question, earlier)
        text = await asyncio.to_thread(answer, question, asked.passages, self._embed)
        for piece in _PIECE.findall(text):
            size = len(_TOKEN.findall(piece))
            if params.max_tokens and generation.completion_tokens + size > params.max_tokens:
                generation.finish_reason = "length"
                return
            generation.completion_tokens += size
            yield Piece(piece, size)

    def tokenize(self, prompt: str | Sequence[Message], options: dict[str, Any]) -> Tokens:
        """Words and marks, numbered as they come: the reader has no vocabulary."""
        texts = [prompt] if isinstance(prompt, str) else [str(m.get("content", "")) for m in prompt]
        strings = [token for text in texts for token in _TOKEN.findall(text)]
        return Tokens(ids=list(range(len(strings))), strings=strings, max_model_len=MAX_WORDS)

    def complete(self, prompt: str | list[int], params: Params, special: bool) -> Generation:
        """The reader does not continue texts."""
        raise RequestError("The extractive reader answers chats only.", code="not_supported")

    async def score(
        self, prompt: str | list[int], model: str, top: int, special: bool
    ) -> list[Likelihood]:
        """The reader has no likelihoods."""
        raise RequestError("The extractive reader has no likelihoods.", code="not_supported")

    async def load_adapter(self, name: str, path: str) -> None:
        """The reader takes no adapters."""
        raise RequestError("The extractive reader takes no adapters.", code="not_supported")

    async def unload_adapter(self, name: str) -> None:
        """The reader has no adapters."""
        raise RequestError(f"The lora adapter '{name}' cannot be found.", status=404)

    def close(self) -> None:
        """Nothing runs between requests."""


async def _nothing() -> AsyncIterator[Piece]:
    return
    yield Piece("")
