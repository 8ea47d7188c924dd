"""A night while it is held: its lease, kept by a thread, and how it may end early."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from models.store import adapters, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Refresh

log = logging.getLogger(__name__)

BASE = "base"  # in a night's ``compared_with``: no adapter was in service


class Ended(Exception):
    """The night is over without a candidate to promote: a verdict and its reasons.

    ``again``: the next night trains on the same pairs once more, if nothing else has changed.
    """

    def __init__(self, verdict: str, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.verdict, self.reason, self.again = verdict, reason, again


def overtaken(compared_with: str) -> Ended:
    """What the candidate was compared with is not what answers any more."""
    before = "the base model" if compared_with == BASE else compared_with
    return Ended(
        "inconclusive",
        f"The new adapter was compared with {before}, and that is not in service any more. "
        "The next night compares anew.",
        again=True,
    )


@dataclass
class Night:
    """What the steps share."""

    sessions: Sessions
    id: int
    worker: str
    lease_s: float
    progress: dict[str, Any] = field(default_factory=dict)
    lost: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """Of the night's adapter and of its directories."""
        return adapters.name_for(self.id)

    def beat(self) -> bool:
        """Prolong the lease and keep the progress; false once the night is somebody else's."""
        with transaction(self.sessions) as session:
            held = refreshes.heartbeat(
                session,
                self.id,
                worker=self.worker,
                lease_s=self.lease_s,
                progress=json.dumps(self.progress),
            )
        if not held:
            self.lost.set()
        return held

    def row(self) -> Refresh:
        """The night's row as it is now; raises ``Lost``."""
        with transaction(self.sessions) as session:
            return refreshes.held(session, self.id, worker=self.worker)


@contextlib.contextmanager
def beating(night: Night) -> Iterator[None]:
    """Keep the lease while the step works."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(night.lease_s / 4):
            try:
                if not night.beat():
                    return
            except Exception:
                log.exception("refresh %d: no heartbeat this time", night.id)

    thread = threading.Thread(target=work, name="night-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)
