"""The running parts as the tests of the bot use them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from models.store.session import Sessions

T = TypeVar("T")
PATIENCE_S = 30.0


class Part:
    """A process, its log in a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], home: Path):
        """Not started yet."""
        self.name = name
        self._command = command
        self._environment = dict(environment)
        self.log = home / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, its log appended."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9, with its children."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end; insist after a while."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4_000:] if self.log.exists() else ""


def wait_for_http(url: str, part: Part, timeout_s: float = 90.0) -> None:
    """Return once ``url`` answers 200."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if part.process is not None and part.process.poll() is not None:
            raise AssertionError(f"{part.name} ended:\n{part.tail()}")
        try:
            if httpx.get(url, trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{part.name} does not answer:\n{part.tail()}")


def eventually(look: Callable[[], T | None], what: str, timeout_s: float = PATIENCE_S) -> T:
    """The first truthy result of ``look``."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {timeout_s:.0f} s")


class Line:
    """A TCP line to another port of this machine, which can be cut and mended."""

    def __init__(self, port: int, target: int) -> None:
        """Listens on ``port``, leads to ``target``."""
        self.cut = False
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """For good."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            if self.cut:
                near.close()
                far.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not self.cut and (data := source.recv(65_536)):
                sink.sendall(data)
        for end in (source, sink):
            end.close()


@dataclass(frozen=True)
class House:
    """Every part, and the doors to them."""

    environment: Mapping[str, str]
    home: Path
    sessions: Sessions
    bot: Part
    worker: Part
    models: Part
    line: Line  # between the bot and the models

    @property
    def workspace(self) -> dict[str, Any]:
        """``run/workspace.json``."""
        body: dict[str, Any] = json.loads((self.home / "run" / "workspace.json").read_text())
        return body

    @property
    def url(self) -> str:
        """The workspace's page."""
        return f"http://127.0.0.1:{self.environment['PHI3_PORT']}"

    @property
    def bot_url(self) -> str:
        """The bot's own server."""
        return f"http://127.0.0.1:{self.environment['PHI3_BOT_PORT']}"

    def control(self, order: str, **values: Any) -> dict[str, Any]:
        """Ask the workspace for trouble."""
        token = self.workspace["control_token"]
        response = httpx.post(
            f"{self.url}/_control/{order}",
            json=values,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        body: dict[str, Any] = response.json()
        return body

    def channel(self, name: str) -> str:
        """A channel's id."""
        return next(str(one["id"]) for one in self.workspace["channels"] if one["name"] == name)

    def person(self, name: str) -> Person:
        """A person of the workspace."""
        workspace = self.workspace
        user = next(one for one in workspace["users"] if one["name"] == name)
        return Person(workspace["api_url"], user["id"], user["token"], workspace["bot_user"])

    def api(self) -> Person:
        """The workspace as the bot sees it."""
        workspace = self.workspace
        return Person(
            workspace["api_url"],
            workspace["bot_user"],
            self.environment["SLACK_BOT_TOKEN"],
            workspace["bot_user"],
        )

    @contextmanager
    def bot_down(self) -> Iterator[None]:
        """The bot is killed; at the end it runs again."""
        self.bot.kill()
        try:
            yield
        finally:
            self.start_bot()

    def start_bot(self) -> None:
        """Start the bot and wait until it is connected."""
        self.bot.start()
        wait_for_http(f"{self.bot_url}/health", self.bot)


@dataclass(frozen=True)
class Person:
    """Somebody of the workspace, at their own token."""

    api_url: str
    id: str
    token: str
    bot: str

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """A Web API method; raises AssertionError where it is refused."""
        response = httpx.post(
            f"{self.api_url}{method}",
            json=arguments,
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=10,
        )
        body: dict[str, Any] = response.json()
        assert body.get("ok"), f"{method}: {body}"
        return body

    def direct(self) -> str:
        """The direct message with the bot."""
        return str(self.call("conversations.open", users=self.bot)["channel"]["id"])

    def post(self, channel: str, text: str, **more: Any) -> str:
        """Say something; its timestamp."""
        return str(self.call("chat.postMessage", channel=channel, text=text, **more)["ts"])

    def ask(self, channel: str, question: str, **more: Any) -> str:
        """Mention the bot."""
        return self.post(channel, f"<@{self.bot}> {question}", **more)

    def thread(self, channel: str, ts: str) -> list[dict[str, Any]]:
        """The bot's messages in a thread."""
        messages = self.call("conversations.replies", channel=channel, ts=ts, limit=200)["messages"]
        return [one for one in messages if one.get("user") == self.bot and one["ts"] != ts]

    def answer(self, channel: str, ts: str, *, count: int = 1, having: str = "") -> dict[str, Any]:
        """The bot's ``count``-th finished message in a thread, once there is one."""

        def look() -> dict[str, Any] | None:
            found = [
                one
                for one in self.thread(channel, ts)
                if finished(one) and having in everything(one)
            ]
            return found[count - 1] if len(found) >= count else None

        try:
            return eventually(look, f"answer {count} with {having!r}")
        except AssertionError as error:
            said = [everything(one)[:1_500] for one in self.thread(channel, ts)]
            raise AssertionError(f"{error}; the bot said {said}") from error

    def command(self, channel: str, text: str) -> str:
        """``/phi3 TEXT``; the ephemeral acknowledgement."""
        body = self.call("_workspace.command", channel=channel, command="/phi3", text=text)
        return str((body.get("response") or {}).get("text") or "")

    def whispers(self, channel: str) -> list[str]:
        """What only this person sees in a channel."""
        messages = self.call("_workspace.ephemerals", channel=channel)["messages"]
        return [str(one.get("text") or "") for one in messages]

    def press(self, channel: str, message: dict[str, Any], action: str, **more: Any) -> None:
        """Press a button."""
        self.call("_workspace.action", channel=channel, ts=message["ts"], action_id=action, **more)

    def share(self, channel: str, name: str, data: bytes, **more: Any) -> str:
        """Upload a file into a channel; its id."""
        made = self.call("files.getUploadURLExternal", filename=name, length=len(data))
        httpx.post(made["upload_url"], content=data, trust_env=False).raise_for_status()
        self.call(
            "files.completeUploadExternal",
            files=[{"id": made["file_id"], "title": more.pop("title", name)}],
            channel_id=channel,
            **more,
        )
        return str(made["file_id"])


def finished(message: dict[str, Any]) -> bool:
    """Whether a message of the bot's is complete: an answer under way is Markdown alone."""
    blocks = message.get("blocks") or []
    return bool(blocks) and blocks[-1]["type"] != "markdown"


def everything(message: dict[str, Any]) -> str:
    """All words of a message, its blocks included."""
    return str(message.get("text") or "") + json.dumps(
        message.get("blocks") or [], ensure_ascii=False
    )


def links(message: dict[str, Any]) -> list[str]:
    """The addresses that a message's sections link to."""
    text = json.dumps(message.get("blocks") or [], ensure_ascii=False)
    return [url.replace("&amp;", "&") for url in re.findall(r"<(https?://[^|>]+)\|", text)]
