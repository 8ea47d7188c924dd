"""Answers in the protocol's shapes. Pure."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.lm.embedding_client import OWNER
from models.serve.generation import Card, Generation, Likelihood, Tokens

TEXT = "<text of an event>"


def new_id(prefix: str) -> str:
    """An id for an answer: ``chatcmpl-…`` or ``cmpl-…``."""
    return f"{prefix}-{uuid.uuid4().hex}"


def model_list(cards: Sequence[Card], created: int) -> dict[str, Any]:
    """``/v1/models``."""
    return {
        "object": "list",
        "data": [
            {
                "id": card.id,
                "object": "model",
                "created": created,
                "owned_by": OWNER,
                "root": card.root or card.id,
                "parent": card.parent,
                "max_model_len": card.max_model_len,
            }
            for card in cards
        ],
    }


def chat_chunk(
    ident: str, model: str, delta: dict[str, str], finish_reason: str | None = None
) -> dict[str, Any]:
    """One event of a streamed chat."""
    return {
        "id": ident,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
    }


def chat_answer(ident: str, model: str, text: str, generation: Generation) -> dict[str, Any]:
    """A chat's answer in one piece."""
    return {
        "id": ident,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "logprobs": None,
                "finish_reason": generation.finish_reason,
            }
        ],
        "usage": usage(generation),
    }


def text_chunk(
    ident: str, model: str, text: str, finish_reason: str | None = None
) -> dict[str, Any]:
    """One event of a streamed completion, or its only answer."""
    return {
        "id": ident,
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}],
    }


def embeddings(vectors: npt.NDArray[np.float32], encoding: str, model: str, tokens: int) -> bytes:
    """``/v1/embeddings`` as JSON; ``encoding`` is ``float``, or ``base64`` of '<f4' numbers."""
    shown: list[Any] = (
        [base64.b64encode(row.tobytes()).decode() for row in vectors.astype("<f4")]
        if encoding == "base64"
        else vectors.astype(float).tolist()
    )
    body = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(shown)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return json.dumps(body, separators=(",", ":")).encode()


def usage(generation: Generation) -> dict[str, int]:
    """Tokens in and out."""
    return {
        "prompt_tokens": generation.prompt_tokens,
        "completion_tokens": generation.completion_tokens,
        "total_tokens": generation.prompt_tokens + generation.completion_tokens,
    }


def prompt_logprobs(rows: Sequence[Likelihood]) -> list[dict[str, Any] | None]:
    """As vLLM has it: per token, id → logprob, rank and text; nothing for the first."""
    shown: list[dict[str, Any] | None] = []
    for row in rows:
        if row.logprob is None:
            shown.append(None)
            continue
        entry = {str(row.token): _likelihood(row.logprob, row.rank, row.text)}
        for token, text, logprob, rank in row.top:
            entry.setdefault(str(token), _likelihood(logprob, rank, text))
        shown.append(entry)
    return shown


def _likelihood(logprob: float, rank: int | None, text: str) -> dict[str, Any]:
    return {"logprob": logprob, "rank": rank, "decoded_token": text}


def tokens(found: Tokens, with_strings: bool) -> dict[str, Any]:
    """``/tokenize``."""
    return {
        "count": len(found.ids),
        "max_model_len": found.max_model_len,
        "tokens": found.ids,
        "token_strs": found.strings if with_strings else None,
    }


def events_like(chunk: dict[str, Any]) -> Callable[[str], bytes]:
    """Events that differ from ``chunk``, which has the text ``TEXT``, in their text alone.

    A stream writes one a token: most of it is the same every time.
    """
    before, _, after = event(chunk).partition(json.dumps(TEXT).encode())

    def write(text: str) -> bytes:
        return before + json.dumps(text, ensure_ascii=False).encode() + after

    return write


def event(body: dict[str, Any] | str) -> bytes:
    """A server-sent event."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return f"data: {text}\n\n".encode()
