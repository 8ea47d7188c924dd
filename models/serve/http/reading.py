"""Reads request bodies: what is wrong with one is said in a sentence that names the field."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from models.serve.errors import RequestError
from models.serve.generation import Message, Params

ROLES = frozenset({"system", "developer", "user", "assistant"})
UNSUPPORTED = ("tools", "functions", "response_format", "logit_bias", "logprobs", "echo", "suffix")
MAX_TEXTS = 2048
MAX_STOPS, MAX_STOP = 16, 256  # strings, characters: all are looked for at every token


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object that the request holds; raises RequestError."""
    raw = await request.body()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError("The request body is not JSON.") from error
    if not isinstance(body, dict):
        raise RequestError("The request body must be a JSON object.")
    return body


def read_params(body: dict[str, Any], default_model: str) -> Params:
    """Sampling parameters; raises RequestError for one that is wrong or not supported."""
    for field in UNSUPPORTED:
        if body.get(field) not in (None, False, [], {}, {"type": "text"}):
            raise RequestError(f"`{field}` is not supported.", param=field)
    if body.get("n", 1) not in (1, None):
        raise RequestError("`n` must be 1.", param="n")
    limit = body.get("max_completion_tokens")
    if limit is None:
        limit = body.get("max_tokens")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise RequestError("`max_tokens` must be a whole number above 0.", param="max_tokens")
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(s, str) and s for s in stops):
        raise RequestError("`stop` must be a string or a list of strings.", param="stop")
    if len(stops) > MAX_STOPS or any(len(text) > MAX_STOP for text in stops):
        raise RequestError(
            f"`stop` must be at most {MAX_STOPS} strings of at most {MAX_STOP} characters.",
            param="stop",
        )
    return Params(
        model=read_model(body, default_model),
        max_tokens=limit,
        temperature=_number(body, "temperature", 0.0, 0.0, 2.0),
        top_p=_number(body, "top_p", 1.0, 0.0, 1.0),
        stop=tuple(stops),
    )


def read_model(body: dict[str, Any], default: str) -> str:
    """The model's name; the server's first where none is given."""
    model = body.get("model", default)
    if model is None or model == "":
        return default
    if not isinstance(model, str):
        raise RequestError("`model` must be a string.", param="model")
    return model


def read_messages(body: dict[str, Any]) -> list[Message]:
    """The chat, every content as one text; raises RequestError."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError("`messages` must be a list with at least one message.", param="messages")
    return [_message(at, message) for at, message in enumerate(messages)]


def _message(at: int, message: Any) -> Message:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in ROLES:
        raise RequestError(
            f"`messages[{at}].role` must be system, user or assistant.", param="messages"
        )
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        if len(texts) != len(content) or not all(isinstance(text, str) for text in texts):
            raise RequestError(f"`messages[{at}]` holds something but text.", param="messages")
        content = "".join(str(text) for text in texts)
    if not isinstance(content, str):
        raise RequestError(f"`messages[{at}].content` must be a string.", param="messages")
    return {"role": "system" if role == "developer" else role, "content": clean(content)}


def read_texts(body: dict[str, Any]) -> list[str]:
    """The texts to embed; raises RequestError."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise RequestError("`input` must be a string or a list of strings.", param="input")
    if len(texts) > MAX_TEXTS:
        raise RequestError(f"`input` holds more than {MAX_TEXTS} texts.", param="input")
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise RequestError(
                "`input` must hold strings; token numbers of another model mean nothing here.",
                param="input",
            )
        if not text.strip():
            raise RequestError(f"`input[{at}]` is empty.", param="input")
    return [clean(text) for text in texts]


def read_prompt(body: dict[str, Any]) -> str | list[int]:
    """A text or token ids; raises RequestError."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], (str, list)):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return clean(prompt)
    if (
        isinstance(prompt, list)
        and prompt
        and all(isinstance(token, int) and not isinstance(token, bool) for token in prompt)
    ):
        return prompt
    raise RequestError("`prompt` must be one text or one list of token ids.", param="prompt")


def clean(text: str) -> str:
    """Text that UTF-8 can carry: a lone surrogate becomes a replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _number(body: dict[str, Any], field: str, default: float, low: float, high: float) -> float:
    value = body.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(f"`{field}` must be a number.", param=field)
    if not low <= value <= high:  # nor is NaN
        raise RequestError(f"`{field}` must be between {low:g} and {high:g}.", param=field)
    return float(value)
