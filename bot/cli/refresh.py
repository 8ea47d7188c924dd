"""``phi3 refresh``: run a night now, see what it would do, or read how the last one ended."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from models.store.tables import Refresh

POLL_S = 0.5


@click.command(name="refresh")
@click.option("--now", is_flag=True, help="Begin one now, and wait for its end.")
@click.option("--dry-run", is_flag=True, help="Only say what would be learned; trains nothing.")
@click.option("--json", "as_json", is_flag=True, help="JSON, to standard output alone.")
def command(now: bool, dry_run: bool, as_json: bool) -> None:
    """Run the refresh, or show how the last one ended; what runs now comes first.

    Dry runs and evaluations show their own ends, and do not count here. A night that ended exits
    0, whatever its verdict; one that failed exits 1.
    """
    from bot.cli.running import connect
    from models.store import refreshes

    running = connect()
    if not now and not dry_run:
        with running.sessions() as session:
            row = refreshes.running(session) or refreshes.latest(session, but=refreshes.LOOKS)
        if row is None:
            raise click.ClickException(
                "There has been no night yet: phi3 refresh --now begins one."
            )
        show(row, as_json)
        return
    follow(running.sessions, begin(running.sessions, "dry_run" if dry_run else "manual"), as_json)


def begin(sessions: Any, trigger: str) -> int:
    """Open a night and ring for a worker; raises a sentence if one runs already."""
    import datetime as dt

    from bot import tasks
    from models.store import refreshes
    from models.store.session import transaction

    today = dt.datetime.now(dt.UTC).astimezone().date()
    with transaction(sessions) as session:
        opened = refreshes.open_night(session, night=today, trigger=trigger)
    if opened is None:
        raise click.ClickException("A night is running already; phi3 refresh shows how it goes.")
    tasks.send("refresh.run", opened)
    return opened


def follow(sessions: Any, refresh_id: int, as_json: bool) -> None:
    """Show progress until the night ends, then how; exits 1 if it failed."""
    from models.store.tables import Refresh

    said = ""
    while True:
        with sessions() as session:
            row = session.get(Refresh, refresh_id)
        if row.state != "running":
            break
        line = progress_line(row)
        if line != said:
            click.echo(line, err=True)
            said = line
        time.sleep(POLL_S)
    show(row, as_json)


def progress_line(row: Refresh) -> str:
    """What a night is doing now."""
    now = row.progress
    if not row.claimed_by:
        return "waiting for the refresh worker"
    if now.get("step") == "train" and now.get("at") and now.get("steps"):
        return (
            f"train: step {now['at']} of {now['steps']}, loss {now.get('loss')}, "
            f"{now.get('left_s')} s left"
        )
    if now.get("step") == "evaluate" and now.get("total"):
        return f"evaluate: {now.get('done')} of {now['total']} answers"
    return str(now.get("step") or row.step)


def show(row: Refresh, as_json: bool) -> None:
    """How a night stands or ended."""
    from models.store.adapters import name_for

    trained = "training" in row.metrics
    found = {
        "verdict": row.verdict,
        "reasons": list(row.reasons),
        "adapter": name_for(row.id) if trained else None,
        "metrics": row.metrics,
        "pairs": row.metrics.get("pairs"),
        "state": row.state,
    }
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif row.state == "running":
        click.echo(progress_line(row))
    else:
        click.echo(f"{row.verdict or row.state}" + (f": {found['adapter']}" if trained else ""))
        for reason in row.reasons:
            click.echo(f"  {reason}")
        arms_table(row.metrics)
    if row.state == "failed":
        raise click.exceptions.Exit(1)


def arms_table(metrics: dict[str, Any]) -> None:
    """The arms, and in words which of them serves this team."""
    arms: dict[str, dict[str, float]] = metrics.get("arms") or {}
    if not arms:
        return
    names = (
        "token_f1",
        "exact",
        "citation_precision",
        "citation_recall",
        "refusal",
        "nll",
        "words",
        "latency_s",
    )
    shown = [name for name in names if any(name in arm for arm in arms.values())]
    click.echo("".join(["arm          ", *(f"{name:>19}" for name in shown)]))
    for arm, values in arms.items():
        cells = (f"{values[name]:19.3f}" if name in values else " " * 18 + "-" for name in shown)
        click.echo("".join([f"{arm:13}", *cells]))
    if metrics.get("advice"):
        click.echo(metrics["advice"])
