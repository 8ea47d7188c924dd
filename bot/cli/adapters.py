"""``phi3 adapters``: list, show, roll back."""

from __future__ import annotations

import json

import click


@click.group(name="adapters")
def command() -> None:
    """List, show or roll back adapters."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="JSON, to standard output alone.")
def list_adapters(as_json: bool) -> None:
    """Show adapters, newest first."""
    from bot.cli.running import connect
    from models.store import adapters

    with connect().sessions() as session:
        rows = [adapters.summary(row) for row in adapters.listing(session)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        click.echo(f"There are no adapters yet{_without()}.")
    for row in rows:
        click.echo(
            f"{row['name']:14} {row['state']:10} {row['verdict'] or '':13} "
            f"{row['created']}  {row['base']}"
        )


@command.command(name="show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="JSON, to standard output alone.")
def show(name: str, as_json: bool) -> None:
    """Show what an adapter is, and what and whom it learned from."""
    from bot.cli.running import connect
    from models.store import adapters, lineage

    with connect().sessions() as session:
        try:
            row = adapters.by_name(session, name)
        except adapters.NoSuchAdapter as error:
            raise click.ClickException(str(error)) from error
        learned = lineage.learned_from(session, row)
        found = adapters.summary(row) | {
            "path": row.path,
            "reason": row.reason,
            "learned_from": learned,
            "rank": row.manifest.get("rank"),
            "lineage": row.manifest.get("lineage"),
        }
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for key, value in found.items():
        click.echo(f"{key:13} {value if value not in (None, '') else '-'}")


@command.command(name="rollback")
@click.option("--json", "as_json", is_flag=True, help="JSON, to standard output alone.")
def rollback(as_json: bool) -> None:
    """Go back to the adapter before, or to the base; the next question is answered by it."""
    from bot import tasks
    from bot.cli.running import connect
    from models.store import adapters
    from models.store.session import transaction

    try:
        with transaction(connect().sessions) as session:
            left, now = adapters.roll_back(session, actor="command line")
    except adapters.NoSuchAdapter as error:
        raise click.ClickException(str(error)) from error
    tasks.send("adapters.reconcile")
    if as_json:
        click.echo(json.dumps({"from": left, "to": now}))
        return
    click.echo(f"{left} is out of service; {now or 'the base model'} answers from now on.")


def _without() -> str:
    """What answers where no adapter does; nothing where the model server does not say."""
    from bot.answering import EXTRACTIVE, EXTRACTIVE_READER
    from bot.supervisor.probe import health
    from models.settings import LanguageModel

    said = health(f"{LanguageModel().url.rstrip('/')}/health")
    if said is None:
        return ""
    reader = EXTRACTIVE_READER if said.get("generator") == EXTRACTIVE else "the base model"
    return f"; {reader} answers"
