"""Files, folders and addresses from the command line become rows, then bells for the workers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.cli import folders
from models.store import blobs, documents
from models.store.session import Sessions, over_limit, transaction
from models.store.tables import Document, Source

ACTOR = "command line"
TOO_LONG = "Its path is too long to be kept."


@dataclass
class Outcome:
    """What came of one ``phi3 ingest`` or one pass of ``phi3 watch``."""

    job_id: int | None = None
    queued: list[int] = field(default_factory=list)  # documents that a worker must look at
    waiting: list[int] = field(default_factory=list)  # those, and others that are in the works
    unchanged: int = 0
    forgotten: list[str] = field(default_factory=list)  # URIs that are gone from their folder
    left_out: list[str] = field(default_factory=list)  # forgotten by a person earlier
    passed_over: list[str] = field(default_factory=list)  # phrases about unsupported files
    failed: list[tuple[str, str]] = field(default_factory=list)  # (what, sentence)


def is_url(word: str) -> bool:
    """Whether a word on the command line is an address rather than a path."""
    return "://" in word and not word.startswith("file://")


def as_path(word: str) -> Path:
    """A path or ``file://`` URI as an absolute path; links are kept as they were named."""
    if word.startswith("file://"):
        word = unquote(urlsplit(word).path, errors="surrogateescape")  # a name need be no UTF-8
    return Path(word).expanduser().absolute()


def file_uri(path: Path) -> str:
    """``file:///abs/path``: a file's identity."""
    return path.as_uri()


class Registrar:
    """Registers what is named, in one small transaction a document."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        audience: str,
        origin: str,
        send: Callable[[str, int], object],
        step: Callable[[], None] = lambda: None,
    ) -> None:
        """``send`` rings for a document's id; ``step`` is called after each file looked at."""
        self._sessions = sessions
        self._audience = audience
        self._origin = origin
        self._send = send
        self.step = step
        self.outcome = Outcome()

    def open_job(self, label: str) -> None:
        """One job for all that follows."""
        with transaction(self._sessions) as session:
            self.outcome.job_id = documents.open_job(
                session, label=label, requested_by=None, outbox_key=None
            )

    def url(self, address: str) -> None:
        """A web page or file; the worker fetches it and looks at it again from then on."""
        from models.web_address import BadAddress, checked

        try:
            checked(address)
        except BadAddress as error:
            self.outcome.failed.append((address, str(error)))
            self.step()
            return
        name = unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2])
        with transaction(self._sessions) as session:
            made = documents.register(
                session,
                uri=address,
                audience=self._audience,
                title=name or urlsplit(address).netloc,
                origin="url",
                link=address,
                job_id=self.outcome.job_id,
            )
        self._take(made)
        self.step()

    def file(self, path: Path, *, revive: bool = True, source_id: int | None = None) -> None:
        """A file; ``revive`` false respects that somebody forgot it."""
        try:
            data = folders.read(path)
        except ValueError as error:
            self._failed(path, str(error))
            return
        try:
            made = self._put(path, data, revive=revive, source_id=source_id)
        except OperationalError as error:
            if not over_limit(error):
                raise
            self._failed(path, TOO_LONG)
            return
        if made.reason == "forgotten":
            self.outcome.left_out.append(file_uri(path))
        else:
            self._take(made)
        self.step()

    def _failed(self, path: Path, sentence: str) -> None:
        self.outcome.failed.append((folders.shown(str(path)), sentence))
        self.step()

    def _put(
        self, path: Path, data: bytes, *, revive: bool, source_id: int | None
    ) -> documents.Registered:
        uri, name = file_uri(path), folders.shown(path.name)
        digest = hashlib.sha256(data).hexdigest()
        with transaction(self._sessions) as session:
            known = self._known(session, uri)
            if known is None or known.blob_sha256 != digest:
                blobs.put(session, data)  # else these bytes need not travel again
            # A scan brings back what came back to its folder, not what a person took away.
            back = known is not None and bool(known.report.get("gone"))
            return documents.register(
                session,
                uri=uri,
                audience=self._audience,
                title=name,
                origin=self._origin,
                filename=name,
                blob_sha256=digest,
                job_id=self.outcome.job_id,
                source_id=source_id,
                revive=revive or back,
            )

    def _known(self, session: Session, uri: str) -> Document | None:
        found = select(Document).where(Document.uri == uri, Document.audience == self._audience)
        return session.execute(found).scalar()

    def folder(self, path: Path, scanned: folders.Scan) -> None:
        """Bring what is known of a folder in step with it: new, changed and vanished files."""
        source_id = self._folder_source(path)
        for file in scanned.documents:
            self.file(file, revive=False, source_id=source_id)
        troubled = [*scanned.unreadable, *((link, folders.LINK_OUT) for link in scanned.links_out)]
        self.outcome.failed.extend((folders.shown(str(at)), sentence) for at, sentence in troubled)
        if phrase := scanned.passed_over():
            self.outcome.passed_over.append(folders.shown(f"{path}: {phrase}"))
        if not scanned.unreadable:  # a folder that cannot be listed has not lost its files
            self.vanished(path, {file_uri(file) for file in scanned.documents})

    def _folder_source(self, path: Path) -> int:
        source = insert(Source).values(
            kind="folder", uri=file_uri(path), audience=self._audience, options={}
        )
        with transaction(self._sessions) as session:
            made: int = session.execute(
                source.on_conflict_do_update(
                    index_elements=["uri", "audience"], set_={"kind": "folder"}
                ).returning(Source.id)
            ).scalar_one()
        return made

    def vanished(self, folder: Path, here: set[str]) -> None:
        """Forget documents that came from scans of ``folder`` and are no longer in it."""
        below = file_uri(folder).rstrip("/") + "/"
        with self._sessions() as session:
            known = session.execute(
                select(Document.id, Document.uri).where(
                    Document.state != "deleted",
                    Document.audience == self._audience,
                    Document.uri.startswith(below, autoescape=True),
                    Document.source_id.in_(select(Source.id).where(Source.kind == "folder")),
                )
            ).all()
        for document_id, uri in known:
            if uri not in here:
                self.gone(document_id, uri)

    def gone(self, document_id: int, uri: str) -> None:
        """A file that is no longer there: its document goes, and comes back if the file does."""
        with transaction(self._sessions) as session:
            if documents.forget(session, document_id, actor=f"{ACTOR}: the file is gone"):
                mark_gone(session, document_id)
        self.outcome.forgotten.append(uri)

    def _take(self, made: documents.Registered) -> None:
        if made.queued:
            self.outcome.queued.append(made.document_id)
            self._send("ingest.document", made.document_id)
        if made.queued or made.reason == "in progress":
            self.outcome.waiting.append(made.document_id)
        else:
            self.outcome.unchanged += 1


def mark_gone(session: Session, document_id: int) -> None:
    """Tell a vanished file's tombstone from a person's: only the latter keeps a scan away."""
    session.execute(
        update(Document).where(Document.id == document_id).values(report={"gone": True})
    )


def words(items: Sequence[object], one: str, many: str) -> str:
    """``1 document``, ``2 documents``."""
    return f"{len(items):,} {one if len(items) == 1 else many}"
