"""What a killed owner may have left behind: a server that still runs, or only its pid file."""

from __future__ import annotations

import time
from pathlib import Path

import psutil


def end_leftover(pid_file: Path, program: str, *, wait_s: float = 10) -> None:
    """End the ``program`` whose process id ``pid_file`` begins with, and remove the file.

    For the holder of the home's lock only. The number may have passed to a stranger since, above
    all in a container that counts from 1 again: then only the file goes.
    """
    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        if process.name() == program:
            process.terminate()
            deadline = time.monotonic() + wait_s
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() > deadline:
                    process.kill()
                time.sleep(0.05)
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        pass  # no file, an unfinished one, or nobody behind it
    pid_file.unlink(missing_ok=True)
