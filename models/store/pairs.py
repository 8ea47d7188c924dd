"""The ledger of pairs: questions with answers that people stand behind, and who decided what."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from models.store import lexical, marks, resting
from models.store.audience import EVERYONE, common
from models.store.marks import numbers as numbers
from models.store.tables import Audit, Pair

ORIGINS = ("thumb", "correction", "expert", "import")
STATES = ("proposed", "approved", "rejected", "stale")
WAITING = ("proposed", "stale")  # for a curator's decision

# One after the other as they stand in the list, so that no two transactions wait for each other.
_IN_TURN = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) "
    "FROM unnest(cast(:keys AS text[])) AS key"
)


class PairRefused(ValueError):
    """Something that cannot become a pair, or a decision that cannot be taken; fit to show."""


@dataclass(frozen=True, kw_only=True)
class NewPair:
    """What is proposed. ``passages`` are ``Passage.as_json()`` objects; ``[n]`` counts them."""

    question: str
    answer: str
    origin: str  # thumb, correction, expert, import
    passages: Sequence[Mapping[str, Any]] = ()
    author: str | None = None  # Slack user id whose words the answer is
    asker: str | None = None  # Slack user id whose words the question is
    contributors: Sequence[str] = ()  # others whose words may be heard in it
    answer_id: int | None = None
    channel_id: str | None = None  # the channel that it was asked in, if all there may read it
    audience: str = EVERYONE  # of the place it was asked in; narrowed by every passage
    consent: bool = False  # given with the words themselves, as an import does
    language: str | None = None


def normal(question: str) -> str:
    """A question as its hash sees it: case, width, composition and spacing do not count."""
    return " ".join(unicodedata.normalize("NFKC", question).casefold().split())


def question_hash(question: str) -> str:
    """Key of the question's embedding, and of exact duplicates."""
    return hashlib.sha256(normal(question).encode()).hexdigest()


def propose(session: Session, new: NewPair) -> Pair:
    """Put a pair before the curators; the same question and answer is one row, however often sent.

    It rests on the passages that its answer cites; where it cites none, on the first. Raises
    ``PairRefused`` where there is nothing to learn, or nobody in common may see all of it.
    """
    made = drafted(session, new)
    known = session.scalars(
        select(Pair)
        .where(
            Pair.question_hash == made.question_hash,
            Pair.answer == made.answer,
            Pair.audience == made.audience,
        )
        .with_for_update()
    ).first()
    if known is not None:
        return rejoined(known, made)
    session.add(made)
    session.flush()
    return made


def in_turn(session: Session, questions: Iterable[str]) -> None:
    """Of two transactions that bring pairs of the same question at once, the second waits here,
    and finds the first one's.
    """
    keys = sorted({f"pair {question_hash(one)}" for one in questions})
    session.execute(_IN_TURN, {"keys": keys})


def drafted(session: Session, new: NewPair) -> Pair:
    """The row that ``new`` makes, not added yet. Raises ``PairRefused`` as ``propose`` does."""
    question, answer = _clean(new.question), _clean(new.answer)
    if not question or not answer:
        raise PairRefused("A pair needs a question and an answer.")
    if new.origin not in ORIGINS:
        raise PairRefused(f"{new.origin!r} is no origin of a pair.")
    passages = [dict(passage) for passage in new.passages if passage.get("pair_id") is None]
    if len(passages) != len(new.passages):
        answer = marks.without(answer)
    # Those who saw all of it when it was shown, as far as they may see what it rests on now.
    hashes = marks.resting(answer, passages)
    now = resting.seen_by(session, resting.ours(p for p in passages if p["hash"] in hashes))
    audience = common(new.audience, [*([p["audience"]] for p in passages), *now.values()])
    if audience is None:
        raise PairRefused("Its sources are not visible to the same people, so it stays unlearned.")
    return Pair(
        question=question,
        question_hash=question_hash(question),
        answer=answer,
        passages=passages,
        chunk_hashes=hashes,
        origin=new.origin,
        author=new.author,
        asker=new.asker,
        contributors=list(new.contributors),
        answer_id=new.answer_id,
        channel_id=new.channel_id,
        consent=new.consent,
        locked=False,
        state="proposed",
        audience=audience,
        language=new.language,
        tsv=lexical.tsvector(question),
    )


def rejoined(known: Pair, made: Pair) -> Pair:
    """``known``, whose row is locked, after ``made`` has said the same to the same people."""
    if known.state == "stale":
        known.state, known.reason = "proposed", None
        known.passages, known.chunk_hashes = made.passages, made.chunk_hashes
        known.settled_at = None
    known.consent = known.consent or made.consent
    others = {*known.contributors, *made.contributors} - {known.author, known.asker}
    known.contributors = sorted(others)
    return known


def decide(
    session: Session, pair_id: int, *, state: str, actor: str, reason: str | None = None
) -> Pair:
    """Approve or reject. Raises ``PairRefused`` where there is no such pair, or it is locked.

    An approved pair is for those who may see what it rests on now; with nobody in common it is
    refused. A stale one rests on nothing then: it is given the passages of today.
    """
    pair = _locked(session, pair_id)
    decided(session, pair, state=state, actor=actor, reason=reason, at=func.now())
    session.flush()
    return pair


def decided(
    session: Session, pair: Pair, *, state: str, actor: str, reason: str | None, at: Any
) -> None:
    """Decide as ``decide`` does, ``at`` a time, on a pair whose row is locked or to be inserted."""
    if state not in ("approved", "rejected"):
        raise PairRefused(f"A pair is approved or rejected, not {state}.")
    if pair.locked and state == "rejected":
        raise PairRefused(f"Pair {pair.id} is locked; unlock it first.")
    if state == "approved":
        _readdress(session, pair)
    if pair.state == "stale" and state == "approved":
        _rest_on_nothing(pair)
        pair.answer = marks.without(pair.answer)
    if pair.state != state:
        pair.state, pair.reason = state, reason
        pair.decided_by, pair.decided_at = actor, at
        _audit(session, actor, f"pair_{state}", pair.id, reason=reason)


def edit(
    session: Session,
    pair_id: int,
    *,
    actor: str,
    question: str | None = None,
    answer: str | None = None,
) -> Pair:
    """Change the words of a pair; it waits for approval again. Raises ``PairRefused``.

    Whose words it held before may still be heard in it: they stay among its people.
    """
    pair = _locked(session, pair_id)
    if pair.locked:
        raise PairRefused(f"Pair {pair_id} is locked; unlock it first.")
    new_question = _clean(question) if question is not None else pair.question
    new_answer = _clean(answer) if answer is not None else pair.answer
    if not new_question or not new_answer:
        raise PairRefused("A pair needs a question and an answer.")
    if (new_question, new_answer) == (pair.question, pair.answer):
        return pair
    theirs = {*pair.people, actor}
    if new_answer != pair.answer:
        pair.author = actor
    pair.contributors = sorted(theirs - {pair.author, pair.asker})
    if new_question != pair.question:
        pair.question, pair.question_hash = new_question, question_hash(new_question)
        pair.tsv, pair.settled_at = lexical.tsvector(new_question), None
        # Another question may stand near other pairs: which side it is on is decided anew only if
        # it was not held out, so that nothing ever moves from the holdout into training.
        if pair.side != "holdout":
            pair.cluster = pair.side = None
    if pair.state == "stale":  # as where it is approved: what it rested on is gone
        _readdress(session, pair)
        _rest_on_nothing(pair)
        new_answer = marks.without(new_answer)
    pair.answer = new_answer
    pair.chunk_hashes = marks.resting(new_answer, pair.passages)
    pair.state, pair.reason, pair.decided_by, pair.decided_at = "proposed", None, None, None
    _audit(session, actor, "pair_edited", pair_id)
    session.flush()
    return pair


def lock(session: Session, pair_id: int, *, locked: bool, actor: str) -> Pair:
    """Lock an approved pair: every later adapter must still answer it well. Raises PairRefused."""
    pair = _locked(session, pair_id)
    if locked and pair.state != "approved":
        raise PairRefused("Only an approved pair can be locked.")
    pair.locked = locked
    _audit(session, actor, "pair_locked" if locked else "pair_unlocked", pair_id)
    session.flush()
    return pair


def rest_on(session: Session, pair_id: int, passages: Sequence[Mapping[str, Any]]) -> Pair | None:
    """Attach passages to a pair that has none, and narrow its audience to theirs.

    None where it has some by now, or is gone; passages that nobody in common may see are left out.
    """
    pair = session.get(Pair, pair_id, with_for_update=True, populate_existing=True)
    if pair is None or pair.passages:
        return None
    kept: list[dict[str, Any]] = []
    audience = pair.audience
    now = resting.seen_by(session, resting.ours(passages))
    for passage in passages:
        copies = [[passage["audience"]], now.get(passage["hash"], [passage["audience"]])]
        shared = common(audience, copies)
        if shared is not None:
            kept.append(dict(passage))
            audience = shared
    pair.passages, pair.audience = kept, audience
    pair.chunk_hashes = marks.resting(pair.answer, kept)
    session.flush()
    return pair


def get(session: Session, pair_id: int, *, lock: bool = False) -> Pair | None:
    """The pair, if there is one; ``lock`` keeps it as it is until the transaction ends."""
    return session.get(Pair, pair_id, with_for_update=lock or None, populate_existing=lock)


def listing(
    session: Session,
    *,
    state: str | Collection[str] | None = None,
    audiences: Sequence[str] | None = None,
    after: int = 0,
    limit: int = 50,
) -> list[Pair]:
    """Pairs by id, past ``after``; of these states and for some audiences where they are given."""
    query = select(Pair).where(Pair.id > after).order_by(Pair.id).limit(limit)
    if state is not None:
        query = query.where(Pair.state.in_([state] if isinstance(state, str) else state))
    if audiences is not None:
        query = query.where(Pair.audience.in_(audiences))
    return list(session.scalars(query))


def counts(session: Session) -> dict[str, int]:
    """How many pairs stand in each state."""
    rows = session.execute(select(Pair.state, func.count()).group_by(Pair.state))
    found = {state: 0 for state in STATES}
    found.update({state: count for state, count in rows})
    return found


def waiting(session: Session) -> int:
    """How many pairs wait for a curator."""
    found = counts(session)
    return sum(found[state] for state in WAITING)


def of(user_id: str) -> ColumnElement[bool]:
    """The condition on ``Pair`` that a person's words are in it."""
    return (
        (Pair.author == user_id) | (Pair.asker == user_id) | Pair.contributors.contains([user_id])
    )


def _clean(words: str) -> str:
    return words.replace("\x00", "").strip()


def _readdress(session: Session, pair: Pair) -> None:
    audience = resting.readers(session, pair)
    if audience is None:
        raise PairRefused(f"Nobody in common may see what pair {pair.id} rests on: it stays out.")
    pair.audience = audience


def _rest_on_nothing(pair: Pair) -> None:
    pair.passages, pair.chunk_hashes, pair.settled_at = [], [], None


def _locked(session: Session, pair_id: int) -> Pair:
    pair = session.get(Pair, pair_id, with_for_update=True, populate_existing=True)
    if pair is None:
        raise PairRefused(f"There is no pair {pair_id}.")
    return pair


def _audit(session: Session, actor: str, action: str, pair_id: int, **detail: Any) -> None:
    kept = {key: value for key, value in detail.items() if value is not None}
    session.add(Audit(actor=actor, action=action, subject=f"pair:{pair_id}", detail=kept))
