"""How something reaches the app: a WebSocket of Socket Mode, or a signed HTTP request."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import logging
import secrets
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlencode

import httpx
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bot.workspace.database import Json
from bot.workspace.seed import APP

log = logging.getLogger(__name__)

CONNECTIONS_LIMIT = 10
TICKET_SECONDS = 30.0


class NotDelivered(Exception):
    """The app did not acknowledge; the reason as ``X-Slack-Retry-Reason`` has it."""


class Transport(Protocol):
    """Sends one thing to the app and waits for its acknowledgement."""

    def ready(self) -> bool:
        """Whether anyone is there to send to."""
        ...

    async def send(
        self, kind: str, payload: Json, *, attempt: int = 0, reason: str = ""
    ) -> Json | None:
        """``kind``: ``events_api``, ``slash_commands`` or ``interactive``. Returns what the app
        answered with its acknowledgement; raises NotDelivered."""
        ...


class SocketMode:
    """Up to ten connections; each thing goes to one of them."""

    def __init__(self, url: str, ack_seconds: float) -> None:
        self._url = url.replace("http", "ws", 1)
        self._ack_seconds = ack_seconds
        self._tickets: dict[str, float] = {}
        self._connections: dict[WebSocket, set[str]] = {}  # envelopes not acknowledged yet
        self._acks: dict[str, asyncio.Future[Json | None]] = {}
        self._turn = itertools.count()
        self.on_connect: Callable[[], None] = lambda: None  # set by the delivery of events

    def open(self) -> str:
        """A URL good for one connection within half a minute."""
        now = time.monotonic()
        self._tickets = {ticket: end for ticket, end in self._tickets.items() if end > now}
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = now + TICKET_SECONDS
        return f"{self._url}/link?ticket={ticket}&app_id={APP}"

    def ready(self) -> bool:
        """Whether a connection is open."""
        return bool(self._connections)

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from hello to its end."""
        end = self._tickets.pop(socket.query_params.get("ticket", ""), 0.0)
        if end < time.monotonic() or len(self._connections) >= CONNECTIONS_LIMIT:
            await socket.close(code=1008)
            return
        await socket.accept()
        self._connections[socket] = set()
        try:
            await socket.send_json(
                {
                    "type": "hello",
                    "num_connections": len(self._connections),
                    "debug_info": {
                        "host": "applink-local",
                        "build_number": 1,
                        "approximate_connection_time": 18060,
                    },
                    "connection_info": {"app_id": APP},
                }
            )
            self.on_connect()
            while True:
                self._acknowledged(await socket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            for envelope in self._connections.pop(socket, set()):
                waiting = self._acks.get(envelope)
                if waiting is not None and not waiting.done():
                    waiting.set_exception(NotDelivered("connection_failed"))

    def _acknowledged(self, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            log.warning("the app sent something that is not JSON")
            return
        waiting = self._acks.get(str(answer.get("envelope_id")) if isinstance(answer, dict) else "")
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.get("payload"))

    async def send(
        self, kind: str, payload: Json, *, attempt: int = 0, reason: str = ""
    ) -> Json | None:
        """See Transport."""
        connections = list(self._connections)
        if not connections:
            raise NotDelivered("no_connection")
        socket = connections[next(self._turn) % len(connections)]
        envelope = secrets.token_hex(16)
        message: Json = {
            "envelope_id": envelope,
            "payload": payload,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            message |= {"retry_attempt": attempt, "retry_reason": reason}
        waiting: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._acks[envelope] = waiting
        self._connections[socket].add(envelope)
        try:
            await socket.send_json(message)
            return await asyncio.wait_for(waiting, self._ack_seconds)
        except TimeoutError:
            raise NotDelivered("timeout") from None
        except (RuntimeError, WebSocketDisconnect) as error:
            raise NotDelivered("connection_failed") from error
        finally:
            del self._acks[envelope]
            if waiting.done() and not waiting.cancelled():
                waiting.exception()  # seen, so that it is not reported as lost
            self._connections.get(socket, set()).discard(envelope)

    async def disconnect(self, reason: str) -> int:
        """Ask every connection to be made anew; a ``warning`` leaves it open."""
        connections = list(self._connections)
        for socket in connections:
            await socket.send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-local"}}
            )
            if reason != "warning":
                await socket.close(code=1000)
        return len(connections)

    async def close(self) -> None:
        """Close every connection."""
        for socket in list(self._connections):
            if socket.application_state is WebSocketState.CONNECTED:
                await socket.close(code=1001)


class SignedHttp:
    """POST to the app's request URL, signed as Slack signs."""

    def __init__(self, url: str, secret: str, ack_seconds: float) -> None:
        self._url = url
        self._secret = secret.encode()
        self._client = httpx.AsyncClient(
            timeout=ack_seconds, trust_env=False, follow_redirects=False
        )

    def ready(self) -> bool:
        """A request URL can always be tried."""
        return True

    async def send(
        self, kind: str, payload: Json, *, attempt: int = 0, reason: str = ""
    ) -> Json | None:
        """See Transport."""
        if kind == "events_api":
            body, content = json.dumps(payload), "application/json"
        elif kind == "slash_commands":
            body, content = urlencode(payload), "application/x-www-form-urlencoded"
        else:
            body, content = (
                urlencode({"payload": json.dumps(payload)}),
                "application/x-www-form-urlencoded",
            )
        stamp = str(int(time.time()))
        signature = hmac.new(
            self._secret, f"v0:{stamp}:{body}".encode(), hashlib.sha256
        ).hexdigest()
        headers = {
            "Content-Type": content,
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={signature}",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.TimeoutException:
            raise NotDelivered("http_timeout") from None
        except httpx.HTTPError as error:
            raise NotDelivered("connection_failed") from error
        if answer.status_code != 200:
            if answer.headers.get("X-Slack-No-Retry") == "1":
                return None
            raise NotDelivered("http_error")
        return _answered(answer)

    async def close(self) -> None:
        """Close the pool."""
        await self._client.aclose()


def _answered(answer: httpx.Response) -> Json | None:
    if not answer.content.strip():
        return None
    if "json" in answer.headers.get("Content-Type", ""):
        try:
            found = answer.json()
        except ValueError:
            return None
        return found if isinstance(found, dict) else None
    return {"text": answer.text}
