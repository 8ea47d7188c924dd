"""The page in headless Chromium: ask, watch the answer appear, press, drop a file."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import FilePayload, Page, expect, sync_playwright
from slack_bolt import Ack
from slack_sdk import WebClient

from tests.bot.workspace.conftest import Bolt, Json, Process

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

ANSWER = "Three ways **exist**:\n\n| way | who |\n|---|---|\n| drop a file | anyone |\n"
FEEDBACK: Json = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "page_feedback",
            "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "1"},
            "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "0"},
        }
    ],
}


def converse(page: Page, workspace: Process, bolt: Bolt) -> None:
    """What a newcomer does in the first minute."""
    pressed: list[str] = []

    def feedback(ack: Ack, body: Json) -> None:
        ack()
        pressed.append(body["actions"][0]["value"])

    def answer(client: WebClient, channel: str, thread: str) -> None:
        stream = client.chat_stream(channel=channel, thread_ts=thread, buffer_size=8)
        for word in re.findall(r"\S+\s*", ANSWER):
            stream.append(markdown_text=word)
        stream.stop(blocks=[FEEDBACK])

    bolt.app.action("page_feedback")(feedback)
    page.goto(workspace.url)
    page.locator(".person", has_text="Ben Okafor").click()
    page.locator(".welcome .chip", has_text="How do I add my own documents?").click()
    asked = bolt.heard.event("message", text="How do I add my own documents?")
    bolt.client.assistant_threads_setStatus(
        channel_id=asked["channel"], thread_ts=asked["ts"], status="is thinking…"
    )
    expect(page.locator(".thread .status-bar")).to_contain_text("is thinking…")
    answer(bolt.client, asked["channel"], asked["ts"])
    thread = page.locator(".thread")
    expect(thread.locator("table td").first).to_have_text("drop a file")
    expect(thread.locator("strong", has_text="exist")).to_be_visible()
    expect(thread.locator(".status-bar")).to_be_empty()
    thread.get_by_role("button", name="Good").click()
    expect(thread.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
    page.locator(".main input[type=file]").set_input_files(
        FilePayload(name="notes.md", mimeType="text/markdown", buffer=b"# Notes")
    )
    page.locator(".main .send").click()
    expect(page.locator(".main .file", has_text="notes.md")).to_be_visible()
    shared = bolt.heard.event("file_shared")
    page.locator(".main .file").get_by_label("Delete notes.md").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".main .file.gone")).to_be_visible()
    assert bolt.heard.event("file_deleted")["file_id"] == shared["file_id"]
    assert pressed == ["1"]


def test_a_newcomers_first_minute(workspace: Process, bolt: Bolt) -> None:
    """Without one error in the console."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        converse(page, workspace, bolt)
        browser.close()
    assert errors == []
