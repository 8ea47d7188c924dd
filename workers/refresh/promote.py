"""Adapters reach every model server, and the registry's one live row flips."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path

from models.lm.client import AdminClient, ChatClient, ModelError, ModelRefused
from models.lm.manifest import MANIFEST, WEIGHTS
from models.lm.reconcile import Wanted, plan
from models.settings import Home, LanguageModel
from models.store import adapters, lineage
from models.store.session import Sessions, transaction
from workers.refresh.patience import patiently

log = logging.getLogger(__name__)

UNFIT = (400, 422)  # of a refusal: this adapter cannot be loaded; not the token, nor the room
PROBE = [{"role": "user", "content": "Say hello."}]


def load_everywhere(name: str, path: str, *, language: LanguageModel) -> None:
    """Load the adapter on every model server, and let the serving path answer once with it.

    Asked to load it again, our server compares the files: other content under the name, as of an
    earlier ledger, makes room. Raises ``ModelError`` if one server does not take it; nothing is
    live by this.
    """
    token = language.admin_token.get_secret_value() if language.admin_token else None
    for url in language.admin_url_list():
        with AdminClient(url, token) as server:
            try:
                patiently(partial(server.load, name, path))
            except ModelRefused as refusal:
                if refusal.status != 409 or name not in server.adapters():
                    raise
                server.unload(name)
                patiently(partial(server.load, name, path))
    with chat(language) as client:
        patiently(lambda: client.complete(PROBE, model=name, max_tokens=4))


def load_live(sessions: Sessions, *, base: str) -> str | None:
    """The adapter in service, loaded, or none where the base answers.

    One whose files are gone, or that a server refuses, gives way to the one before it. Raises
    ``ModelError`` where a server does not answer, or refuses whatever it is asked.
    """
    lose_missing(sessions)
    while True:
        with transaction(sessions) as session:
            live = adapters.in_service(session, base=base)
        if live is None:
            return None
        try:
            load_everywhere(live.name, str(live.path), language=LanguageModel())
            return live.name
        except ModelRefused as refusal:
            if refusal.status not in UNFIT:
                raise
            log.warning("%s is refused: %s", live.name, refusal)
            with transaction(sessions) as session:
                adapters.give_way(session, live.name, reason="a model server refuses it")


def lose_missing(sessions: Sessions) -> None:
    """Adapters whose files are gone cannot be loaded or returned to; what was live gives way."""
    if not Home().adapters.is_dir():
        return  # a volume that is away says nothing of what lies on it
    with transaction(sessions) as session:
        gone = [row.name for row in adapters.with_files(session) if not _whole(str(row.path))]
        if gone:
            log.warning("the files of %s are gone", ", ".join(gone))
            adapters.lose(session, gone)


def _whole(path: str) -> bool:
    return all((Path(path) / name).is_file() for name in (MANIFEST, WEIGHTS))


def chat(language: LanguageModel) -> ChatClient:
    """The serving path."""
    key = language.api_key.get_secret_value() if language.api_key else None
    return ChatClient(language.url, key)


def reconcile(sessions: Sessions) -> int:
    """Bring every model server to what the registry wants; returns how many adapters were loaded.

    What does not work is logged and left for the next tick: a server that does not answer, an
    adapter that it does not take.
    """
    lose_missing(sessions)
    language = LanguageModel()
    with transaction(sessions) as session:
        wanted = [
            Wanted(name=row.name, path=str(row.path), base=row.base)
            for row in adapters.wanted(session)
        ]
    token = language.admin_token.get_secret_value() if language.admin_token else None
    loaded = 0
    for url in language.admin_url_list():
        try:
            with AdminClient(url, token) as server:
                todo = plan(wanted, present=server.adapters(), base=server.base())
                for name in todo.unload:
                    server.unload(name)
                for adapter in todo.load:
                    try:
                        server.load(adapter.name, adapter.path)
                        loaded += 1
                    except ModelError as error:
                        log.warning("%s is not loaded on %s: %s", adapter.name, url, error)
        except ModelError as error:
            log.warning("adapters on %s are left for the next tick: %s", url, error)
    return loaded


def sweep_files(sessions: Sessions) -> int:
    """Delete directories of snapshots and adapters that no row holds any more; how many went."""
    home = Home()
    parents = (home.snapshots, home.adapters, home.training)
    # Looked for before the rows are read: what a night makes from now on is never among them.
    places = [place for parent in parents for place in sorted(parent.glob("refresh-*"))]
    with transaction(sessions) as session:
        kept = {Path(path).resolve() for path in lineage.files_in_use(session)}
        busy = {Path(path).name for path in lineage.names_in_use(session)}
    gone = 0
    for place in places:
        if place.resolve() not in kept and place.name.removesuffix(".partial") not in busy:
            shutil.rmtree(place, ignore_errors=True)
            gone += 1
    return gone
