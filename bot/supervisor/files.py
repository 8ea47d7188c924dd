"""The files in ``PHI3_HOME/run``: the lock that says who is up, and what others need to know."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import psutil


class AlreadyUp(RuntimeError):
    """Another ``phi3 up`` owns this home; the message says which."""


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step, readable by its owner alone."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def take_lock(run: Path, *, wait_s: float = 20) -> int:
    """Own this home until every holder of the returned file descriptor has closed it.

    Waits where the owner is dead and its guardian still cleans up. Raises ``AlreadyUp``.
    """
    descriptor = os.open(run / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = owner(run)
            # To look whether anything is up takes the lock, too, for a moment; then none is alive.
            if time.monotonic() > deadline or (pid is not None and alive(pid)):
                os.close(descriptor)
                raise AlreadyUp(
                    f"It is up already, with its data in {run.parent} (process {pid}): "
                    "phi3 status shows it, phi3 down stops it."
                ) from error
            time.sleep(0.05)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor


def owner(run: Path) -> int | None:
    """The process that holds or held the lock; none where nobody does or it was given back."""
    try:
        return int((run / "up.lock").read_text())
    except (FileNotFoundError, ValueError):
        return None


def alive(pid: int) -> bool:
    """Whether there is such a process; one that ended and was not waited for counts as gone."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
