"""``phi3 evaluate``: the arms on held-out pairs, now."""

from __future__ import annotations

import click


@click.command(name="evaluate")
@click.option("--json", "as_json", is_flag=True, help="JSON, to standard output alone.")
def command(as_json: bool) -> None:
    """Score base, documents, adapter and both on held-out pairs; trains nothing.

    Says in words whether documents, training or both serve this team.
    """
    from bot.cli.refresh import begin, follow
    from bot.cli.running import connect

    running = connect()
    follow(running.sessions, begin(running.sessions, "evaluate"), as_json)
