"""Pure: what there is to run, given the settings; nothing is started here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.supervisor.ports import Ports

NAMES = ("postgres", "redis", "models", "ingest", "refresh", "beat", "bot", "workspace")
LOOPBACK = "http://127.0.0.1"
# Celery advises against root; who starts us as root in a container has decided.
_HARMLESS = "ignore:You're running the worker with superuser privileges"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the product."""

    name: str
    command: tuple[str, ...]
    url: str | None = None  # what a person or another program opens
    health: str | None = None  # answers 200 once the part is ready
    beats: bool = False  # or: writes a heartbeat to Redis
    early: bool = False  # needs no database, so it starts beside it
    awaited: bool = True  # the start is over only once it is ready
    patience_s: float = 60.0  # a start that is not ready by then is reported as a failure
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # its own alone


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that ``phi3 up`` decides before it starts anything."""

    parts: tuple[Part, ...]
    embedded_postgres: bool
    embedded_redis: bool
    environment: dict[str, str] = field(repr=False)  # what every part gets besides our own
    ports: dict[str, str]  # setting -> number, those that will be used
    url: str | None  # what to open in a browser; none where Slack is the front


def make_plan(
    given: Mapping[str, str],
    ports: Ports,
    *,
    home: Path,
    secrets: Mapping[str, str],
    slack_away: bool = False,
) -> Plan:
    """Decide from the environment and ``.env`` (``given``) which parts run here.

    ``secrets`` holds a made-up value for every setting that a local installation needs. While
    Slack cannot be reached, nobody waits for the bot.
    """
    local_slack = not given.get("SLACK_BOT_TOKEN")
    own_models = not (given.get("PHI3_LLM_URL") and given.get("PHI3_EMBEDDING_URL"))
    environment = {
        "PHI3_HOME": str(home),
        **ports.environment(),
        **_model_addresses(given, ports, secrets),
        **_absolute_models(given),
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # a folder named like a package of ours is not that package
        "PYTHONWARNINGS": given.get("PYTHONWARNINGS", _HARMLESS),
    }
    if local_slack:
        environment["SLACK_API_URL"] = f"{LOOPBACK}:{ports.page}/api/"
        for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"):
            environment[name] = secrets[name]
    used = {"PHI3_BOT_PORT": str(ports.bot)}
    if own_models:
        used["PHI3_LLM_PORT"] = str(ports.llm)
        used["PHI3_LLM_ADMIN_PORT"] = str(ports.llm_admin)
    if local_slack:
        used["PHI3_PORT"] = str(ports.page)
    parts = [*_workers(), _bot(ports, awaited=not slack_away)]
    if own_models:
        parts.insert(0, _models(given, ports, secrets))
    if local_slack:
        parts.append(_workspace(ports))
    return Plan(
        parts=tuple(parts),
        embedded_postgres=not given.get("DATABASE_URL"),
        embedded_redis=not given.get("REDIS_URL"),
        environment=environment,
        ports=dict(sorted(used.items(), key=lambda item: int(item[1]))),
        url=f"{LOOPBACK}:{ports.page}" if local_slack else None,
    )


def _absolute_models(given: Mapping[str, str]) -> dict[str, str]:
    """Models that are named by a relative directory, by their full path: parts run elsewhere."""
    return {
        name: str(Path(given[name]).expanduser().absolute())
        for name in ("PHI3_MODEL", "PHI3_EMBEDDING_MODEL")
        if given.get(name, "").startswith((".", "~"))
    }


def _model_addresses(
    given: Mapping[str, str], ports: Ports, secrets: Mapping[str, str]
) -> dict[str, str]:
    own = f"{LOOPBACK}:{ports.llm}"
    if not given.get("PHI3_LLM_URL"):
        return {
            "PHI3_LLM_URL": own,
            "PHI3_LLM_API_KEY": given.get("PHI3_LLM_API_KEY") or secrets["PHI3_LLM_API_KEY"],
            "PHI3_ADMIN_TOKEN": given.get("PHI3_ADMIN_TOKEN") or secrets["PHI3_ADMIN_TOKEN"],
            "PHI3_LLM_ADMIN_URLS": given.get("PHI3_LLM_ADMIN_URLS")
            or f"{LOOPBACK}:{ports.llm_admin}",
        }
    if not given.get("PHI3_EMBEDDING_URL"):  # another server generates, ours embeds
        return {
            "PHI3_EMBEDDING_URL": own,
            "PHI3_EMBEDDING_API_KEY": secrets["PHI3_LLM_API_KEY"],
        }
    return {}


def _models(given: Mapping[str, str], ports: Ports, secrets: Mapping[str, str]) -> Part:
    own = f"{LOOPBACK}:{ports.llm}"
    embeds_only = {"PHI3_LLM_API_KEY": secrets["PHI3_LLM_API_KEY"], "PHI3_MODEL": "extractive"}
    return Part(
        name="models",
        command=(sys.executable, "-m", "models.serve"),
        url=own,
        health=f"{own}/health",
        early=True,
        patience_s=600,  # a large model from a slow disk
        environment=embeds_only if given.get("PHI3_LLM_URL") else {},
    )


def _workers() -> list[Part]:
    celery = (sys.executable, "-m", "celery", "--quiet", "-A", "workers.app")
    lean = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return [
        Part(
            name="ingest",
            command=(*celery, "worker", "-Q", "ingest", "-n", "ingest@%h", *lean),
            beats=True,
        ),
        Part(
            name="refresh",
            # One process for the night, whose row lets no second one in, and one for what must not
            # wait for its end: approved pairs, and adapters that a server lacks.
            command=(*celery, "worker", "-Q", "refresh", "-c", "2", "-n", "refresh@%h", *lean),
            beats=True,
        ),
        Part(
            name="beat",
            command=(*celery, "beat", "--pidfile", "", "--loglevel", "INFO"),
            beats=True,
        ),
    ]


def _bot(ports: Ports, *, awaited: bool) -> Part:
    own = f"{LOOPBACK}:{ports.bot}"
    return Part(
        name="bot",
        command=(sys.executable, "-m", "bot"),
        url=own,
        health=f"{own}/health",
        awaited=awaited,
    )


def _workspace(ports: Ports) -> Part:
    own = f"{LOOPBACK}:{ports.page}"
    return Part(
        name="workspace",
        command=(sys.executable, "-m", "bot.workspace"),
        url=own,
        health=f"{own}/",
        early=True,
    )
