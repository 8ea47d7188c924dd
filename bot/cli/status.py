"""``phi3 status``: each part, asked now."""

from __future__ import annotations

import json

import click


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def command(as_json: bool) -> None:
    """Show each part, its state and where it answers.

    Exits 0 when every part is ready, 1 when one is not, 2 when nothing is running.
    """
    from bot.supervisor.status import survey

    survey_now = survey()
    if as_json:
        parts = [{"name": p.name, "state": p.state, "url": p.url} for p in survey_now.parts]
        click.echo(json.dumps({"parts": parts}))
    else:
        width = max(len(part.name) for part in survey_now.parts)
        colours = {"ready": "green", "stopped": "white", "starting": "yellow"}
        for part in survey_now.parts:
            state = click.style(f"{part.state:<10}", fg=colours.get(part.state, "red"))
            line = f"{part.name:<{width}}  {state}  {part.url or '':<22}  {part.note}"
            click.echo(line.rstrip())
        if not survey_now.up:
            click.echo("not running: phi3 up", err=True)
    if not survey_now.up:
        raise click.exceptions.Exit(2)
    if any(part.state != "ready" for part in survey_now.parts):
        raise click.exceptions.Exit(1)
