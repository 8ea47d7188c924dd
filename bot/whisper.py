"""What one person alone should see: through the response URL, else in a direct message."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from slack_sdk.webhook import WebhookClient

from bot import say
from bot.blocks.text import Block
from bot.deps import Deps
from bot.files.download import may_have_token
from models.store.tables import Event

log = logging.getLogger(__name__)


def whisper(
    deps: Deps,
    event: Event,
    words: str,
    blocks: Sequence[Block] = (),
    *,
    instead: bool = False,
) -> None:
    """Say ``words`` (mrkdwn of ours) to the person of an event, and to nobody else.

    ``instead``: in place of the message whose button was pressed. A response URL dies after
    half an hour; a direct message never does.
    """
    url = str(event.payload.get("response_url") or "")
    if url and may_have_token(url, deps.slack.base_url):
        hook = WebhookClient(url, proxy=deps.slack.proxy, timeout=10)
        try:
            response = hook.send(
                text=words, blocks=list(blocks) or None, response_type="ephemeral",
                replace_original=instead,
            )  # fmt: skip
            if response.status_code == 200:
                return
            log.info("a response URL answered %d", response.status_code)
        except OSError as error:
            log.info("a response URL failed: %s", type(error).__name__)
    user, channel = event.payload.get("user"), str(event.payload.get("channel") or "")
    thread = event.payload.get("thread_ts")  # of a message of ours, whose button was pressed
    if user:
        alone = thread and channel.startswith("D")
        say.say(
            deps,
            key=f"event:{event.id}:whisper",
            destination=(
                {"channel": channel, "thread_ts": str(thread)} if alone else {"user": str(user)}
            ),
            payload={"kind": "mrkdwn", "text": words},
        )
