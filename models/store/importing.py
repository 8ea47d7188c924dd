"""Pairs of a file join the ledger: what was decided here stays, and nobody sees more than before.

An export of a ledger is a file too. Its pairs come back with their people, so that a person's own
word about their words holds for them here; see ``docs/learning.md``.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models.store import pairs, resting
from models.store.audience import common
from models.store.pairs import NewPair, PairRefused
from models.store.tables import Pair

_Decide = Callable[..., None]  # ``pairs.decided`` for those who import, and now
_NUMBERS = text(
    "SELECT nextval(pg_get_serial_sequence('pairs', 'id')) FROM generate_series(1, :count)"
)


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
    pairs.in_turn(session, (one.question for one in batch))
    alike: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    keys = {pairs.question_hash(one.question) for one in batch}
    for row in session.scalars(
        select(Pair)
        .where(Pair.question_hash.in_(keys))
        .order_by(Pair.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ):
        alike[row.question_hash, row.answer].append(row)
    exported = [passage["hash"] for one in batch if one.state for passage in one.passages]
    seen = resting.seen_by(session, dict.fromkeys(exported))
    # Numbers beforehand, and a time instead of SQL: so the new rows go to the database all at once.
    numbers = _numbers(session, len(batch))
    now = session.scalars(select(func.now())).one()
    decide = partial(pairs.decided, session, actor=actor, at=now)
    outcomes: list[Taken | PairRefused] = []
    for one in batch:
        same = alike[pairs.question_hash(one.question), one.answer]
        try:
            pair = _known(one, same, added)
            if pair is None:
                made = pairs.drafted(session, _as_seen_here(one, seen))
                pair = next((row for row in same if row.audience == made.audience), made)
                if pair is not made:
                    pairs.rejoined(pair, made)
            known = pair in same
            if known:
                _join(pair, one, decide, approve=approve)
            else:
                pair.id = next(numbers)
                session.add(pair)
                same.append(pair)
                added.add(pair.id)
                _restore(pair, one, decide, approve=approve)
                if one.locked and pair.state == "approved":
                    pairs.lock(session, pair.id, locked=True, actor=actor)
            outcomes.append(Taken(pair.state, known))
        except PairRefused as refused:
            outcomes.append(refused)
    session.flush()
    return outcomes


def _numbers(session: Session, count: int) -> Iterator[int]:
    """Ids of pairs to come, ``count`` at most; asked for when the first is needed."""
    yield from session.scalars(_NUMBERS, {"count": count}).all()


def _known(one: Given, same: Sequence[Pair], added: set[int]) -> Pair | None:
    if one.state is None:
        return None
    exactly = (pair for pair in same if pair.audience == one.audience)
    before = (pair for pair in same if pair.id not in added)
    return next(exactly, None) or next(before, None)


def _as_seen_here(one: Given, seen: Mapping[str, Collection[str]]) -> Given:
    """For those at most who may see its passages here, where they are chunks of a document."""
    if one.state is None or not one.passages:
        return one
    hashes = dict.fromkeys(passage["hash"] for passage in one.passages)
    audience = common(one.audience, [seen[key] for key in hashes if key in seen])
    if audience is None:
        raise PairRefused("Its sources here are not visible to the people it was for.")
    return dataclasses.replace(one, audience=audience)


def _join(pair: Pair, one: Given, decide: _Decide, *, approve: bool) -> None:
    """The pair that is here stays as it was decided; whose words came along must be asked too."""
    if pair.state == "rejected" and one.state != "rejected":
        raise PairRefused(f"Pair {pair.id} says the same and was rejected.")
    people = {one.author, one.asker, *one.contributors} - {None, *pair.people}
    if people:
        pair.contributors = sorted({*pair.contributors, *filter(None, people)})
    if approve and pair.state == "proposed":
        decide(pair, state="approved", reason=None)


def _restore(pair: Pair, one: Given, decide: _Decide, *, approve: bool) -> None:
    if one.contributors:
        pair.contributors = sorted(set(one.contributors) - {pair.author, pair.asker})
    state = "approved" if approve and one.state in (None, "proposed") else one.state
    if state in ("approved", "rejected"):
        decide(pair, state=state, reason=one.reason)
    elif state == "stale":
        pair.state, pair.reason = state, one.reason
