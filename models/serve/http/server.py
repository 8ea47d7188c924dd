"""Runs the public port and, where there are adapters, the admin port, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket

import uvicorn
from starlette.applications import Starlette

from models.serve.errors import CannotStart

log = logging.getLogger(__name__)

GRACE = 10  # seconds for requests in flight


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises CannotStart with the port's number if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's delay (40 ms an answer) only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotStart(f"Port {port} on {host} cannot be used: {error.strerror}.") from error
    listener.listen(1024)
    return listener


def run(apps: list[tuple[Starlette, socket.socket]]) -> None:
    """Serve each application on its socket; return after SIGTERM or SIGINT, requests finished."""
    asyncio.run(_serve(apps))


async def _serve(apps: list[tuple[Starlette, socket.socket]]) -> None:
    servers = [
        _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=GRACE,
                timeout_keep_alive=30,
                server_header=False,
                lifespan="off",
            )
        )
        for app, _ in apps
    ]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    await asyncio.gather(
        *(server.serve([listener]) for server, (_, listener) in zip(servers, apps, strict=True))
    )


class _Server(uvicorn.Server):
    """Leaves the signals to us: two servers share the process."""

    def install_signal_handlers(self) -> None:
        """None of its own."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Without uvicorn's own capture of signals."""
        await self._serve(sockets)
