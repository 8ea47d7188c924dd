"""Every subcommand of ``/phi3``. A new one is a module with ``SUBCOMMANDS``, named here."""

from __future__ import annotations

import difflib

from bot.subcommands import ask, choices, ingest, learning, sources, status
from bot.subcommands.base import Subcommand

SUBCOMMANDS: list[Subcommand] = [
    *ask.SUBCOMMANDS,
    *ingest.SUBCOMMANDS,
    *sources.SUBCOMMANDS,
    *status.SUBCOMMANDS,
    *choices.SUBCOMMANDS,
    *learning.SUBCOMMANDS,
]


def find(words: str) -> tuple[Subcommand, str] | None:
    """The subcommand that ``words`` begin with, the longest name first, and what follows it."""
    flat = words.strip()
    for subcommand in sorted(SUBCOMMANDS, key=lambda one: -len(one.name)):
        head, rest = flat[: len(subcommand.name)], flat[len(subcommand.name) :]
        if head.lower() == subcommand.name and (not rest or rest[0].isspace()):
            return subcommand, rest.strip()
    return None


def help_text() -> str:
    """What ``/phi3 help`` shows, mrkdwn."""
    lines = [
        f"`/phi3 {one.name}{' ' + one.usage if one.usage else ''}` – {one.summary}"
        + (" _(admins)_" if one.admins_only else "")
        for one in SUBCOMMANDS
    ]
    return (
        "*What I can do*\n"
        "Mention me in a channel, or write to me, and I answer from the documents that you may "
        "see there. Files that you share with me become documents.\n" + "\n".join(lines)
    )


def unknown_text(word: str) -> str:
    """A sentence for a subcommand that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(
        word.lower(), ["help", *(one.name for one in SUBCOMMANDS)], n=1
    )
    meant = f" Did you mean `/phi3 {near[0]}`?" if near else ""
    shown = word[:40].replace("`", "'").replace("&", "&amp;").replace("<", "&lt;")
    return f"There is no `/phi3 {shown}`.{meant}\n\n{help_text()}"
