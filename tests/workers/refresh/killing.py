"""A night whose worker is killed with -9 at random moments of every step, until it has ended."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from models.lm import manifest
from models.store import refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Adapter

WORKER = (
    "import os, sys; from models.settings import Database; "
    "from models.store.session import open_engine, open_sessions; "
    "from workers.refresh import night; "
    "s = open_sessions(open_engine(Database().url.get_secret_value())); "
    "night.run(s, int(sys.argv[1]), worker=str(os.getpid()))"
)
LEASE_S = 1.5
# How long after its beginning a step may be hit, at most; the trainer spends its first seconds
# on imports.
WITHIN_S = {"train": 6.0, "evaluate": 3.0}
SHORT_S = 0.15


@dataclass(frozen=True, kw_only=True)
class Death:
    """One kill -9 and what it left."""

    step: str  # that was running
    after_s: float  # in that step
    live: int  # adapters in service, each of them whole


@dataclass
class Killed:
    """What happened, for whoever judges."""

    deaths: list[Death] = field(default_factory=list)
    workers: int = 0

    @property
    def kills(self) -> Counter[str]:
        """By the step that was running."""
        return Counter(death.step for death in self.deaths)


def night(
    sessions: Sessions,
    refresh_id: int,
    *,
    kills: int,
    seed: int = 7,
    limit_s: float = 1200.0,
) -> Killed:
    """Run the night to its end with at most ``kills`` kills; raises TimeoutError at ``limit_s``."""
    rng = random.Random(seed)
    spread = [refreshes.STEPS[n % len(refreshes.STEPS)] for n in range(1, kills + 1)]
    targets = sorted(spread, key=refreshes.STEPS.index)
    found = Killed()
    until = time.monotonic() + limit_s
    while _running(sessions) is not None:
        _wait_for_the_lease(sessions)
        found.workers += 1
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(refresh_id)],
            env={**os.environ, "PHI3_REFRESH_LEASE_S": str(LEASE_S)},
        )
        killed = _wait(sessions, process, targets, rng, until)
        live = whole(sessions)
        if killed is not None:
            step, after = killed
            found.deaths.append(Death(step=step, after_s=round(after, 2), live=live))
    return found


def whole(sessions: Sessions) -> int:
    """How many adapters are live now; raises ``manifest.ManifestError`` if one is half there."""
    with transaction(sessions) as session:
        live = list(session.scalars(select(Adapter).where(Adapter.state == "live")))
    for adapter in live:
        place = Path(str(adapter.path))
        manifest.check(place, name=adapter.name, identity=manifest.read(place).identity)
    return len(live)


def _wait(
    sessions: Sessions,
    process: subprocess.Popen[bytes],
    targets: list[str],
    rng: random.Random,
    until: float,
) -> tuple[str, float] | None:
    """Until the worker ends by itself, or reaches its next target and is killed some time later.

    Says in which step it died, and how long after it was seen there.
    """
    while process.poll() is None:
        if time.monotonic() > until:
            process.kill()
            process.wait()
            raise TimeoutError("the night did not end")
        step = _running(sessions, by=str(process.pid))
        while targets and step and refreshes.STEPS.index(targets[0]) < refreshes.STEPS.index(step):
            targets[0] = step  # it was too quick for that one
            targets.sort(key=refreshes.STEPS.index)
        if targets and step == targets[0]:
            after = rng.uniform(0, WITHIN_S.get(step, SHORT_S))
            time.sleep(after)
            reached = _running(sessions, by=str(process.pid))
            if reached is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGKILL)
            process.wait()
            targets.pop(0)
            return reached, after
        time.sleep(0.02)
    return None


def _running(sessions: Sessions, *, by: str | None = None) -> str | None:
    """The step of the running night, held by that worker where one is named."""
    with transaction(sessions) as session:
        row = refreshes.running(session)
        return row.step if row is not None and by in (None, row.claimed_by) else None


def _wait_for_the_lease(sessions: Sessions) -> None:
    while True:
        with transaction(sessions) as session:
            if refreshes.abandoned(session) is not None or refreshes.running(session) is None:
                return
        time.sleep(0.1)
