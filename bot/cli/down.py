"""``phi3 down``: stop what ``phi3 up`` started."""

from __future__ import annotations

import os
import signal
import time

import click

ASK_FOR_S = 20.0
KILLED_WITHIN_S = 15.0


@click.command("down")
def command() -> None:
    """Stop the product on this machine; returns when every process has ended."""
    from bot.cli.running import locked
    from bot.supervisor.files import owner
    from models.settings import Home

    run = Home().run
    if not locked(run):
        click.echo("Nothing is running.")
        return
    for sign, wait_s in ((signal.SIGTERM, ASK_FOR_S), (signal.SIGKILL, KILLED_WITHIN_S)):
        pid = owner(run)
        if pid is not None:
            _send(pid, sign)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            # The guardian holds the lock, too, until nothing is left.
            if not locked(run):
                click.echo("Stopped.")
                return
            time.sleep(0.05)
    raise click.ClickException(f"Process {owner(run)} does not end; its data is in {run.parent}.")


def _send(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return  # it has just ended
    except PermissionError as error:
        raise click.ClickException(
            f"Process {pid} belongs to another user: stop it as that user."
        ) from error
