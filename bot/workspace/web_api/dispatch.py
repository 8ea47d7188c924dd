"""From a request to a method and back, with Slack's ways of refusing."""

from __future__ import annotations

import asyncio
import hmac
import logging
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.interactions import Interactions
from bot.workspace.seed import BOT_USER
from bot.workspace.transport import SocketMode
from bot.workspace.web_api import (
    account,
    assistant,
    chat,
    conversations,
    files,
    person,
    reactions,
    streams,
    views,
)
from bot.workspace.web_api.call import Call, Method, SlackError, read_json

log = logging.getLogger(__name__)

BODY_LIMIT = 4 * 1024 * 1024
METHODS: dict[str, Method] = {
    name: method
    for family in (
        account,
        assistant,
        chat,
        conversations,
        files,
        person,
        reactions,
        streams,
        views,
    )
    for name, method in family.METHODS.items()
}
_PEOPLE_ONLY = "_workspace."


class Dispatcher:
    """Calls methods for the bot, the app and the people of the workspace."""

    def __init__(
        self, w: Workspace, interactions: Interactions, socket_mode: SocketMode | None
    ) -> None:
        self._w = w
        self._interactions = interactions
        self._socket_mode = socket_mode

    async def serve(self, request: Request, *, user: str | None = None) -> Response:
        """Answer ``/api/METHOD``; ``user`` is who the page's session is, instead of a token."""
        method = request.path_params["method"]
        try:
            arguments = await arguments_of(request)
        except SlackError as refused:
            return JSONResponse({"ok": False, "error": refused.error})
        token = bearer(request) or str(arguments.pop("token", "") or "")
        arguments.pop("token", None)
        failure = self._w.limits.planned(method)
        if failure is not None:
            await asyncio.sleep(failure.delay)
            if failure.status == 429:
                return limited(failure.retry_after)
            if failure.status == 200:
                return JSONResponse({"ok": False, "error": failure.error})
            if failure.status:
                return Response("upstream failure", status_code=failure.status)
        wait = self._w.limits.too_fast(method, str(arguments.get("channel") or ""))
        if wait is not None:
            return limited(wait)
        answer = await self._answer(method, arguments, token, user)
        scopes = ",".join(sorted(self._w.scopes))
        headers = {"x-oauth-scopes": scopes} if self._is_bot(token) else {}
        return JSONResponse(answer, headers=headers)

    async def _answer(self, method: str, arguments: Json, token: str, user: str | None) -> Json:
        try:
            who = user if user is not None else self._who(method, token)
            if method not in METHODS:
                raise SlackError("unknown_method", req_method=method)
            if who == BOT_USER and method.startswith(_PEOPLE_ONLY):
                raise SlackError("not_allowed_token_type")
            function, scope = METHODS[method]
            if (
                who == BOT_USER
                and scope
                and scope not in self._w.scopes
                and not self._granted(scope)
            ):
                provided = ",".join(sorted(self._w.scopes))
                raise SlackError("missing_scope", needed=scope, provided=provided)
            call = Call(
                w=self._w, user=who, arguments=arguments,
                interactions=self._interactions, socket_mode=self._socket_mode,
            )  # fmt: skip
            with self._w.transaction():
                found = function(call)  # a coroutine starts only when awaited, outside
            if not isinstance(found, dict):
                found = await found
            return {"ok": True} | found
        except SlackError as refused:
            return {"ok": False, "error": refused.error} | refused.more
        except Exception:
            error_id = uuid4().hex[:8]
            log.exception("%s failed (%s)", method, error_id)
            return {"ok": False, "error": "internal_error", "error_id": error_id}

    def _granted(self, scope: str) -> bool:
        """Reading scopes come per kind of conversation; managing what one is in needs none here."""
        family, _, verb = scope.partition(":")
        if scope == "channels:manage":
            return True
        kinds = ("channels", "groups", "im", "mpim")
        return family in kinds and any(f"{kind}:{verb}" in self._w.scopes for kind in kinds)

    def _is_bot(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._w.bot_token.encode())

    def _who(self, method: str, token: str) -> str:
        if not token:
            raise SlackError("not_authed")
        is_app = hmac.compare_digest(token.encode(), self._w.app_token.encode())
        if method == "apps.connections.open":
            if not is_app:
                known = self._is_bot(token) or self._w.people.by_token(token)
                raise SlackError("not_allowed_token_type" if known else "invalid_auth")
            return ""
        if self._is_bot(token):
            return BOT_USER
        person = self._w.people.by_token(token)
        if person is None:
            raise SlackError("not_allowed_token_type" if is_app else "invalid_auth")
        return person


def limited(seconds: int) -> Response:
    """429 with Retry-After."""
    answer = {"ok": False, "error": "ratelimited"}
    return JSONResponse(answer, status_code=429, headers={"Retry-After": str(seconds)})


def bearer(request: Request) -> str:
    """The token of the Authorization header."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


async def arguments_of(request: Request) -> Json:
    """Query, form or JSON as one dictionary; raises SlackError."""
    arguments: Json = dict(request.query_params)
    body = bytearray()
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=0, max_part_size=BODY_LIMIT) as form:
            return arguments | {key: value for key, value in form.items() if isinstance(value, str)}
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise SlackError("request_too_large")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise SlackError("invalid_charset") from None
    if kind == "application/json":
        if text.strip():
            try:
                given = read_json(text)
            except ValueError:
                raise SlackError("invalid_json") from None
            if not isinstance(given, dict):
                raise SlackError("json_not_object")
            arguments |= {key: value for key, value in given.items() if value is not None}
    elif text:
        arguments |= dict(parse_qsl(text, keep_blank_values=True))
    return arguments
