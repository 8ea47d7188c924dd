"""Pure: what somebody wants to have ingested or forgotten."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

_WRAPPED_URL = re.compile(r"^<((?:https?)://[^|>\s]+)(?:\|[^>]*)?>$")
_BARE_URL = re.compile(r"^https?://\S+$", re.IGNORECASE)
_CHANNEL = re.compile(r"^<#([A-Z0-9]+)(?:\|[^>]*)?>$")
_CHANNEL_NAME = re.compile(r"^#([\w\-.]{1,80})$")
_SLACK_FILE = re.compile(r"/files(?:-pri|-tmb)?/(?:[A-Z0-9]+[-/])?(F[A-Z0-9]{4,})(?:[/?-]|$)")
_LOCAL = re.compile(r"^(?:file://|~?/|\.{1,2}/|[A-Za-z]:\\)\S+$")


@dataclass(frozen=True)
class Target:
    """``value``: an address, a file id, a channel id or name, a path, or the text itself."""

    kind: Literal["url", "slack_file", "channel", "channel_name", "local", "text"]
    value: str


def parse(words: str, *, workspace_hosts: frozenset[str]) -> Target:
    """Tell what was typed; only addresses of ``workspace_hosts`` can be Slack files."""
    words = words.strip()
    channel = _CHANNEL.match(words)
    if channel:
        return Target("channel", channel[1])
    named = _CHANNEL_NAME.match(words)
    if named:
        return Target("channel_name", named[1].lower())
    wrapped = _WRAPPED_URL.match(words)
    url = html.unescape(wrapped[1]) if wrapped else words if _BARE_URL.match(words) else None
    if url:
        file_id = _slack_file(url, workspace_hosts)
        return Target("slack_file", file_id) if file_id else Target("url", url)
    if _LOCAL.match(words):
        return Target("local", words)
    return Target("text", html.unescape(words))


def _slack_file(url: str, workspace_hosts: frozenset[str]) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all, as whoever fetches it will say
        return None
    file = _SLACK_FILE.search(parts.path)
    return file[1] if file and (parts.hostname or "").lower() in workspace_hosts else None


def text_uri(text: str) -> str:
    """The identity of typed text among documents."""
    return f"text:{hashlib.sha256(text.encode()).hexdigest()}"


def text_title(text: str) -> str:
    """The first line, without Markdown's marks, cut short."""
    first = next((line for line in text.splitlines() if line.strip()), "Text")
    clean = re.sub(r"^[#>*\-\s]+", "", first).strip() or "Text"
    return clean if len(clean) <= 80 else clean[:79].rsplit(" ", 1)[0] + "…"
