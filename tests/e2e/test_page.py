"""The page in a real browser: a first visit, and a document's life from drop to deletion."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from slack_sdk import WebClient

from tests.e2e.chromium import browser
from tests.e2e.person import Person, eventually
from tests.support.product import Product

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

pytestmark = pytest.mark.e2e

PATIENCE_MS = 30_000
FIRST = "How do I add my own documents?"
NAME = "tide-book.md"
QUESTION = "When does the sluice gate of Tamarind Wharf open?"
BEFORE = "# Tide book\n\nThe sluice gate of Tamarind Wharf opens at 05:40 every morning.\n"
AFTER = "# Tide book\n\nThe sluice gate of Tamarind Wharf opens at 07:15 every morning.\n"

DROP = """([name, text]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], name, {type: 'text/markdown'}));
  return carried;
}"""


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    """One Chromium for this file."""
    with browser() as running:
        yield running


@pytest.fixture
def page(product: Product, opened: Browser) -> Iterator[Page]:
    """A first visit; anything that the page logs as an error fails the test."""
    context = opened.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(PATIENCE_MS)
    fresh = context.new_page()
    errors: list[str] = []
    fresh.on("pageerror", lambda error: errors.append(str(error)))
    fresh.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    fresh.goto(product.url)
    yield fresh
    context.close()
    assert errors == []


def be(page: Page, name: str) -> None:
    """Choose who one is, as the first visit asks."""
    page.get_by_role("button", name=name).click()
    page.get_by_role("textbox", name="Message").wait_for()


def ask(page: Page, question: str) -> Locator:
    """Type a question to the bot; returns the thread once the answer in it is whole."""
    thread = page.locator("#thread")
    if thread.is_visible():
        thread.get_by_role("button", name="Close").click()
    page.locator("#main").get_by_role("textbox", name="Message").fill(question)
    page.keyboard.press("Enter")
    thread.get_by_text(question).first.wait_for()
    return whole(thread)


def whole(thread: Locator) -> Locator:
    """Wait for the buttons that end every answer and every refusal."""
    good = thread.get_by_role("button", name="This answer is good")
    good.or_(thread.get_by_role("button", name="Ask an expert")).first.wait_for()
    return thread


def test_a_first_question_its_citation_and_a_thumb(product: Product, page: Page) -> None:
    # Arrange
    be(page, "Ben Okafor")
    ben = Person(product.workspace, "ben")

    # Act: one press on a proposed question
    page.get_by_role("button", name=FIRST).first.click()
    thread = whole(page.locator("#thread"))

    # Assert: the answer, and that it came as a stream
    assert "Share a file with the bot" in thread.inner_text()
    asked = ben.web.conversations_history(channel=ben.dm(), limit=1)["messages"][0]
    *_, answer = ben.web.conversations_replies(channel=ben.dm(), ts=asked["ts"])["messages"]
    assert answer["streaming_state"] == "completed"

    # A citation opens and shows the passage
    with page.context.expect_page() as waiting:
        thread.get_by_role("link", name="User's guide").first.click()
    cited = waiting.value.locator(".cited")
    assert "Share a file with the bot" in cited.inner_text()
    waiting.value.close()

    # A thumb is kept
    thread.get_by_role("button", name="This answer is good").click()
    eventually(
        lambda: product.rows("SELECT 1 FROM feedback WHERE kind = 'up'"), what="a thumb", seconds=20
    )


def test_a_stream_is_seen_while_it_grows(product: Product, page: Page) -> None:
    # Arrange: a message of one's own, and a bot that answers it slowly
    be(page, "Chloé Martin")
    chloe = Person(product.workspace, "chloe")
    general = chloe.channels["general"]
    page.locator("#sidebar").get_by_text("general").click()
    page.get_by_role("textbox", name="Message").fill("Which tide is next?")
    page.keyboard.press("Enter")
    page.locator("#main").get_by_text("Which tide is next?").wait_for()
    asked = chloe.web.conversations_history(channel=general, limit=1)["messages"][0]["ts"]
    bot = WebClient(product.workspace["bot_token"], base_url=chloe.web.base_url)
    thread = page.locator("#thread")
    caret = thread.get_by_label("still writing")

    # Act and assert: its first words, more of them, and the end
    stream = {"channel": general, "thread_ts": asked, "markdown_text": "The spring"}
    reader = {"recipient_user_id": chloe.id, "recipient_team_id": chloe.web.auth_test()["team_id"]}
    ts = bot.chat_startStream(**stream, **reader)["ts"]
    thread.get_by_text("The spring").wait_for()
    caret.wait_for()
    bot.chat_appendStream(channel=general, ts=ts, markdown_text=" tide, at")
    thread.get_by_text("The spring tide, at").wait_for()
    caret.wait_for()
    bot.chat_stopStream(channel=general, ts=ts, markdown_text=" 07:15.")
    thread.get_by_text("The spring tide, at 07:15.").wait_for()
    caret.wait_for(state="detached")


def test_what_is_typed_stays_with_its_conversation(product: Product, page: Page) -> None:
    be(page, "Chloé Martin")
    chloe = Person(product.workspace, "chloe")
    sidebar, main = page.locator("#sidebar"), page.locator("#main")
    box = main.get_by_role("textbox", name="Message")

    # A channel whose history is slow to come takes what is typed at once
    held: list[Route] = []
    page.route("**/conversations.history", lambda route: held.append(route))
    sidebar.get_by_text("random").click()
    box.fill("The gulls are back.")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#main textarea').value === ''")
    for route in held:
        route.continue_()
    page.unroute("**/conversations.history")
    main.get_by_text("The gulls are back.").wait_for()
    said = chloe.web.conversations_history(channel=chloe.channels["random"], limit=5)["messages"]
    assert "The gulls are back." in [message["text"] for message in said]

    # The page is drawn anew around it, and left and come back to
    box.fill("Half a sentence about")
    ada = Person(product.workspace, "ada")
    ada.web.conversations_leave(channel=chloe.channels["random"])
    main.get_by_text("members").wait_for()
    eventually(
        lambda: "Ada" not in (main.locator("small").first.get_attribute("title") or ""),
        what="the news",
    )
    page.keyboard.type(" gulls")
    sidebar.get_by_text("general").click()
    main.get_by_role("textbox", name="Message #general").wait_for()
    assert box.input_value() == ""
    sidebar.get_by_text("random").click()
    main.get_by_role("textbox", name="Message #random").wait_for()
    assert box.input_value() == "Half a sentence about gulls"
    ada.web.conversations_join(channel=chloe.channels["random"])


def test_a_command_names_people_as_the_guide_says(page: Page) -> None:
    be(page, "Ada Park")
    main = page.locator("#main")
    page.locator("#sidebar").get_by_text("onboarding").click()

    def command(text: str) -> None:
        main.get_by_role("textbox", name="Message").fill(text)
        main.get_by_role("button", name="Send").click()

    command("/phi3 experts @ben @Ada Park")
    main.get_by_text("I will ask @Ben Okafor, @Ada Park.").wait_for()
    command("/phi3 experts nobody")
    main.get_by_text("I will ask the admins.").wait_for()


def test_a_command_that_is_whole_is_sent_and_one_that_is_not_there_is_named(page: Page) -> None:
    be(page, "Ben Okafor")
    box = page.locator("#main").get_by_role("textbox", name="Message")
    box.fill("/phi3 forget")
    page.get_by_role("option", name="/phi3 forget me").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#main textarea').value === ''")
    page.locator("#main").get_by_text("Only visible to you").first.wait_for()
    box.fill("/unheard of")
    page.keyboard.press("Enter")
    page.get_by_text("There is no such command here.").wait_for()


def test_a_document_from_drop_to_deletion(page: Page, tmp_path: Path) -> None:
    be(page, "Ada Park")
    thread = page.locator("#thread")
    main = page.locator("#main")

    # Drop it and be told that it was read
    carried = page.evaluate_handle(DROP, [NAME, BEFORE])
    page.dispatch_event("#main", "drop", {"dataTransfer": carried})
    main.get_by_role("button", name="Send").click()
    page.get_by_text("I have read").first.wait_for()

    # Ask about it; the citation opens the file
    assert "05:40" in ask(page, QUESTION).inner_text()
    with page.context.expect_page() as waiting:
        thread.get_by_role("link", name=re.compile("tide.book", re.IGNORECASE)).first.click()
    waiting.value.close()

    # Edit it and ask again
    edited = tmp_path / NAME
    edited.write_text(AFTER, "utf-8")
    with page.expect_file_chooser() as choosing:
        main.get_by_role("button", name=f"Replace {NAME}").click()
    choosing.value.set_files(edited)

    def answered_anew() -> bool:
        return "07:15" in ask(page, QUESTION).inner_text()

    eventually(answered_anew, what="the new version in an answer")
    assert "05:40" not in thread.inner_text()

    # Delete it and be refused
    main.get_by_role("button", name=f"Delete {NAME}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    main.get_by_role("button", name=f"Delete {NAME}").wait_for(state="detached")
    refused = ask(page, QUESTION)
    assert "I could not find this" in refused.inner_text()
    assert "07:15" not in refused.inner_text()


def test_an_answer_that_comes_while_its_thread_is_on_its_way_is_seen(
    product: Product, page: Page
) -> None:
    def late(route: Route) -> None:
        response = route.fetch()  # what the thread held before the answer
        time.sleep(2)
        route.fulfill(response=response)

    be(page, "Chloé Martin")
    page.route("**/conversations.replies", late)
    thread = ask(page, FIRST)
    assert "Share a file with the bot" in thread.inner_text()
