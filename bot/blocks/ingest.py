"""Pure: how far an ingestion is, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.blocks.text import Message, context, escape, plain, section, shorten

_WIDTH = 20


def bar(done: int, total: int) -> str:
    """A bar of text, ``▓▓▓░░``."""
    filled = _WIDTH * done // total if total > 0 else 0
    return "▓" * filled + "░" * (_WIDTH - filled)


def progress(payload: Mapping[str, Any]) -> Message:
    """``label``, ``total``, ``done``, ``failed``, ``chunks_done``, ``chunks_total``."""
    label = plain(shorten(str(payload.get("label") or "documents"), 200))
    total, done = int(payload.get("total") or 0), int(payload.get("done") or 0)
    failed = int(payload.get("failed") or 0)
    chunks, chunks_total = (
        int(payload.get("chunks_done") or 0),
        int(payload.get("chunks_total") or 0),
    )
    if total <= 1:
        text = f":hourglass_flowing_sand: Reading {label} …"
        share = (chunks, chunks_total)
    else:
        text = f":hourglass_flowing_sand: Reading {label}: {done + failed} of {total} documents"
        share = (done + failed, total)
    blocks = [section(text)]
    if share[1] > 0:
        details = f"{chunks} of {chunks_total} passages" if chunks_total else ""
        blocks.append(context(f"{bar(*share)} {details}".strip()))
    return Message(text, blocks)


def finished(payload: Mapping[str, Any]) -> Message:
    """``label``, ``done``, ``failed``, ``chunks_total``; ``failures``: what failed, and why."""
    label = plain(shorten(str(payload.get("label") or "documents"), 200))
    done, failed = int(payload.get("done") or 0), int(payload.get("failed") or 0)
    passages = int(payload.get("chunks_total") or 0)
    failures: Sequence[Mapping[str, Any]] = payload.get("failures") or []
    if done and not failed:
        what = label if done == 1 else f"{label}: {done} documents"
        text = f":white_check_mark: I have read {what}"
        text += f" ({passages} passage{'s' if passages != 1 else ''})." if passages else "."
        text += " You can ask about it now."
    elif done:
        text = f":warning: I have read {done} documents of {label}; {failed} could not be read."
    else:
        text = f":warning: I could not read {label}."
    lines = [
        f"• {plain(shorten(str(one.get('title') or label), 150))}: "
        f"{escape(shorten(str(one.get('sentence') or one.get('error') or 'unreadable'), 300))}"
        + (f" (id {escape(str(one['error_id']))})" if one.get("error_id") else "")
        for one in failures[:10]
    ]
    if len(failures) > 10:
        lines.append(f"… and {len(failures) - 10} more: `/phi3 sources`")
    blocks = [section(text)]
    if lines:
        blocks.append(section("\n".join(lines)))
    return Message("\n".join([text, *lines]), blocks)
