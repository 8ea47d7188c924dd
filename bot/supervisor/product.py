"""One run of the product: databases first, then everything else; stopped the other way round."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType

from bot.embedded.postgres import Postgres, PostgresFailed
from bot.embedded.redis import Redis, RedisFailed
from bot.supervisor.children import Child, Children, launcher
from bot.supervisor.files import write_private
from bot.supervisor.journal import Journal
from bot.supervisor.marked import MARK, end_marked, mark_of
from bot.supervisor.plan import Part, Plan
from bot.supervisor.probe import health, heartbeat
from models.settings import Home

LOOK_EVERY_S = 0.1
APPS_END_WITHIN_S = 4.0
FIRST_CONTACT_S = 20.0  # the start waits no longer for the project's own documents

TOLD = (  # what state.json tells other programs, by the names of the settings
    *("DATABASE_URL", "REDIS_URL", "PHI3_LLM_URL", "PHI3_LLM_API_KEY", "PHI3_LLM_ADMIN_URLS"),
    *("PHI3_ADMIN_TOKEN", "PHI3_EMBEDDING_URL", "PHI3_EMBEDDING_API_KEY", "PHI3_EMBEDDING_MODEL"),
    *("PHI3_EMBEDDING_DIMENSIONS", "PHI3_MODEL", "PHI3_BOT_PORT", "PHI3_PUBLIC_URL"),
    *("SLACK_API_URL", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"),
)


class CannotStart(RuntimeError):
    """One sentence: why nothing, or not everything, was started."""


class Stopped(Exception):
    """Somebody asked for the end."""


class Product:
    """Everything that runs; every method is for the main thread."""

    def __init__(
        self, plan: Plan, *, given: Mapping[str, str], home: Home, lock: int, journal: Journal
    ) -> None:
        """``given`` is the environment with ``.env``; ``lock`` this home's, held."""
        self._plan, self._home, self._lock, self._journal = plan, home, lock, journal
        self._mark = mark_of(home.home)
        self._children = Children(journal, changed=self._write_state)
        self._postgres = Postgres(home.home) if plan.embedded_postgres else None
        self._redis = Redis(home.home) if plan.embedded_redis else None
        self._given = given
        self._environment = dict(plan.environment)
        self._guardian: subprocess.Popen[bytes] | None = None
        self._stops = 0
        self._untold = False  # the last change of state stands in no file yet

    # -- starting ---------------------------------------------------------------------------------

    def start(self) -> list[str]:
        """Start everything and wait until it is ready; return what is not, a sentence each.

        Raises ``CannotStart`` without a database, and ``Stopped``.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._guard()
        if self._postgres:
            try:
                self._environment["DATABASE_URL"] = self._postgres.url
            except PostgresFailed as error:
                raise CannotStart(f"postgres does not start: {error}") from error
        if self._redis:
            self._environment["REDIS_URL"] = self._redis.url
        for part in self._plan.parts:
            if part.early:
                self._start(part)
        self._start_services()
        if self._once("migrate", "models.store.migrate", limit_s=600):
            raise CannotStart(
                f"The database could not be migrated: {self._journal.last_words('migrate')}"
            )
        # A person may ask before all of it runs; the bot then knows what is still to be read.
        self._once("first", "bot.first_contact", "--register", limit_s=FIRST_CONTACT_S)
        for part in self._plan.parts:
            if not part.early:
                self._start(part)
        self._wait(lambda: all(c.settled for c in self._children.all if c.awaited))
        failed = [child.reason for child in self._children.all if child.state == "failed"]
        if not failed and self._once("first", "bot.first_contact", limit_s=FIRST_CONTACT_S):
            self._journal.say("up", "the project's own documents could not all be read yet")
        return failed

    def _guard(self) -> None:
        self._guardian = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "bot.supervisor.guardian", str(self._home.run), self._mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._lock,),
            start_new_session=True,
        )

    def _tell_guardian(self, pid: int) -> None:
        if self._guardian and self._guardian.stdin and self._guardian.poll() is None:
            self._guardian.stdin.write(f"{pid}\n".encode())
            self._guardian.stdin.flush()

    def _start_services(self) -> None:
        services: list[Child] = []
        for name, server in (("redis", self._redis), ("postgres", self._postgres)):
            if server is None:
                continue

            def launch(log: int, server: Postgres | Redis = server) -> subprocess.Popen[bytes]:
                process = server.launch(log=log)
                self._tell_guardian(process.pid)
                return process

            child = Child(
                name=name,
                launch=launch,
                answers=lambda _, server=server: server.answers(),  # type: ignore[misc]
                service=True,
            )
            try:
                self._children.start(child)
            except (PostgresFailed, RedisFailed, OSError) as error:
                raise CannotStart(f"{name} does not start: {error}") from error
            services.append(child)
        try:
            self._wait(lambda: all(child.settled for child in services))
        except PostgresFailed as error:
            raise CannotStart(f"postgres does not start: {error}") from error
        for child in services:
            if child.state == "failed":
                raise CannotStart(child.reason)

    def _start(self, part: Part) -> None:
        if part.health:
            answers = partial(self._healthy, part.health)
        else:
            answers = partial(self._beats, part.name)
        self._children.start(
            Child(
                name=part.name,
                launch=launcher(
                    part.command, self._child_environment(part.environment), cwd=self._home.run
                ),
                answers=answers,
                url=part.url,
                health=part.health,
                awaited=part.awaited,
                patience_s=part.patience_s,
            )
        )

    def _child_environment(self, own: Mapping[str, str]) -> dict[str, str]:
        return {**self._given, **self._environment, **own, MARK: self._mark}

    def _healthy(self, url: str, _: int) -> bool:
        return health(url) is not None

    def _beats(self, name: str, pid: int) -> bool:
        return heartbeat(self._child_environment({})["REDIS_URL"], name) == pid

    def _once(self, name: str, module: str, *arguments: str, limit_s: float) -> bool:
        """Run a module to its end; return whether it failed. After ``limit_s`` it is left alone."""
        reading, writing = os.pipe()
        launch = launcher(
            (sys.executable, "-m", module, *arguments),
            self._child_environment({}),
            cwd=self._home.run,
        )
        process = launch(writing)
        os.close(writing)
        self._journal.follow(name, os.fdopen(reading, "rb"))
        deadline = time.monotonic() + limit_s
        self._wait(lambda: process.poll() is not None or time.monotonic() > deadline)
        return bool(process.poll())

    # -- running ----------------------------------------------------------------------------------

    def _wait(self, done: Callable[[], bool]) -> None:
        while not done():
            self._children.look()
            if self._untold:
                self._write_state()
            self._pause()

    def _pause(self) -> None:
        if self._stops:
            raise Stopped
        time.sleep(LOOK_EVERY_S)

    def run(self) -> None:
        """Keep everything running until ``Stopped`` is raised."""
        self._wait(lambda: False)

    def ready_line(self, failed: list[str]) -> str:
        """What to say once it runs."""
        models = next((part for part in self._plan.parts if part.name == "models"), None)
        said = health(models.health) if models and models.health else None
        where = f"open {self._plan.url}" if self._plan.url else "talk to it in Slack"
        answers = generator_words((said or {}).get("generator"))
        missing = f" Not running: {'; '.join(failed)}." if failed else ""
        return f"phi3-expert is up: {where}{answers}.{missing}"

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1

    def _write_state(self) -> None:
        parts: dict[str, dict[str, object]] = {
            child.name: {
                "state": child.state,
                "pid": child.process.pid if child.process else None,
                "url": child.url,
                "health": child.health,
                "reason": child.reason,
            }
            for child in self._children.all
        }
        for name, embedded in (("postgres", self._postgres), ("redis", self._redis)):
            if embedded is None:
                parts[name] = {"state": "ready", "url": None, "reason": "not ours"}
        everything = self._child_environment({})
        known = {name: everything[name] for name in TOLD if name in everything}
        state = {"pid": os.getpid(), "ports": self._plan.ports, "env": known, "parts": parts}
        try:
            write_private(self._home.run / "state.json", json.dumps(state, indent=1))
        except OSError as error:  # a full disk: what runs goes on, and is written down later
            if not self._untold:
                self._journal.say("up", f"state.json cannot be written: {error}")
            self._untold = True
        else:
            self._untold = False

    # -- stopping ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """End everything within ten seconds, databases last; a second signal hastens it."""
        seen = self._stops
        self._children.stop(wait_s=APPS_END_WITHIN_S, hurry=lambda: self._stops > seen)
        end_marked(self._mark)
        self._children.reap()
        for server in (self._redis, self._postgres):
            if server is not None:
                server.stop(wait_s=2)
        for name in ("state.json", "workspace.json"):
            (self._home.run / name).unlink(missing_ok=True)
        os.ftruncate(self._lock, 0)
        if self._guardian is not None:
            self._guardian.communicate()
        os.close(self._lock)


def generator_words(generator: object) -> str:
    """How the ready line and ``phi3 status`` say what answers."""
    if generator == "extractive":
        return ", answered by the extractive reader (no Phi-3 here; PHI3_MODEL names one)"
    return f", answered by {generator}" if isinstance(generator, str) and generator else ""
