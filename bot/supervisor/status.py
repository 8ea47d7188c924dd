"""The state of each part as it is now, not as it was when somebody last wrote it down."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from bot.cli.running import locked, read_state
from bot.supervisor.plan import NAMES
from bot.supervisor.probe import database, health, heartbeat, queue
from models.settings import Home


@dataclass(frozen=True, kw_only=True)
class PartStatus:
    """One line of ``phi3 status``."""

    name: str
    state: str  # ready, starting, restarting, failed, silent (it runs but does not answer), stopped
    url: str | None = None
    note: str = ""  # for people: what answers, or why it does not run


@dataclass(frozen=True)
class Survey:
    """All of them, in a fixed order."""

    up: bool
    parts: tuple[PartStatus, ...]


def survey() -> Survey:
    """Ask every part, at once, for at most about two seconds."""
    run = Home().run
    state = read_state(run)
    if not state:
        # A phi3 up that has not yet written its state is only just starting.
        word = "starting" if locked(run) else "stopped"
        return Survey(word == "starting", tuple(PartStatus(name=n, state=word) for n in NAMES))
    known: dict[str, dict[str, Any]] = state["parts"]
    env: dict[str, str] = state["env"]
    named = [name for name in NAMES if name in known or name in _HERE_UNLESS_ELSEWHERE]
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return Survey(True, tuple(pool.map(lambda name: _look(name, known.get(name), env), named)))


_HERE_UNLESS_ELSEWHERE = frozenset(NAMES) - {"models", "workspace"}


def _look(name: str, known: dict[str, Any] | None, env: dict[str, str]) -> PartStatus:
    if known is None:
        return PartStatus(name=name, state="starting")
    url, reason = known.get("url"), known.get("reason", "")
    if known["state"] != "ready":
        return PartStatus(name=name, state=known["state"], url=url, note=reason)
    asked: dict[str, Callable[[], dict[str, Any] | None]] = {
        "postgres": partial(database, env.get("DATABASE_URL", "")),
        "redis": partial(queue, env.get("REDIS_URL", "")),
    }
    if known.get("health"):
        asked[name] = partial(health, known["health"])
    said = asked[name]() if name in asked else heartbeat(env.get("REDIS_URL", ""), name)
    if said is None:
        return PartStatus(name=name, state="silent", url=url, note="runs, but does not answer")
    return PartStatus(name=name, state="ready", url=url, note=_note(name, said, reason))


def _note(name: str, said: dict[str, Any] | int, reason: str) -> str:
    if name == "models" and isinstance(said, dict):
        generator = said.get("generator")
        answers = "the extractive reader" if generator == "extractive" else generator
        return f"answers: {answers}, embeddings: {said.get('embedding_model', 'none')}"
    return reason
