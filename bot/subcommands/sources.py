"""``/phi3 sources`` and ``/phi3 forget``: what is known here, and taking it away."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Sequence

from bot.admins import is_admin
from bot.blocks.text import ago, link, plain, shorten
from bot.deps import Deps
from bot.inbox import Refused
from bot.subcommands.base import Command, Subcommand, audience
from bot.subcommands.targets import text_uri
from bot.whisper import whisper
from models.store import documents
from models.store.session import transaction
from models.store.tables import BUILT_IN, Document

SHOWN = 20
ROOM = 2_850  # characters of the list
TITLE = 80  # characters of a title in the list; what is copied from there is found as well
BEGUN = 20  # characters of a typed text that tell it from others; none is shorter
LISTED = 5  # documents of one name that are listed
_CUT = "…. "
_STATES = {"pending": "waiting", "processing": "being read", "failed": "could not be read"}
_SEEN_BY = {"workspace": "everyone", "channel": "its channel", "user": "only you"}
_URL = re.compile(r"^<?(https?://[^|>\s]+)(?:\|[^>]*)?>?$")


def sources(deps: Deps, command: Command) -> None:
    """List what may be seen from this place, newest first."""
    seen = audience(deps, command)
    wanted = command.rest.casefold()
    with deps.sessions() as session:
        known = documents.names(session, audience=seen)
        fit = [one for one in known if wanted in _words(one)]
        # Who looks for no word wants the team's: those that came with the bot are one line.
        brought = [one.id for one in fit if one.origin != BUILT_IN]
        built_in = [one.id for one in fit if one.origin == BUILT_IN]
        found = brought + built_in if wanted else brought
        rows = {row.id: row for row in documents.rows(session, found[:SHOWN], audience=seen)}
    if not found and wanted:
        whisper(
            deps,
            command.event,
            f"I know no document here that fits “{plain(shorten(command.rest, 80))}”.",
        )
        return
    now = dt.datetime.now(dt.UTC)
    text = f"*{len(found):,} document{'s' if len(found) != 1 else ''} that you may see here*"
    if not found:
        text = "I know no documents here yet. Share a file with me, or use `/phi3 ingest`."
    shown = 0
    for line in (_line(rows[one], now) for one in found[:SHOWN] if one in rows):
        if len(text) + len(line) > ROOM:  # addresses may be long, and half a link is none
            break
        text += "\n" + line
        shown += 1
    if len(found) > shown:
        text += f"\n… and {len(found) - shown:,} more: `/phi3 sources WORD` narrows the list."
    if built_in and not wanted:
        text += f"\n• {len(built_in):,} more about me came with me: `/phi3 sources {BUILT_IN}`"
    whisper(deps, command.event, text)


def _words(one: documents.Named) -> str:
    """What the words of ``/phi3 sources`` are looked for in."""
    return f"{one.title} {one.uri} {BUILT_IN if one.origin == BUILT_IN else ''}".casefold()


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
        found = _named(known, wanted)
        rows = documents.rows(session, [one.id for one in found], audience=seen)
    if not rows:
        raise Refused(
            f"I know no document here by the name or link “{shorten(wanted, 150).rstrip(_CUT)}”. "
            "`/phi3 sources` lists what I know."
        )
    several = {row.uri: row for row in rows}
    if len(several) > 1:
        which = "; ".join(
            f"“{shorten(row.title, TITLE)}” ({row.link or uri})"
            for uri, row in list(several.items())[:LISTED]
        )
        if len(several) > LISTED:
            which += f"; and {len(several) - LISTED:,} more"
        raise Refused(
            f"Several documents have this name: {which}. Please give me the link of the one you "
            "mean."
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
    whisper(deps, command.event, f"Forgotten: “{plain(shorten(mine[0].title, 150))}”. {rest}")


def _named(known: Sequence[documents.Named], wanted: str) -> list[documents.Named]:
    """Those that somebody may mean: by link, else by title or file name, else by typed text."""
    if exact := [one for one in known if wanted in (one.uri, one.link)]:
        return exact
    name = wanted.casefold()
    if titled := [
        one
        for one in known
        if name in (one.title.casefold(), shorten(one.title, TITLE).casefold())
        # A page or a text that somebody typed has a file name that nobody gave it.
        or (one.origin not in ("url", "slack_text") and name == (one.filename or "").casefold())
    ]:
        return titled
    # Of a typed text the title is a beginning, which may end in an ellipsis that nobody copies.
    begun, whole = name.rstrip(_CUT), text_uri(wanted)
    return [
        one
        for one in known
        if one.uri == whole
        or (
            one.uri.startswith("text:")
            and len(begun) >= BEGUN
            and one.title.casefold().startswith(begun)
        )
    ]


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
