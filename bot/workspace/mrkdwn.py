"""Slack's text: links are wrapped, mentions are found."""

from __future__ import annotations

import re

_WRAPPED_OR_URL = re.compile(r"(`[^`]*`|<[^>]*>)|(https?://[^\s<>|`]+)")
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")


def link_urls(text: str) -> str:
    """Wrap bare addresses in angle brackets, as Slack stores them; code stays as it is."""

    def wrap(match: re.Match[str]) -> str:
        kept, url = match.groups()
        if kept is not None:
            return str(kept)
        bare = url.rstrip(".,;:!?)]}'\"")
        return f"<{bare}>{url[len(bare) :]}"

    return _WRAPPED_OR_URL.sub(wrap, text)


def mentioned(text: str) -> frozenset[str]:
    """Ids of the users that a text mentions."""
    return frozenset(_MENTION.findall(text))
