"""``/phi3 sources`` and ``/phi3 forget``: what is known here, and taking it away."""

from __future__ import annotations

import datetime as dt
import html
import re

from bot.admins import is_admin
from bot.blocks.text import ago, link, plain, shorten
from bot.deps import Deps
from bot.inbox import Refused
from bot.subcommands.base import Command, Subcommand, audience
from bot.whisper import whisper
from models.store import documents
from models.store.session import transaction
from models.store.tables import Document

SHOWN = 20
ROOM = 2_850  # characters of the list
TITLE = 80  # characters of a title in the list; what is copied from there is found as well
_STATES = {"pending": "waiting", "processing": "being read", "failed": "could not be read"}
_SEEN_BY = {"workspace": "everyone", "channel": "its channel", "user": "only you"}
_URL = re.compile(r"^<?(https?://[^|>\s]+)(?:\|[^>]*)?>?$")


def sources(deps: Deps, command: Command) -> None:
    """List what may be seen from this place, newest first."""
    seen = audience(deps, command)
    with deps.sessions() as session:
        known = documents.names(session, audience=seen)
        wanted = command.rest.casefold()
        found = [one.id for one in known if wanted in f"{one.title} {one.uri}".casefold()]
        rows = {row.id: row for row in documents.rows(session, found[:SHOWN], audience=seen)}
    if not found:
        words = (
            f"I know no document here that fits “{plain(shorten(command.rest, 80))}”."
            if wanted
            else "I know no documents here yet. Share a file with me, or use `/phi3 ingest`."
        )
        whisper(deps, command.event, words)
        return
    now = dt.datetime.now(dt.UTC)
    text = f"*{len(found):,} document{'s' if len(found) != 1 else ''} that you may see here*"
    shown = 0
    for line in (_line(rows[one], now) for one in found[:SHOWN] if one in rows):
        if len(text) + len(line) > ROOM:  # addresses may be long, and half a link is none
            break
        text += "\n" + line
        shown += 1
    if len(found) > shown:
        text += f"\n… and {len(found) - shown:,} more: `/phi3 sources WORD` narrows the list."
    whisper(deps, command.event, text)


def _line(row: Document, now: dt.datetime) -> str:
    state = _STATES.get(row.state) or f"updated {ago(row.updated_at, now)}"
    if row.state == "failed" and row.error:
        state += f": {plain(shorten(row.error, 120))}"
    name = link(row.link, shorten(row.title, TITLE))
    return f"• {name} · {state} · {_SEEN_BY[row.audience.partition(':')[0]]}"


def forget(deps: Deps, command: Command) -> None:
    """Take a document away for everybody who has it from whoever asks, at once."""
    wanted = html.unescape(command.rest.strip())
    address = _URL.match(wanted)
    wanted = address[1] if address else wanted
    seen = audience(deps, command)
    with deps.sessions() as session:
        known = documents.names(session, audience=seen)
        found = [one for one in known if wanted in (one.uri, one.link)] or [
            one
            for one in known
            if wanted.casefold() in (one.title.casefold(), shorten(one.title, TITLE).casefold())
        ]
        rows = documents.rows(session, [one.id for one in found], audience=seen)
    if not rows:
        raise Refused(
            f"I know no document here by the name or link “{shorten(wanted, 150)}”. "
            "`/phi3 sources` lists what I know."
        )
    if len({row.uri for row in rows}) > 1:
        raise Refused(
            "Several documents have this name. Please give me the link of the one you mean."
        )
    admin = is_admin(deps, command.user_id)
    mine = [row for row in rows if admin or row.added_by == command.user_id]
    if not mine:
        raise Refused("Only whoever added a document, or an admin, may have it forgotten.")
    with transaction(deps.sessions) as session:
        # Other places may hold it too: a channel with guests has a copy of its own.
        for row in documents.find(session, mine[0].uri):
            if admin or row.added_by == command.user_id:
                documents.forget(session, row.id, actor=command.user_id)
    rest = "From now on no answer uses it." if admin else "No answer uses what you added any more."
    whisper(deps, command.event, f"Forgotten: {plain(shorten(mine[0].title, 150))}. {rest}")


SUBCOMMANDS = [
    Subcommand(
        name="sources",
        usage="[WORD]",
        summary="List the documents that you may see here",
        run=sources,
        receipt="I am looking them up.",
    ),
    Subcommand(
        name="forget",
        usage="LINK | TITLE",
        summary="Take a document away, at once (what you added; admins: any)",
        run=forget,
        receipt="I am looking for it.",
        needs_text=True,
    ),
]
