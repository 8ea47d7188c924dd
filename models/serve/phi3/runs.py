"""One answer on its way: token ids from a batch manager become pieces of text."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any

from models.serve.errors import RequestError
from models.serve.generation import Generation, Piece
from models.serve.phi3.twins import Twin

log = logging.getLogger(__name__)


class Mailroom:
    """Brings outputs from the managers' threads to the event loop, one wake-up a step."""

    def __init__(self) -> None:
        self._boxes: dict[str, asyncio.Queue[Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, ident: str) -> asyncio.Queue[Any]:
        """A box for a request's outputs; call it on the event loop."""
        self._loop = asyncio.get_running_loop()
        box: asyncio.Queue[Any] = asyncio.Queue()
        self._boxes[ident] = box
        return box

    def close(self, ident: str) -> None:
        """Throw away what may still come."""
        self._boxes.pop(ident, None)

    def deliver(self, outputs: list[Any]) -> None:
        """Called by a manager's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._sort, outputs)

    def _sort(self, outputs: list[Any]) -> None:
        for output in outputs:
            if box := self._boxes.get(output.request_id):
                box.put_nowait(output)


class Detokenizer:
    """Text of token ids that come one by one; half a character waits for its other half."""

    def __init__(self, tokenizer: Any, ends: frozenset[int]) -> None:
        from tokenizers.decoders import DecodeStream

        self._stream = DecodeStream(skip_special_tokens=True)
        self._tokenizer = tokenizer.backend_tokenizer
        self._ends = ends

    def feed(self, ids: list[int]) -> str:
        """The text that these tokens add."""
        pieces = [
            self._stream.step(self._tokenizer, token) for token in ids if token not in self._ends
        ]
        return "".join(piece for piece in pieces if piece)


class StopWatch:
    """Finds stop strings in streamed text and holds back what may become one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """What may be shown, and whether a stop string was reached."""
        if not self._stops:
            return text, False
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            return self._held[: min(found)], True
        keep = max(
            (
                size
                for stop in self._stops
                for size in range(1, len(stop))
                if self._held.endswith(stop[:size])
            ),
            default=0,
        )
        shown, self._held = self._held[: len(self._held) - keep], self._held[-keep:] if keep else ""
        return shown, False

    def rest(self) -> str:
        """What was held back and is no stop string after all."""
        return self._held


class Run:
    """Async iterator over the pieces of one generation; ``aclose`` cancels it."""

    def __init__(
        self,
        twin: Twin,
        mailroom: Mailroom,
        *,
        ids: list[int],
        max_new: int,
        seconds: float,
        detokenizer: Detokenizer,
        ends: frozenset[int],
        stops: tuple[str, ...],
        release: Callable[[], None],
    ) -> None:
        """``release`` is called exactly once, when the work has ended however it ended."""
        self._twin, self._mailroom = twin, mailroom
        self._ids, self._max_new = ids, max_new
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._text, self._ends, self._watch = detokenizer, ends, StopWatch(stops)
        self._release: Callable[[], None] | None = release
        self._ident = uuid.uuid4().hex
        self._box: asyncio.Queue[Any] | None = None
        self._seen = 0
        self._over = False
        self.generation = Generation(prompt_tokens=len(ids), pieces=self)

    def __aiter__(self) -> Run:
        return self

    async def __anext__(self) -> Piece:
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._next()
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        """Stop the work if it still goes on."""
        self._end()

    def __del__(self) -> None:  # an answer that nobody ever began to read
        self._end()

    async def _next(self) -> Piece:
        if self._box is None:
            self._box = self._mailroom.open(self._ident)
            # One timer an answer: ``wait_for`` would make a task of every token.
            self._timer = asyncio.get_running_loop().call_later(
                self._seconds, self._box.put_nowait, None
            )
            self._submit()
        while True:
            output = await self._box.get()
            while output is not None and not self._box.empty():  # each holds all tokens so far
                output = self._box.get_nowait()
            if output is None:
                return self._last("length", "")
            if output.error is not None:
                log.error("a generation failed: %s", output.error)
                raise RequestError("The generation failed.", status=500)
            fresh = output.generated_tokens[self._seen :]
            self._seen += len(fresh)
            self.generation.completion_tokens = self._seen
            text, stopped = self._watch.feed(self._text.feed(fresh))
            if stopped:
                return self._last("stop", text)
            if output.is_finished():
                ended = bool(fresh) and fresh[-1] in self._ends
                return self._last("stop" if ended else "length", text + self._watch.rest())
            if text:
                return Piece(text, len(fresh))

    def _submit(self) -> None:
        try:
            self._twin.submit(self._ident, self._ids, self._max_new, self._mailroom.deliver)
        except RuntimeError as error:
            log.error("submitting: %s", error)
            raise RequestError("The model is being taken out of service.", status=503) from error

    def _last(self, reason: str, text: str) -> Piece:
        self.generation.finish_reason = reason
        self._end()
        return Piece(text)

    def _end(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        release, self._release = self._release, None
        if release is None:
            return
        if self._box is not None:
            self._twin.cancel(self._ident)
            self._mailroom.close(self._ident)
        release()
