"""The Bolt app: wires listeners and nothing else."""

from __future__ import annotations

from slack_bolt import App, BoltResponse

from bot.deps import Deps
from bot.inbox import Handler
from bot.listeners import (
    commands,
    corrections,
    feedback,
    files,
    forgetting,
    home,
    messages,
    pairs,
)

LISTENERS = (messages, files, commands, feedback, corrections, home, pairs, forgetting)


def create_app(deps: Deps, *, signing_secret: str | None) -> App:
    """An app that acknowledges only what its listeners have kept.

    With ``process_before_response`` the listener runs first, so an exception in it leaves Slack
    without an acknowledgement, and Slack sends again. ``signing_secret`` checks HTTP requests.
    """
    app = App(
        client=deps.slack,
        signing_secret=signing_secret or "",
        request_verification_enabled=True,
        process_before_response=True,
        token_verification_enabled=False,
        raise_error_for_unhandled_request=False,
    )
    for listener in LISTENERS:
        listener.register(app, deps)

    def failed(error: Exception) -> BoltResponse:
        app.logger.error("not acknowledged, so that Slack sends it again", exc_info=error)
        return BoltResponse(status=500, body="")

    app.error(failed)
    return app


def handlers() -> dict[str, Handler]:
    """What the answering threads do, by kind of event."""
    return {kind: handler for listener in LISTENERS for kind, handler in listener.HANDLERS.items()}
