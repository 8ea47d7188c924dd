"""The two buttons of ``/phi3 forget me``."""

from __future__ import annotations

from typing import Any

from slack_bolt import Ack, App

from bot import tasks
from bot.blocks.forgetting import FORGET_ME, KEEP_ME
from bot.deps import Deps
from bot.inbox import Handler, keep
from bot.whisper import whisper
from models.store import forgetting
from models.store.session import transaction
from models.store.tables import Event


def register(app: App, deps: Deps) -> None:
    """Keep presses."""

    def on_press(ack: Ack, body: dict[str, Any], action: dict[str, Any]) -> None:
        keep(
            deps.sessions,
            team_id=str((body.get("team") or {}).get("id") or deps.me.team_id),
            event_id=str(body["trigger_id"]),
            kind=str(action["action_id"]),
            payload={"user": body["user"]["id"], "response_url": body.get("response_url")},
        )
        ack()

    for action in (FORGET_ME, KEEP_ME):
        app.action(action)(on_press)


def forget(deps: Deps, event: Event) -> None:
    """Remove the words of whoever pressed, and retire what was trained on them."""
    user = str(event.payload["user"])
    with transaction(deps.sessions) as session:
        done = forgetting.forget_person(session, user, actor=user, current_event=event.id)
    tasks.send("adapters.reconcile")
    gone = done.withdrawn
    words = (
        f"Your words are removed: {done.pairs} pairs and {done.questions} questions with their "
        "answers, and what Slack sent me of what you said and did. Your name stays known to me: "
        "it is taken out of what is learned from others."
    )
    if gone.adapters:
        now = gone.now_live or "the base model"
        words += f" Adapters that learned from them are retired ({', '.join(gone.adapters)})"
        words += f"; {now} answers from now on." if gone.left else "."
    whisper(deps, event, words, instead=True)


def leave(deps: Deps, event: Event) -> None:
    """Take the question away."""
    whisper(deps, event, "Nothing was removed.", instead=True)


def tell(deps: Deps, event: Event, sentence: str) -> None:
    """Say it to whoever pressed."""
    whisper(deps, event, sentence)


HANDLERS: dict[str, Handler] = {FORGET_ME: Handler(forget, tell), KEEP_ME: Handler(leave, tell)}
