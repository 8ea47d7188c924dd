"""Every process of one ``phi3 up`` carries its mark in the environment, and so do their children.

Process groups would not do: a task's child may open a session of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import time
from pathlib import Path

import psutil

MARK = "PHI3_UP_MARK"


def mark_of(home: Path) -> str:
    """One mark per home, so that a new start recognises what an earlier one left."""
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]


def marked(mark: str) -> list[psutil.Process]:
    """Everything that carries ``mark`` now, except the caller; zombies do not count."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                process.pid != os.getpid()
                and process.environ().get(MARK) == mark
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def end_marked(mark: str, *, wait_s: float = 5) -> int:
    """Kill everything that carries ``mark``; return how many there were.

    Looks again until none is left, since one may start another while it is being looked for.
    """
    ended = set()
    deadline = time.monotonic() + wait_s
    while (left := marked(mark)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
            ended.add(process.pid)
        time.sleep(0.02)
    return len(ended)
