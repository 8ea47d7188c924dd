"""Fetching a file from Slack. The token goes to Slack's own hosts or the configured API alone."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from bot.settings import MAX_FILE

log = logging.getLogger(__name__)

MAX_SECONDS = 120.0
MAX_HOPS = 4
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FileProblem(Exception):
    """Why a file cannot be taken in; the message is the sentence that the person gets."""


@dataclass(frozen=True)
class Fetched:
    """A file's bytes."""

    data: bytes
    content_type: str


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises ``ValueError`` for what is no URL with a host."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, parts.hostname.lower(), port


def may_have_token(url: str, api_url: str) -> bool:
    """Whether ``url`` is Slack's own over https, or of the same origin as the configured API."""
    try:
        scheme, host, port = origin(url)
        if (scheme, host, port) == origin(api_url):
            return True
    except ValueError:
        return False
    own = host == "slack.com" or host.endswith(".slack.com")
    return own and scheme == "https" and port == 443


class Downloader:
    """Downloads with the bot's token. Thread-safe."""

    def __init__(self, token: str, api_url: str, proxy: str | None) -> None:
        """``proxy`` is the one that Slack is reached through, none on loopback."""
        self._token = token
        self._api_url = api_url
        self._client = httpx.Client(
            trust_env=False, proxy=proxy, timeout=httpx.Timeout(20.0), follow_redirects=False
        )

    def fetch(self, url: str, *, html_expected: bool, limit: int = MAX_FILE) -> Fetched:
        """The file at a ``url_private_download``, at most ``limit`` bytes.

        Raises ``FileProblem`` with a sentence; httpx's errors for a network that fails.
        """
        for _ in range(MAX_HOPS):
            if not may_have_token(url, self._api_url):
                log.warning("a Slack file leads to %s, which is not Slack", urlsplit(url).hostname)
                raise FileProblem(
                    "The file's address leads outside of Slack, so I did not fetch it."
                )
            headers = {"Authorization": f"Bearer {self._token}"}
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code in REDIRECTS and "location" in response.headers:
                    url = urljoin(url, response.headers["location"])
                    continue
                return self._read(response, html_expected=html_expected, limit=limit)
        raise FileProblem("Slack sends this file's address round in circles; I gave up.")

    def _read(self, response: httpx.Response, *, html_expected: bool, limit: int) -> Fetched:
        if response.status_code in (401, 403):
            raise FileProblem("Slack does not let me read this file (permission `files:read`).")
        if response.status_code in (404, 410):
            raise FileProblem("This file is no longer in Slack.")
        response.raise_for_status()
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html" and not html_expected:
            raise FileProblem(
                "Slack showed me a sign-in page instead of the file. The app is missing the "
                "permission `files:read`: an admin can add it and reinstall the app."
            )
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise too_large(int(declared), limit)
        until = time.monotonic() + MAX_SECONDS
        data = bytearray()
        for piece in response.iter_bytes(1 << 16):
            data += piece
            if len(data) > limit:
                raise too_large(None, limit)
            if time.monotonic() > until:
                raise FileProblem("Slack sends this file too slowly; please try again later.")
        return Fetched(bytes(data), kind)


def too_large(size: int | None, limit: int = MAX_FILE) -> FileProblem:
    """The sentence for a file over the limit; ``size`` in bytes where it is known."""
    has = f"has {size / 1024 / 1024:.0f} MB" if size else "is larger"
    return FileProblem(
        f"This file {has}; I read files of up to {limit // 1024 // 1024} MB. "
        "Splitting it, or sharing the text alone, would help."
    )
