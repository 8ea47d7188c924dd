"""Who holds a claim, told so exactly that another process of the machine can see it is dead.

A process' number is used again; with the time of its start, the machine's boot and its namespace of
process numbers (a container's own) it names one process for good.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")
_START = 19  # field of /proc/PID/stat, counted behind the program's name


def name() -> str:
    """This process: host, number, start and place, between colons; the last two may be empty."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_started(pid) or ''}:{_place()}"


def is_dead(other: str) -> bool:
    """Whether ``other``, a ``name`` with anything behind it, is known to have ended.

    False where that cannot be told: on another machine or in another container, after a restart of
    the machine, or where there is no ``/proc``.
    """
    host, pid, started, place, *_ = [*other.split(":"), "", "", ""]
    if not (pid.isdigit() and started and place):
        return False
    return (host, place) == (socket.gethostname(), _place()) and _started(int(pid)) != started


def _started(pid: int) -> str | None:
    """Clock ticks from the machine's start to the process'; none where there is no such process.

    A zombie has ended: it waits for its parent alone.
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[_START]


def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""
