"""Pure: what Slack says about a file, reduced to what matters here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.files.download import FileProblem, too_large
from bot.settings import MAX_FILE

_UNREADABLE = ("image/", "video/", "audio/")


@dataclass(frozen=True, kw_only=True)
class SlackFile:
    """A file as ``files.info`` describes it."""

    file_id: str
    name: str
    title: str
    mime: str
    size: int
    url: str
    permalink: str | None
    user: str | None
    channels: frozenset[str]  # where it is shared now

    @property
    def uri(self) -> str:
        """Its identity among documents."""
        return f"slack:file:{self.file_id}"


def describe(file: Mapping[str, Any]) -> SlackFile:
    """Read a file object; raises ``FileProblem`` for what cannot be taken in at all."""
    name = str(file.get("name") or file.get("title") or file["id"])
    mime = str(file.get("mimetype") or "")
    if file.get("mode") == "tombstone":
        raise FileProblem("This file is no longer in Slack.")
    if file.get("mode") in ("external", "hidden_by_limit") or file.get("is_external"):
        raise FileProblem(
            f"“{name}” is kept outside of Slack, where I cannot read it. "
            "Share the file itself, or use `/phi3 ingest` with a public link."
        )
    if mime.startswith(_UNREADABLE):
        raise FileProblem(
            f"“{name}” holds no text that I can read ({mime}). I read documents, slides, tables "
            "and web pages."
        )
    size = int(file.get("size") or 0)
    if size > MAX_FILE:
        raise too_large(size)
    if size == 0 and file.get("size") is not None:
        raise FileProblem(f"“{name}” is empty, so there is nothing to read.")
    url = str(file.get("url_private_download") or file.get("url_private") or "")
    if not url:
        raise FileProblem(f"Slack gives no address for “{name}”, so I cannot read it.")
    return SlackFile(
        file_id=str(file["id"]),
        name=name,
        title=str(file.get("title") or name),
        mime=mime,
        size=size,
        url=url,
        permalink=file.get("permalink"),
        user=file.get("user"),
        channels=channels_of(file),
    )


def channels_of(file: Mapping[str, Any]) -> frozenset[str]:
    """Ids of all conversations that a file is shared in."""
    found = {
        str(channel) for key in ("channels", "groups", "ims") for channel in file.get(key) or []
    }
    for places in (file.get("shares") or {}).values():
        found.update(str(channel) for channel in places)
    return frozenset(found)


def share_ts(file: Mapping[str, Any], channel_id: str) -> str | None:
    """Thread to answer in: that of the latest message which shares the file in a channel."""
    for places in (file.get("shares") or {}).values():
        shares = places.get(channel_id) or []
        if shares:
            latest = max(shares, key=lambda share: float(share.get("ts") or 0))
            return str(latest.get("thread_ts") or latest.get("ts"))
    return None
