"""``phi3 up``: the whole product on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click


@click.command("up")
@click.option("--detach", "-d", is_flag=True, help="Return once all of it is ready.")
def command(detach: bool) -> None:
    """Start the whole product on this machine.

    Postgres and Redis come with it unless DATABASE_URL and REDIS_URL name others; without
    SLACK_BOT_TOKEN, a small local workspace takes Slack's place. In the foreground it shows one log
    and ends with Ctrl-C; phi3 down ends it from elsewhere.
    """
    try:
        import psutil  # noqa: F401
    except ImportError as error:
        raise click.ClickException(
            "phi3 up needs the local parts: pip install 'phi3-expert[ingest,models,local]'"
        ) from error
    if detach:
        click.echo(_detached())
        return
    from bot.supervisor.files import AlreadyUp
    from bot.supervisor.product import CannotStart
    from bot.up import serve

    try:
        serve()
    except (AlreadyUp, CannotStart) as error:
        raise click.ClickException(str(error)) from error


def _detached() -> str:
    """Start in a session of its own; return the sentence that it is ready.

    Raises ``ClickException`` with the reason where it is not; then nothing is left running.
    """
    from models.settings import Home

    log = Home().home / "log"
    log.mkdir(mode=0o700, parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with (log / "up.err").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "bot.up", str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=(writing,),
            start_new_session=True,
        )
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as report:
            said = report.readline()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    told: dict[str, str] = json.loads(said) if said else {}
    if "ready" in told:
        return told["ready"]
    process.wait()
    reason = told.get("failed", "it ended before it was ready")
    raise click.ClickException(f"Not started: {reason} (the log is in {log / 'phi3.log'})")
