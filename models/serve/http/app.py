"""The public port: chat, completions, embeddings, models, tokenize, health."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from models.serve.embedder import SMALL, Embedder, Vector
from models.serve.embedding_models import DEFAULT
from models.serve.errors import RequestError, UnknownModel
from models.serve.generation import Card, Generator
from models.serve.http import reading, streaming, writing
from models.serve.http.failures import error_handlers
from models.serve.http.guard import Guard

MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Served:
    """What this process serves."""

    generator: Generator
    embedder: Embedder | None
    notice: str | None = None  # why the generator is not the one that people may expect
    started: int = 0  # Unix time

    def cards(self) -> list[Card]:
        """Generators first, the embedding model under its name and as ``default``."""
        cards = self.generator.cards()
        if self.embedder:
            card = Card(id=self.embedder.name, max_model_len=self.embedder.window)
            cards += [card, replace(card, id=DEFAULT, root=self.embedder.name)]
        return cards


def create_app(served: Served, *, key: str | None) -> Starlette:
    """The ASGI application of the public port."""
    handlers = _Handlers(served)
    return Starlette(
        routes=[
            Route("/health", handlers.health, methods=["GET"]),
            Route("/v1/models", handlers.models, methods=["GET"]),
            Route("/v1/chat/completions", handlers.chat, methods=["POST"]),
            Route("/v1/completions", handlers.complete, methods=["POST"]),
            Route("/v1/embeddings", handlers.embeddings, methods=["POST"]),
            Route("/tokenize", handlers.tokenize, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, key=key, max_bytes=MAX_BYTES)],
        exception_handlers=error_handlers(),
    )


class _Handlers:
    def __init__(self, served: Served) -> None:
        self._served = served

    async def health(self, _: Request) -> Response:
        served = self._served
        return JSONResponse(
            {
                "status": "ok",
                "generator": served.generator.id,
                "adapters": [card.id for card in served.generator.cards() if card.parent],
                "embedding_model": served.embedder.name if served.embedder else None,
                "notice": served.notice,
            }
        )

    async def models(self, _: Request) -> Response:
        return JSONResponse(writing.model_list(self._served.cards(), self._served.started))

    async def chat(self, request: Request) -> Response:
        body = await reading.read_object(request)
        params = reading.read_params(body, self._served.generator.id)
        messages = reading.read_messages(body)
        generation = await asyncio.to_thread(self._served.generator.chat, messages, params)
        ident = writing.new_id("chatcmpl")
        if body.get("stream"):
            return streaming.stream(
                streaming.chat_events(generation, ident, params.model, streaming.wants_usage(body))
            )
        text = await streaming.whole(request, generation)
        return JSONResponse(writing.chat_answer(ident, params.model, text, generation))

    async def complete(self, request: Request) -> Response:
        body = await reading.read_object(request)
        params = reading.read_params(body, self._served.generator.id)
        prompt = reading.read_prompt(body)
        ident = writing.new_id("cmpl")
        special = body.get("add_special_tokens", True) is not False
        scores = None
        if body.get("prompt_logprobs") is not None:
            top = body["prompt_logprobs"]
            if isinstance(top, bool) or not isinstance(top, int) or not 0 <= top <= 20:
                raise RequestError("`prompt_logprobs` must be 0 to 20.", param="prompt_logprobs")
            if body.get("stream"):
                raise RequestError("`prompt_logprobs` are not streamed.", param="stream")
            scoring = self._served.generator.score(prompt, params.model, top, special)
            scores = await streaming.attended(request, asyncio.ensure_future(scoring))
        generation = await asyncio.to_thread(
            self._served.generator.complete, prompt, params, special
        )
        if body.get("stream"):
            return streaming.stream(
                streaming.text_events(generation, ident, params.model, streaming.wants_usage(body))
            )
        text = await streaming.whole(request, generation)
        answer = writing.text_chunk(ident, params.model, text, generation.finish_reason)
        answer["usage"] = writing.usage(generation)
        if scores is not None:
            answer["choices"][0]["prompt_logprobs"] = writing.prompt_logprobs(scores)
            answer["choices"][0]["prompt_token_ids"] = [row.token for row in scores]
        return JSONResponse(answer)

    async def tokenize(self, request: Request) -> Response:
        body = await reading.read_object(request)
        model = reading.read_model(body, self._served.generator.id)
        if model not in {card.id for card in self._served.generator.cards()}:
            raise UnknownModel(model)
        prompt = reading.read_messages(body) if "messages" in body else reading.clean(_prompt(body))
        found = await asyncio.to_thread(self._served.generator.tokenize, prompt, body)
        return JSONResponse(writing.tokens(found, body.get("return_token_strs") is True))

    async def embeddings(self, request: Request) -> Response:
        body = await reading.read_object(request)
        embedder = self._served.embedder
        model = reading.read_model(body, DEFAULT)
        if embedder is None or model not in (DEFAULT, embedder.name):
            raise UnknownModel(model)
        texts = reading.read_texts(body)
        encoding = body.get("encoding_format") or "float"
        if encoding not in ("float", "base64"):
            raise RequestError(
                "`encoding_format` must be float or base64.", param="encoding_format"
            )
        size = body.get("dimensions") or embedder.dimensions
        if not isinstance(size, int) or not 1 <= size <= embedder.dimensions:
            raise RequestError(
                f"`dimensions` must be between 1 and {embedder.dimensions}.", param="dimensions"
            )
        task = body.get("task")
        if task is not None and not isinstance(task, str):
            raise RequestError("`task` must be a string.", param="task")
        future, used = await asyncio.to_thread(embedder.submit, texts, task=task)
        # A client that goes away cancels it.
        vectors = await streaming.attended(request, asyncio.wrap_future(future))
        if size < embedder.dimensions:
            vectors = _shortened(vectors, size)
        # Writing many numbers takes a while: not on the loop that others wait for.
        write = partial(writing.embeddings, vectors, encoding, embedder.name, used)
        answer = await asyncio.to_thread(write) if len(texts) > SMALL else write()
        return Response(answer, media_type="application/json")


def _prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise RequestError("`prompt` must be a text, or give `messages`.", param="prompt")
    return prompt


def _shortened(vectors: Vector, size: int) -> Vector:
    """The first ``size`` numbers of each, at unit length again."""
    cut = vectors[:, :size]
    shorter: Vector = cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)
    return shorter


def now() -> int:
    """Unix time in seconds."""
    return int(time.time())
