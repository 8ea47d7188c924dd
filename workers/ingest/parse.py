"""Parsing from the worker's side: a warm child with limits, and a sentence for each end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Any

from workers.ingest.child import LENGTH, NO_MEMORY, unpacked
from workers.ingest.document import Parsed, Unreadable
from workers.settings import Parsing

TOO_LONG = "Reading this document took too long, so it was given up; bring it in smaller parts."
BROKE = "This document could not be read: its reader failed on it. It may be damaged."
NO_TEXT = "No text was found in this document."
REUSED = 200  # documents after which a child is replaced, so that leaks stay small


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one document may cost."""

    memory_mb: int = 1536
    cpu_s: int = 120
    wall_s: float = 180

    @classmethod
    def from_settings(cls) -> Limits:
        """As the environment says."""
        given = Parsing()
        return cls(memory_mb=given.memory_mb, cpu_s=given.cpu_s, wall_s=given.wall_s)


class Parser:
    """Owns a child that parses one document after another; replaced when it fails or is old."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._lock = threading.Lock()

    def parse(self, data: bytes, filename: str | None = None, mime: str | None = None) -> Parsed:
        """A document's title and blocks.

        Raises ``Unreadable`` with a calm sentence, whatever the document does to its parser.
        """
        with self._lock:
            answer = self._ask(json.dumps({"filename": filename, "mime": mime}).encode(), data)
        if "sentence" in answer:
            raise Unreadable(answer["sentence"]) from RuntimeError(answer["cause"])
        parsed = unpacked(answer["parsed"])
        if not parsed.blocks:
            raise Unreadable(NO_TEXT)
        return parsed

    def close(self) -> None:
        """End the child."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._child.wait()
        self._child = None

    def _ask(self, head: bytes, data: bytes) -> dict[str, Any]:
        if self._child is not None and (self._served >= REUSED or self._child.poll() is not None):
            self.close()
        if self._child is None:
            self._child, self._served = self._start(), 0
        self._served += 1
        assert self._child.stdin is not None  # noqa: S101
        assert self._child.stdout is not None  # noqa: S101
        deadline = time.monotonic() + self._limits.wall_s
        try:
            message = LENGTH.pack(len(head)) + head + LENGTH.pack(len(data)) + data
            _write(self._child.stdin, message, deadline)
            answer: dict[str, Any] = json.loads(_read(self._child.stdout, deadline))
        except TimeoutError as error:
            self.close()
            raise Unreadable(TOO_LONG) from error
        except (EOFError, BrokenPipeError) as error:
            ended = self._child.wait()
            self.close()
            raise Unreadable(_why(ended)) from error
        except BaseException:  # an interrupted exchange leaves half a message in the pipe
            self.close()
            raise
        if answer.get("sentence") == NO_MEMORY:
            self.close()
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        limits = [str(self._limits.memory_mb), str(self._limits.cpu_s)]
        environment = {
            name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ
        }
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "workers.ingest.child", *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"},
            bufsize=0,
        )
        assert child.stdin is not None  # noqa: S101
        os.set_blocking(child.stdin.fileno(), False)
        return child


def _why(ended: int) -> str:
    """What a child's exit status means to the person. It dies by signal where C code ran wild."""
    if ended == -signal.SIGXCPU:
        return TOO_LONG
    if ended in (-signal.SIGKILL, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGTRAP):
        return NO_MEMORY if ended == -signal.SIGKILL else BROKE
    return BROKE


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _write(pipe: IO[bytes], message: bytes, deadline: float) -> None:
    view = memoryview(message)
    while view:
        _, ready, _ = select.select([], [pipe], [], _remaining(deadline))
        if ready:
            view = view[os.write(pipe.fileno(), view[: 1 << 16]) :]


def _read(pipe: IO[bytes], deadline: float) -> bytes:
    (length,) = LENGTH.unpack(_read_exactly(pipe, LENGTH.size, deadline))
    return _read_exactly(pipe, length, deadline)


def _read_exactly(pipe: IO[bytes], length: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        ready, _, _ = select.select([pipe], [], [], _remaining(deadline))
        if ready:
            got = os.read(pipe.fileno(), min(length - len(parts), 1 << 20))
            if not got:
                raise EOFError
            parts += got
    return bytes(parts)
