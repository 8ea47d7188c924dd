"""assistant.threads.*: what the bot is doing, what it suggests."""

from __future__ import annotations

import time

from bot.workspace.database import Json
from bot.workspace.web_api.call import Call, Method, SlackError

STATUS_SECONDS = 120
LOADING_MESSAGES = 10
PROMPTS = 4


def set_status(call: Call) -> Json:
    """assistant.threads.setStatus: empty clears it, and so does the bot's next message there."""
    channel = call.member_channel("channel_id")
    thread = call.need("thread_ts", "invalid_arguments")
    if call.w.messages.raw(channel, thread) is None:
        raise SlackError("invalid_thread_ts")
    status = call.text("status")
    loading = call.nested("loading_messages") or []
    if not isinstance(loading, list) or len(loading) > LOADING_MESSAGES:
        raise SlackError("invalid_arguments")
    news: Json = {
        "thread_ts": thread,
        "status": status,
        "loading_messages": [str(line) for line in loading],
        "until": time.time() + STATUS_SECONDS,
    }
    if status:
        call.w.statuses[channel, thread] = news
    else:
        call.w.statuses.pop((channel, thread), None)
    call.w.tell_members(channel, {"type": "status"} | news)
    return {}


def set_title(call: Call) -> Json:
    """assistant.threads.setTitle: kept on the thread's first message."""
    channel = call.member_channel("channel_id")
    message = call.w.messages.raw(channel, call.need("thread_ts", "invalid_thread_ts"))
    if message is None:
        raise SlackError("invalid_thread_ts")
    call.w.messages.save(channel, message | {"thread_title": call.need("title")})
    return {}


def set_prompts(call: Call) -> Json:
    """assistant.threads.setSuggestedPrompts: up to four, each with a title and a message."""
    channel = call.member_channel("channel_id")
    prompts = call.nested("prompts")
    good = isinstance(prompts, list) and 0 < len(prompts) <= PROMPTS
    if not good or not all(
        isinstance(one, dict)
        and isinstance(one.get("title"), str)
        and isinstance(one.get("message"), str)
        for one in prompts
    ):
        raise SlackError("invalid_arguments")
    body = {"title": call.text("title"), "prompts": prompts}
    call.w.interim.save_prompts(channel, call.text("thread_ts"), body)
    call.w.tell_members(channel, {"type": "prompts", "prompts": body})
    return {}


METHODS: dict[str, Method] = {
    "assistant.threads.setStatus": (set_status, "chat:write"),
    "assistant.threads.setTitle": (set_title, "assistant:write"),
    "assistant.threads.setSuggestedPrompts": (set_prompts, "assistant:write"),
}
