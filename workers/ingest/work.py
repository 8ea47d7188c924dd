"""One document from its claim to its searchable version: fetch, parse, chunk, embed, swap."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.lm.errors import ModelBusy, ModelRefused, ModelUnavailable
from models.settings import Fetching
from models.store import blobs, documents
from models.store.session import Sessions, over_limit, transaction
from models.store.tables import Document
from models.store.wording import embedded
from workers import process
from workers.app import app
from workers.ingest import polling
from workers.ingest.chunk import ChunkOfText, chunk, content_hash
from workers.ingest.document import Parsed, Unreadable
from workers.ingest.embed import Embedder
from workers.ingest.fetch.url import Fetched, FetchFailed, fetch
from workers.ingest.lease import Lease, LostClaim
from workers.ingest.parse import NO_TEXT, Limits, Parser
from workers.ingest.progress import EVERY_S, Teller
from workers.settings import Embedding, Workers

log = logging.getLogger(__name__)

WAITING_FOR_MODEL = "The embedding service does not answer; this document is tried again."
WAITING_FOR_SITE = "{} It is tried again."
REFUSED = "The embedding service refused this document's text."
NO_BYTES = "The file's content is no longer kept; bring it again."
TOO_LARGE = "This document holds something that is larger than the database can keep."
UNEXPECTED = "Something went wrong while this document was read."
SITE_TRIES = 3  # times that a site may be away before its document fails
LONGEST_DELAY_S = 600
MAX_TITLE = 300  # characters; it goes with each passage of the document into search and prompts


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a worker process keeps between documents."""

    parser: Parser
    embedder: Embedder
    lease_s: int
    poll_s: int
    allowed: frozenset[str] = frozenset()  # hosts that may be private
    teller: Teller = field(default_factory=Teller)
    fetch: Callable[..., Fetched | None] = fetch
    again: Callable[[int, int], None] = lambda document_id, delay_s: None  # rings after a while


@cache
def tools() -> Tools:
    """This process' own, made on first use."""
    workers, embedding = Workers(), Embedding()
    parser = Parser(Limits.from_settings())
    atexit.register(parser.close)
    return Tools(
        parser=parser,
        embedder=Embedder(batch=embedding.batch, in_flight=embedding.in_flight),
        lease_s=workers.lease_s,
        poll_s=workers.poll_s,
        allowed=Fetching().allowed_hosts(),
        again=_ring_later,
    )


def _ring_later(document_id: int, delay_s: int) -> None:
    """The sweep would find it as well, up to a minute later."""
    app.send_task("ingest.document", args=[document_id], countdown=delay_s + 1)


def ingest(sessions: Sessions, document_id: int, *, worker: str, tools: Tools) -> bool:
    """Make a document searchable, or record in a sentence why not.

    What was searchable before stays so until the swap. False where another worker has the document
    or nothing is to be done. ``worker`` must be unlike that of any other claim, so each attempt
    takes a name of its own.
    """
    name = f"{worker}:{uuid4().hex[:8]}"
    release_dead(sessions, document_id)
    with transaction(sessions) as session:
        document = documents.claim(session, document_id, worker=name, lease_s=tools.lease_s)
    if document is None:
        return False
    try:
        with Lease(
            sessions,
            document_id,
            worker=name,
            lease_s=tools.lease_s,
            every_s=EVERY_S,
            told=lambda: tools.teller.under_way(sessions, document.job_id),
        ) as lease:
            _attempt(sessions, document, name, tools, lease)
    except LostClaim:
        log.info("document %s: the claim was lost, the attempt is void", document_id)
        return False
    except Exception as error:
        if isinstance(error, OperationalError) and not over_limit(error):
            raise  # the database is away: the lease runs out, the sweep begins anew
        delay_s = _end(sessions, document, name, error)
        if delay_s is not None:
            tools.again(document_id, delay_s)
    with sessions() as session:  # meanwhile another request may have asked for the same document
        job_id = session.scalar(select(Document.job_id).where(Document.id == document_id))
    tools.teller.document_over(sessions, job_id)
    return True


def release_dead(sessions: Sessions, document_id: int | None = None) -> None:
    """End the claims of processes that are seen to be dead, on all documents or on one.

    A lease ends by itself as well, but a restart need not wait for that.
    """
    with sessions() as session:
        dead = [name for name in documents.holders(session, document_id) if process.is_dead(name)]
    for name in dead:
        log.info("worker %s has ended; what it held is taken up again", name)
        with transaction(sessions) as session:
            documents.release(session, name)


def _attempt(
    sessions: Sessions, document: Document, worker: str, tools: Tools, lease: Lease
) -> None:
    parsed = _read(sessions, document, worker, tools)
    lease.check()
    with sessions() as session:
        known = documents.live_hashes(session, document.id)
    chunks = chunk(parsed.blocks, known=known)
    if not chunks:
        raise Unreadable(NO_TEXT)
    lease.total = len(chunks)
    texts = {made.hash: _storable(embedded(made.heading_path, made.text)) for made in chunks}
    fresh = tools.embedder.embed(sessions, texts, done=lease.advance)
    with transaction(sessions) as session:
        report = documents.swap(
            session,
            document.id,
            worker=worker,
            revision=document.revision,
            content_hash=content_hash(chunks),
            title=_title(parsed.title) if parsed.title else None,
            chunks=[_row(made) for made in chunks],
        )
    if report is None:
        raise LostClaim
    log.info(
        "document %s: %s kept, %s added, %s removed, %s embedded",
        *(document.id, report.kept, report.added, report.removed, fresh),
    )


def _row(made: ChunkOfText) -> documents.NewChunk:
    return documents.NewChunk(
        text=_storable(made.text),
        hash=made.hash,
        heading_path=tuple(_storable(heading) for heading in made.heading_path),
        page=made.page,
        row=made.row,
        last_row=made.last_row,
        sheet=_storable(made.sheet) if made.sheet is not None else None,
        token_count=made.token_count,
    )


def _title(words: str) -> str:
    words = _storable(words)
    return words if len(words) <= MAX_TITLE else words[: MAX_TITLE - 1].rstrip() + "…"


def _storable(text: str) -> str:
    """Postgres' text holds no NUL, nor half of a surrogate pair."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _read(sessions: Sessions, document: Document, worker: str, tools: Tools) -> Parsed:
    if document.blob_sha256 is not None:
        with sessions() as session:
            data = blobs.get(session, document.blob_sha256)
        return tools.parser.parse(data, document.filename or document.title, document.mime)
    fetched = tools.fetch(document.uri, allowed=tools.allowed)
    if fetched is None:
        raise FetchFailed("The site sent nothing.", transient=True)
    with transaction(sessions) as session:
        polling.remember(session, document, worker, fetched, poll_s=tools.poll_s)
    return tools.parser.parse(fetched.data, fetched.filename, fetched.mime)


def _end(sessions: Sessions, document: Document, worker: str, error: Exception) -> int | None:
    """Write down how an attempt ended: failed for good, or to be tried again in so many seconds."""
    error_id = uuid4().hex[:8]
    postponed = int(document.report.get("postponed", 0))
    sentence, first_delay_s = _meaning(error, postponed)
    delay_s = min(first_delay_s * 2**postponed, LONGEST_DELAY_S) if first_delay_s else None
    with transaction(sessions) as session:
        if delay_s is not None:
            documents.postpone(session, document.id, worker, sentence, error_id, delay_s=delay_s)
        else:
            documents.fail(session, document.id, worker, sentence, error_id)
    theirs = isinstance(error, Unreadable | FetchFailed)  # the file's or the page's fault
    cause = f" ({error.__cause__!r})" if theirs and error.__cause__ else ""
    log.log(
        logging.WARNING if theirs or delay_s is not None else logging.ERROR,
        "%s document %s: %s%s",
        *(error_id, document.id, sentence, cause),
        exc_info=None if theirs else error,
    )
    return delay_s


def _meaning(error: Exception, postponed: int) -> tuple[str, int | None]:
    """A sentence for the person, and after how many seconds a first time to try again, if at all.

    Each further time it takes twice as long.
    """
    if isinstance(error, Unreadable):
        return str(error), None
    if isinstance(error, FetchFailed):
        later = error.transient and postponed < SITE_TRIES
        return (WAITING_FOR_SITE.format(error), 15) if later else (str(error), None)
    if isinstance(error, ModelUnavailable | ModelBusy):
        return WAITING_FOR_MODEL, 3
    if isinstance(error, ModelRefused):
        return REFUSED, None
    if isinstance(error, blobs.BlobMissing):
        return NO_BYTES, None
    if isinstance(error, OperationalError):
        return TOO_LARGE, None
    return UNEXPECTED, None
