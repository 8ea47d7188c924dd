"""``python -m bot.workspace``: the local workspace on ``PHI3_PORT``, on loopback alone."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from pathlib import Path

import uvicorn

from bot.workspace.core import Workspace
from bot.workspace.seed import BOT_USER
from bot.workspace.server import create_server
from bot.workspace.settings import WorkspaceSettings
from models.settings import Home

HOST = "127.0.0.1"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    fresh.replace(path)


def describe(w: Workspace) -> str:
    """``workspace.json``: how tests and tools reach the workspace, and as whom."""
    people = w.people
    users = {user["id"]: user for user in people.users()}
    body = {
        "api_url": f"{w.url}/api/",
        "bot_user": BOT_USER,
        "channels": [
            {"id": channel, "name": (people.channel(channel) or {}).get("name", "")}
            for channel in people.channels()
            if people.kind(channel) in ("channel", "group")
        ],
        "users": [
            {"id": user, "name": users[user]["name"], "token": token}
            for user, token in people.tokens().items()
        ],
        "bot_token": w.bot_token,
        "app_token": w.app_token,
        "signing_secret": w.signing_secret,
        "control_token": w.control_token,
    }
    return json.dumps(body, indent=1)


def main() -> int:
    """Serve until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    home, settings = Home(), WorkspaceSettings()
    # asyncio turns off Nagle's delay (40 ms an answer) only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, home.port))
    except OSError:
        sys.stderr.write(f"port {home.port} is taken; choose another with PHI3_PORT\n")
        return 1
    port = listener.getsockname()[1]
    url = f"http://{HOST}:{port}"
    workspace = Workspace(home.home / "workspace", url, settings)
    config = uvicorn.Config(
        create_server(workspace, port),
        log_level="warning",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    listener.listen(512)
    write_private(home.run / "workspace.json", describe(workspace))
    logging.getLogger(__name__).info("the workspace is at %s", url)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
