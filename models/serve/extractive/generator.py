"""The extractive reader as a generator behind the protocol."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from models.lm.followup import search_query
from models.lm.prompt import parse
from models.serve.embedder import Embedder
from models.serve.errors import Busy, RequestError, UnknownModel
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

    def __init__(self, embedder: Embedder | None, *, places: int) -> None:
        """Without an embedder only shared words count. ``places``: answers at work and waiting."""
        self._embed = Remembered(embedder) if embedder else None
        self._places = threading.Semaphore(places)
        # Threads of its own: what says that the queue is full must not wait in it.
        workers = min(32, places, (os.cpu_count() or 1) + 4)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="reader")

    def cards(self) -> list[Card]:
        """The reader has no adapters."""
        return [Card(id=EXTRACTIVE, root=EXTRACTIVE, max_model_len=MAX_WORDS)]

    def chat(self, messages: Sequence[Message], params: Params) -> Generation:
        """Answer from the passages that the prompt holds; raises RequestError if it is too long,
        or Busy if too much is under way.
        """
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
        generation.pieces = _stream(self._submit(messages), params, generation)
        return generation

    def _submit(self, messages: Sequence[Message]) -> Future[str]:
        """Queue the work; its place is free again when it is done, or cancelled before it began."""
        if not self._places.acquire(blocking=False):
            raise Busy("Too many answers are being written; try again soon.")
        future = self._pool.submit(self._answer, messages)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def _answer(self, messages: Sequence[Message]) -> str:
        asked = parse(messages)
        earlier = [turn.text for turn in asked.thread if turn.role == "user"]
        query = search_query(asked.question, earlier)
        latest = asked.question if query != search_query(asked.question, ()) else ""
        return answer(query, asked.passages, self._embed, latest=latest)

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
        """Drop what waits; what is at work is seen through."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def _stream(
    work: Future[str], params: Params, generation: Generation
) -> AsyncIterator[Piece]:
    """The answer word by word. A reader who leaves takes it out of the queue."""
    text = await asyncio.wrap_future(work)
    for piece in _PIECE.findall(text):
        size = len(_TOKEN.findall(piece))
        if params.max_tokens and generation.completion_tokens + size > params.max_tokens:
            generation.finish_reason = "length"
            return
        generation.completion_tokens += size
        yield Piece(piece, size)


async def _nothing() -> AsyncIterator[Piece]:
    return
    yield Piece("")
