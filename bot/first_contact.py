"""Ingests the project's own README and documentation, so that the first question has an answer.

``python -m bot.first_contact`` does it again when their content has changed. What somebody has
forgotten stays forgotten. With ``--register`` it only writes down what is to be read, so that a
question asked before the workers run is told so.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

from models.settings import Database
from models.store import blobs, documents, settings
from models.store.session import Sessions, open_engine, open_sessions
from models.store.tables import BUILT_IN

KEY = "first_contact"
JOB = "first_contact_job"
WAIT_S = 40.0
FIRST = ("guide.md", "README.md")  # what people ask about first is read first


def main(arguments: list[str]) -> int:
    """Register the files, ring for them, wait a while until they are searchable; an exit status."""
    from bot.tasks import send

    found = own_documents()
    if not found:
        print("no documentation is installed beside the program; nothing to read")  # noqa: T201
        return 0
    engine = open_engine(Database().url.get_secret_value(), pool_size=1)
    sessions = open_sessions(engine)
    try:
        register(sessions, found)
        if "--register" in arguments:
            return 0
        with sessions.begin() as session:
            job_id = settings.get(session, settings.WORKSPACE, JOB)
            queued = documents.hurry(session, job_id) if job_id is not None else []
        for document_id in queued:
            send("ingest.document", document_id, bulk=True)
        if not queued:
            return 0
        print(f"reading {len(queued)} documents about this project")  # noqa: T201
        return 0 if wait(sessions, job_id) else 1
    finally:
        engine.dispose()


def own_documents() -> list[Path]:
    """README and docs of the checkout we run from, or those that the wheel installed."""
    checkout = Path(__file__).parent.parent
    for root in (checkout, Path(sys.prefix) / "share" / "phi3-expert"):
        if (root / "docs").is_dir() and (root / "README.md").is_file():
            found = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
            return sorted(found, key=lambda path: path.name not in FIRST)
    return []


def register(sessions: Sessions, paths: list[Path]) -> tuple[int | None, list[int]]:
    """Add what has changed since the last time; return the job and the rows to do."""
    read = [(path, path.read_bytes()) for path in paths]
    now = _digest(read)
    with sessions.begin() as session:
        if settings.get(session, settings.WORKSPACE, KEY) == now:
            return None, []
        settings.set(session, settings.WORKSPACE, KEY, now)
        job_id = documents.open_job(
            session, label="the project's own documentation", requested_by=None, outbox_key=None
        )
        settings.set(session, settings.WORKSPACE, JOB, job_id)
        queued = []
        for path, data in read:
            registered = documents.register(
                session,
                uri=path.as_uri(),
                audience="workspace",
                title=path.name,
                origin=BUILT_IN,
                filename=path.name,
                mime="text/markdown",
                blob_sha256=blobs.put(session, data),
                job_id=job_id,
                revive=False,
            )
            if registered.queued:
                queued.append(registered.document_id)
    return job_id, queued


def _digest(read: list[tuple[Path, bytes]]) -> str:
    digest = hashlib.sha256()
    for path, data in read:
        digest.update(path.as_uri().encode() + b"\0" + hashlib.sha256(data).digest())
    return digest.hexdigest()


def wait(sessions: Sessions, job_id: int, *, limit_s: float = WAIT_S) -> bool:
    """Whether everything could be read within ``limit_s``; says so otherwise."""
    deadline = time.monotonic() + limit_s
    while True:
        with sessions() as session:
            progress = documents.job_progress(session, job_id)
        if not progress.waiting:
            break
        if time.monotonic() > deadline:
            print("still reading; the rest follows by itself")  # noqa: T201
            return False
        time.sleep(0.1)
    if progress.failed:
        print(f"{progress.failed} of {progress.total} could not be read")  # noqa: T201
    return not progress.failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
