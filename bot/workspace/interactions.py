"""What a person does to the app: slash commands, buttons, modals; what it answers at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.people import new_id
from bot.workspace.posting import post, whisper
from bot.workspace.seed import APP, BOT_USER, TEAM, TEAM_DOMAIN
from bot.workspace.transport import NotDelivered, Transport
from bot.workspace.view_state import state_of, value_of

FAILED = "The app did not answer in time. Please try again."


class Refused(Exception):
    """What the person is told; the code as Slack's client shows it."""


class Interactions:
    """Sends them and applies the answers."""

    def __init__(self, workspace: Workspace, transport: Transport) -> None:
        self._w = workspace
        self._transport = transport

    def _user(self, user: str) -> Json:
        body = self._w.people.user(user) or {}
        return {
            "id": user,
            "username": body.get("name", ""),
            "name": body.get("name", ""),
            "team_id": body.get("team_id", TEAM),
        }

    def _channel(self, channel: str) -> Json:
        body = self._w.people.channel(channel) or {}
        return {
            "id": channel,
            "name": "directmessage" if body.get("is_im") else body.get("name", ""),
        }

    def _response_url(self, secret: str) -> str:
        return f"{self._w.url}/response/{TEAM}/{secret}"

    def _head(self, kind: str, user: str) -> Json:
        return {
            "type": kind,
            "team": {"id": TEAM, "domain": TEAM_DOMAIN},
            "user": self._user(user),
            "api_app_id": APP,
            "token": "local",
            "enterprise": None,
            "is_enterprise_install": False,
        }

    async def _send(self, kind: str, payload: Json) -> Json | None:
        try:
            return await self._transport.send(kind, payload)
        except NotDelivered:
            raise Refused("operation_timeout") from None

    async def command(self, user: str, channel: str, command: str, text: str) -> Json | None:
        """Run a slash command; the acknowledgement's message, if any, is posted and returned."""
        w = self._w
        with w.transaction():
            secret = w.interim.new_response(user, channel)
            payload = {
                "token": "local",
                "team_id": TEAM,
                "team_domain": TEAM_DOMAIN,
                "channel_id": channel,
                "channel_name": self._channel(channel)["name"],
                "user_id": user,
                "user_name": self._user(user)["name"],
                "command": command,
                "text": text,
                "api_app_id": APP,
                "is_enterprise_install": "false",
                "response_url": self._response_url(secret),
                "trigger_id": w.interim.new_trigger(user),
            }
        answer = await self._send("slash_commands", payload)
        if not answer or not (answer.get("text") or answer.get("blocks")):
            return None
        return self.say(user, channel, answer)

    def say(self, user: str, channel: str, answer: Json, thread: str | None = None) -> Json:
        """Post what an acknowledgement or a response URL says, for all or for one."""
        message = {
            "text": str(answer.get("text") or ""),
            **({"blocks": answer["blocks"]} if answer.get("blocks") else {}),
        }
        thread = answer.get("thread_ts") or thread
        if thread:
            message["thread_ts"] = thread
        with self._w.transaction():
            if answer.get("response_type") == "in_channel":
                return post(self._w, channel, BOT_USER, message)
            return whisper(self._w, channel, user, message)

    async def press(self, user: str, message: Json, channel: str, action: Json) -> None:
        """A button or choice in a message."""
        w = self._w
        ephemeral = bool(message.get("is_ephemeral"))
        thread = message.get("thread_ts")
        with w.transaction():
            secret = w.interim.new_response(
                user, channel, message_ts=message["ts"], thread_ts=thread, ephemeral=ephemeral
            )
            container: Json = {
                "type": "message",
                "message_ts": message["ts"],
                "channel_id": channel,
                "is_ephemeral": ephemeral,
            }
            if thread:
                container["thread_ts"] = thread
            payload = self._head("block_actions", user) | {
                "container": container,
                "trigger_id": w.interim.new_trigger(user),
                "channel": self._channel(channel),
                "message": message,
                "state": {"values": {}},
                "response_url": self._response_url(secret),
                "actions": [action],
            }
        await self._send("interactive", payload)

    async def press_in_view(self, user: str, view: Json, action: Json, values: Json) -> None:
        """A button or choice in a modal or on the home tab."""
        with self._w.transaction():
            trigger = self._w.interim.new_trigger(user, view["id"])
        payload = self._head("block_actions", user) | {
            "container": {"type": "view", "view_id": view["id"]},
            "trigger_id": trigger,
            "view": view | {"state": {"values": state_of(view, values)}},
            "actions": [action],
        }
        await self._send("interactive", payload)

    async def submit(
        self, user: str, view: Json, values: Json, put: Callable[[Json, str, str], Json]
    ) -> Json:
        """Submit a modal. ``put(view, kind of change, trigger)`` stores an answered view.

        Returns ``{"errors": {...}}`` where the app found mistakes, else ``{}``.
        """
        with self._w.transaction():
            trigger = self._w.interim.new_trigger(user, view["id"])
        payload = self._head("view_submission", user) | {
            "trigger_id": trigger,
            "view": view | {"state": {"values": state_of(view, values)}},
            "response_urls": [],
        }
        answer = await self._send("interactive", payload) or {}
        with self._w.transaction():
            return self._after_submit(user, view, answer, put)

    def _after_submit(
        self, user: str, view: Json, answer: Json, put: Callable[[Json, str, str], Json]
    ) -> Json:
        w = self._w
        action = answer.get("response_action")
        if action == "errors":
            return {"errors": answer.get("errors", {})}
        if action in ("update", "push"):
            put(answer["view"], action, view["id"])
        elif action == "clear":
            for modal in w.interim.modals(user):
                w.interim.close_view(modal["id"])
        else:
            w.interim.close_view(view["id"])
        w.tell(user, {"type": "modals", "views": w.interim.modals(user)})
        return {}

    async def closed(self, user: str, view: Json) -> None:
        """A modal was dismissed; the app hears of it if it asked to."""
        with self._w.transaction():
            self._w.interim.close_view(view["id"])
            self._w.tell(user, {"type": "modals", "views": self._w.interim.modals(user)})
        if view.get("notify_on_close"):
            payload = self._head("view_closed", user) | {"view": view, "is_cleared": False}
            await self._send("interactive", payload)


def action_of(element: Json, block_id: str, value: object) -> Json:
    """The ``actions`` entry that a press of an element sends."""
    kind = str(element["type"])
    action: Json = {
        "type": kind,
        "action_id": element.get("action_id", new_id("a")),
        "block_id": block_id,
        "action_ts": f"{time.time():.6f}",
    }
    if kind in ("button", "icon_button", "workflow_button"):
        if "text" in element:
            action["text"] = element["text"]
        if "value" in element:
            action["value"] = element["value"]
        return action
    if kind == "feedback_buttons":
        sides = [element["positive_button"], element["negative_button"]]
        chosen = next((side for side in sides if side["value"] == value), sides[0])
        return action | {"value": chosen["value"], "text": chosen["text"]}
    return action | value_of(element, value)
