"""The bot's HTTP server, in a thread: health, the document viewer, and Slack's events over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvicorn
from slack_bolt import App
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.proxies import is_loopback
from bot.viewer import Viewer

MAX_BODY = 5 * 1024 * 1024  # bytes of one request from Slack


@dataclass(frozen=True)
class Health:
    """How the process is: ``state`` is ``ok`` or ``degraded``."""

    state: str
    slack: str  # connected, connecting, http


class OwnNamesOnly:
    """Refuses requests for other hosts, or sent by pages of other origins."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        """``hosts``: names besides this machine's own under which the server is reached."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is meant for us."""
        if scope["type"] == "http":
            headers = {
                key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
            }
            if not self._ours(f"//{headers.get('host', '')}"):
                await PlainTextResponse("unknown host", 421)(scope, receive, send)
                return
            origin = headers.get("origin")
            if origin is not None and not self._ours(origin):
                await PlainTextResponse("unknown origin", 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _ours(self, url: str) -> bool:
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            return False
        return is_loopback(host) or host in self._hosts


def create_server(
    viewer: Viewer, health: Callable[[], Health], *, slack: App | None, hosts: frozenset[str]
) -> Starlette:
    """The routes; ``slack`` is served under ``/slack/events`` where events come over HTTP."""

    async def on_health(request: Request) -> Response:
        now = health()
        status = 200 if now.state == "ok" else 503
        return JSONResponse({"status": now.state, "slack": now.slack}, status)

    routes = [
        Route("/health", on_health),
        Route("/documents/{document_id:int}", viewer.serve),
    ]
    if slack is not None:
        routes.append(Route("/slack/events", _events(slack), methods=["POST"]))
    return Starlette(routes=routes, middleware=[Middleware(OwnNamesOnly, hosts=hosts)])


def _events(app: App) -> Callable[[Request], Awaitable[Response]]:
    async def on_event(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                return PlainTextResponse("too large", 413)
        # Bolt is synchronous: on the event loop, one slow commit would hold up every request.
        answer = await run_in_threadpool(app.dispatch, to_bolt_request(request, bytes(body)))
        return to_starlette_response(answer)

    return on_event


class ServerThread:
    """Uvicorn outside of the main thread, whose signals it leaves alone."""

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        """Binds when started."""
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    def start(self, *, wait_s: float = 10.0) -> None:
        """Return once it listens. Raises ``OSError`` if it cannot."""
        self._thread.start()
        until = time.monotonic() + wait_s
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise OSError("the bot's HTTP server cannot listen on its port")
            time.sleep(0.02)

    def stop(self) -> None:
        """Finish what is being served."""
        self._server.should_exit = True
        self._thread.join(timeout=3.0)
