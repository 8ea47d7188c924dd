"""Pairs follow what they rest on: who may see them, and whether they still stand.

A pair rests on the passages that it cites, and is for those who may see all of them as they are
now. A passage counts in the widest audience in which a live chunk holds it; one that is live
nowhere, in those in which its document still is. What was narrowed is never widened again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from models.store import lineage, outbox
from models.store.audience import EVERYONE, NO_ONE, common
from models.store.tables import Document, Pair, Question

# Gone is what no live chunk of any document holds any more.
_STALE = text(
    """
    UPDATE pairs SET state = 'stale', reason = :reason
    WHERE state IN ('proposed', 'approved') AND chunk_hashes && ARRAY(
        SELECT h FROM unnest(cast(:hashes AS text[])) AS h
        WHERE NOT EXISTS (SELECT FROM chunks c WHERE c.hash = h))
    RETURNING id
    """
)

# Two transactions that remove the last two copies of a chunk would each see the other's copy; the
# second waits here until the first has committed.
_IN_TURN = text(
    """
    SELECT pg_advisory_xact_lock(hashtext('phi3:resting')) WHERE EXISTS (
        SELECT FROM pairs WHERE chunk_hashes && cast(:hashes AS text[]))
    """
)

# A passage may have gone, or have fewer readers, since it was shown or found: before its pair was
# there to follow. What an import brought along (it has no document) may never have been a chunk.
_GONE_UNNOTICED = text(
    """
    UPDATE pairs p SET state = 'stale', reason = :reason
    WHERE state IN ('proposed', 'approved')
      AND EXISTS (SELECT FROM unnest(p.chunk_hashes) AS h
          WHERE NOT EXISTS (SELECT FROM chunks c WHERE c.hash = h))
      AND EXISTS (SELECT FROM jsonb_array_elements(p.passages) AS shown
          WHERE jsonb_typeof(shown -> 'document_id') = 'number'
            AND shown ->> 'hash' = ANY(p.chunk_hashes)
            AND NOT EXISTS (SELECT FROM chunks c WHERE c.hash = shown ->> 'hash'))
    RETURNING id
    """
)
_NARROWED_UNNOTICED = text(
    """
    SELECT p.id FROM pairs p
    WHERE state IN ('proposed', 'approved')
      AND EXISTS (SELECT FROM unnest(p.chunk_hashes) AS h WHERE NOT EXISTS (
          SELECT FROM chunks c WHERE c.hash = h AND c.audience IN ('workspace', p.audience)))
      AND EXISTS (SELECT FROM jsonb_array_elements(p.passages) AS shown
          WHERE jsonb_typeof(shown -> 'document_id') = 'number'
            AND shown ->> 'hash' = ANY(p.chunk_hashes)
            AND NOT EXISTS (SELECT FROM chunks c WHERE c.hash = shown ->> 'hash'
                AND c.audience IN ('workspace', p.audience)))
    """
)

_SEEN_BY = text(
    """
    SELECT shown.hash, coalesce(
        (SELECT array_agg(DISTINCT c.audience) FROM chunks c WHERE c.hash = shown.hash),
        (SELECT array_agg(DISTINCT d.audience) FROM documents o JOIN documents d ON d.uri = o.uri
         WHERE o.id = shown.document AND d.state <> 'deleted'),
        (SELECT ARRAY[o.audience] FROM documents o WHERE o.id = shown.document)) AS audiences
    FROM unnest(cast(:hashes AS text[]), cast(:documents AS bigint[])) AS shown(hash, document)
    """
)

# Of these hashes, those that are live, but no longer for everybody.
_CLOSED = text(
    """
    SELECT hash FROM chunks WHERE hash = ANY(cast(:hashes AS text[]))
    GROUP BY hash HAVING bool_and(audience <> 'workspace')
    """
)

# Pairs of any state that hold words of a document, cited or not, of this version or an older one,
# which not everybody may see any more.
_SHOWING = text(
    """
    SELECT p.id FROM pairs p WHERE EXISTS (
        SELECT FROM jsonb_array_elements(p.passages) AS shown
        WHERE (shown ->> 'document_id' = cast(:document AS text)
               OR shown ->> 'hash' = ANY(cast(:hashes AS text[])))
          AND NOT EXISTS (SELECT FROM chunks c
              WHERE c.hash = shown ->> 'hash' AND c.audience = 'workspace'))
    """
)


def seen_by(session: Session, documents: Mapping[str, int | None]) -> dict[str, list[str]]:
    """The audiences in which passages may be seen now, by hash; ``documents``: theirs, by hash.

    A hash of which nothing is known is left out.
    """
    if not documents:
        return {}
    values = {"hashes": list(documents), "documents": list(documents.values())}
    rows = session.execute(_SEEN_BY, values)
    return {row.hash: row.audiences for row in rows if row.audiences}


def ours(passages: Iterable[Mapping[str, Any]]) -> dict[str, int | None]:
    """The document of each passage that came from one, by hash; an import's own came from none."""
    return {p["hash"]: p["document_id"] for p in passages if isinstance(p.get("document_id"), int)}


def under(pair: Pair) -> list[dict[str, Any]]:
    """The passages that a pair rests on, of those that it was shown."""
    return [passage for passage in pair.passages if passage["hash"] in pair.chunk_hashes]


def readers(session: Session, pair: Pair) -> str | None:
    """The audience of a pair by what it rests on now; none where nobody in common may see it."""
    seen = seen_by(session, ours(under(pair)))
    return common(pair.audience, seen.values())


def follow(
    session: Session,
    document: Document,
    hashes: Collection[str],
    *,
    reason: str,
    narrowed: bool = False,
) -> list[int]:
    """Pairs follow in the transaction in which a document lost chunks, or (``narrowed``) readers.

    Those whose passage is live nowhere any more go stale for ``reason``, and the admins are told by
    an outbox row; those with fewer readers are narrowed, whatever their state; what was trained on
    them is withdrawn. Returns the ids of pairs whose audience changed.
    """
    if not hashes and not narrowed:
        return []
    values = {"hashes": sorted(hashes), "reason": reason}
    session.execute(_IN_TURN, values)
    stale = session.execute(_STALE, values).scalars().all()
    if stale:
        outbox.put(
            session,
            key=f"pairs_stale:{document.id}:{document.revision}:{document.version}",
            destination={"admins": True},
            payload={
                "kind": "pairs_stale",
                "title": _public_title(document),
                "pairs": sorted(stale),
            },
        )
    showing: Sequence[int] = ()
    if narrowed:
        of_it = {"document": document.id, "hashes": sorted(hashes)}
        showing = session.scalars(_SHOWING, of_it).all()
    elif document.audience == EVERYONE:
        closed = session.scalars(_CLOSED, values).all()
        if closed:
            showing = session.scalars(_SHOWING, {"document": None, "hashes": list(closed)}).all()
    on_it = session.scalars(select(Pair.id).where(Pair.chunk_hashes.overlap(sorted(hashes)))).all()
    changed = _narrow(session, {*on_it, *showing})
    lineage.narrowed(session, changed, showing=showing, actor="night")
    return changed


def narrow_channel(session: Session, channel_id: str) -> list[int]:
    """What was asked in a channel that not everybody may read any more, and its pairs, follow.

    What was trained on them is withdrawn. Returns the ids of pairs whose audience changed.
    """
    key = f"channel:{channel_id}"
    asked = (Question.channel_id == channel_id) & (Question.audience == EVERYONE)
    session.execute(update(Question).where(asked).values(audience=key))
    # Each message in such a channel asks for this: what has followed already is left in peace.
    came_of_it = (Pair.channel_id == channel_id) & Pair.audience.not_in((key, NO_ONE))
    changed = _narrow(session, session.scalars(select(Pair.id).where(came_of_it)).all(), within=key)
    lineage.narrowed(session, changed, actor="night")
    return changed


def sweep_stale(session: Session) -> list[int]:
    """Pairs catch up with what their passages went through before they rested on them.

    Returns the ids of those that go stale because a passage is gone. For the tick.
    """
    reason = "A source was gone before this was proposed."
    stale = sorted(session.execute(_GONE_UNNOTICED, {"reason": reason}).scalars())
    if stale:
        outbox.put(
            session,
            key=f"pairs_stale:swept:{stale[0]}:{stale[-1]}",
            destination={"admins": True},
            payload={"kind": "pairs_stale", "title": "A source", "pairs": stale},
        )
    changed = _narrow(session, session.scalars(_NARROWED_UNNOTICED).all())
    lineage.narrowed(session, changed, actor="night")
    return stale


def _narrow(session: Session, pair_ids: Collection[int], *, within: str = EVERYONE) -> list[int]:
    """Give pairs the audience of what they rest on now, ``within`` at most; the ids of the changed.

    With nobody in common, a pair is for no one, and stale where it was in use or waited.
    """
    if not pair_ids:
        return []
    rows = session.execute(
        select(Pair.id, Pair.state, Pair.audience, Pair.chunk_hashes, Pair.passages)
        .where(Pair.id.in_(pair_ids))
        .order_by(Pair.id)
        .with_for_update()
    ).all()
    rest_on: dict[str, int | None] = {}
    for row in rows:
        rest_on |= dict.fromkeys(row.chunk_hashes) | ours(
            passage for passage in row.passages if passage["hash"] in row.chunk_hashes
        )
    seen = seen_by(session, rest_on)
    changed: list[int] = []
    for row in rows:
        copies = [seen[h] for h in row.chunk_hashes if h in seen]
        after = common(row.audience, [[within], *copies])
        if (after or NO_ONE) == row.audience:
            continue
        values: dict[str, Any] = {"audience": after or NO_ONE}
        if after is None and row.state in ("proposed", "approved"):
            values["state"] = "stale"
            values["reason"] = "Its sources have no readers in common any more."
        session.execute(update(Pair).where(Pair.id == row.id).values(values))
        changed.append(row.id)
    return changed


def _public_title(document: Document) -> str:
    """Its title, if everyone may see it: admins are told of sources that they may not see."""
    everyone = document.audience == EVERYONE
    return document.title if everyone else "A source that not everyone may see"
