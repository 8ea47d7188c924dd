"""``/phi3 ingest``: text, a public address, a Slack file's link, a channel."""

from __future__ import annotations

from urllib.parse import urlsplit

from slack_sdk.errors import SlackApiError
from sqlalchemy import text as sql

from bot import channels, say, tasks
from bot.admins import is_admin
from bot.audience import Place, document_audiences
from bot.blocks.text import shorten
from bot.deps import Deps
from bot.files import follow
from bot.files.shares import channels_of
from bot.inbox import Refused
from bot.settings import MAX_TYPED_TEXT
from bot.subcommands.base import Command, Subcommand, conversation
from bot.subcommands.targets import Target, parse, text_title, text_uri
from models.store import blobs, documents, outbox
from models.store.session import transaction
from models.web_address import BadAddress, checked

# One sentence for all of it: it does not tell whether a private channel of that name is there.
NOT_BOTH = (
    "I see no such channel that we are both in. Invite me there with `/invite`, then try again."
)


def run(deps: Deps, command: Command) -> None:
    """Tell what is meant, and bring it in for the people of this place."""
    hosts = {urlsplit(deps.me.url).hostname or "", urlsplit(deps.slack.base_url).hostname or ""}
    target = parse(command.rest, workspace_hosts=frozenset(hosts | {"files.slack.com"}) - {""})
    if target.kind == "local":
        raise Refused(
            "I cannot see your disk from Slack. Share the file here, or use "
            "“phi3 ingest PATH” on the command line for files and folders."
        )
    if target.kind in ("channel", "channel_name"):
        _channel(deps, command, target)
        return
    channel, _ = conversation(deps, command)
    if target.kind == "slack_file":
        _slack_file(deps, command, target.value, channel)
    else:
        _register(deps, command, target, channel, deps.directory.place_now(channel))


def _register(deps: Deps, command: Command, target: Target, channel: str, place: Place) -> None:
    if target.kind == "text" and len(target.value) > MAX_TYPED_TEXT:
        raise Refused(
            f"That is {len(target.value):,} characters; I take up to {MAX_TYPED_TEXT:,} as text. "
            "Please share it as a file."
        )
    if target.kind == "text" and len(target.value) < 20:
        raise Refused(
            "That is too short to learn from. Type some sentences, or give me a link, a Slack "
            "file or a channel: `/phi3 ingest https://…`"
        )
    if target.kind == "url":
        try:
            checked(target.value)
        except BadAddress as error:
            raise Refused(str(error)) from error
    label = target.value if target.kind == "url" else f"“{text_title(target.value)}”"
    key = f"event:{command.event.id}:ingest"
    with transaction(deps.sessions) as session:
        known = session.execute(sql("SELECT FROM outbox WHERE key = :key"), {"key": key}).first()
        job = documents.open_job(
            session, label=shorten(label, 200), requested_by=command.user_id, outbox_key=key
        )
        made = [
            documents.register(
                session,
                uri=target.value if target.kind == "url" else text_uri(target.value),
                audience=audience,
                title=target.value if target.kind == "url" else text_title(target.value),
                origin="url" if target.kind == "url" else "slack_text",
                link=target.value if target.kind == "url" else None,
                filename=None if target.kind == "url" else "text.md",
                mime=None if target.kind == "url" else "text/markdown",
                blob_sha256=None
                if target.kind == "url"
                else blobs.put(session, target.value.encode()),
                added_by=command.user_id,
                job_id=job,
            )
            for audience in document_audiences(command.user_id, place)
        ]
        queued = [one.document_id for one in made if one.queued]
        if queued and known is None:
            outbox.put(
                session,
                key=key,
                destination={"channel": channel},
                payload={"kind": "ingest_progress", "label": label, "total": len(queued)},
            )
        elif not queued and known is None:
            words = f"I know {shorten(label, 200)} already, and it has not changed."
            outbox.put(
                session,
                key=key,
                destination={"channel": channel},
                payload={"kind": "text", "text": words},
            )
    for document_id in queued:
        tasks.send("ingest.document", document_id)


def _slack_file(deps: Deps, command: Command, file_id: str, channel: str) -> None:
    """The file's own sharing decides who may see it; whoever asks must be among them."""
    info = None
    try:
        info = deps.slack.files_info(file=file_id)["file"]
    except SlackApiError as error:
        if error.response.get("error") not in follow.GONE:
            raise
    places = channels_of(info) if info else frozenset()
    if info is None or not any(
        deps.directory.is_in(command.user_id, place) for place in sorted(places)
    ):
        raise Refused(
            "I cannot see this file in a channel that we are both in. Share it here, or add me "
            "to its channel, and try again."
        )
    shared_here = (
        channel
        if channel in places
        else next(place for place in sorted(places) if deps.directory.is_in(command.user_id, place))
    )
    taken = follow.shared(deps, file_id=file_id, channel_id=shared_here, user_id=command.user_id)
    if taken is None:
        raise Refused("This file is gone: it was deleted in the meantime.")
    if taken.problem:
        raise Refused(taken.problem)
    name = shorten(taken.title, 200)
    if not taken.queued:
        words = f"I know {name} already, and it has not changed."
    elif shared_here != channel:
        words = f"I am reading {name}, and say how it goes in the channel that has it."
    else:
        return
    say.text(deps, command.event, "file", {"channel": channel}, words)


def _channel(deps: Deps, command: Command, target: Target) -> None:
    if not is_admin(deps, command.user_id):
        raise Refused("Reading a channel's history is for admins: please ask one of them to do it.")
    channel_id = target.value if target.kind == "channel" else _by_name(deps, target.value)
    try:
        place = deps.directory.place(channel_id)
    except SlackApiError:
        place = None
    # An admin of the workspace does not see every private channel, nor that it is there.
    if (
        place is None
        or not place.member
        or not deps.directory.reads(deps.directory.person(command.user_id), place)
    ):
        raise Refused(NOT_BOTH)
    where, _ = conversation(deps, command)
    if not place.open_to_all and where != channel_id:
        # Its name, and the beginnings of its threads, are for its members.
        where = str(deps.slack.conversations_open(users=command.user_id)["channel"]["id"])
    key = f"event:{command.event.id}:ingest"
    label = f"#{place.name or channel_id}"
    with transaction(deps.sessions) as session:
        job = documents.open_job(session, label=label, requested_by=command.user_id, outbox_key=key)
    progress = {"kind": "ingest_progress", "label": label, "total": 0}
    say.say(deps, key=key, destination={"channel": where}, payload=progress)
    queued = channels.ingest(deps, channel_id=channel_id, user_id=command.user_id, job_id=job)
    if not queued:
        words = f"I found nothing new to read in {label}. I will follow what is said there."
        say.say(
            deps, key=key, destination={"channel": where}, payload={"kind": "text", "text": words}
        )


def _by_name(deps: Deps, name: str) -> str:
    cursor = ""
    while True:
        page = deps.slack.conversations_list(
            types="public_channel,private_channel", limit=200, cursor=cursor or None
        )
        for channel in page.get("channels") or []:
            if channel.get("name") == name:
                return str(channel["id"])
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            raise Refused(NOT_BOTH)


SUBCOMMANDS = [
    Subcommand(
        name="ingest",
        usage="TEXT | LINK | #CHANNEL",
        summary="Add a text, a web page, a Slack file by its link, or (admins) a channel",
        run=run,
        receipt="I am taking it in; I will say here how it goes.",
        needs_text=True,
    )
]
