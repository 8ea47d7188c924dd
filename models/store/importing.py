"""Pairs of a file join the ledger: what was decided here stays, and nobody sees more than before.

An export of a ledger is a file too. Its pairs come back with their people, so that a person's own
word about their words holds for them here; see ``docs/learning.md``.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.store import pairs, resting
from models.store.audience import common
from models.store.pairs import NewPair, PairRefused
from models.store.tables import Pair


@dataclass(frozen=True, kw_only=True)
class Given(NewPair):
    """A pair of a file, its words stripped; ``state`` and what follows come from an export."""

    origin: str = "import"
    state: str | None = None  # none: nothing has been decided
    reason: str | None = None  # why rejected or stale
    locked: bool = False


@dataclass(frozen=True)
class Taken:
    """Where a pair stands now, and whether it was here before."""

    state: str
    known: bool


def take(
    session: Session, batch: Sequence[Given], *, approve: bool, actor: str, added: set[int]
) -> list[Taken | PairRefused]:
    """Take pairs into the ledger, and say of each what came of it.

    ``approve``: those that wait are approved at once. ``added``: the pairs that this import has
    brought so far, by id; those of this batch join them. A pair of an export that is here already,
    for whomever, is not taken a second time: it may have been narrowed since.
    """
    alike: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    keys = {pairs.question_hash(one.question) for one in batch}
    for row in session.scalars(
        select(Pair).where(Pair.question_hash.in_(keys)).order_by(Pair.id).with_for_update()
    ):
        alike[row.question_hash, row.answer].append(row)
    outcomes: list[Taken | PairRefused] = []
    for one in batch:
        same = alike[pairs.question_hash(one.question), one.answer]
        try:
            pair = _known(one, same, added) or pairs.propose(session, _as_seen_here(session, one))
            known = pair in same
            if known:
                _join(session, pair, one, approve=approve, actor=actor)
            else:
                same.append(pair)
                added.add(pair.id)
                _restore(session, pair, one, approve=approve, actor=actor)
            outcomes.append(Taken(pair.state, known))
        except PairRefused as refused:
            outcomes.append(refused)
    return outcomes


def _known(one: Given, same: Sequence[Pair], added: set[int]) -> Pair | None:
    if one.state is None:
        return None
    exactly = (pair for pair in same if pair.audience == one.audience)
    before = (pair for pair in same if pair.id not in added)
    return next(exactly, None) or next(before, None)


def _as_seen_here(session: Session, one: Given) -> Given:
    """For those at most who may see its passages here, where they are chunks of a document."""
    hashes = {passage["hash"] for passage in one.passages}
    if one.state is None or not hashes:
        return one
    seen = resting.seen_by(session, dict.fromkeys(hashes))
    audience = common(one.audience, seen.values())
    if audience is None:
        raise PairRefused("Its sources here are not visible to the people it was for.")
    return dataclasses.replace(one, audience=audience)


def _join(session: Session, pair: Pair, one: Given, *, approve: bool, actor: str) -> None:
    """The pair that is here stays as it was decided; whose words came along must be asked too."""
    if pair.state == "rejected" and one.state != "rejected":
        raise PairRefused(f"Pair {pair.id} says the same and was rejected.")
    people = {one.author, one.asker, *one.contributors} - {None, *pair.people}
    if people:
        pair.contributors = sorted({*pair.contributors, *filter(None, people)})
    if approve and pair.state == "proposed":
        pairs.decide(session, pair.id, state="approved", actor=actor)


def _restore(session: Session, pair: Pair, one: Given, *, approve: bool, actor: str) -> None:
    if one.contributors:
        pair.contributors = sorted(set(one.contributors) - {pair.author, pair.asker})
    state = "approved" if approve and one.state in (None, "proposed") else one.state
    if state in ("approved", "rejected"):
        pairs.decide(session, pair.id, state=state, actor=actor, reason=one.reason)
    elif state == "stale":
        pair.state, pair.reason = state, one.reason
    if state == "approved" and one.locked:
        pairs.lock(session, pair.id, locked=True, actor=actor)
