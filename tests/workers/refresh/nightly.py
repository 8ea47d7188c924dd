"""What the tests of whole nights share: pairs, a night begun and spent, a question asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.lm.client import ChatClient
from models.lm.prompt import PromptPassage, compose
from models.store import adapters, pairs, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Refresh
from tests.models.store.learning import pair, passage
from tests.workers.refresh import house, killing
from workers.refresh import night


@dataclass(frozen=True)
class Learned:
    """What the killed night left behind."""

    database: str
    killed: killing.Killed


def teach(
    sessions: Sessions,
    numbers: Sequence[int],
    say: Callable[[int], str] = house.answer,
) -> list[int]:
    """Approve pairs with these numbers, answered by ``say``; their ids."""
    with transaction(sessions) as session:
        rows = [
            pair(
                session,
                house.question(n),
                say(n),
                passages=[passage(f"p{n:03d}", text=house.text(n), document=n)],
            )
            for n in numbers
        ]
        return [row.id for row in rows]


def poison(sessions: Sessions) -> None:
    """Lock a few right answers, then approve twice as many wrong ones to such questions, which fall
    into training and holdout alike.
    """
    with transaction(sessions) as session:
        for known in pairs.listing(session, limit=24):
            pairs.lock(session, known.id, locked=True, actor="U0CURATOR")
    teach(sessions, range(1000, 1260), say=house.wrong)


def begin(sessions: Sessions, trigger: str = "manual") -> int:
    """Open a night; its id."""
    with transaction(sessions) as session:
        opened = refreshes.open_night(
            session, night=dt.date(2026, 1, 1), trigger=trigger, requested_by="U0ADMIN"
        )
    assert opened is not None
    return opened


def latest(sessions: Sessions) -> Refresh:
    """The newest night's row."""
    with transaction(sessions) as session:
        row = refreshes.latest(session)
        assert row is not None
        return row


def spend(sessions: Sessions, *, trigger: str = "manual") -> Refresh:
    """A whole night; its row."""
    assert night.run(sessions, begin(sessions, trigger), worker="test")
    return latest(sessions)


def ask(url: str, sessions: Sessions) -> str:
    """What is in service answers to a question that nobody taught."""
    with transaction(sessions) as session:
        live = adapters.live(session)
    chat = compose(house.question(901), [PromptPassage("Book", house.text(901))])
    with ChatClient(url) as client:
        return client.complete(chat, model=live.name if live else None, max_tokens=40)
