"""What a subcommand is, and what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk.errors import SlackApiError

from bot.audience import Place
from bot.deps import Deps
from models.store.audience import Audience
from models.store.tables import Event


@dataclass(frozen=True, kw_only=True)
class Command:
    """One use of ``/phi3``."""

    event: Event
    rest: str  # what follows the subcommand's name
    user_id: str
    team_id: str
    channel_id: str


@dataclass(frozen=True, kw_only=True)
class Subcommand:
    """One word, or two, after ``/phi3``."""

    name: str  # "ingest", "forget me"
    usage: str  # what follows the name, in words
    summary: str
    run: Callable[[Deps, Command], None]  # on an answering thread; may raise bot.inbox.Refused
    receipt: str  # the ephemeral acknowledgement, mrkdwn
    needs_text: bool = False
    admins_only: bool = False


def destination(deps: Deps, command: Command) -> dict[str, str]:
    """The channel that the command was typed in, or a direct message where the bot is not in it."""
    return {"channel": conversation(deps, command)[0]}


def conversation(deps: Deps, command: Command) -> tuple[str, Place | None]:
    """Where the bot may speak to whoever typed; the place is none if it is the direct message."""
    try:
        place = deps.directory.place(command.channel_id)
    except SlackApiError as error:
        if error.response.get("error") not in ("channel_not_found", "not_in_channel"):
            raise
        place = None
    if place is not None and place.member:
        return command.channel_id, place
    opened = deps.slack.conversations_open(users=command.user_id)
    return str(opened["channel"]["id"]), None


def audience(deps: Deps, command: Command) -> Audience:
    """What whoever typed may see where the bot can speak to them."""
    return deps.directory.audience(command.user_id, conversation(deps, command)[0])
