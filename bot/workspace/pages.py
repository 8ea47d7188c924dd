"""The page: its files, its session, its calls, its live news."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from bot.workspace.core import Workspace
from bot.workspace.web_api.dispatch import Dispatcher

FOLDER = Path(__file__).parent / "page"
KEEP_ALIVE_SECONDS = 20.0


class Pages:
    """Serves the page to whoever says who they are; on this machine nobody proves it."""

    def __init__(self, w: Workspace, dispatcher: Dispatcher) -> None:
        self._w = w
        self._dispatcher = dispatcher

    def _user(self, request: Request) -> str | None:
        return self._w.interim.session(request.cookies.get(self._w.cookie, ""))

    async def index(self, request: Request) -> Response:
        """The page itself, at ``/`` and at every message's permalink."""
        del request
        return FileResponse(FOLDER / "index.html", headers={"Cache-Control": "no-cache"})

    async def people(self, request: Request) -> Response:
        """Who one can be, and who this page is now."""
        shown = [user for user in self._w.people.users() if not user["is_bot"]]
        return JSONResponse({"users": shown, "me": self._user(request), "team": self._w.team})

    async def choose(self, request: Request) -> Response:
        """Be someone: sets the session's cookie."""
        body = await request.json() if _is_json(request) else {}
        user = str(body.get("user", "")) if isinstance(body, dict) else ""
        if user not in self._w.people.tokens():
            return JSONResponse({"ok": False, "error": "user_not_found"}, status_code=404)
        answer = JSONResponse({"ok": True})
        with self._w.transaction():
            secret = self._w.interim.new_session(user)
        answer.set_cookie(self._w.cookie, secret, httponly=True, samesite="strict", path="/")
        return answer

    async def call(self, request: Request) -> Response:
        """A Web API method for the page's person; JSON only: no foreign form can send it."""
        user = self._user(request)
        if user is None:
            return JSONResponse({"ok": False, "error": "not_authed"}, status_code=401)
        if not _is_json(request):
            return JSONResponse({"ok": False, "error": "invalid_post_type"}, status_code=415)
        return await self._dispatcher.serve(request, user=user)

    async def news(self, request: Request) -> Response:
        """Server-sent events for the page's person."""
        user = self._user(request)
        if user is None:
            return JSONResponse({"ok": False, "error": "not_authed"}, status_code=401)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._stream(user), media_type="text/event-stream", headers=headers
        )

    async def _stream(self, user: str) -> AsyncIterator[str]:
        queue = self._w.hub.open(user)
        try:
            yield "retry: 1000\n\n"
            while True:
                try:
                    item = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if item is None:
                    return
                yield f"data: {json.dumps(item, ensure_ascii=False)}\n\n"
        finally:
            self._w.hub.close(user, queue)


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").split(";")[0].strip() == "application/json"
