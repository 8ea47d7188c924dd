"""A person in the local workspace, acting through the Web API with a token of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
from slack_sdk import WebClient

Json = dict[str, Any]
T = TypeVar("T")

WAIT_S = 60.0


def eventually(look: Callable[[], T | None], *, what: str, seconds: float = WAIT_S) -> T:
    """Look again and again until something is there; fails with ``what`` after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.15)


def words(message: Json) -> str:
    """Everything that a message shows, blocks included, as one text."""
    shown = [str(message.get("text", ""))]
    shown += [
        node["text"]
        for node in nodes(message.get("blocks", []))
        if isinstance(node.get("text"), str)
    ]
    # Names of files are shown with invisible joiners, so that they do not format.
    return "\n".join(dict.fromkeys(shown)).replace("\u2060", "")


def nodes(value: object) -> Iterator[Json]:
    """Every object in a tree of blocks."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


class Person:
    """Talks, asks, shares files and reads, as one user."""

    def __init__(self, workspace: Json, name: str) -> None:
        """``workspace``: the contents of ``run/workspace.json``."""
        row = next(user for user in workspace["users"] if user["name"] == name)
        self.id: str = row["id"]
        self.name = name
        self.bot: str = workspace["bot_user"]
        self.channels = {channel["name"]: channel["id"] for channel in workspace["channels"]}
        self.web = WebClient(
            token=row["token"], base_url=workspace["api_url"].rstrip("/") + "/", timeout=30
        )

    def dm(self) -> str:
        """The id of the conversation with the bot."""
        return str(self.web.conversations_open(users=self.bot)["channel"]["id"])

    def say(self, channel: str, text: str, *, thread: str | None = None) -> str:
        """Post and return the message's ts."""
        return str(self.web.chat_postMessage(channel=channel, text=text, thread_ts=thread)["ts"])

    def mention(self, channel: str, text: str, *, thread: str | None = None) -> str:
        """Post to the bot in a channel."""
        return self.say(channel, f"<@{self.bot}> {text}", thread=thread)

    def command(self, text: str, channel: str) -> Json:
        """Type ``/phi3 text`` in a channel."""
        return self.call("_workspace.command", channel=channel, command="/phi3", text=text)

    def press(self, channel: str, ts: str, action: str, value: str) -> Json:
        """Press a button or a thumb in a message."""
        return self.call("_workspace.action", channel=channel, ts=ts, action_id=action, value=value)

    def whispered(self, channel: str) -> list[Json]:
        """What only this person sees in a conversation."""
        return list(self.call("_workspace.ephemerals", channel=channel)["messages"])

    def hears(self, channel: str, pattern: str, *, after: str = "0") -> Json:
        """Wait until the bot has said something with ``pattern`` to this person alone."""

        def look() -> Json | None:
            fresh = (said for said in self.whispered(channel) if said["ts"] > after)
            return next((said for said in fresh if pattern in words(said)), None)

        return eventually(look, what=f"a whisper with {pattern!r}", seconds=30)

    def replace(self, file: str, path: Path) -> None:
        """Give a shared file other contents, as editing it does."""
        size = path.stat().st_size
        place = self.web.files_getUploadURLExternal(filename=path.name, length=size)
        upload = httpx.post(place["upload_url"], content=path.read_bytes(), trust_env=False)
        upload.raise_for_status()
        self.call("_workspace.file.replace", file=file, upload=place["file_id"])

    def delete(self, file: str) -> None:
        """Delete a file of one's own."""
        self.web.files_delete(file=file)

    def call(self, method: str, **arguments: object) -> Json:
        """Any method; raises SlackApiError where the answer is not ok."""
        found = self.web.api_call(method, json=arguments).data
        assert isinstance(found, dict)
        return found

    def thread(self, channel: str, ts: str) -> list[Json]:
        """The replies under a message."""
        found = self.web.conversations_replies(channel=channel, ts=ts, limit=100)["messages"]
        return [message for message in found if message["ts"] != ts]

    def history(self, channel: str, *, after: str = "0") -> list[Json]:
        """The newest messages of a conversation, oldest first."""
        found = self.web.conversations_history(channel=channel, oldest=after, limit=100)
        return list(reversed(found["messages"]))

    def answer(self, channel: str, ts: str, *, seconds: float = WAIT_S) -> Json:
        """The bot's finished answer under a message: the one that has its buttons."""
        return eventually(
            lambda: next((found for found in self.thread(channel, ts) if finished(found)), None),
            what=f"an answer to {self.name}",
            seconds=seconds,
        )

    def ask(self, question: str, *, channel: str | None = None) -> Json:
        """Ask in a channel (with a mention) or in a DM and wait for the answer."""
        if channel is None:
            place = self.dm()
            return self.answer(place, self.say(place, question))
        return self.answer(channel, self.mention(channel, question))

    def share(self, path: Path, channel: str) -> str:
        """Upload a file into a conversation and return its id."""
        return str(self.web.files_upload_v2(file=str(path), channel=channel)["file"]["id"])

    def said_in(
        self, channel: str, pattern: str, *, after: str = "0", seconds: float = WAIT_S
    ) -> Json:
        """Wait until the bot has said something with ``pattern`` in a conversation or a thread."""

        def look() -> Json | None:
            for message in self.history(channel, after=after):
                replies = self.thread(channel, message["ts"]) if message.get("reply_count") else []
                for said in (message, *replies):
                    if said.get("bot_id") and pattern.lower() in words(said).lower():
                        return said
            return None

        return eventually(look, what=f"the bot saying {pattern!r}", seconds=seconds)


def finished(message: Json) -> bool:
    """Whether a bot's message is a whole answer: it has feedback buttons or offers an expert."""
    actions = {str(node.get("action_id")) for node in nodes(message.get("blocks", []))}
    return bool(message.get("bot_id")) and any(
        name in ("answer_feedback", "answer_expert") for name in actions
    )
