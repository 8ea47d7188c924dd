"""``phi3 doctor``: look at each part and say what to do."""

from __future__ import annotations

import os

import click


@click.command("doctor")
def command() -> None:
    """Check every part and say what to do. Exits 1 if something is broken."""
    from bot.cli.running import NotRunning, connect
    from bot.supervisor.doctor import examine
    from models.settings import dotenv_names

    up = True
    try:
        connect().engine.dispose()
    except NotRunning:
        up = False
    broken = 0
    given = {**dotenv_names(), **{name: value for name, value in os.environ.items() if value}}
    marks = {
        "ok": click.style("✓", fg="green"),
        "note": click.style("·", fg="yellow"),
        "broken": click.style("✗", fg="red"),
    }
    for finding in examine(given, up=up):
        broken += finding.level == "broken"
        remedy = f" → {finding.remedy}" if finding.remedy else ""
        click.echo(f"{marks[finding.level]} {finding.about:<13} {finding.says}{remedy}")
    if broken:
        click.echo(f"{broken} to put right.", err=True)
        raise click.exceptions.Exit(1)
