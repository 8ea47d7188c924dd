"""HTTP shared by the clients: a connection pool each, errors by meaning, no proxy to ourselves."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from models.lm.errors import AdapterMissing, ModelBusy, ModelRefused, ModelUnavailable

_JSON = {"Content-Type": "application/json"}


class Transport:
    """A connection pool to one server. Thread-safe; close it, or use it as a context manager."""

    def __init__(self, url: str, api_key: str | None = None, *, timeout: float = 60.0) -> None:
        """``url``: the server's root, with or without ``/v1``; ``timeout``: seconds of silence."""
        self.url = url.rstrip("/").removesuffix("/v1")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=5.0),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
            trust_env=not is_local(self.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str) -> Any:
        """GET a JSON document; raises ModelError."""
        return self._json(self._http.build_request("GET", path))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST a JSON document, return the answer's; raises ModelError."""
        return self._json(
            self._http.build_request("POST", path, content=_ascii(body), headers=_JSON)
        )

    def stream(self, path: str, body: Mapping[str, Any]) -> AbstractContextManager[httpx.Response]:
        """POST a JSON document and read the answer as it comes; raises httpx.HTTPError."""
        return self._http.stream("POST", path, content=_ascii(body), headers=_JSON)

    def _json(self, request: httpx.Request) -> Any:
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error
        raise_for(response)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            return response.text


def _ascii(body: Mapping[str, Any]) -> bytes:
    """JSON that can be sent whatever its texts hold, lone surrogates included."""
    return json.dumps(body).encode("ascii")


def unreachable(url: str, error: httpx.HTTPError) -> ModelUnavailable:
    """The error to raise when a connection failed."""
    return ModelUnavailable(f"{url}: {type(error).__name__}: {error}")


def raise_for(response: httpx.Response) -> None:
    """Raise the ModelError that fits a response which is no success; its body must be read."""
    if response.is_success:
        return
    status, message = response.status_code, error_message(response)
    if status in (429, 503):
        raise ModelBusy(message, _retry_after(response.headers.get("Retry-After")))
    if status == 404:
        raise AdapterMissing(message, status)
    if 400 <= status < 500:
        raise ModelRefused(message, status)
    raise ModelUnavailable(f"HTTP {status}: {message}")


def error_message(response: httpx.Response) -> str:
    """The server's own words, in any of the shapes that servers of this protocol use."""
    try:
        body = response.json()
    except ValueError:
        return response.text[:300] or response.reason_phrase
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            return str(inner.get("message") or inner.get("detail") or inner)[:300]
        return str(inner)[:300]
    return str(body)[:300]


def is_local(url: str) -> bool:
    """Whether ``url`` names this machine or this network, where no proxy stands between."""
    host = (urlsplit(url).hostname or "").lower()
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost", ".svc"))


def _retry_after(value: str | None) -> float:
    try:
        return max(0.1, float(value)) if value else 1.0
    except ValueError:
        return 1.0
