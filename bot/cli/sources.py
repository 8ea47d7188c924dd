"""``phi3 sources``: what is known, and in which state."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command(name="sources")
@click.argument("prefix", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(prefix: str | None, limit: int, as_json: bool) -> None:
    """List documents; PREFIX is a path, or the beginning of an address."""
    from bot.cli.running import connect
    from models.store import documents

    running = connect()
    with running.sessions() as session:
        rows = []
        for start in prefixes(prefix):
            rows = documents.listing(session, prefix=start, limit=limit)
            if rows:
                break
    found = [
        {
            "uri": row.uri,
            "title": row.title,
            "state": row.state,
            "audience": row.audience,
            "passages": row.progress_total if row.state == "ready" else None,
            "updated": row.updated_at.isoformat(timespec="seconds"),
            "searchable": row.version > 0,
            "error": f"{row.error} (id {row.error_id})" if row.error_id else row.error,
        }
        for row in rows
    ]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found:
        where = f" under {prefix}" if prefix else " yet: phi3 ingest PATH_OR_URL"
        click.echo(f"Nothing is known{where}.")
        return
    for one in found:
        click.echo(_line(one))
    if len(found) == limit:
        click.echo(f"… the first {limit:,}; --limit shows more.", err=True)


def prefixes(prefix: str | None) -> list[str | None]:
    """What a person may mean: a beginning of URIs as it stands, or a path of this machine."""
    from bot.cli.registering import as_path, file_uri

    if not prefix:
        return [None]
    if "://" in prefix or prefix.startswith(("slack:", "text:")):
        return [prefix]
    return [file_uri(as_path(prefix)), prefix]


def _line(one: dict[str, Any]) -> str:
    state = one["state"]
    if state == "ready":
        state = f"{one['passages']} passages" if one["passages"] != 1 else "1 passage"
    where = "" if one["audience"] == "workspace" else f"  [{one['audience']}]"
    line = f"{one['uri']}{where}\n    {one['title']} · {state} · {one['updated'][:16]}"
    if one["error"]:
        old = " The version before it is still searchable." if one["searchable"] else ""
        line += f"\n    {one['error']}{old}"
    return line
