"""Who may talk to the server: key, Host and Origin, size; checked before a body is read."""

from __future__ import annotations

import hmac
import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.serve.errors import RequestError
from models.serve.settings import is_loopback

OPEN = frozenset({"/health"})


class Guard:
    """ASGI middleware. With a key, the key decides; without one, only this machine's own programs.

    A web page that a browser on this machine shows may reach loopback too: its requests carry an
    ``Origin``, or after DNS rebinding a foreign ``Host``. Both are refused.
    """

    def __init__(self, app: ASGIApp, *, key: str | None, max_bytes: int) -> None:
        self._app = app
        self._key = key
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or answer it with an error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check(headers, scope["path"])
        except RequestError as error:
            await refuse(send, error)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise RequestError(
                    f"The request is larger than {self._max_bytes} bytes.", status=413
                )
            return message

        await self._app(scope, limited, send)

    def _check(self, headers: Headers, path: str) -> None:
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and not _same(origin, host):
            raise RequestError("Requests of web pages are not served.", status=403)
        if not self._key and not is_loopback(_hostname(host)):
            raise RequestError(f"This server is not {host!r}.", status=403)
        if self._key and path not in OPEN:
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._key.encode()):
                raise RequestError("The API key is missing or wrong.", status=401)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._max_bytes:
            raise RequestError(f"The request is larger than {self._max_bytes} bytes.", status=413)


async def refuse(send: Send, error: RequestError) -> None:
    """Send an error as the whole answer."""
    body = json.dumps(error.body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same(origin: str, host: str) -> bool:
    """Whether a page of our own asks: we serve none but loopback tools may send one."""
    try:
        return is_loopback(urlsplit(origin).hostname or "") and urlsplit(origin).netloc == host
    except ValueError:
        return False
