"""``phi3 forget``: a document is gone with the end of this command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from models.store.session import Sessions

MANY = 1  # more than this is asked about


@click.command(name="forget")
@click.argument("what", metavar="URI_OR_TITLE")
@click.option("--yes", is_flag=True, help="Do not ask when it is more than one document.")
@click.option("--audience", help="Only the document of this audience.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(what: str, yes: bool, audience: str | None, as_json: bool) -> None:
    """Take away what ingest took: a file, a folder with all below it, an address, or a title.

    From then on nothing of it is found or cited, and a folder's scan does not bring it back.
    """
    from sqlalchemy import delete

    from bot.cli.registering import ACTOR
    from bot.cli.running import connect
    from models.store import documents
    from models.store.session import transaction
    from models.store.tables import Source

    if not what.strip():  # as a path it would be this very folder
        raise click.UsageError("Name what to forget: phi3 sources lists what is known.")
    running = connect()
    found = _find(running.sessions, what, audience)
    if not found:
        raise click.ClickException(f"Nothing is known under {what}: phi3 sources lists what is.")
    if len(found) > MANY and not yes:
        for _, uri, seen_by in found[:10]:
            click.echo(f"  {uri}{'' if seen_by == 'workspace' else f'  [{seen_by}]'}", err=True)
        if len(found) > 10:
            click.echo(f"  … and {len(found) - 10:,} more", err=True)
        click.confirm(f"Forget these {len(found):,} documents?", abort=True, err=True)
    gone = []
    for document_id, uri, seen_by in found:
        with transaction(running.sessions) as session:
            if documents.forget(session, document_id, actor=ACTOR):
                gone.append(uri)
            session.execute(
                delete(Source).where(
                    Source.kind == "url", Source.uri == uri, Source.audience == seen_by
                )
            )
    if as_json:
        click.echo(json.dumps({"forgotten": gone}, ensure_ascii=False))
        return
    for uri in gone[:20]:
        click.echo(f"Forgotten: {uri}")
    if len(gone) > 20:
        click.echo(f"… and {len(gone) - 20:,} more.")
    click.echo("To bring it back, ingest the file or address itself again.")


def _find(sessions: Sessions, what: str, audience: str | None) -> list[tuple[int, str, str]]:
    """Id, URI and audience of the document of that name, however written, or all below a folder.

    Else of the one document with that title; raises ``ClickException`` where several have it.
    """
    from sqlalchemy import func, or_, select

    from bot.cli.sources import prefixes
    from models.store.tables import Document

    for name in prefixes(what):
        if name is None:
            return []
        below = Document.uri.startswith(name.rstrip("/") + "/", autoescape=True)
        local = name.startswith("file://")
        wanted = select(Document.id, Document.uri, Document.audience).where(
            Document.state != "deleted",
            or_(Document.uri == name, below) if local else Document.uri == name,
        )
        if audience is not None:
            wanted = wanted.where(Document.audience == audience)
        with sessions() as session:
            rows = session.execute(wanted.order_by(Document.uri, Document.audience)).all()
        if rows:
            return [(row.id, row.uri, row.audience) for row in rows]
    titled = select(Document.id, Document.uri, Document.audience).where(
        Document.state != "deleted", func.lower(Document.title) == func.lower(what.strip())
    )
    if audience is not None:
        titled = titled.where(Document.audience == audience)
    with sessions() as session:
        rows = session.execute(titled.order_by(Document.uri, Document.audience)).all()
    if len({row.uri for row in rows}) > 1:
        raise click.ClickException(
            "Several documents have this title; name the one you mean:\n"
            + "\n".join(f"  {row.uri}" for row in rows[:10])
        )
    return [(row.id, row.uri, row.audience) for row in rows]
