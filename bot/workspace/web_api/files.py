"""files.*: the three steps of an upload, look-ups, deletion, and a new content for an old file."""

from __future__ import annotations

from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.files import LIMIT_BYTES
from bot.workspace.mrkdwn import link_urls
from bot.workspace.posting import change, post
from bot.workspace.seed import BOT_USER
from bot.workspace.web_api.call import Call, Method, SlackError
from bot.workspace.web_api.chat import checked_blocks, thread_of
from bot.workspace.web_api.conversations import page_of


def may_see(w: Workspace, user: str, file: str) -> bool:
    """Owners and everyone who sees a conversation where the file is shared."""
    if w.files.owner(file) == user:
        return True
    return any(w.people.can_see(channel, user) for channel, _ in w.files.shares(file))


def upload_url(call: Call) -> Json:
    """files.getUploadURLExternal."""
    name = call.need("filename")
    length = call.text("length")
    if not length.isdigit() or int(length) == 0:
        raise SlackError(
            "invalid_arguments", response_metadata={"messages": ["[ERROR] length must be positive"]}
        )
    if int(length) > LIMIT_BYTES:
        raise SlackError("file_upload_size_restricted")
    file, secret = call.w.files.reserve(call.user, name, int(length))
    return {"upload_url": f"{call.w.url}/upload/v1/{secret}", "file_id": file}


def complete(call: Call) -> Json:
    """files.completeUploadExternal: files become visible, and shared where a channel is given."""
    given = call.nested("files")
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise SlackError("invalid_arguments")
    ids = [str(one.get("id")) for one in given]
    for file in ids:
        if call.w.files.state(file) != "uploaded" or call.w.files.owner(file) != call.user:
            raise SlackError("file_not_found")
    channels = call.text("channels") or call.text("channel_id")
    places = [
        call.w.people.by_name(one) or one
        for one in (part.strip() for part in channels.split(","))
        if one
    ]
    for channel in places:
        if not call.w.people.can_see(channel, call.user):
            raise SlackError("channel_not_found")
        if not call.w.people.is_member(channel, call.user):
            raise SlackError("not_in_channel")
    for one in given:
        call.w.files.complete(str(one["id"]), one.get("title"))
    for channel in places:
        _share(call, channel, ids)
    return {"files": [call.w.file(file) for file in ids]}


def _share(call: Call, channel: str, ids: list[str]) -> None:
    message: Json = {
        "text": link_urls(call.text("initial_comment")),
        "files": [{"id": file} for file in ids],
        "upload": True,
        "display_as_bot": False,
        "subtype": "file_share",
    }
    blocks = checked_blocks(call)
    if blocks:
        message["blocks"] = blocks
    thread = thread_of(call, channel)
    if thread:
        message["thread_ts"] = thread
    stored = post(call.w, channel, call.user, message)
    for file in ids:
        event = {"type": "file_shared", "file_id": file, "user_id": call.user, "file": {"id": file}}
        call.w.emit(event | {"channel_id": channel, "event_ts": stored["ts"]}, channel=channel)


def _seen(call: Call) -> str:
    file = call.need("file", "file_not_found")
    if call.w.files.state(file) == "deleted" and may_see(call.w, call.user, file):
        raise SlackError("file_deleted")
    if call.w.files.state(file) != "shared" or not may_see(call.w, call.user, file):
        raise SlackError("file_not_found")
    return file


def info(call: Call) -> Json:
    """files.info."""
    return {
        "file": call.w.file(_seen(call)),
        "comments": [],
        "response_metadata": {"next_cursor": ""},
    }


def list_files(call: Call) -> Json:
    """files.list, newest first; by ``channel`` and ``user`` where given."""
    wanted = call.channel() if call.text("channel") else ""
    user = call.text("user")
    seen = [
        file
        for file in call.w.files.all()
        if may_see(call.w, call.user, file)
        and (not user or call.w.files.owner(file) == user)
        and (not wanted or any(channel == wanted for channel, _ in call.w.files.shares(file)))
    ]
    count = call.number("count", 100, most=1000)
    page = call.number("page", 1, most=1_000_000)
    shown, _ = page_of(call, seen[(page - 1) * count : page * count], default=1000)
    pages = -(-len(seen) // count)
    return {
        "files": [call.w.file(file) for file in shown],
        "paging": {"count": count, "total": len(seen), "page": page, "pages": pages},
    }


def delete(call: Call) -> Json:
    """files.delete: by its owner or an admin."""
    file = _seen(call)
    caller = call.w.people.user(call.user) or {}
    if call.w.files.owner(file) != call.user and not caller.get("is_admin"):
        raise SlackError("cant_delete_file")
    shares = call.w.files.shares(file)
    call.w.files.delete(file)
    _refresh(call.w, shares)
    _tell_app(call.w, "file_deleted", file, shares)
    return {}


def replace(call: Call) -> Json:
    """_workspace.file.replace: what editing a file in Slack's client does."""
    file, upload = _seen(call), call.need("upload", "file_not_found")
    if call.w.files.owner(file) != call.user:
        raise SlackError("not_allowed")
    if call.w.files.state(upload) != "uploaded" or call.w.files.owner(upload) != call.user:
        raise SlackError("file_not_found")
    call.w.files.replace(file, upload)
    shares = call.w.files.shares(file)
    _refresh(call.w, shares)
    _tell_app(call.w, "file_change", file, shares)
    return {"file": call.w.file(file)}


def _refresh(w: Workspace, shares: list[tuple[str, str]]) -> None:
    for channel, ts in shares:
        message = w.messages.raw(channel, ts)
        if message is not None:
            change(w, channel, message, message, quiet=True)


def _tell_app(w: Workspace, kind: str, file: str, shares: list[tuple[str, str]]) -> None:
    """Once, if the bot is in any of the places where the file is or was shared."""
    for channel, _ in shares:
        if w.people.is_member(channel, BOT_USER):
            event: Json = {"type": kind, "file_id": file}
            w.emit(event | ({"file": {"id": file}} if kind == "file_change" else {}))
            return


METHODS: dict[str, Method] = {
    "files.getUploadURLExternal": (upload_url, "files:write"),
    "files.completeUploadExternal": (complete, "files:write"),
    "files.info": (info, "files:read"),
    "files.list": (list_files, "files:read"),
    "files.delete": (delete, "files:write"),
    "_workspace.file.replace": (replace, ""),
}
