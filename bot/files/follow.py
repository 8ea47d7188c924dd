"""A Slack file over its life: shared, changed, unshared, deleted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from slack_sdk.errors import SlackApiError
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import tasks
from bot.alone import alone
from bot.audience import document_audiences
from bot.deps import Deps
from bot.files.download import FileProblem
from bot.files.shares import SlackFile, channels_of, describe, share_ts
from models.store import blobs, documents, outbox
from models.store.session import transaction
from models.store.tables import Document, IngestJob, Outbox

log = logging.getLogger(__name__)

GONE = frozenset({"file_not_found", "file_deleted", "no_file", "not_visible"})


@dataclass(frozen=True)
class Taken:
    """What came of a file; ``problem`` is a sentence where it could not be taken in."""

    title: str
    document_ids: tuple[int, ...] = ()
    problem: str | None = None
    queued: bool = False  # it is going to be read; false where it has not changed


class NotShared(Exception):
    """The channel does not have the file, so its people are not to be answered from it."""


def shared(deps: Deps, *, file_id: str, channel_id: str, user_id: str) -> Taken | None:
    """Take a file in as a document of the channel; say in the thread what comes of it.

    None where the file is gone already. Idempotent: an unchanged file queues nothing. Raises
    ``NotShared`` where the file is not in the channel: it was taken back, or Slack does not say so
    yet.
    """
    with _alone(deps, file_id):
        info = _info(deps, file_id)
        if info is None:
            return None
        if channel_id not in channels_of(info):
            raise NotShared(f"{file_id} is not shared in {channel_id}")
        name = str(info.get("title") or info.get("name") or file_id)
        key = f"file:{file_id}:{channel_id}"
        destination = {"channel": channel_id}
        thread = share_ts(info, channel_id)
        if thread:
            destination["thread_ts"] = thread
        try:
            file = describe(info)
            place = deps.directory.place_now(channel_id)
            fetched = deps.downloader.fetch(file.url, html_expected="html" in file.mime)
        except FileProblem as problem:
            with transaction(deps.sessions) as session:
                payload = {"kind": "text", "text": f":warning: {problem}"}
                outbox.put(session, key=key, destination=destination, payload=payload)
            return Taken(name, problem=str(problem))
        if not fetched.data:
            return _empty(deps, key, destination, name)
        ids: list[int] = []
        queued: list[int] = []
        with transaction(deps.sessions) as session:
            sha256 = blobs.put(session, fetched.data)
            job = documents.open_job(session, label=name, requested_by=user_id, outbox_key=key)
            for audience in document_audiences(file.user or user_id, place):
                made = _register(session, file, audience, sha256, user_id, job)
                ids.append(made.document_id)
                if made.queued:
                    queued.append(made.document_id)
            if queued:
                outbox.put(
                    session,
                    key=key,
                    destination=destination,
                    payload={"kind": "ingest_progress", "label": name, "total": 1},
                )
        _send(queued)
        return Taken(name, tuple(ids), queued=bool(queued))


def changed(deps: Deps, *, file_id: str) -> None:
    """Read a known file again, for everybody who has it; said in the thread of its last reading."""
    with _alone(deps, file_id):
        rows = _known(deps, file_id)
        if not rows:
            return
        info = _info(deps, file_id)
        if info is None:
            _forget(deps, rows, "Slack: file gone")
            return
        try:
            file = describe(info)
            fetched = deps.downloader.fetch(file.url, html_expected="html" in file.mime)
        except FileProblem as problem:
            log.info("%s stays as it was known: %s", file_id, problem)
            return
        queued: list[int] = []
        with transaction(deps.sessions) as session:
            sha256 = blobs.put(session, fetched.data)
            jobs: dict[str, int] = {}  # by channel
            for row in rows:
                job = None
                place = _told_in(session, row)
                if place and row.blob_sha256 != sha256 and place["channel"] in channels_of(info):
                    channel = place["channel"]
                    if channel not in jobs:
                        key = f"file:{file_id}:{channel}:{row.revision + 1}"
                        jobs[channel] = _tell(session, key, place, info, row)
                    job = jobs[channel]
                made = _register(session, file, row.audience, sha256, row.added_by, job)
                if made.queued:
                    queued.append(made.document_id)
        _send(queued)


def hide(deps: Deps, *, file_id: str) -> None:
    """Take away what is known of a deleted file, before anything that is asked after it.

    What is just being taken in may bring it back: ``deleted`` waits for that.
    """
    _forget(deps, _known(deps, file_id), "Slack: file deleted")


def deleted(deps: Deps, *, file_id: str) -> None:
    """Take a file away from everybody, for good."""
    with _alone(deps, file_id):
        hide(deps, file_id=file_id)


def unshared(deps: Deps, *, file_id: str) -> None:
    """Take a file away from those who no longer have it in Slack; it fails closed."""
    with _alone(deps, file_id):
        rows = _known(deps, file_id)
        info = _info(deps, file_id)
        allowed: set[str] = set()
        if info is not None:
            for channel in channels_of(info):
                allowed.update(_audiences(deps, channel, str(info.get("user") or "")))
        _forget(deps, [row for row in rows if row.audience not in allowed], "Slack: file unshared")


def _alone(deps: Deps, file_id: str) -> AbstractContextManager[None]:
    return alone(deps.sessions, f"slack file {file_id}")


def _audiences(deps: Deps, channel_id: str, user_id: str) -> tuple[str, ...]:
    """Who has a file through a channel that it is shared in; nobody where we cannot look."""
    try:
        place = deps.directory.place_now(channel_id)
    except SlackApiError as error:
        if error.response.get("error") in ("channel_not_found", "not_in_channel"):
            return ()
        raise
    return document_audiences(user_id, place)


def _info(deps: Deps, file_id: str) -> dict[str, object] | None:
    try:
        file: dict[str, object] = deps.slack.files_info(file=file_id)["file"]
    except SlackApiError as error:
        if error.response.get("error") in GONE:
            return None
        raise
    return file


def _known(deps: Deps, file_id: str) -> Sequence[Document]:
    with deps.sessions() as session:
        return session.scalars(
            select(Document).where(Document.external_id == file_id, Document.state != "deleted")
        ).all()


def _forget(deps: Deps, rows: Sequence[Document], why: str) -> None:
    with transaction(deps.sessions) as session:
        for row in rows:
            documents.forget(session, row.id, actor=why)


def _told_in(session: Session, row: Document) -> dict[str, str] | None:
    """The thread in which it was said that a file was read; none where that is not over yet."""
    job = session.get(IngestJob, row.job_id) if row.job_id is not None else None
    if job is None or job.finished_at is None or not (job.outbox_key or "").startswith("file:"):
        return None
    return session.scalars(select(Outbox.destination).where(Outbox.key == job.outbox_key)).first()


def _tell(
    session: Session, key: str, place: dict[str, str], info: dict[str, object], row: Document
) -> int:
    """Begin the message about a new version; the job that goes on with it."""
    label = f"the new version of {info.get('title') or info.get('name') or row.title}"
    outbox.put(
        session,
        key=key,
        destination=place,
        payload={"kind": "ingest_progress", "label": label, "total": 1},
    )
    return documents.open_job(session, label=label, requested_by=row.added_by, outbox_key=key)


def _empty(deps: Deps, key: str, destination: dict[str, str], name: str) -> Taken:
    problem = f"“{name}” is empty, so there is nothing to read."
    with transaction(deps.sessions) as session:
        payload = {"kind": "text", "text": f":warning: {problem}"}
        outbox.put(session, key=key, destination=destination, payload=payload)
    return Taken(name, problem=problem)


def _register(
    session: Session, file: SlackFile, audience: str, sha256: str, user: str | None, job: int | None
) -> documents.Registered:
    return documents.register(
        session,
        uri=file.uri,
        audience=audience,
        title=file.title,
        origin="slack_file",
        link=file.permalink,
        filename=file.name,
        mime=file.mime or None,
        blob_sha256=sha256,
        external_id=file.file_id,
        added_by=user,
        job_id=job,
    )


def _send(document_ids: Sequence[int]) -> None:
    for document_id in document_ids:
        tasks.send("ingest.document", document_id)
