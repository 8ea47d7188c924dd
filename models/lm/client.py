"""Clients for the OpenAI protocol and for vLLM's adapter endpoints. Synchronous and thread-safe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx

from models.lm.embedding_client import EmbeddingClient
from models.lm.errors import (
    AdapterMissing,
    ModelBusy,
    ModelError,
    ModelRefused,
    ModelUnavailable,
)
from models.lm.transport import Transport, raise_for, unreachable

__all__ = [
    "AdapterMissing",
    "AdminClient",
    "ChatClient",
    "EmbeddingClient",
    "ModelBusy",
    "ModelError",
    "ModelInfo",
    "ModelRefused",
    "ModelUnavailable",
]

Message = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One line of ``/v1/models``."""

    id: str
    parent: str | None  # the base of an adapter
    root: str | None
    max_model_len: int | None  # tokens of prompt and answer together, where the server tells
    owned_by: str | None


class ChatClient:
    """Generation. ``model=None`` means the server's first model, which is its base generator."""

    def __init__(self, url: str, api_key: str | None = None, *, timeout: float = 120.0) -> None:
        """``timeout``: seconds without a single byte after which the server counts as gone."""
        self._transport = Transport(url, api_key, timeout=timeout)
        self._base: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def models(self) -> list[ModelInfo]:
        """What the server serves, the base generator first; raises ModelError."""
        body = self._transport.get("/v1/models")
        rows = body.get("data") if isinstance(body, dict) else None
        if not isinstance(rows, list):
            raise ModelUnavailable(f"{self._transport.url} does not list its models")
        return [
            ModelInfo(
                id=str(row["id"]),
                parent=row.get("parent"),
                root=row.get("root"),
                max_model_len=row.get("max_model_len"),
                owned_by=row.get("owned_by"),
            )
            for row in rows
            if isinstance(row, dict) and "id" in row
        ]

    def base(self) -> str:
        """The name of the base generator, asked once."""
        if self._base is None:
            served = self.models()
            if not served:
                raise ModelUnavailable(f"{self._transport.url} serves no model")
            self._base = served[0].id
        return self._base

    def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
        extra: Mapping[str, Any] | None = None,
    ) -> Iterator[str]:
        """The answer piece by piece. Closing the iterator cancels the request on the server.

        Raises AdapterMissing if the server lacks ``model``, ModelBusy, ModelRefused (too long) or
        ModelUnavailable, also when the stream breaks off.
        """
        body = {
            "model": model or self.base(),
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
            **(extra or {}),
        }
        finished = False
        try:
            with self._transport.stream("/v1/chat/completions", body) as response:
                if not response.is_success:
                    response.read()
                    raise_for(response)
                for event in _events(response):
                    if event == "[DONE]":
                        finished = True
                        break
                    yield from _pieces(event)
        except httpx.HTTPError as error:
            raise unreachable(self._transport.url, error) from error
        if not finished:
            raise ModelUnavailable(f"{self._transport.url} broke off in the middle of an answer")

    def complete(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
    ) -> str:
        """The whole answer; raises as ``stream`` does."""
        return "".join(
            self.stream(messages, model=model, max_tokens=max_tokens, temperature=temperature)
        )

    def tokenize(self, messages: Sequence[Message], model: str | None = None) -> int:
        """How many tokens the chat is, with the template and the opening of the answer."""
        body = {
            "model": model or self.base(),
            "messages": list(messages),
            "add_generation_prompt": True,
        }
        answer = self._transport.post("/tokenize", body)
        if not isinstance(answer, dict) or not isinstance(answer.get("count"), int):
            raise ModelUnavailable(f"{self._transport.url} does not count tokens")
        return int(answer["count"])

    def score(self, prompt: str | Sequence[int], *, model: str | None = None) -> list[float | None]:
        """The log-probability (nats) of each token of ``prompt`` given those before it; the first
        has none. Raises ModelRefused where the generator cannot score."""
        body = {
            "model": model or self.base(),
            "prompt": prompt if isinstance(prompt, str) else list(prompt),
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,
            "add_special_tokens": False,
            "return_token_ids": True,  # vLLM tells which of a row's tokens is the prompt's own
        }
        answer = self._transport.post("/v1/completions", body)
        try:
            rows = answer["choices"][0]["prompt_logprobs"]
            ids = answer["choices"][0].get("prompt_token_ids") or [None] * len(rows)
            return [_own_logprob(row, token) for row, token in zip(rows, ids, strict=True)]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelUnavailable(f"{self._transport.url} does not score prompts") from error

    def tokens(self, messages: Sequence[Message], *, model: str | None = None) -> list[int]:
        """The chat as token ids; a chat that ends with an answer keeps it, without its end token.

        Like vLLM's ``/tokenize`` with ``continue_final_message``.
        """
        answered = bool(messages) and messages[-1].get("role") == "assistant"
        body = {
            "model": model or self.base(),
            "messages": list(messages),
            "add_generation_prompt": not answered,
            "continue_final_message": answered,
        }
        answer = self._transport.post("/tokenize", body)
        try:
            return [int(token) for token in answer["tokens"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnavailable(f"{self._transport.url} does not tokenize") from error

    def answer_nll(
        self, messages: Sequence[Message], answer: str, *, model: str | None = None
    ) -> tuple[float, int]:
        """Negative log-likelihood of ``answer`` (nats, summed), and how many tokens it has."""
        head = self.tokens(messages, model=model)
        whole = self.tokens([*messages, {"role": "assistant", "content": answer}], model=model)
        logprobs = self.score(whole, model=model)[_common(head, whole) :]
        values = [value for value in logprobs if value is not None]
        return -sum(values), len(values)


class AdminClient:
    """Adapters on one model server: ours on its admin port, or vLLM."""

    def __init__(self, url: str, token: str | None, *, timeout: float = 120.0) -> None:
        self._transport = Transport(url, token, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def load(self, name: str, path: str) -> None:
        """Load the adapter in the directory ``path``; fine if it is there already.

        Raises ModelRefused with the server's reason, ModelBusy where another is still on its way
        out, or ModelUnavailable.
        """
        try:
            self._transport.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": path})
        except ModelRefused as refusal:
            if "already been loaded" not in str(refusal):
                raise

    def unload(self, name: str) -> None:
        """Take the adapter out of service once its last reader is done; fine if it is not there."""
        try:
            self._transport.post("/v1/unload_lora_adapter", {"lora_name": name})
        except ModelRefused as refusal:
            if refusal.status != 404 and "cannot be found" not in str(refusal):
                raise

    def adapters(self) -> dict[str, str | None]:
        """Name → base of every adapter in service."""
        body = self._transport.get("/v1/models")
        rows = body.get("data", []) if isinstance(body, dict) else []
        return {str(row["id"]): row["parent"] for row in rows if row.get("parent")}

    def base(self) -> str | None:
        """The name of the base generator that takes adapters, if one serves."""
        body = self._transport.get("/v1/models")
        rows = body.get("data", []) if isinstance(body, dict) else []
        return str(rows[0]["id"]) if rows else None


def _events(response: httpx.Response) -> Iterator[str]:
    """The data of each server-sent event."""
    for line in response.iter_lines():
        if line.startswith("data:"):
            yield line[5:].strip()


def _pieces(event: str) -> Iterator[str]:
    try:
        body = json.loads(event)
    except ValueError as error:
        raise ModelUnavailable(f"an event that is no JSON: {event[:80]!r}") from error
    if "error" in body:
        inner = body["error"]
        message = inner.get("message") if isinstance(inner, dict) else inner
        raise ModelUnavailable(f"the server failed in the middle of an answer: {message}")
    for choice in body.get("choices") or []:
        piece = (choice.get("delta") or {}).get("content")
        if piece:
            yield piece


def _own_logprob(row: Mapping[str, Any] | None, token: int | None) -> float | None:
    if row is None:
        return None
    entry = row[str(token)] if token is not None else next(iter(row.values()))
    return float(entry["logprob"])


def _common(head: Sequence[int], whole: Sequence[int]) -> int:
    """How many tokens both begin with."""
    return next(
        (at for at, (left, right) in enumerate(zip(head, whole, strict=False)) if left != right),
        min(len(head), len(whole)),
    )
