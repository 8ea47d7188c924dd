"""Choices of a channel: who its experts are, and whether follow-ups need a mention."""

from __future__ import annotations

from bot.admins import is_admin
from bot.deps import Deps
from bot.experts import EXPERTS, experts_for
from bot.inbox import Refused
from bot.listeners.messages import FOLLOW_UPS
from bot.subcommands.base import Command, Subcommand
from bot.whisper import whisper
from bot.wording import mentioned_users
from models.store import settings
from models.store.session import transaction


def experts(deps: Deps, command: Command) -> None:
    """Show or name the people who are asked when the bot does not know."""
    people = mentioned_users(command.rest)
    if not command.rest:
        asked = experts_for(deps, command.channel_id, "")
        names = ", ".join(f"<@{one}>" for one in asked) or "nobody yet"
        whisper(deps, command.event, f"When I do not know, I can ask: {names}.")
        return
    if not is_admin(deps, command.user_id):
        raise Refused("Only admins name a channel's experts.")
    if not people and command.rest != "nobody":
        raise Refused(
            "Please mention people: `/phi3 experts @ada @ben`, or `/phi3 experts nobody`."
        )
    with transaction(deps.sessions) as session:
        settings.set(session, command.channel_id, EXPERTS, people, by=command.user_id)
    names = ", ".join(f"<@{one}>" for one in people) or "the admins"
    whisper(deps, command.event, f"When I do not know something asked here, I will ask {names}.")


def follow_ups(deps: Deps, command: Command) -> None:
    """Choose whether a reply in an answered thread counts as a question without a mention."""
    word = command.rest.strip().lower()
    if word not in ("on", "off"):
        raise Refused("Say `/phi3 follow-ups on` or `/phi3 follow-ups off`.")
    with transaction(deps.sessions) as session:
        settings.set(session, command.channel_id, FOLLOW_UPS, word == "on", by=command.user_id)
    whisper(
        deps,
        command.event,
        "In threads that I answered in here, I now reply without being mentioned."
        if word == "on"
        else "In threads here, I now reply only when I am mentioned.",
    )


SUBCOMMANDS = [
    Subcommand(
        name="experts",
        usage="[@PERSON… | nobody]",
        summary="Who is asked when I do not know (admins name them)",
        run=experts,
        receipt="One moment.",
    ),
    Subcommand(
        name="follow-ups",
        usage="on | off",
        summary="Whether replies in my threads here need a mention",
        run=follow_ups,
        receipt="One moment.",
        needs_text=True,
    ),
]
