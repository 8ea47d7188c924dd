"""Embeddings over the OpenAI protocol: our own server, OpenAI, Jina, vLLM, TEI."""

from __future__ import annotations

import array
import base64
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from models.lm.errors import ModelBusy, ModelError, ModelUnavailable
from models.lm.transport import Transport

Purpose = Literal["query", "passage"]
Style = Literal["task", "prefix", "plain"]

OWNER = "phi3-expert"  # how our own server signs its models
BATCH = 128  # texts a request
TRIES = 5


def style_for(model: str, owned_by: str | None) -> Style:
    """How a server learns what a text is for: by ``task`` (ours, Jina), prefix (e5), or not."""
    if owned_by == OWNER or model.startswith("jina-"):
        return "task"
    if "e5-" in model.lower().rpartition("/")[2] or model.lower().endswith("e5"):
        return "prefix"
    return "plain"


class EmbeddingClient:
    """Turns texts into vectors. Thread-safe."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        model: str = "default",
        dimensions: int | None = None,
        *,
        timeout: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``dimensions`` is sent only where given: models that can be shortened take it."""
        self._transport = Transport(url, api_key, timeout=timeout)
        self._model = model
        self._dimensions = dimensions
        self._style: Style | None = None
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[list[float]]:
        """One vector a text, in order. Waits while the server is busy; raises ModelError."""
        if not texts:
            return []
        style = self._how()
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            vectors.extend(self._batch(texts[start : start + BATCH], purpose, style))
        return vectors

    def resolved_model(self) -> str:
        """The model's full name, where the server lists it under ``model`` as an alias."""
        for row in self._rows():
            if row.get("id") == self._model:
                return str(row.get("root") or self._model)
        return self._model

    def _how(self) -> Style:
        if self._style is None:
            try:
                owners = {row.get("id"): row.get("owned_by") for row in self._rows()}
            except ModelUnavailable:
                raise
            except ModelError:  # a server that lists no models may still embed
                owners = {}
            self._style = style_for(self._model, owners.get(self._model))
        return self._style

    def _rows(self) -> list[dict[str, Any]]:
        body = self._transport.get("/v1/models")
        rows = body.get("data") if isinstance(body, dict) else None
        return [row for row in rows or [] if isinstance(row, dict)]

    def _batch(self, texts: Sequence[str], purpose: Purpose, style: Style) -> list[list[float]]:
        inputs = [f"{purpose}: {text}" for text in texts] if style == "prefix" else list(texts)
        body: dict[str, Any] = {
            "model": self._model,
            "input": inputs,
            "encoding_format": "base64",
        }
        if self._dimensions:
            body["dimensions"] = self._dimensions
        if style == "task":
            body["task"] = f"retrieval.{purpose}"
            if self._model.startswith("jina-"):
                body["embedding_type"] = body.pop("encoding_format")
        for attempt in range(TRIES):
            try:
                return _vectors(self._transport.post("/v1/embeddings", body), len(texts))
            except ModelBusy as busy:
                if attempt == TRIES - 1:
                    raise
                self._sleep(min(busy.retry_after, 10.0) * (attempt + 1))
        raise AssertionError("unreachable")


def _vectors(body: Any, expected: int) -> list[list[float]]:
    try:
        rows = sorted(body["data"], key=lambda row: int(row["index"]))
        vectors = [_vector(row["embedding"]) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable("the server's embeddings have an unknown shape") from error
    if len(vectors) != expected:
        raise ModelUnavailable(f"{expected} texts were sent, {len(vectors)} vectors came back")
    return vectors


def _vector(value: Any) -> list[float]:
    if isinstance(value, str):  # base64 of little-endian float32
        numbers = array.array("f", base64.b64decode(value, validate=True))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tolist()
    return [float(number) for number in value]
