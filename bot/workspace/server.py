"""Everything wired into one ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from bot.workspace.contents import Contents
from bot.workspace.control import Control
from bot.workspace.core import Workspace
from bot.workspace.delivery import Delivery
from bot.workspace.guard import Guard
from bot.workspace.interactions import Interactions
from bot.workspace.pages import FOLDER, Pages
from bot.workspace.response_urls import ResponseUrls
from bot.workspace.transport import SignedHttp, SocketMode
from bot.workspace.web_api.dispatch import Dispatcher


async def _health(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})


def create_server(w: Workspace, port: int) -> Starlette:
    """The application; its lifespan runs the delivery of events and closes the workspace."""
    settings = w.settings
    socket_mode = None if settings.request_url else SocketMode(w.url, settings.ack_seconds)
    transport = socket_mode or SignedHttp(
        settings.request_url, w.signing_secret, settings.ack_seconds
    )
    interactions = Interactions(w, transport)
    dispatcher = Dispatcher(w, interactions, socket_mode)
    delivery = Delivery(w, transport)
    w.wake = delivery.ring
    if socket_mode is not None:
        socket_mode.on_connect = delivery.ring
    contents, pages = Contents(w), Pages(w, dispatcher)
    routes = [
        Route("/", pages.index),
        Route("/archives/{channel}/{ts}", pages.index),
        Route("/health", _health),
        Route("/api/{method}", dispatcher.serve, methods=["GET", "POST"]),
        Route("/response/{team}/{secret}", ResponseUrls(w, interactions).serve, methods=["POST"]),
        Route("/upload/v1/{secret}", contents.upload, methods=["POST"]),
        Route("/files-pri/{team_file}/{name}", contents.private),
        Route("/files-pri/{team_file}/download/{name}", contents.private),
        Route("/files/{user}/{file}/{name}", contents.permalink),
        Route("/_control/{order}", Control(w, socket_mode).serve, methods=["POST"]),
        Route("/page/people", pages.people),
        Route("/page/session", pages.choose, methods=["POST"]),
        Route("/page/news", pages.news),
        Route("/page/api/{method}", pages.call, methods=["POST"]),
        Mount("/static", StaticFiles(directory=FOLDER)),
    ]
    if socket_mode is not None:
        routes.append(WebSocketRoute("/link", socket_mode.serve))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        pump = asyncio.create_task(delivery.run())
        try:
            yield
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump
            await transport.close()
            w.close()

    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, port=port)])
