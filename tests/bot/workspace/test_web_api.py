"""Errors as Slack gives them, permissions, and trouble on demand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.bot.workspace.conftest import Process, say

pytestmark = pytest.mark.e2e


def refused(work: Callable[[], object]) -> str:
    """The error that a call is refused with."""
    with pytest.raises(SlackApiError) as caught:
        work()
    return str(caught.value.response["error"])


def test_tokens(workspace: Process) -> None:
    """None, a wrong one, one of the wrong kind."""
    api = workspace.facts["api_url"]
    assert refused(lambda: WebClient(base_url=api).auth_test()) == "not_authed"
    assert refused(lambda: WebClient("xoxb-no", base_url=api).auth_test()) == "invalid_auth"
    bot = workspace.bot()
    assert bot.auth_test()["user_id"] == workspace.facts["bot_user"]
    assert refused(lambda: bot.api_call("apps.connections.open")) == "not_allowed_token_type"
    assert refused(lambda: bot.api_call("no.such")) == "unknown_method"
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{api}auth.test", data={"token": workspace.facts["bot_token"]}).json()
    assert answer["ok"]


def test_messages_that_slack_refuses(workspace: Process) -> None:
    """Each with Slack's own word."""
    bot, general = workspace.bot(), workspace.channel("general")
    dots = [{"type": "markdown", "text": "x" * 7000}] * 2
    errors = {
        "channel_not_found": lambda: bot.chat_postMessage(channel="C0NOWHERE", text="x"),
        "not_in_channel": lambda: bot.chat_postMessage(channel="#random", text="x"),
        "no_text": lambda: bot.api_call("chat.postMessage", json={"channel": general, "text": " "}),
        "msg_too_long": lambda: bot.chat_postMessage(channel=general, text="x" * 40_001),
        "msg_blocks_too_long": lambda: bot.chat_postMessage(channel=general, blocks=dots, text="x"),
        "invalid_blocks": lambda: bot.chat_postMessage(
            channel=general, blocks=[{"type": "nothing"}], text="x"
        ),
        "message_not_found": lambda: bot.chat_update(channel=general, ts="1.000000", text="x"),
        "thread_not_found": lambda: bot.conversations_replies(channel=general, ts="1.000000"),
        "missing_recipient_team_id": lambda: bot.chat_startStream(
            channel=general, thread_ts=say(workspace, "start")["ts"]
        ),
    }
    assert {error: refused(work) for error, work in errors.items()} == {key: key for key in errors}
    theirs = say(workspace, "mine")["ts"]
    change = refused(lambda: bot.chat_update(channel=general, ts=theirs, text="x"))
    assert change == "cant_update_message"


def test_people_see_what_they_may(workspace: Process) -> None:
    """Private channels, guests, people of other organisations."""
    private = workspace.channel("people-team")
    ts = say(workspace, "secret", name="chloe", channel="people-team")["ts"]
    for name in ("ben", "dev", "elin"):
        person = workspace.person(name)
        asked = {"channel": private, "timestamp": ts}
        for method in ("conversations.history", "reactions.get", "conversations.members"):
            error = refused(partial(person.api_call, method, json=asked))
            assert error == "channel_not_found"
    names = {
        name: {
            channel["name"]
            for channel in workspace.person(name).conversations_list(
                types="public_channel,private_channel"
            )["channels"]
        }
        for name in ("ben", "dev", "elin")
    }
    assert names["dev"] == {"onboarding"}
    assert names["elin"] == {"with-lakeside"}
    assert "people-team" not in names["ben"]
    assert "U0BENOKAF01" not in {
        user["id"] for user in workspace.person("dev").users_list()["members"]
    }
    guest = workspace.bot().users_info(user="U0DEVPATE01")["user"]
    assert (guest["is_restricted"], guest["is_ultra_restricted"]) == (True, True)
    partner = workspace.bot().users_info(user="U0ELINBER01")["user"]
    assert partner["is_stranger"]
    assert partner["team_id"] != guest["team_id"]
    shared = workspace.bot().conversations_info(channel=workspace.channel("with-lakeside"))
    assert shared["channel"]["is_ext_shared"]


def test_trouble_on_demand(workspace: Process) -> None:
    """429 with Retry-After, a missing scope; only with the control token."""
    workspace.control("fail", method="chat.postMessage", times=1, status=429, retry_after=7)
    with pytest.raises(SlackApiError) as caught:
        workspace.bot().chat_postMessage(channel=workspace.channel("general"), text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    workspace.bot().chat_postMessage(channel=workspace.channel("general"), text="x")
    workspace.control("scopes", without=["users:read"])
    assert refused(lambda: workspace.bot().users_list()) == "missing_scope"
    workspace.control("clear")
    with httpx.Client(trust_env=False) as client:
        assert client.post(f"{workspace.url}/_control/clear", json={}).status_code == 403


def test_history_comes_in_pages(workspace: Process) -> None:
    """Cursors lead to the end, nothing twice."""
    sent = [say(workspace, f"page {n}", channel="random")["ts"] for n in range(5)]
    ada, random = workspace.person("ada"), workspace.channel("random")
    seen: list[str] = []
    cursor = ""
    while True:
        page = ada.conversations_history(channel=random, limit=2, cursor=cursor)
        seen += [message["ts"] for message in page["messages"]]
        cursor = page["response_metadata"]["next_cursor"]
        if not page["has_more"]:
            break
    assert seen == sent[::-1]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"Host": "evil.example"}),
        ("/api/auth.test", {"Origin": "https://evil.example"}),
        ("/page/news", {"Origin": "null"}),
        ("/page/people", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        ("/link", {"Host": "evil.example"}),
    ],
)
def test_foreign_pages_are_kept_out(workspace: Process, path: str, headers: dict[str, str]) -> None:
    """Host, Origin and fetch metadata."""
    with httpx.Client(trust_env=False) as client:
        assert client.get(workspace.url + path, headers=headers).status_code == 403


def test_the_page_says_what_it_may_load(workspace: Process) -> None:
    """A strict policy; a session only by cookie; no way out of its folder."""
    with httpx.Client(trust_env=False, base_url=workspace.url) as client:
        page = client.get("/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert client.post("/page/api/auth.test", json={}).status_code == 401
        chosen = client.post("/page/session", json={"user": "U0ADAPARK01"})
        assert "HttpOnly" in chosen.headers["set-cookie"]
        assert "SameSite=strict" in chosen.headers["set-cookie"]
        assert client.post("/page/api/auth.test", json={}).json()["user"] == "ada"
        assert client.get("/static/..%2f__main__.py").status_code == 404


@pytest.mark.parametrize("text", [r'{"text": "half \ud83d"}', "[" * 100_000])
def test_json_that_no_row_can_keep_is_refused(workspace: Process, text: str) -> None:
    """Half a character, and nesting without an end."""
    headers = {
        "Authorization": f"Bearer {workspace.facts['bot_token']}",
        "Content-Type": "application/json",
    }
    url = f"{workspace.facts['api_url']}chat.postMessage"
    with httpx.Client(trust_env=False) as client:
        answer = client.post(url, content=text, headers=headers).json()
    assert answer == {"ok": False, "error": "invalid_json"}
    with httpx.Client(trust_env=False) as client:
        form = {"channel": workspace.channel("general"), "blocks": text}
        del headers["Content-Type"]
        answer = client.post(url, data=form, headers=headers).json()
    assert not answer["ok"]
    assert answer["error"] != "internal_error"
