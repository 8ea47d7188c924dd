"""``phi3 watch``: a folder is kept in step as its files change."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bot.cli.running import Running

Stamp = tuple[int, int, int]  # modification time in ns, size, inode


@click.command(name="watch")
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--audience", default="workspace", show_default=True, help="Who may see it.")
@click.option(
    "--every", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds."
)
def command(folder: Path, audience: str, every: float) -> None:
    """Keep DIR in step until Ctrl-C: new, changed, renamed and deleted files.

    The folder is looked at every few seconds (this also works on network drives). A file is read
    once it has kept still from one look to the next.
    """
    from bot.cli import folders, recipients
    from bot.cli.running import connect
    from models.store.audience import BadAudience, checked

    try:
        checked(audience)
    except BadAudience as error:
        raise click.UsageError(str(error)) from error
    folder = folder.absolute()
    running = connect()
    recipients.check(running, audience)
    click.echo(f"Watching {folders.shown(str(folder))}. Ctrl-C ends it.", err=True)
    last: dict[Path, Stamp] = {}
    done: dict[Path, Stamp] | None = None
    away = False
    try:
        while True:
            now = stamps(folder)
            if (now is None) != away:
                away = not away
                where = "cannot be listed; what is known of it stays" if away else "is there again"
                click.echo(f"{time.strftime('%H:%M:%S')} The folder {where}.", err=True)
            if now is not None:
                if done is None or (now == last and now != done):
                    _pass(running, folder, audience, quiet=done is not None)
                    done = now
                last = now
            time.sleep(every)
    except KeyboardInterrupt:
        click.echo("\nStopped watching; what is known stays known.", err=True)


def stamps(folder: Path) -> dict[Path, Stamp] | None:
    """What tells that a file has changed, by path; none while the folder cannot be listed."""
    from bot.cli import folders

    found = folders.scan(folder)
    if any(where == folder for where, _ in found.unreadable):
        return None
    result = {}
    for path in found.documents:
        try:
            status = path.stat()
        except OSError:  # gone between the listing and now: the next look sees it
            continue
        result[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return result


def _pass(running: Running, folder: Path, audience: str, *, quiet: bool) -> None:
    from bot.cli import folders
    from bot.cli.registering import Registrar, words
    from bot.tasks import send

    registrar = Registrar(
        running.sessions, audience=audience, origin="watch", send=partial(send, bulk=True)
    )
    registrar.folder(folder, folders.scan(folder))
    outcome = registrar.outcome
    changes = []
    if outcome.queued:
        changes.append(f"{words(outcome.queued, 'document', 'documents')} being read")
    if outcome.forgotten:
        changes.append(f"{words(outcome.forgotten, 'document', 'documents')} forgotten")
    if changes or not quiet:
        said = ", ".join(changes) or f"in step, {outcome.unchanged:,} unchanged"
        click.echo(f"{time.strftime('%H:%M:%S')} {said}.")
    for name, sentence in outcome.failed:
        click.echo(f"{time.strftime('%H:%M:%S')} {name}: {sentence}", err=True)
