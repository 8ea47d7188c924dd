"""One log for all processes, a name on each line: on the terminal, and in a file that rotates."""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_WIDTH = 9
_ASIDES = ("(Background on this error", "[SQL:", "[parameters:")  # below SQLAlchemy's message


class Journal:
    """Thread-safe; every part's output passes through here."""

    def __init__(self, folder: Path, *, terminal: IO[str] | None) -> None:
        """Write to ``folder/phi3.log`` (four files of 10 MB at most), and to a terminal if any."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / "phi3.log"
        self._file = RotatingFileHandler(
            self.path, maxBytes=10_000_000, backupCount=3, encoding="utf-8"
        )
        self.path.chmod(0o600)
        self._terminal = terminal
        self._coloured = bool(
            terminal is not None and terminal.isatty() and "NO_COLOR" not in os.environ
        )
        self._lock = threading.Lock()
        self._colours: dict[str, int] = {}
        self._last: dict[str, str] = {}

    def say(self, name: str, line: str) -> None:
        """Write one line under a name."""
        now = dt.datetime.now().astimezone()
        with self._lock:
            if not line.startswith(_ASIDES):
                self._last[name] = line
            self._file.emit(
                logging.makeLogRecord(
                    {"msg": f"{now:%Y-%m-%dT%H:%M:%S%z} {name:<{_WIDTH}} | {line}", "args": None}
                )
            )
            if self._terminal is not None:
                self._show(f"{now:%H:%M:%S}", name, line)

    def _show(self, clock: str, name: str, line: str) -> None:
        shown = f"{name:<{_WIDTH}} |"
        if self._coloured:
            code = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            clock, shown = f"\x1b[2m{clock}\x1b[0m", f"\x1b[{code}m{shown}\x1b[0m"
        try:
            print(f"{clock} {shown} {line}", file=self._terminal, flush=True)
        except OSError:  # the terminal is gone; the file remains
            self._terminal = None

    def last_words(self, name: str) -> str:
        """A part's newest line that says something; empty where it said nothing."""
        with self._lock:
            return self._last.get(name, "")

    def close(self) -> None:
        """Nothing more is said."""
        self._file.close()

    def follow(self, name: str, stream: IO[bytes]) -> None:
        """Copy a process's output line by line, in a thread, until it ends."""

        def pump() -> None:
            with stream:
                for raw in iter(lambda: stream.readline(16_384), b""):
                    if line := raw.decode("utf-8", "replace").rstrip():
                        self.say(name, line)

        threading.Thread(target=pump, name=f"log-{name}", daemon=True).start()
