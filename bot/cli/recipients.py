"""Whether anybody will see what is ingested for a channel or a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot.cli.asker import Unknown, web_client

if TYPE_CHECKING:
    from bot.cli.running import Running

_NO_CHANNEL = ("channel_not_found", "invalid_channel")
_NO_PERSON = ("user_not_found", "user_not_visible", "users_not_found")


def check(running: Running, audience: str) -> None:
    """Raise ``Unknown`` where Slack says that ``audience`` is nobody.

    Where Slack cannot be asked, what is known so far decides whether a word of caution is said:
    documents may well come before Slack does.
    """
    kind, _, ident = audience.partition(":")
    if kind == "workspace":
        return
    doubt = _ask(kind, ident)
    if doubt and not _known(running, audience, ident):
        click.echo(
            f"{doubt}, and nothing here is known of the {_word(kind)} {ident} yet: if the id is "
            "mistyped, nobody will see what you add.",
            err=True,
        )


def _ask(kind: str, ident: str) -> str | None:
    """Why Slack could not say; none where it knows the channel or the person."""
    from slack_sdk.errors import SlackApiError, SlackClientError

    from bot.audience import reason

    slack = web_client()
    if slack is None:
        return "Slack is not connected"
    try:
        if kind == "user":
            slack.users_info(user=ident)
            return None
        found = slack.conversations_info(channel=ident)["channel"]
    except SlackApiError as error:
        word = reason(error)
        if word in _NO_PERSON:
            raise Unknown(f"Slack knows no person {ident}: an id is like U012AB3CD.") from error
        if word in _NO_CHANNEL:
            raise Unknown(
                f"Slack shows the bot no channel {ident}: invite the bot if it is private, or look "
                "at the id again; one is like C012AB3CD."
            ) from error
        return f"Slack does not say whether it is there ({word})"
    except (SlackClientError, OSError):
        return f"Slack does not answer at {slack.base_url}"
    if found.get("is_im"):
        raise Unknown(f"{ident} is a direct message: name its person, user:{found.get('user')}.")
    return None


def _known(running: Running, audience: str, ident: str) -> bool:
    """Whether documents, questions, choices or Slack's words about people name it already."""
    from sqlalchemy import exists, or_, select

    from models.store.tables import Document, Member, Question, Setting

    seen = (
        exists().where(Document.audience == audience),
        exists().where(Question.channel_id == ident),
        exists().where(Setting.scope == ident),
        exists().where(Member.user_id == ident),
    )
    with running.sessions() as session:
        return bool(session.scalar(select(or_(*seen))))


def _word(kind: str) -> str:
    return "person" if kind == "user" else kind
