"""``/phi3 ask``: the question is shown, and answered in its thread."""

from __future__ import annotations

from bot import replies, say
from bot.blocks.text import plain
from bot.deps import Deps
from bot.inbox import Later, Refused
from bot.replies import Ask
from bot.settings import MAX_QUESTION
from bot.subcommands.base import Command, Subcommand, conversation
from bot.whisper import whisper
from bot.wording import question_text


def run(deps: Deps, command: Command) -> None:
    """Post the question, then answer below it."""
    text = question_text(command.rest, deps.me.user_id)
    if len(text) > MAX_QUESTION:
        raise Refused(
            f"That is {len(text):,} characters; I read questions of up to {MAX_QUESTION:,}."
        )
    channel, place = conversation(deps, command)
    key = f"event:{command.event.id}:question"
    say.say(
        deps,
        key=key,
        destination={"channel": channel},
        payload={"kind": "mrkdwn", "text": f"<@{command.user_id}> asks: {plain(text)}"[:2_900]},
    )
    placed = say.wait_until_sent(deps, key, timeout_s=15.0)
    if placed is None:
        raise Later("the question could not be posted yet", 3.0)
    if place is None:
        whisper(deps, command.event, "I answer in our direct message.")
    replies.reply(
        deps,
        command.event,
        Ask(
            text=text,
            surface="command",
            user_id=command.user_id,
            team_id=command.team_id,
            channel_id=placed[0],
            thread_ts=placed[1],
            message_ts=placed[1],
            attempt=command.event.attempts,
        ),
    )


SUBCOMMANDS = [
    Subcommand(
        name="ask",
        usage="QUESTION",
        summary="Ask a question; the answer names its sources",
        run=run,
        receipt="I am looking.",
        needs_text=True,
    )
]
