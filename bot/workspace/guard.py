"""Only this machine's own pages and tools come in: Host and Origin are checked first.

A page of another origin can make a browser send requests here; a name that it rebinds to 127.0.0.1
shows in Host, a foreign page shows in Origin or Sec-Fetch-Site.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self';"
    " form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)

_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = frozenset(f"{name}:{port}" for name in _NAMES)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if not self._welcome(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                refusal = PlainTextResponse(
                    "This server answers only its own page.", status_code=403
                )
                await refusal(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = dict(message.get("headers", []))
                headers.setdefault(b"x-content-type-options", b"nosniff")
                headers.setdefault(b"referrer-policy", b"no-referrer")
                headers.setdefault(b"cross-origin-resource-policy", b"same-origin")
                headers.setdefault(b"content-security-policy", PAGE_POLICY.encode())
                message = {**message, "headers": [*headers.items(), *_repeated(message)]}
            await send(message)

        await self._app(scope, receive, send_safely)

    def _welcome(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        # slack_sdk's own WebSocket client leaves the port out of Host.
        portless = scope["type"] == "websocket" and host in _NAMES
        if host not in self._hosts and not portless:
            return False
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            return False
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return True
        # A link in another page may open ours, as any link may; nothing else comes from there.
        return headers.get("sec-fetch-mode") == "navigate" and scope.get("method") == "GET"


def _repeated(message: Message) -> list[tuple[bytes, bytes]]:
    """Headers that occur more than once, less the one that the dictionary keeps."""
    seen: dict[bytes, bytes] = dict(message.get("headers", []))
    return [(key, value) for key, value in message.get("headers", []) if seen[key] != value]
