"""A document as the bot knows it, for citations whose document has no address of its own."""

from __future__ import annotations

import html
import time
from dataclasses import dataclass

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bot.links import Links
from models.store.passage import below, rows
from models.store.session import Sessions
from models.store.tables import Chunk, Document

MAX_CHUNKS = 2_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 46rem; padding: 2rem 1.25rem 6rem; line-height: 1.55;
  font-family: system-ui, sans-serif; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; }}
.from {{ opacity: .7; font-size: .9rem; overflow-wrap: anywhere; }}
section {{ padding: .25rem .9rem; border-left: 3px solid transparent; }}
section.cited {{ border-color: #d29b00; background: #f5c84233; border-radius: .25rem; }}
.place {{ opacity: .65; font-size: .85rem; margin: .5rem 0 0; }}
p.text {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0; }}
</style></head><body>{body}</body></html>"""


@dataclass(frozen=True)
class Viewer:
    """Serves ``/documents/{id}`` to whoever holds a link that the bot signed."""

    sessions: Sessions
    links: Links

    async def serve(self, request: Request) -> Response:
        """The page; 403 for a link that is wrong or old, 404 for what is gone."""
        document_id = int(request.path_params["document_id"])
        query = request.query_params
        if not self.links.opens(
            document_id,
            chunk=query.get("chunk", ""),
            exp=query.get("exp", ""),
            sig=query.get("sig", ""),
            now=time.time(),
        ):
            return _calm(
                403,
                "This link has expired",
                "Ask the question again in Slack: the new answer carries a fresh link.",
            )
        chunk = query.get("chunk", "")
        cited = int(chunk) if chunk.isdigit() else None
        page = await run_in_threadpool(self._page, document_id, cited)
        if page is None:
            return _calm(
                404,
                "This document is no longer here",
                "It was taken away, or is no longer meant for everybody.",
            )
        return HTMLResponse(page, headers=HEADERS)

    def _page(self, document_id: int, cited: int | None) -> str | None:
        with self.sessions() as session:
            document = session.get(Document, document_id)
            if document is None or document.state == "deleted" or document.audience != "workspace":
                return None
            chunks = session.scalars(
                select(Chunk)
                .where(Chunk.document_id == document_id, Chunk.audience == "workspace")
                .order_by(Chunk.position)
                .limit(MAX_CHUNKS)
            ).all()
        if not chunks:
            return None
        parts = [
            f"<h1>{html.escape(document.title)}</h1>",
            f'<p class="from">{html.escape(document.uri)} · updated '
            f"{document.updated_at:%d %B %Y}</p>",
        ]
        place = ""
        for chunk in chunks:
            here = _place(chunk, document.title)
            heading = f'<p class="place">{html.escape(here)}</p>' if here and here != place else ""
            place = here
            mark = ' class="cited" id="cited"' if chunk.id == cited else ""
            parts.append(
                f'<section{mark}>{heading}<p class="text">{html.escape(chunk.text)}</p></section>'
            )
        return _PAGE.format(title=html.escape(document.title), body="".join(parts))


def _place(chunk: Chunk, title: str) -> str:
    parts = [*below(title, chunk.heading_path)]
    if chunk.page is not None:
        parts.append(f"page {chunk.page}")
    if chunk.sheet:
        parts.append(chunk.sheet)
    if chunk.row is not None:
        parts.append(rows(chunk.row, chunk.last_row, chunk.text))
    return " › ".join(parts)


def _calm(status: int, title: str, text: str) -> Response:
    body = f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
    page = _PAGE.format(title=html.escape(title), body=body)
    return HTMLResponse(page, status_code=status, headers=HEADERS)
