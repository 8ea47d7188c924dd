"""One call of a Web API method: who calls, with what."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.seed import BOT_USER

if TYPE_CHECKING:
    from bot.workspace.interactions import Interactions
    from bot.workspace.transport import SocketMode


def read_json(text: str) -> Any:
    """``text`` as JSON; raises ``ValueError`` also for half a character, which no row can keep."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


class SlackError(Exception):
    """``ok: false`` with this error and whatever else the answer carries."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


@dataclass(frozen=True, kw_only=True)
class Call:
    """Arguments come from JSON or from a form whose nested values are JSON texts."""

    w: Workspace
    user: str  # the caller; the bot's user id for the bot token, "" for the app token
    arguments: Json
    interactions: Interactions
    socket_mode: SocketMode | None

    @property
    def is_bot(self) -> bool:
        """Whether the bot token was used."""
        return self.user == BOT_USER

    def text(self, name: str, default: str = "") -> str:
        """A string argument."""
        value = self.arguments.get(name)
        if value is None:
            return default
        return (
            value
            if isinstance(value, str)
            else json.dumps(value)
            if isinstance(value, dict | list)
            else str(value)
        )

    def need(self, name: str, error: str = "invalid_arguments") -> str:
        """A string argument that must not be empty."""
        value = self.text(name)
        if not value:
            raise SlackError(
                error, response_metadata={"messages": [f"[ERROR] missing required field: {name}"]}
            )
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean argument: true, 1, or their texts."""
        value = self.text(name).lower()
        return default if not value else value in ("1", "true")

    def number(self, name: str, default: int, *, most: int) -> int:
        """An integer argument between 1 and ``most``; ``invalid_limit`` where it is none."""
        value = self.text(name)
        if not value:
            return default
        try:
            return max(1, min(int(value), most))
        except ValueError:
            raise SlackError("invalid_limit") from None

    def nested(self, name: str, error: str = "invalid_arguments") -> Any:
        """An object or array argument, given as JSON or as JSON text; None where it is absent."""
        value = self.arguments.get(name)
        if isinstance(value, str):
            if not value.strip():
                return None
            try:
                return read_json(value)
            except ValueError:
                raise SlackError(error) from None
        return value

    def channel(self, name: str = "channel") -> str:
        """A conversation that the caller may see, by id, ``#name`` or, for a DM, a user's id."""
        w, given = self.w, self.need(name, "channel_not_found")
        if given[0] in "UW" and w.people.can_see_user(self.user, given):
            return w.people.open_direct(self.user, frozenset({self.user, given}))
        channel = given if w.people.kind(given) else w.people.by_name(given)
        if channel is None or not w.people.can_see(channel, self.user):
            raise SlackError("channel_not_found")
        return channel

    def member_channel(self, name: str = "channel") -> str:
        """A conversation that the caller is in; ``not_in_channel`` otherwise."""
        channel = self.channel(name)
        if not self.w.people.is_member(channel, self.user):
            raise SlackError("not_in_channel")
        return channel


Answer = Json | Awaitable[Json]
Method = tuple[Callable[[Call], Answer], str]  # what it does, the scope that a bot token needs
