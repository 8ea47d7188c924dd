"""Which function renders which kind of outbox payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.blocks import ingest, learning
from bot.blocks.text import Message, escape, section

Renderer = Callable[[Mapping[str, Any]], Message]


class UnknownKind(LookupError):
    """A payload whose kind nobody renders."""


def text(payload: Mapping[str, Any]) -> Message:
    """``text``: plain words, written by us or by a person."""
    shown = escape(str(payload["text"]))
    return Message(shown, [section(shown)])


def mrkdwn(payload: Mapping[str, Any]) -> Message:
    """``text``: mrkdwn that our own code made; other people's words in it are escaped already."""
    return Message(str(payload["text"]), [section(str(payload["text"]))])


RENDERERS: dict[str, Renderer] = {
    "text": text,
    "mrkdwn": mrkdwn,
    "ingest_progress": ingest.progress,
    "ingest_done": ingest.finished,
    "pairs_stale": learning.stale,
    "adapters_withdrawn": learning.withdrawn,
    "refresh_progress": learning.progress,
    "refresh_report": learning.report,
}


def render(payload: Mapping[str, Any]) -> Message:
    """The message for a payload. Raises ``UnknownKind``."""
    renderer = RENDERERS.get(str(payload.get("kind")))
    if renderer is None:
        raise UnknownKind(str(payload.get("kind")))
    return renderer(payload)
