"""Pure: other people's words made safe for Slack, links, ages, and cutting to Slack's limits."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

Block = dict[str, Any]

SECTION = 3_000  # characters of a section's text
TYPED = 3_000  # characters that a text input takes
ADDRESS = 2_000  # characters of a link's address; beside a title it fits into a section
MARKDOWN = 11_000  # of the markdown in one message; 12,000 and all else is refused by Slack
JOINER = "\u2060"  # invisible; breaks Markdown's link syntax

_LINK = re.compile(r"\](?=[(:])")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")  # turn what is shown around
_SCHEME = re.compile(r"^https?$")


@dataclass(frozen=True)
class Message:
    """What chat.postMessage takes: blocks, and text for notifications and small screens."""

    text: str
    blocks: list[Block] = field(default_factory=list)


def fits(text: str) -> bool:
    """Whether a text input takes it whole; an emoji counts twice, as in JavaScript."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 <= TYPED


def escape(text: str) -> str:
    """Plain text as mrkdwn: no mention, channel, link or date can come out of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """Plain text for mrkdwn, its formatting characters kept from formatting."""
    words = _BIDI.sub("", " ".join(text.split()))
    return re.sub(r"([*_~`])", rf"{JOINER}\1{JOINER}", escape(words))


def safe_markdown(text: str) -> str:
    """An answer for Slack's Markdown: bold, lists and code stay; links and mentions do not work.

    What a document says may be quoted, but may not place a link behind other words or call people.
    """
    return _LINK.sub(f"]{JOINER}", escape(text))


def link(url: str | None, label: str) -> str:
    """A mrkdwn link, or the bare label where ``url`` is no http(s) address."""
    shown = plain(label).replace("|", "¦") or "untitled"
    target = safe_url(url)
    return f"<{target}|{shown}>" if target else shown


def safe_url(url: str | None) -> str | None:
    """An http(s) address that cannot leave its place in mrkdwn; none for anything else.

    Nor for one so long that a section could not hold it whole.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if not _SCHEME.match(parts.scheme) or not parts.netloc:
        return None
    target = quote(url, safe="%/:=&?~#+!$,;'@()*[]-._").replace("&", "&amp;")
    return target if len(target) <= ADDRESS else None


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut at a word, with an ellipsis."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    return (cut.rsplit(None, 1)[0] if " " in cut[limit // 2 :] else cut) + "…"


def split(text: str, limit: int = MARKDOWN) -> list[str]:
    """Cut a long text into parts of at most ``limit`` characters; joined they are the text.

    Cuts between paragraphs if possible, else between lines, sentences or words.
    """
    parts: list[str] = []
    while len(text) > limit:
        head = text[:limit]
        at = limit
        for mark in ("\n\n", "\n", ". ", " "):
            found = head.rfind(mark)
            if found > limit // 2:
                at = found + len(mark)
                break
        parts.append(text[:at])
        text = text[at:]
    return [*parts, text]


def ago(then: dt.datetime, now: dt.datetime) -> str:
    """An age in words: ``just now``, ``3 hours ago``, ``2 years ago``."""
    seconds = max((now - then).total_seconds(), 0)
    for unit, length in (
        ("year", 31_557_600),
        ("month", 2_629_800),
        ("week", 604_800),
        ("day", 86_400),
        ("hour", 3_600),
        ("minute", 60),
    ):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


def section(text: str) -> Block:
    """A section of mrkdwn, cut to what Slack takes."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": shorten(text, SECTION)}}


def context(*texts: str) -> Block:
    """Small print, ten elements at most."""
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": shorten(text, 2_000)} for text in texts[:10]],
    }


def button(action_id: str, label: str, value: str, *, style: str | None = None) -> Block:
    """A button with a value of at most 2,000 characters."""
    made: Block = {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": label},
        "value": shorten(value, 2_000),
    }
    return made | ({"style": style} if style else {})
