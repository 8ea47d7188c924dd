"""chat.*: posting, changing, deleting."""

from __future__ import annotations

from bot.workspace.block_kit import CHARACTERS_IN_MESSAGE, characters, numbered, problems_of
from bot.workspace.database import Json
from bot.workspace.mrkdwn import link_urls
from bot.workspace.people import new_id
from bot.workspace.posting import change, post, remove, whisper
from bot.workspace.web_api.call import Call, Method, SlackError

TEXT_LIMIT = 40_000
MARKDOWN_LIMIT = 12_000


def block_id() -> str:
    """A fresh block id."""
    return new_id("b")[1:6]


def checked_blocks(call: Call, name: str = "blocks") -> list[Json] | None:
    """Valid blocks, numbered; None where none are given. Raises what Slack raises."""
    blocks = call.nested(name, "invalid_blocks_format")
    if blocks is None:
        return None
    problems = problems_of(blocks)
    if problems:
        raise SlackError(
            "invalid_blocks", errors=problems, response_metadata={"messages": problems}
        )
    if characters(blocks) > CHARACTERS_IN_MESSAGE:
        raise SlackError("msg_blocks_too_long")
    return numbered(blocks, block_id)


def content(call: Call) -> Json:
    """``text``, ``blocks``, ``attachments`` and ``metadata`` of a message to be shown."""
    blocks = checked_blocks(call)
    attachments = call.nested("attachments", "invalid_attachments")
    markdown = call.text("markdown_text")
    text = call.text("text")
    if markdown:
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MARKDOWN_LIMIT:
            raise SlackError("msg_too_long")
        blocks = [{"type": "markdown", "text": markdown, "block_id": block_id()}]
        text = markdown
    if len(text) > TEXT_LIMIT:
        raise SlackError("msg_too_long")
    if not text.strip() and not blocks and not attachments:
        raise SlackError("no_text")
    message: Json = {"text": link_urls(text)}
    if blocks:
        message["blocks"] = blocks
    if attachments:
        message["attachments"] = attachments
    metadata = call.nested("metadata")
    if metadata:
        message["metadata"] = metadata
    return message


def thread_of(call: Call, channel: str) -> str | None:
    """The thread to reply in: that of the message named by ``thread_ts``."""
    thread = call.text("thread_ts")
    if not thread:
        return None
    parent = call.w.messages.raw(channel, thread)
    if parent is None:
        raise SlackError("thread_not_found")
    root = parent.get("thread_ts")
    return str(root) if root else thread


def post_message(call: Call) -> Json:
    """chat.postMessage."""
    channel = call.member_channel()
    message = content(call)
    thread = thread_of(call, channel)
    if thread:
        message["thread_ts"] = thread
        if call.flag("reply_broadcast"):
            message |= {"subtype": "thread_broadcast", "root": call.w.messages.raw(channel, thread)}
    if call.text("client_msg_id"):
        message["client_msg_id"] = call.text("client_msg_id")
    stored = post(call.w, channel, call.user, message)
    return {"channel": channel, "ts": stored["ts"], "message": stored}


def post_ephemeral(call: Call) -> Json:
    """chat.postEphemeral."""
    channel = call.member_channel()
    user = call.need("user", "user_not_found")
    if call.w.people.user(user) is None:
        raise SlackError("user_not_found")
    if not call.w.people.is_member(channel, user):
        raise SlackError("user_not_in_channel")
    message = content(call)
    if call.text("thread_ts"):
        message["thread_ts"] = call.text("thread_ts")
    return {"message_ts": whisper(call.w, channel, user, message)["ts"]}


def _own(call: Call, channel: str, error: str) -> Json:
    message = call.w.messages.raw(channel, call.need("ts", "message_not_found"))
    if message is None or message.get("subtype") == "tombstone":
        raise SlackError("message_not_found")
    if message["user"] != call.user:
        raise SlackError(error)
    return message


def update(call: Call) -> Json:
    """chat.update: blocks are kept only where no text is given."""
    channel = call.channel()
    before = _own(call, channel, "cant_update_message")
    given = {
        key for key in ("text", "blocks", "attachments", "markdown_text") if key in call.arguments
    }
    files = call.nested("file_ids")
    stream = call.w.interim.stream(channel, before["ts"])
    if stream is not None and not stream.expired:
        raise SlackError("streaming_state_conflict")
    call.w.interim.end_stream(channel, before["ts"])
    blank = "text" in given and not call.text("text").strip() and before.get("files")
    fields = {"text": ""} if blank else content(call)
    after = {
        key: value for key, value in before.items() if key not in ("blocks", "streaming_state")
    }
    if "text" not in given and "markdown_text" not in given:
        fields = {"blocks": before.get("blocks")} | fields | {"text": before["text"]}
    after |= {key: value for key, value in fields.items() if value is not None}
    if call.nested("blocks") is None:
        after["edited"] = {"user": call.user, "ts": call.w.messages.next_ts()}
    if isinstance(files, list):
        after["files"] = [{"id": str(file)} for file in files]
    change(call.w, channel, before, after)
    return {"channel": channel, "ts": after["ts"], "text": after["text"], "message": after}


def delete(call: Call) -> Json:
    """chat.delete: one's own messages; an admin deletes anyone's."""
    channel = call.channel()
    ts = call.need("ts", "message_not_found")
    whispered = call.w.messages.ephemeral(call.user, channel, ts)
    if whispered is not None:
        call.w.messages.delete_ephemeral(call.user, channel, ts)
        return {"channel": channel, "ts": ts}
    message = call.w.messages.raw(channel, ts)
    caller = call.w.people.user(call.user) or {}
    if message is not None and not caller.get("is_admin"):
        _own(call, channel, "cant_delete_message")
    if message is None or message.get("subtype") == "tombstone":
        raise SlackError("message_not_found")
    remove(call.w, channel, message)
    return {"channel": channel, "ts": ts}


def permalink(call: Call) -> Json:
    """chat.getPermalink."""
    channel = call.channel()
    ts = call.need("message_ts", "message_not_found")
    message = call.w.messages.raw(channel, ts)
    if message is None:
        raise SlackError("message_not_found")
    link = call.w.permalink(channel, ts, message.get("thread_ts"))
    return {"channel": channel, "permalink": link}


def me_message(call: Call) -> Json:
    """chat.meMessage."""
    channel = call.member_channel()
    stored = post(
        call.w, channel, call.user, {"text": call.need("text", "no_text"), "subtype": "me_message"}
    )
    return {"channel": channel, "ts": stored["ts"]}


METHODS: dict[str, Method] = {
    "chat.postMessage": (post_message, "chat:write"),
    "chat.postEphemeral": (post_ephemeral, "chat:write"),
    "chat.update": (update, "chat:write"),
    "chat.delete": (delete, "chat:write"),
    "chat.getPermalink": (permalink, ""),
    "chat.meMessage": (me_message, "chat:write"),
}
