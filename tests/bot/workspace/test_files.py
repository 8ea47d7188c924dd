"""A file's life, and what survives a kill."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest
from slack_sdk import WebClient

from tests.bot.workspace.conftest import Bolt, Process, free_port, say

pytestmark = pytest.mark.e2e


def put(client: WebClient, name: str, content: bytes) -> str:
    """Upload without sharing; the file's id."""
    slot = client.files_getUploadURLExternal(filename=name, length=len(content))
    with httpx.Client(trust_env=False) as http:
        http.post(str(slot["upload_url"]), content=content).raise_for_status()
    return str(slot["file_id"])


def fetch(url: str, token: str) -> httpx.Response:
    """GET with a token; redirects are not followed."""
    with httpx.Client(trust_env=False) as http:
        return http.get(url, headers={"Authorization": f"Bearer {token}"})


def test_shared_changed_deleted(workspace: Process, bolt: Bolt) -> None:
    """files_upload_v2, a private download, a new content, the end."""
    chloe = workspace.person("chloe")
    channel = workspace.channel("people-team")
    done = chloe.files_upload_v2(
        channel=channel, content="one", filename="a/../notes.md", title="Notes"
    )
    file = str(done["file"]["id"])
    shared = bolt.heard.event("file_shared", file_id=file)
    assert (shared["channel_id"], shared["user_id"]) == (channel, "U0CHLOEMA01")
    found = bolt.client.files_info(file=file)["file"]
    assert (found["name"], found["mimetype"], found["groups"]) == (
        "notes.md",
        "text/markdown",
        [channel],
    )
    token = workspace.facts["bot_token"]
    assert fetch(found["url_private_download"], token).content == b"one"
    ben = next(user["token"] for user in workspace.facts["users"] if user["name"] == "ben")
    for wrong in (ben, "xoxb-wrong"):
        assert fetch(found["url_private_download"], wrong).status_code == 302
    upload = put(chloe, "notes.md", b"two, longer")
    chloe.api_call("_workspace.file.replace", json={"file": file, "upload": upload})
    assert bolt.heard.event("file_change", file_id=file)
    assert fetch(found["url_private_download"], token).content == b"two, longer"
    workspace.control("scopes", without=["files:read"])
    assert fetch(found["url_private_download"], token).status_code == 302
    workspace.control("clear")
    chloe.files_delete(file=file)
    assert bolt.heard.event("file_deleted", file_id=file)
    assert fetch(found["url_private_download"], token).status_code == 302


def test_a_deleted_message_unshares_its_file(workspace: Process, bolt: Bolt) -> None:
    """The file goes with the message."""
    ada, channel = workspace.person("ada"), workspace.channel("general")
    done = ada.files_upload_v2(
        channel=channel, content="x", filename="x.txt", initial_comment="see"
    )
    file = str(done["file"]["id"])
    message = bolt.heard.event("message", subtype="file_share")
    assert message["files"][0]["id"] == file
    ada.chat_delete(channel=channel, ts=message["ts"])
    assert bolt.heard.event("file_unshared")["file_id"] == file


def test_what_is_too_large_or_unknown(workspace: Process) -> None:
    """Refused before and during the upload."""
    ada = workspace.person("ada")
    answer = ada.api_call("files.getUploadURLExternal", params={"filename": "x", "length": 1})
    assert answer["ok"]
    with httpx.Client(trust_env=False) as http:
        assert http.post(f"{workspace.url}/upload/v1/guess", content=b"x").status_code == 404


def test_nothing_is_lost_when_killed(tmp_path: Path) -> None:
    """Messages, tokens, files and undelivered events are there after kill -9."""
    process = Process(home=tmp_path, port=free_port())
    process.start()
    before = process.facts
    sent = say(process, f"<@{before['bot_user']}> remember this")
    process.person("ada").files_upload_v2(
        content="kept", filename="kept.txt", channel=sent["channel"]
    )
    waiting = process.control("deliveries")["waiting"]
    process.stop(signal.SIGKILL)
    process.start()
    try:
        after = process.facts
        assert [user["token"] for user in after["users"]] == [
            user["token"] for user in before["users"]
        ]
        assert (tmp_path / "run" / "workspace.json").stat().st_mode & 0o777 == 0o600
        history = process.person("ada").conversations_history(channel=sent["channel"])["messages"]
        assert {message["ts"] for message in history} >= {sent["ts"]}
        file = next(message["files"][0] for message in history if message.get("files"))
        assert fetch(file["url_private_download"], after["bot_token"]).content == b"kept"
        assert process.control("deliveries")["waiting"] == waiting
    finally:
        process.stop()
