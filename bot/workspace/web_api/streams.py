"""chat.startStream, appendStream, stopStream: a message that grows.

The parts, in order, become blocks: text a markdown block, a task a card, blocks themselves.
``text`` holds the whole text, so that readers of the history have it.
"""

from __future__ import annotations

from bot.workspace.block_kit import problems_of
from bot.workspace.database import Json
from bot.workspace.interim import Stream
from bot.workspace.posting import change, post
from bot.workspace.web_api.call import Call, Method, SlackError
from bot.workspace.web_api.chat import MARKDOWN_LIMIT, block_id, checked_blocks, thread_of


def _chunks(call: Call) -> list[Json]:
    chunks = call.nested("chunks", "invalid_chunks") or []
    if not isinstance(chunks, list) or not all(isinstance(chunk, dict) for chunk in chunks):
        raise SlackError("invalid_chunks")
    text = call.text("markdown_text")
    if text:
        chunks = [*chunks, {"type": "markdown_text", "text": text}]
    for chunk in chunks:
        _check(chunk)
    return chunks


def _check(chunk: Json) -> None:
    kind = chunk.get("type")
    if kind == "markdown_text":
        if not isinstance(chunk.get("text"), str):
            raise SlackError("invalid_chunks")
        if len(chunk["text"]) > MARKDOWN_LIMIT:
            raise SlackError("msg_too_long")
    elif kind == "task_update":
        known = chunk.get("status") in ("pending", "in_progress", "complete", "error")
        if not known or not chunk.get("id") or not chunk.get("title"):
            raise SlackError("invalid_chunks")
    elif kind == "blocks":
        problems = problems_of(chunk.get("blocks"))
        if problems:
            raise SlackError("invalid_blocks", response_metadata={"messages": problems})
    elif kind != "plan_update" or not chunk.get("title"):
        raise SlackError("invalid_chunks")


def grown(parts: list[Json], chunks: list[Json]) -> list[Json]:
    """Parts with chunks added: text joins text, a task or plan replaces its earlier state."""
    parts = [dict(part) for part in parts]
    for chunk in chunks:
        kind = chunk["type"]
        if kind == "markdown_text" and parts and parts[-1]["type"] == kind:
            parts[-1]["text"] += chunk["text"]
            continue
        if kind in ("task_update", "plan_update"):
            same = [
                part for part in parts if part["type"] == kind and part.get("id") == chunk.get("id")
            ]
            if same:
                same[0].update(chunk)
                continue
        parts.append(dict(chunk))
    return parts


def _shown(parts: list[Json]) -> Json:
    blocks: list[Json] = []
    for n, part in enumerate(parts):
        if part["type"] == "markdown_text":
            blocks.append({"type": "markdown", "text": part["text"], "block_id": f"md{n}"})
        elif part["type"] == "plan_update":
            blocks.append({"type": "plan", "title": part["title"], "block_id": f"plan{n}"})
        elif part["type"] == "task_update":
            card = {
                key: part[key]
                for key in ("title", "status", "details", "output", "sources")
                if part.get(key)
            }
            blocks.append(
                {"type": "task_card", "task_id": part["id"], "block_id": f"task{n}"} | card
            )
        else:
            blocks += [{"block_id": block_id()} | block for block in part["blocks"]]
    text = "".join(part["text"] for part in parts if part["type"] == "markdown_text")
    return {"text": text, "blocks": blocks}


def start(call: Call) -> Json:
    """chat.startStream: always a reply; in channels the reader must be named."""
    channel = call.member_channel()
    if not call.is_bot:
        raise SlackError("not_allowed_token_type")
    call.need("thread_ts", "invalid_arguments")
    thread = thread_of(call, channel)
    if call.w.people.kind(channel) != "im":
        call.need("recipient_team_id", "missing_recipient_team_id")
        call.need("recipient_user_id", "missing_recipient_user_id")
    parts = grown([], _chunks(call))
    message = _shown(parts) | {"thread_ts": thread, "streaming_state": "in_progress"}
    stored = post(call.w, channel, call.user, message)
    call.w.interim.save_stream(
        channel, stored["ts"], call.user, parts, call.w.settings.stream_seconds
    )
    return {"channel": channel, "ts": stored["ts"]}


def _open(call: Call) -> tuple[str, Json, Stream]:
    channel = call.channel()
    ts = call.need("ts", "message_not_found")
    message = call.w.messages.raw(channel, ts)
    if message is None:
        raise SlackError("message_not_found")
    if message["user"] != call.user:
        raise SlackError("message_not_owned_by_app")
    stream = call.w.interim.stream(channel, ts)
    if stream is None or stream.expired:
        raise SlackError("message_not_in_streaming_state")
    return channel, message, stream


def append(call: Call) -> Json:
    """chat.appendStream."""
    channel, message, stream = _open(call)
    chunks = _chunks(call)
    if not chunks:
        raise SlackError("no_text")
    parts = grown(stream.parts, chunks)
    call.w.interim.save_stream(
        channel, message["ts"], call.user, parts, call.w.settings.stream_seconds
    )
    change(call.w, channel, message, message | _shown(parts), quiet=True)
    return {"channel": channel, "ts": message["ts"]}


def stop(call: Call) -> Json:
    """chat.stopStream: what is left of the text, then the blocks at its end."""
    channel, message, stream = _open(call)
    last = checked_blocks(call) or []
    shown = _shown(grown(stream.parts, _chunks(call)))
    after = message | shown | {"blocks": shown["blocks"] + last, "streaming_state": "completed"}
    metadata = call.nested("metadata")
    if metadata:
        after["metadata"] = metadata
    call.w.interim.end_stream(channel, message["ts"])
    change(call.w, channel, message, after)
    return {"channel": channel, "ts": message["ts"], "message": after}


METHODS: dict[str, Method] = {
    "chat.startStream": (start, "chat:write"),
    "chat.appendStream": (append, "chat:write"),
    "chat.stopStream": (stop, "chat:write"),
}
