"""Holding a claim while the work goes on: a thread prolongs it and tells progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from models.store import documents
from models.store.session import Sessions, transaction

log = logging.getLogger(__name__)


class LostClaim(Exception):
    """The document was forgotten, asked for anew, or taken over; this attempt is void."""


class Lease:
    """Prolongs a document's claim every third of its length, from a thread of its own."""

    def __init__(
        self,
        sessions: Sessions,
        document_id: int,
        *,
        worker: str,
        lease_s: int,
        every_s: float,
        told: Callable[[], None],
    ) -> None:
        """``told`` is called after each beat, to tell people."""
        self._sessions = sessions
        self._document_id = document_id
        self._worker = worker
        self._lease_s = lease_s
        self._every_s = min(every_s, lease_s / 3)
        self._told = told
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._lock = threading.Lock()
        self._done = 0
        self.total = 0  # chunks
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def advance(self, chunks: int) -> None:
        """So many more chunks have their vector. Raises ``LostClaim``."""
        with self._lock:
            self._done += chunks
        self.check()

    def check(self) -> None:
        """Raise ``LostClaim`` where the claim is known to be gone."""
        if self._lost.is_set():
            raise LostClaim

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                with transaction(self._sessions) as session:
                    held = documents.heartbeat(
                        session,
                        self._document_id,
                        self._worker,
                        self._lease_s,
                        self._done,
                        self.total,
                    )
                if not held:
                    self._lost.set()
                    return
                self._told()
            except SQLAlchemyError:
                # The database is away for a moment; if for longer, the lease runs out by itself.
                log.warning("document %s: heartbeat failed", self._document_id, exc_info=True)
