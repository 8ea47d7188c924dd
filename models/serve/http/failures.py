"""Every error leaves as JSON; an unforeseen one as an id that the log has too."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from models.serve.errors import RequestError

log = logging.getLogger(__name__)


def error_handlers() -> dict[Any, Callable[[Request, Any], Awaitable[Response]]]:
    """Every error leaves as JSON; an unforeseen one as an id that the log has too."""
    return {RequestError: _told, HTTPException: _http_error, Exception: _unforeseen}


async def _told(_: Request, error: RequestError) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else None
    body = json.dumps(error.body())  # in ASCII: what it quotes may be half a character
    return Response(body, error.status, headers, media_type="application/json")


async def _http_error(request: Request, error: HTTPException) -> Response:
    words = {
        404: f"There is no {request.scope['path']} here.",
        405: "The method is not allowed here.",
    }
    message = words.get(error.status_code, error.detail)
    return await _told(request, RequestError(message, status=error.status_code))


async def _unforeseen(request: Request, error: Exception) -> Response:
    return await _told(request, unforeseen(error))


def unforeseen(error: BaseException) -> RequestError:
    """Log what went wrong; give back a sentence with the id of the log's line."""
    ident = uuid.uuid4().hex[:8]
    log.error("error %s", ident, exc_info=error)
    return RequestError(f"The model server failed on this request (id {ident}).", status=500)
