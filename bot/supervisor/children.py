"""Starts the processes of a plan, watches them, starts again what ends, and stops them all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.supervisor import backoff
from bot.supervisor.backoff import Backoff
from bot.supervisor.journal import Journal

Launch = Callable[[int], subprocess.Popen[bytes]]  # given the descriptor that takes its output


@dataclass(kw_only=True)
class Child:
    """One process and what has become of it."""

    name: str
    launch: Launch = field(repr=False)
    answers: Callable[[int], bool] = field(repr=False)  # given its process id: is it ready?
    url: str | None = None  # what a person or another program opens
    health: str | None = None  # where it says that it is well, for those who ask later
    awaited: bool = True  # the start is over only once it is ready
    patience_s: float = 60.0
    service: bool = False  # a database: stopped after everything that uses it
    process: subprocess.Popen[bytes] | None = None
    state: str = "stopped"  # stopped, starting, ready, restarting, failed
    reason: str = ""  # why it failed, or fails again and again
    worked: bool = False  # for a while: what ends it now may pass, a full disk for one
    since: float = 0.0  # monotonic: of the last start, or of when the next one is due
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def given_up(self) -> bool:
        """It never worked, and another start would be in vain."""
        return self.backoff.gives_up and not self.worked

    @property
    def settled(self) -> bool:
        """Nothing more is to be waited for."""
        return self.state in {"ready", "failed"}


def launcher(command: tuple[str, ...], environment: Mapping[str, str], *, cwd: Path) -> Launch:
    """How to start a program of ours: in a session of its own, so that Ctrl-C is for us alone."""

    def launch(log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            command,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    return launch


class Children:
    """All of them. Every method is for the main thread: the kernel ends a database with the thread
    that started it."""

    def __init__(self, journal: Journal, *, changed: Callable[[], None]) -> None:
        """``changed`` is called after each change of a child's state."""
        self._journal = journal
        self._changed = changed
        self.all: list[Child] = []

    def start(self, child: Child) -> None:
        """Add a child and start it. Raises ``OSError`` where its program cannot be run."""
        self.all.append(child)
        self._launch(child)

    def _launch(self, child: Child) -> None:
        reading, writing = os.pipe()
        try:
            child.process = child.launch(writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._journal.follow(child.name, os.fdopen(reading, "rb"))
        child.since = time.monotonic()
        self._set(child, "starting")

    def _set(self, child: Child, state: str, reason: str = "") -> None:
        child.state, child.reason = state, reason
        self._changed()

    def look(self) -> None:
        """One round: notice ends, start what is due, ask what is starting whether it is ready."""
        now = time.monotonic()
        for child in self.all:
            if child.process is None or child.given_up:
                continue
            if child.state == "restarting":
                if now >= child.since:
                    self._launch_again(child, now)
            elif child.process.poll() is not None:
                lived_s = now - child.since
                if child.state == "ready" and lived_s >= backoff.QUICK_S:
                    child.worked = True
                self._ended(child, now, _how(child.process.returncode), lived_s=lived_s)
            elif child.state != "ready":
                self._ask(child, now)

    def _ask(self, child: Child, now: float) -> None:
        assert child.process is not None  # noqa: S101
        if child.answers(child.process.pid):
            self._set(child, "ready")
            self._journal.say("up", f"{child.name} is ready")
        elif child.state == "starting" and now - child.since > child.patience_s:
            self._fail(child, f"{child.name} runs, but is not ready after {child.patience_s:.0f} s")

    def _launch_again(self, child: Child, now: float) -> None:
        try:
            self._launch(child)
        except (OSError, RuntimeError) as error:  # no room for a file or a process, for now
            self._ended(child, now, f"cannot be started ({error})", lived_s=0.0)

    def _ended(self, child: Child, now: float, how: str, *, lived_s: float) -> None:
        child.backoff = child.backoff.ended(lived_s=lived_s)
        reason = ""
        if child.backoff.gives_up:
            words = self._journal.last_words(child.name)
            reason = f"{child.name} {how} {child.backoff.quick_ends} times in a row"
            reason = f"{reason}: {words}" if words else reason
        if child.given_up:
            self._fail(child, reason)
            return
        child.since = now + child.backoff.delay_s
        self._journal.say(
            "up", f"{child.name} {how}; starting it again in {child.backoff.delay_s:g} s"
        )
        self._set(child, "restarting", reason)

    def _fail(self, child: Child, reason: str) -> None:
        self._set(child, "failed", reason)
        self._journal.say("up", f"FAILED: {reason}. The other parts go on; phi3 doctor may help.")

    def stop(self, *, wait_s: float, hurry: Callable[[], bool]) -> None:
        """Ask everything but the databases to end, for at most ``wait_s`` or until ``hurry()``."""
        running = [child for child in self.all if not child.service and child.process is not None]
        for child in running:
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + wait_s
        late: list[str] = []
        while time.monotonic() < deadline and not hurry():
            if not (late := [child.name for child in running if _runs(child)]):
                return
            time.sleep(0.03)
        self._journal.say("up", f"not waiting any longer for: {', '.join(late)}")

    def reap(self) -> None:
        """Take note of the ends of all that were killed."""
        for child in self.all:
            if child.process is not None and not child.service:
                child.process.wait()


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None and _runs(child):
        child.process.send_signal(number)


def _runs(child: Child) -> bool:
    return child.process is not None and child.process.poll() is None


def _how(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit status {returncode}" if returncode else "ended"
