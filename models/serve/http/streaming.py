"""Answers on their way to a client: as events, or collected while the client is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from models.serve.errors import RequestError
from models.serve.generation import Generation
from models.serve.http import writing
from models.serve.http.failures import unforeseen

T = TypeVar("T")


def wants_usage(body: dict[str, Any]) -> bool:
    """Whether the last event is to tell the tokens in and out."""
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def stream(events: AsyncIterator[bytes]) -> Response:
    """Server-sent events."""
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def chat_events(
    generation: Generation, ident: str, model: str, with_usage: bool
) -> AsyncIterator[bytes]:
    """A chat as it is written."""
    yield writing.event(writing.chat_chunk(ident, model, {"role": "assistant", "content": ""}))
    write = writing.events_like(writing.chat_chunk(ident, model, {"content": writing.TEXT}))
    async for piece in _guarded(generation):
        if isinstance(piece, RequestError):
            yield writing.event(piece.body())
            return
        yield write(piece)
    yield writing.event(writing.chat_chunk(ident, model, {}, generation.finish_reason))
    if with_usage:
        last = writing.chat_chunk(ident, model, {}) | {"choices": []}
        yield writing.event(last | {"usage": writing.usage(generation)})
    yield writing.event("[DONE]")


async def text_events(
    generation: Generation, ident: str, model: str, with_usage: bool
) -> AsyncIterator[bytes]:
    """A completion as it is written."""
    write = writing.events_like(writing.text_chunk(ident, model, writing.TEXT))
    async for piece in _guarded(generation):
        if isinstance(piece, RequestError):
            yield writing.event(piece.body())
            return
        yield write(piece)
    yield writing.event(writing.text_chunk(ident, model, "", generation.finish_reason))
    if with_usage:
        last = writing.text_chunk(ident, model, "") | {"choices": []}
        yield writing.event(last | {"usage": writing.usage(generation)})
    yield writing.event("[DONE]")


async def _guarded(generation: Generation) -> AsyncIterator[str | RequestError]:
    """The pieces; an error that comes after the first byte is the last one."""
    try:
        async for piece in generation.pieces:
            if piece.text:
                yield piece.text
    except RequestError as error:
        yield error
    except Exception as error:  # the stream has begun: its error is an event, not a status
        yield unforeseen(error)
    finally:
        await _close(generation)


async def whole(request: Request, generation: Generation) -> str:
    """The whole text; raises RequestError if the client went away or the work failed."""

    async def collect() -> str:
        try:
            return "".join([piece.text async for piece in generation.pieces])
        finally:
            await _close(generation)

    return await attended(request, asyncio.ensure_future(collect()))


async def _close(generation: Generation) -> None:
    close = getattr(generation.pieces, "aclose", None)
    if close is not None:
        await close()


async def attended(request: Request, work: asyncio.Future[T]) -> T:
    """Wait for ``work`` while the client is there; without it, cancel."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    watch = asyncio.ensure_future(gone())
    try:
        both: set[asyncio.Future[Any]] = {work, watch}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise RequestError("The client went away.", status=499)
        return work.result()
    finally:
        watch.cancel()
        if not work.done():
            work.cancel()
