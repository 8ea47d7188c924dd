"""Outlives a ``phi3 up`` that was killed, only to end what it started.

Run as ``python -m bot.supervisor.guardian RUN_DIR MARK``. Its standard input is a pipe from its
owner: a line with a process id for each embedded service, and its end when the owner has ended,
however that came. It inherits the lock's descriptor: the home is free only once it is clean.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from pathlib import Path

import psutil

from bot.supervisor.marked import end_marked

SERVICES_END_WITHIN_S = 8.0


def main() -> None:
    """Wait for the owner's end, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are meant for the owner
    run, mark = Path(sys.argv[1]), sys.argv[2]
    services = []
    for line in sys.stdin:
        with contextlib.suppress(psutil.NoSuchProcess):
            services.append(psutil.Process(int(line)))
    end_marked(mark)
    end_services(services)
    for name in ("state.json", "workspace.json"):
        (run / name).unlink(missing_ok=True)


def end_services(services: list[psutil.Process]) -> None:
    """End the databases gently, and after a while not gently."""
    for process in services:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + SERVICES_END_WITHIN_S
    while any(_runs(process) for process in services):
        if time.monotonic() > deadline:
            for process in services:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    main()
