"""A running workspace process and a real Bolt app connected to it."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

Json = dict[str, Any]


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class Process:
    """``python -m bot.workspace`` with a home of its own."""

    home: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        known = {key: value for key, value in os.environ.items() if not key.startswith("SLACK_")}
        settings = {"PHI3_HOME": str(self.home), "PHI3_PORT": str(self.port)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot.workspace"], env=known | settings | self.environment
        )
        deadline = time.monotonic() + 20
        with httpx.Client(trust_env=False) as client:
            while True:
                assert self.process.poll() is None, "the workspace ended"
                try:
                    client.get(f"{self.url}/health").raise_for_status()
                except httpx.HTTPError:
                    assert time.monotonic() < deadline, "the workspace did not start"
                    time.sleep(0.05)
                else:
                    return

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait."""
        assert self.process is not None
        self.process.send_signal(sign)
        self.process.wait(timeout=10)

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def facts(self) -> Json:
        """``workspace.json``."""
        found: Json = json.loads((self.home / "run" / "workspace.json").read_text())
        return found

    def person(self, name: str) -> WebClient:
        """A client with a person's token."""
        token = next(user["token"] for user in self.facts["users"] if user["name"] == name)
        return WebClient(token, base_url=self.facts["api_url"])

    def bot(self) -> WebClient:
        """A client with the bot's token."""
        return WebClient(self.facts["bot_token"], base_url=self.facts["api_url"])

    def channel(self, name: str) -> str:
        """A channel's id."""
        return next(str(one["id"]) for one in self.facts["channels"] if one["name"] == name)

    def control(self, order: str, **body: object) -> Json:
        """Trouble on demand."""
        headers = {"Authorization": f"Bearer {self.facts['control_token']}"}
        with httpx.Client(trust_env=False) as client:
            answer = client.post(f"{self.url}/_control/{order}", json=body, headers=headers)
        found: Json = answer.raise_for_status().json()
        return found


@pytest.fixture(scope="package")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One for all tests of the package; quick to lose patience with its app."""
    process = Process(
        home=tmp_path_factory.mktemp("workspace"),
        port=free_port(),
        environment={"PHI3_WORKSPACE_ACK_SECONDS": "0.6", "PHI3_WORKSPACE_RETRIES": "0,0.3,0.3"},
    )
    process.start()
    yield process
    process.stop()


class Heard:
    """What a Bolt app heard, to wait for."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Json] = queue.Queue()

    def put(self, item: Json) -> None:
        """Hear something."""
        self._queue.put(item)

    def forget(self) -> None:
        """Let go of everything heard so far."""
        while not self._queue.empty():
            self._queue.get_nowait()

    def wait(self, wanted: Callable[[Json], bool], seconds: float = 5) -> Json:
        """The next thing that is wanted; what comes before it is let go."""
        deadline = time.monotonic() + seconds
        while True:
            item = self._queue.get(timeout=max(0.01, deadline - time.monotonic()))
            if wanted(item):
                return item

    def event(self, kind: str, **values: object) -> Json:
        """The next event of a type with these values."""

        def wanted(item: Json) -> bool:
            event = item.get("event", {})
            same = all(event.get(key) == value for key, value in values.items())
            return event.get("type") == kind and same

        found: Json = self.wait(wanted)["event"]
        return found


EVENTS = [
    "message",
    "app_mention",
    "file_shared",
    "file_change",
    "file_deleted",
    "file_unshared",
    "reaction_added",
    "member_joined_channel",
    "app_home_opened",
    "user_change",
]


def listen_to_everything(app: App, heard: Heard) -> None:
    """Write down every event that the app gets."""

    def hear(body: Json) -> None:
        heard.put(body)

    for kind in EVENTS:
        app.event(kind)(hear)


@dataclass(kw_only=True)
class Bolt:
    """A Bolt app and what it heard."""

    app: App
    client: WebClient
    heard: Heard


@pytest.fixture(scope="package")
def connected(workspace: Process) -> Iterator[Bolt]:
    """An unmodified Bolt app over Socket Mode; closing takes seconds, so one serves all."""
    client = workspace.bot()
    app = App(client=client, process_before_response=True)
    heard = Heard()
    listen_to_everything(app, heard)
    handler = SocketModeHandler(app, workspace.facts["app_token"])
    handler.connect()  # type: ignore[no-untyped-call]
    yield Bolt(app=app, client=client, heard=heard)
    handler.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def bolt(connected: Bolt) -> Bolt:
    """The app, with nothing heard yet."""
    connected.heard.forget()
    return connected


def say(workspace: Process, text: str, *, name: str = "ada", channel: str = "general") -> Json:
    """A person writes in a channel; the answer of chat.postMessage."""
    answer = workspace.person(name).chat_postMessage(channel=workspace.channel(channel), text=text)
    data = answer.data
    assert isinstance(data, dict)
    return data
