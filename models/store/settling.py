"""Approved pairs become findable: their questions are embedded, and passages are looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.store import embeddings, pairs
from models.store.audience import EVERYONE, Audience
from models.store.evidence import enough
from models.store.search import hybrid
from models.store.session import Sessions, transaction
from models.store.tables import Pair

Embed = Callable[[Sequence[str]], list[list[float]]]

PASSAGES = 4  # that an imported pair is given
BATCH = 128


def settle(sessions: Sessions, embed: Embed) -> int:
    """Settle every approved pair that is not; returns how many were.

    ``embed`` turns questions into vectors of the active embedding model, outside any transaction.
    A pair without passages gets those on which the bot itself would have answered the question,
    for the people who may see the pair; with no evidence it stays without. Raises what ``embed``
    raises; what was settled until then stays settled.
    """
    settled = 0
    while True:
        with transaction(sessions) as session:
            model = embeddings.active_model(session)
            waiting = unsettled(session, limit=BATCH)
        if model is None or not waiting:
            return settled
        vectors = embed([pair.question for pair in waiting])
        with transaction(sessions) as session:
            embeddings.put(
                session,
                model.id,
                {pair.question_hash: vector for pair, vector in zip(waiting, vectors, strict=True)},
            )
        for pair, vector in zip(waiting, vectors, strict=True):
            with transaction(sessions) as session:
                if not pair.passages:
                    _attach(session, pair, vector)
                row = pairs.get(session, pair.id)
                if row is not None and row.question_hash == pair.question_hash:
                    row.settled_at = func.now()
            settled += 1


def unsettled(session: Session, *, limit: int = 256) -> list[Pair]:
    """Approved pairs that have not been made findable yet."""
    return list(
        session.scalars(
            select(Pair)
            .where(Pair.state == "approved", Pair.settled_at.is_(None))
            .order_by(Pair.id)
            .limit(limit)
        )
    )


def _attach(session: Session, pair: Pair, vector: Sequence[float]) -> None:
    found = hybrid(
        session,
        query=pair.question,
        vector=vector,
        audience=Audience(frozenset({EVERYONE, pair.audience})),
        k=PASSAGES,
        pairs=False,
    )
    if enough(pair.question, found).ok:
        pairs.rest_on(session, pair.id, [passage.as_json() for passage in found])
