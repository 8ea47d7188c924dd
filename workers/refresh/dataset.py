"""The night's first step: which pairs may be learned from, and on which side they stand."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session, defer

from models.headings import joined
from models.store import consents, marks
from models.store.passage import below
from models.store.tables import Member, Pair
from workers.refresh import clusters, examples, leaks, scrub
from workers.refresh.names import Names

MOST_LOCKED = 200

Words = tuple[str, str, tuple[str, ...]]  # question's hash, answer, hashes of what it rests on


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a night may learn from, and what was left out and why."""

    training: tuple[examples.Learned, ...]
    holdout: tuple[examples.Learned, ...]
    locked: tuple[examples.Learned, ...]  # asked on whichever side they stand, or on none
    sides: Mapping[int, clusters.Placed]
    read: Mapping[int, Words]  # of each pair of these, as it was read
    open_to_all: frozenset[str]  # hashes of passages that everybody could see
    left_out: Mapping[str, int]  # reason in words → pairs
    languages: Mapping[str, int]
    origins: Mapping[str, int]
    scrubbed: int  # pairs whose words held personal data

    @property
    def eligible(self) -> int:
        """Pairs that may be learned from, whichever side they stand on."""
        return len(self.training) + len(self.holdout)


def gather(session: Session, *, items: int = 400) -> Material:
    """Read the ledger and place every eligible pair, ``items`` held-out ones at most; stores
    nothing.
    """
    left_out: Counter[str] = Counter()
    rows = list(session.scalars(select(Pair).options(defer(Pair.tsv)).order_by(Pair.id)))
    people = {person for row in rows for person in row.people}
    agreed = consents.granted(session, people)
    eligible: list[Pair] = []
    for row in rows:
        reason = _unfit(row, agreed)
        if reason:
            left_out[reason] += 1
        else:
            eligible.append(row)
    chosen = {row.id for row in eligible}
    # What stands on a side already keeps its neighbours there, even while it is left out itself:
    # it may be back tomorrow.
    placed = clusters.place(
        [
            clusters.Asked(
                id=row.id,
                question=row.question,
                sources=frozenset(row.chunk_hashes),
                cluster=row.cluster,
                side=row.side,
            )
            for row in rows
            if row.id in chosen or row.side
        ]
    )
    names = Names.of(_names(session), _texts(eligible))
    clean = cache(partial(scrub.scrub, names=names))  # many pairs show the same passage
    open_to_all = _open_to_all(session, eligible)
    sides: dict[str, list[examples.Learned]] = {"training": [], "holdout": [], "neither": []}
    scrubbed = 0
    for row in eligible:
        learned = _learned(row, placed[row.id].cluster, clean, open_to_all)
        scrubbed += (learned.question, learned.answer) != (
            unicodedata.normalize("NFC", row.question),
            unicodedata.normalize("NFC", row.answer),
        )
        sides[placed[row.id].side].append(learned)
    locked = _sample([p for side in sides.values() for p in side if p.locked], MOST_LOCKED)
    if sides["neither"]:
        left_out["near both training and holdout questions"] += len(sides["neither"])
    away = [row for row in rows if row.side == "holdout" and row.id not in chosen]
    held = [clean(row.question) for row in away if row.state != "rejected"]
    held += [pair.question for pair in sides["holdout"]]
    training, dropped = leaks.without(sides["training"], held)
    if dropped:
        left_out["its words hold a held-out question"] += dropped
    holdout = _sample(sides["holdout"], items)
    used = {pair.id for pair in (*training, *holdout, *locked)}
    return Material(
        training=tuple(training),
        holdout=tuple(holdout),
        locked=tuple(locked),
        sides=placed,
        read={row.id: _words(row) for row in eligible if row.id in used},
        open_to_all=frozenset(open_to_all),
        left_out=dict(left_out),
        languages=Counter(_script(row.question) for row in eligible),
        origins=Counter(row.origin for row in eligible),
        scrubbed=scrubbed,
    )


def moved(session: Session, material: Material) -> bool:
    """Whether a pair of it may no longer be learned from or was changed, or a passage was closed,
    since it was gathered."""
    rows = [row for row in session.scalars(_LIGHT) if row.id in material.read]
    agreed = consents.granted(session, {person for row in rows for person in row.people})
    stand = {row.id: _words(row) for row in rows if _unfit(row, agreed) is None}
    open_now = set(session.scalars(_OPEN, {"hashes": sorted(material.open_to_all)}))
    return stand != material.read or not material.open_to_all <= open_now


def still_held(session: Session) -> set[int]:
    """Held-out pairs that may still be asked; what rested on a source that changed may be too."""
    held = _LIGHT.where(Pair.side == "holdout", Pair.state.in_(("approved", "stale")))
    rows = list(session.scalars(held))
    agreed = consents.granted(session, {person for row in rows for person in row.people})
    return {row.id for row in rows if _closed(row, agreed) is None}


def store_sides(session: Session, material: Material) -> None:
    """Keep where each new pair stands; what stood somewhere already is never moved."""
    sides = [
        {"id": pair_id, "cluster": placed.cluster, "side": placed.side}
        for pair_id, placed in material.sides.items()
    ]
    if sides:
        session.execute(_SIDE, sides)


_LIGHT = select(Pair).options(defer(Pair.passages), defer(Pair.tsv))  # all but what is long
_SIDE = text("UPDATE pairs SET cluster = :cluster, side = :side WHERE id = :id AND side IS NULL")


_OPEN = text(
    """
    SELECT DISTINCT hash FROM chunks
    WHERE audience = 'workspace' AND hash = ANY(cast(:hashes AS text[]))
    """
)


def _unfit(row: Pair, agreed: set[str]) -> str | None:
    if row.state != "approved":
        return {"proposed": "not decided yet", "rejected": "rejected"}.get(row.state, "stale")
    return _closed(row, agreed)


def _closed(row: Pair, agreed: set[str]) -> str | None:
    """Why it may not be shown or learned from, however it was decided on."""
    if row.audience != "workspace":
        return "not visible to the whole workspace"
    if not row.people <= agreed or not (row.people or row.consent):
        return "without everybody's consent"
    return None


def _words(row: Pair) -> Words:
    return row.question_hash, row.answer, tuple(row.chunk_hashes)


def _names(session: Session) -> list[str]:
    rows = session.execute(select(Member.name, Member.real_name))
    return [name for row in rows for name in row if name]


def _texts(rows: Iterable[Pair]) -> Iterator[str]:
    """Every text that is scrubbed."""
    for row in rows:
        yield from (row.question, row.answer)
        for passage in row.passages:
            yield from (_title(passage), passage["text"])


def _title(passage: Mapping[str, Any]) -> str:
    """As where it is answered from."""
    return joined(passage["title"], below(passage["title"], passage["heading_path"]))


def _open_to_all(session: Session, rows: Sequence[Pair]) -> set[str]:
    """Hashes of passages that these pairs show and everybody may still see."""
    shown = sorted({passage["hash"] for row in rows for passage in row.passages})
    return set(session.scalars(_OPEN, {"hashes": shown}))


def _learned(
    row: Pair, cluster: str, clean: Callable[[str], str], open_to_all: set[str]
) -> examples.Learned:
    """The pair, scrubbed. Of passages that it does not rest on, those that may still be shown: a
    pair follows the changes of its sources, not of what merely stood beside them."""
    shown = [passage for passage in row.passages if passage.get("pair_id") is None]
    sources = tuple(
        examples.Source(
            hash=passage["hash"],
            title=clean(_title(passage)),
            text=clean(passage["text"]),
        )
        for passage in shown
    )
    numbers = marks.numbers(row.answer, len(sources))
    cited = tuple(n - 1 for n in numbers) or ((0,) if sources else ())
    closed = {
        at
        for at, passage in enumerate(shown)
        if at not in cited and passage["document_id"] and passage["hash"] not in open_to_all
    }
    return examples.Learned(
        id=row.id,
        cluster=cluster,
        question=clean(row.question),
        answer=clean(row.answer),
        sources=sources,
        cited=cited,
        locked=row.locked,
    ).without(closed)


def _sample(held: list[examples.Learned], most: int) -> list[examples.Learned]:
    ranked = sorted(held, key=lambda p: hashlib.sha256(f"item:{p.id}".encode()).hexdigest())
    return sorted(ranked[:most], key=lambda p: p.id)


def _script(words: str) -> str:
    """The script that most letters are of, as a stand-in for the language."""
    found = Counter(_script_of(c) for c in words if c.isalpha())
    return found.most_common(1)[0][0] if found else "Other"


@cache
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "OTHER").split()[0].title()
