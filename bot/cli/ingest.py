"""``phi3 ingest``: files, folders and web pages become searchable."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bot.cli.registering import Outcome, Registrar
    from models.store.session import Sessions

LOOK_S = 0.3  # between two looks at the rows
STALLED_S = 90.0  # without any movement: say so once


@click.command(name="ingest")
@click.argument("what", nargs=-1, required=True, metavar="PATH_OR_URL...")
@click.option(
    "--audience",
    default="workspace",
    show_default=True,
    help="Who may see it: workspace, channel:C0123456789 or user:U0123456789.",
)
@click.option(
    "--wait/--no-wait",
    default=False,
    show_default=True,
    help="Return when all of it is searchable.",
)
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON, on standard output.")
def command(what: Sequence[str], audience: str, wait: bool, as_json: bool) -> int:
    """Add files, folders (with all below them) and web pages.

    A folder that is named again is brought in step: changed files are read anew, files that are no
    longer there are forgotten, unchanged ones are left alone. A file that was forgotten by hand
    comes back only when it is named itself. Web pages are looked at again from time to time.

    The exit status is 1 if anything failed; each failure is named.
    """
    from bot.cli import recipients, registering
    from bot.cli.running import connect
    from bot.tasks import send
    from models.store.audience import BadAudience, checked

    if not all(word.strip() for word in what):  # as a path it would be this very folder
        raise click.UsageError("A path or address is empty; “.” names the folder you are in.")
    try:
        checked(audience)
    except BadAudience as error:
        raise click.UsageError(str(error)) from error
    running = connect()
    recipients.check(running, audience)
    registrar = registering.Registrar(
        running.sessions, audience=audience, origin="cli", send=partial(send, bulk=True)
    )
    outcome = registrar.outcome
    _register(registrar, what)
    if wait and outcome.waiting:
        _wait(running.sessions, outcome.waiting)
    rows = _rows(running.sessions, outcome.waiting)
    failures = [*outcome.failed, *((r["uri"], r["error"]) for r in rows if r["state"] == "failed")]
    if as_json:
        click.echo(json.dumps(_as_json(outcome, rows, failures), ensure_ascii=False))
    else:
        _say(outcome, rows, failures)
    return 1 if failures else 0


def _register(registrar: Registrar, what: Sequence[str]) -> None:
    """Look at everything that was named; what cannot be found at all is a failure like others."""
    from bot.cli import folders
    from bot.cli.registering import as_path, is_url

    scans: list[tuple[Path, folders.Scan]] = []
    files: list[Path] = []
    urls: list[str] = []
    for word in what:
        if is_url(word):
            urls.append(word)
        elif (path := as_path(word)).is_dir():
            scans.append((path, folders.scan(path)))
        elif path.is_file():
            files.append(path)
        else:
            sentence = "It is neither a file nor a folder." if path.exists() else "It is not there."
            registrar.outcome.failed.append((folders.shown(word), sentence))
    count = len(urls) + len(files) + sum(len(scan.documents) for _, scan in scans)
    if not count and not scans:
        return
    registrar.open_job(folders.shown(", ".join(what))[:200])
    with click.progressbar(length=count, label="Looking", file=sys.stderr) as b:
        registrar.step = lambda: b.update(1)
        for url in urls:
            registrar.url(url)
        for file in files:
            registrar.file(file)
        for folder, scan in scans:
            registrar.folder(folder, scan)


def _rows(sessions: Sessions, ids: Sequence[int]) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from models.store.tables import Document

    wanted = select(Document).where(Document.id.in_(ids)).order_by(Document.id)
    with sessions() as session:
        return [
            {
                "id": row.id,
                "uri": row.uri,
                "title": row.title,
                "state": row.state,
                "chunks": row.progress_total,
                "done": row.progress_done,
                "error": f"{row.error} (id {row.error_id})" if row.error_id else row.error,
            }
            for row in session.execute(wanted).scalars()
        ]


def _wait(sessions: Sessions, ids: Sequence[int]) -> None:
    """Show progress until every document is searchable or has failed."""
    done = -1
    moved = time.monotonic()
    before: object = None
    with click.progressbar(
        length=len(ids),
        label="Reading",
        show_pos=True,
        show_eta=True,
        file=sys.stderr,
    ) as bar:
        while done < len(ids):
            rows = _rows(sessions, ids)
            over = sum(row["state"] not in ("pending", "processing") for row in rows)
            now = [(row["state"], row["done"]) for row in rows]
            if now != before:
                before, moved = now, time.monotonic()
            elif time.monotonic() - moved > STALLED_S:
                waits = next((row["error"] for row in rows if row["error"]), None)
                click.echo(f"\n{waits or 'Nothing moves: phi3 status shows what runs.'}", err=True)
                moved = time.monotonic()
            bar.update(over - max(done, 0))
            done = over
            if done < len(ids):
                time.sleep(LOOK_S)


def _as_json(
    outcome: Outcome, rows: Sequence[dict[str, Any]], failures: Sequence[tuple[str, Any]]
) -> dict[str, Any]:
    return {
        "documents": [
            {"uri": row["uri"], "title": row["title"], "state": row["state"]} for row in rows
        ],
        "chunks": sum(row["chunks"] for row in rows if row["state"] == "ready"),
        "unchanged": outcome.unchanged,
        "forgotten": outcome.forgotten,
        "left_out": outcome.left_out,
        "failed": [{"what": what, "error": error} for what, error in failures],
    }


def _say(
    outcome: Outcome,
    rows: Sequence[dict[str, Any]],
    failures: Sequence[tuple[str, Any]],
) -> None:
    from bot.cli.registering import words

    ready = [row for row in rows if row["state"] == "ready"]
    under_way = [row for row in rows if row["state"] in ("pending", "processing")]
    if ready:
        passages = sum(row["chunks"] for row in ready)
        held = f"{passages:,} passage{'s' if passages != 1 else ''}"
        click.echo(f"{words(ready, 'document', 'documents')} searchable, {held}.")
    if under_way:
        count = words(under_way, "document is", "documents are")
        click.echo(f"{count} being read; phi3 sources shows how far.")
    if outcome.unchanged:
        click.echo(f"{outcome.unchanged:,} unchanged.")
    if outcome.forgotten:
        gone = words(outcome.forgotten, "document is", "documents are")
        click.echo(f"{gone} no longer in the folder and forgotten.")
    if outcome.left_out:
        click.echo(
            f"{words(outcome.left_out, 'file was', 'files were')} forgotten earlier and left out; "
            "name a file itself to bring it back."
        )
    for phrase in outcome.passed_over:
        click.echo(f"Passed over in {phrase}.")
    for name, sentence in failures:
        click.echo(f"Failed: {name}: {sentence}", err=True)
    if not (rows or outcome.unchanged or failures or outcome.forgotten or outcome.left_out):
        click.echo("There was nothing to read.")
