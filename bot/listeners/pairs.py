"""Buttons under pairs and adapters: approve, edit, reject, roll back."""

from __future__ import annotations

import json
import logging
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import say, tasks
from bot.admins import is_admin
from bot.audience import reason
from bot.blocks import learning as blocks
from bot.blocks.learning import ANSWER, APPROVE, EDIT, EDITED, QUESTION, REJECT, ROLL_BACK
from bot.blocks.text import section
from bot.deps import Deps
from bot.inbox import Handler, Refused, keep
from bot.whisper import whisper
from models.store import adapters, pairs
from models.store.session import transaction
from models.store.tables import Event

log = logging.getLogger(__name__)


def register(app: App, deps: Deps) -> None:
    """Keep presses; only the modal opens inside a listener."""

    def on_press(ack: Ack, body: dict[str, Any], action: dict[str, Any]) -> None:
        _keep(deps, body, str(action["action_id"]), {"value": str(action.get("value") or "")})
        ack()

    def on_edit(ack: Ack, body: dict[str, Any], action: dict[str, Any], client: WebClient) -> None:
        ack()
        if not is_admin(deps, str(body["user"]["id"])):
            return
        with deps.sessions() as session:
            row = pairs.get(session, int(action["value"]))
        if row is None or row.audience not in deps.directory.alone(str(body["user"]["id"])).keys:
            return
        url = str(body.get("response_url") or "")
        view = blocks.editing(row.id, row.question, row.answer, url, stale=row.state == "stale")
        try:
            client.views_open(trigger_id=body["trigger_id"], view=view)
        except SlackApiError as error:
            log.warning("no modal: %s", reason(error))

    def on_submission(ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        given = json.loads(view.get("private_metadata") or "{}")
        state = view["state"]["values"]
        typed = {name: str((state[name][name] or {}).get("value") or "").strip()
                 for name in (QUESTION, ANSWER)}  # fmt: skip
        empty = {name: "Please write something." for name, value in typed.items() if not value}
        if empty:
            ack(response_action="errors", errors=empty)
            return
        _keep(deps, body, EDITED, {"value": given["value"], **typed}, url=given["response_url"])
        ack()

    for action in (APPROVE, REJECT, ROLL_BACK):
        app.action(action)(on_press)
    app.action(EDIT)(on_edit)
    app.view(EDITED)(on_submission)


def _keep(
    deps: Deps, body: dict[str, Any], kind: str, payload: dict[str, Any], *, url: str | None = None
) -> None:
    keep(
        deps.sessions,
        team_id=str((body.get("team") or {}).get("id") or deps.me.team_id),
        event_id=str(body["trigger_id"]),
        kind=kind,
        payload={
            **payload,
            "user": body["user"]["id"],
            "response_url": url if url is not None else body.get("response_url"),
        },
    )


def decide(deps: Deps, event: Event) -> None:
    """Approve, reject, or save and approve."""
    user = _admin(deps, event)
    value, _, seen = str(event.payload["value"]).partition(" ")
    number = int(value)
    state = "rejected" if event.kind == REJECT else "approved"
    readable = deps.directory.alone(user).keys
    try:
        with transaction(deps.sessions) as session:
            row = pairs.get(session, number, lock=True)
            if row is None or row.audience not in readable:
                raise Refused(f"There is no pair {number} any more that you may see.")
            if row.state == "stale" and state == "approved" and seen != "stale":
                raise Refused(
                    f"What pair {number} rests on has changed since you were shown it, so it stays "
                    "out. `/phi3 pairs` shows what waits."
                )
            if event.kind == EDITED:
                pairs.edit(
                    session, number, actor=user, question=str(event.payload[QUESTION]),
                    answer=str(event.payload[ANSWER]),
                )  # fmt: skip
            pairs.decide(session, number, state=state, actor=user)
    except pairs.PairRefused as refused:
        raise Refused(str(refused)) from refused
    if state == "approved":
        tasks.send("adapters.reconcile")  # it settles approved pairs, so that they answer at once
    from bot.subcommands.learning import waiting_for

    waiting, left = waiting_for(deps, user)
    words = f"Pair {number} is {state}; {waiting} wait."
    # In place of the card that was pressed: what is decided is not to be pressed again.
    whisper(deps, event, words, [section(words), *left], instead=True)


def roll_back(deps: Deps, event: Event) -> None:
    """Go back to the adapter before, if the one on the button is still in service."""
    user = _admin(deps, event)
    try:
        with transaction(deps.sessions) as session:
            left, now_live = adapters.roll_back(
                session, actor=user, expected=str(event.payload["value"])
            )
    except adapters.NoSuchAdapter as error:
        raise Refused(str(error)) from error
    tasks.send("adapters.reconcile")
    say.say(
        deps,
        key=f"rolled-back:{left}",
        destination={"admins": True},
        payload={
            "kind": "mrkdwn",
            "text": f"<@{user}> took {left} out of service; "
            f"{now_live or 'the base model'} answers.",
        },
    )
    whisper(deps, event, f"{now_live or 'The base model'} answers from now on.")


def _admin(deps: Deps, event: Event) -> str:
    user = str(event.payload["user"])
    if not is_admin(deps, user):
        raise Refused("Only admins decide on pairs and adapters.")
    return user


def tell(deps: Deps, event: Event, sentence: str) -> None:
    """Say it to whoever pressed."""
    whisper(deps, event, sentence)


HANDLERS: dict[str, Handler] = {
    **{kind: Handler(decide, tell) for kind in (APPROVE, REJECT, EDITED)},
    ROLL_BACK: Handler(roll_back, tell),
}
