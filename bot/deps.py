"""What the listeners and the answering threads are handed."""

from __future__ import annotations

from dataclasses import dataclass

from slack_sdk import WebClient

from bot.audience import Directory
from bot.files.download import Downloader
from bot.links import Links
from bot.pace import Pace
from bot.reader import Reader
from models.store.session import Sessions


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the bot is in this workspace."""

    team_id: str
    user_id: str  # what people mention
    bot_id: str
    url: str  # of the workspace


@dataclass(frozen=True, kw_only=True)
class Deps:
    """Made once at the start; threads share it."""

    sessions: Sessions
    slack: WebClient
    me: Identity
    reader: Reader
    directory: Directory
    downloader: Downloader
    links: Links
    pace: Pace
    admins: frozenset[str]  # PHI3_ADMINS; Slack's own admins count besides
