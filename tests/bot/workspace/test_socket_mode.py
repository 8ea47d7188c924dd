"""A real Bolt app over a real Socket Mode connection."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from slack_bolt import Ack, Respond
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.bot.workspace.conftest import Bolt, Json, Process, say

pytestmark = pytest.mark.e2e

MODAL: Json = {
    "type": "modal",
    "callback_id": "form",
    "notify_on_close": True,
    "title": {"type": "plain_text", "text": "A form"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Why"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


def eventually(check: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.03)


def test_a_mention_arrives_as_both_events(workspace: Process, bolt: Bolt) -> None:
    """And the answer stands in the thread."""
    bot = workspace.facts["bot_user"]
    asked = say(workspace, f"<@{bot}> what is https://example.com/x?")
    first = bolt.heard.event("message", ts=asked["ts"])
    second = bolt.heard.event("app_mention", ts=asked["ts"])
    assert first["channel_type"] == "channel"
    assert "<https://example.com/x>" in second["text"]
    bolt.client.chat_postMessage(channel=asked["channel"], thread_ts=asked["ts"], text="A site.")
    replies = workspace.person("ada").conversations_replies(
        channel=asked["channel"], ts=asked["ts"]
    )
    texts = [message["text"] for message in replies["messages"]]
    assert texts[-1] == "A site."
    assert replies["messages"][0]["reply_count"] == 1


def test_a_direct_message_says_im(workspace: Process, bolt: Bolt) -> None:
    """And the bot does not hear what others say among themselves."""
    ben = workspace.person("ben")
    private = ben.conversations_open(users="U0ADAPARK01")["channel"]["id"]
    ben.chat_postMessage(channel=private, text="between us")
    direct = ben.conversations_open(users=workspace.facts["bot_user"])["channel"]["id"]
    ben.chat_postMessage(channel=direct, text="hello bot")
    heard = bolt.heard.wait(lambda item: item["event"]["type"] == "message")
    assert (heard["event"]["text"], heard["event"]["channel_type"]) == ("hello bot", "im")


def test_changes_and_deletions(workspace: Process, bolt: Bolt) -> None:
    """message_changed and message_deleted carry what was before."""
    asked = say(workspace, "frist")
    ada = workspace.person("ada")
    ada.chat_update(channel=asked["channel"], ts=asked["ts"], text="first")
    changed = bolt.heard.event("message", subtype="message_changed")
    assert changed["previous_message"]["text"] == "frist"
    assert changed["message"]["edited"]["user"] == "U0ADAPARK01"
    ada.reactions_add(channel=asked["channel"], timestamp=asked["ts"], name="eyes")
    assert bolt.heard.event("reaction_added")["item"]["ts"] == asked["ts"]
    ada.chat_delete(channel=asked["channel"], ts=asked["ts"])
    assert bolt.heard.event("message", subtype="message_deleted")["deleted_ts"] == asked["ts"]


def test_command_button_and_modal(workspace: Process, bolt: Bolt) -> None:
    """From a slash command to a modal's submission."""
    seen: list[Json] = []

    def command(ack: Ack, body: Json, client: WebClient) -> None:
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
            client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        ack("on it")

    def press(ack: Ack, body: Json, respond: Respond) -> None:
        ack()
        seen.append(body["actions"][0])
        respond(text="pressed", replace_original=True)

    def submit(ack: Ack, view: Json) -> None:
        value = view["state"]["values"]["why"]["text"]["value"]
        if value == "no":
            ack(response_action="errors", errors={"why": "Say more."})
        else:
            seen.append({"submitted": value})
            ack()

    bolt.app.command("/phi3")(command)
    bolt.app.action("go")(press)
    bolt.app.view("form")(submit)
    ada, channel = workspace.person("ada"), workspace.channel("general")
    answer = ada.api_call(
        "_workspace.command", json={"channel": channel, "command": "/phi3", "text": "status"}
    )
    assert answer["response"]["text"] == "on it"
    assert ada.api_call("_workspace.ephemerals", json={"channel": channel})["messages"]
    view = ada.api_call("_workspace.views")["views"][0]["id"]
    for value, errors in (("", True), ("no", True), ("because", False)):
        body = {"view_id": view, "values": {"why": {"text": value}}}
        assert (
            "errors" in (ada.api_call("_workspace.view.submit", json=body).data or {})
        ) == errors
    assert not ada.api_call("_workspace.views")["views"]
    label = {"type": "plain_text", "text": "Go"}
    button = {"type": "button", "action_id": "go", "value": "7", "text": label}
    shown = bolt.client.chat_postMessage(
        channel=channel, text="a button", blocks=[{"type": "actions", "elements": [button]}]
    )
    ada.api_call(
        "_workspace.action", json={"channel": channel, "ts": shown["ts"], "action_id": "go"}
    )
    assert seen == [{"submitted": "because"}, seen[1]]
    assert seen[1]["value"] == "7"
    eventually(
        lambda: (
            ada.conversations_history(channel=channel, limit=1)["messages"][0]["text"] == "pressed"
        )
    )


def test_a_stream_grows_and_ends(workspace: Process, bolt: Bolt) -> None:
    """The SDK's own helper; text, then blocks."""
    asked = say(workspace, "tell me")
    stream = bolt.client.chat_stream(
        channel=asked["channel"],
        thread_ts=asked["ts"],
        recipient_team_id="T0HARBOR001",
        recipient_user_id="U0ADAPARK01",
        buffer_size=4,
    )
    stream.append(markdown_text="**Hello** ")
    stream.append(markdown_text="world")
    stream.append(
        chunks=[{"type": "task_update", "id": "1", "title": "Search", "status": "complete"}]
    )
    stream.stop(blocks=[{"type": "divider"}])
    ada = workspace.person("ada")
    last = ada.conversations_replies(channel=asked["channel"], ts=asked["ts"])["messages"][-1]
    assert last["text"] == "**Hello** world"
    assert [block["type"] for block in last["blocks"]] == ["markdown", "task_card", "divider"]
    with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
        bolt.client.chat_appendStream(
            channel=asked["channel"], ts=str(stream.ts), markdown_text="x"
        )
    bolt.client.chat_update(channel=asked["channel"], ts=str(stream.ts), text="done", blocks=[])


def test_unacknowledged_events_come_again(workspace: Process, bolt: Bolt) -> None:
    """An exception is no acknowledgement: the event comes again, numbered, with the same id."""
    attempts: list[str] = []

    def listener(body: Json) -> None:
        attempts.append(body["event_id"])
        if len(attempts) == 1:
            raise RuntimeError("the first attempt dies")

    bolt.app.event("reaction_removed")(listener)
    asked = say(workspace, "react to this")
    ada = workspace.person("ada")
    ada.reactions_add(channel=asked["channel"], timestamp=asked["ts"], name="eyes")
    ada.reactions_remove(channel=asked["channel"], timestamp=asked["ts"], name="eyes")
    eventually(lambda: len(attempts) == 2)
    assert attempts[0] == attempts[1]


def test_a_refreshed_connection_goes_on(workspace: Process, bolt: Bolt) -> None:
    """Slack asks for a new connection now and then; what happens meanwhile waits."""
    assert workspace.control("disconnect", reason="refresh_requested")["connections"] == 1
    asked = say(workspace, "are you still there")
    found = bolt.heard.wait(lambda item: item["event"].get("ts") == asked["ts"], seconds=15)
    assert found["event"]["text"] == "are you still there"


def test_a_change_of_role_is_told(workspace: Process, bolt: Bolt) -> None:
    """As Slack tells it: the whole person."""
    ben = next(user["id"] for user in workspace.facts["users"] if user["name"] == "ben")
    workspace.control("person", user=ben, is_restricted=True)
    told = bolt.heard.event("user_change")["user"]
    assert (told["id"], told["is_restricted"]) == (ben, True)
    workspace.control("person", user=ben, is_restricted=False)
    assert not workspace.bot().users_info(user=ben)["user"]["is_restricted"]
    assert workspace.control("person", user="U0NOBODY")["error"] == "user_not_found"
