"""For whom a command looks things up: the workspace's documents, or what a person sees in Slack."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from models.store.audience import WORKSPACE, Audience

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from bot.cli.running import Running


class Unknown(click.ClickException):
    """A person or a place that is not there: the command line was wrong."""

    exit_code = 2


def audience_of(running: Running, user: str | None, channel: str | None) -> Audience:
    """What ``user`` would see in ``channel``, or in a DM where none is named.

    Asks Slack as the bot does. Raises ``click.ClickException`` with a sentence.
    """
    if user is None:
        if channel is not None:
            raise click.UsageError("--channel says where --as USER asks: give both.")
        return WORKSPACE
    from slack_sdk.errors import SlackApiError, SlackClientError

    from bot.audience import Directory, reason

    client = web_client()
    if client is None:
        raise click.ClickException("--as asks Slack who sees what: set SLACK_BOT_TOKEN.")
    try:
        team = str(client.auth_test()["team_id"])
        directory = Directory(client, running.sessions, team)
        person = directory.person(user)
        where = channel or str(client.conversations_open(users=user)["channel"]["id"])
        place = directory.place(where)
        if not directory.reads(person, place):
            raise click.ClickException(f"{user} is not in {where} and sees nothing there.")
        return directory.audience(user, where)
    except SlackApiError as error:
        word = reason(error)
        if word in ("user_not_found", "user_not_visible", "users_not_found"):
            raise Unknown(
                f"Slack knows no person {user}: --as wants an id such as U012AB3CD."
            ) from error
        if word == "channel_not_found":
            raise Unknown(
                f"Slack shows the bot no channel {channel}: --channel wants an id."
            ) from error
        raise click.ClickException(f"Slack does not say what {user} sees: {word}.") from error
    except (SlackClientError, OSError) as error:
        raise click.ClickException(f"Slack does not answer at {client.base_url}.") from error


def web_client() -> WebClient | None:
    """Slack as the bot reaches it, for a person who waits; none where it is not connected."""
    from pydantic import ValidationError
    from slack_sdk import WebClient

    from bot.proxies import settle_proxy
    from bot.settings import Slack

    try:
        slack = Slack()
    except ValidationError:  # no token, neither in the environment nor in .env
        return None
    token = slack.bot_token.get_secret_value()
    if not token:
        return None
    return WebClient(
        token=token,
        base_url=slack.base_url,
        proxy=settle_proxy(slack.base_url, os.environ),
        timeout=10,
    )
