"""The night's first step: which pairs may be learned from, and the snapshot that is trained on."""

from __future__ import annotations

import hashlib
import json
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session, defer

from models.store import consents, marks
from models.store.tables import Member, Pair
from workers.refresh import clusters, examples, leaks, scrub
from workers.refresh.names import Names

TRAIN, ITEMS, CARD = "train.jsonl", "items.jsonl", "card.json"
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
    rows = list(session.scalars(select(Pair).order_by(Pair.id)))
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
    open_to_all = _open_to_all(session, eligible)
    sides: dict[str, list[examples.Learned]] = {"training": [], "holdout": [], "neither": []}
    scrubbed = 0
    for row in eligible:
        learned = _learned(row, placed[row.id].cluster, names, open_to_all)
        scrubbed += (learned.question, learned.answer) != (
            unicodedata.normalize("NFC", row.question),
            unicodedata.normalize("NFC", row.answer),
        )
        sides[placed[row.id].side].append(learned)
    locked = _sample([p for side in sides.values() for p in side if p.locked], MOST_LOCKED)
    if sides["neither"]:
        left_out["near both training and holdout questions"] += len(sides["neither"])
    away = [row for row in rows if row.side == "holdout" and row.id not in chosen]
    held = [scrub.scrub(row.question, names) for row in away if row.state != "rejected"]
    held += [pair.question for pair in sides["holdout"]]
    training, dropped = without_leaks(sides["training"], held)
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


def without_leaks(
    training: Sequence[examples.Learned], held: Iterable[str]
) -> tuple[list[examples.Learned], int]:
    """Training pairs without passages that hold a held-out question; how many pairs had to go."""
    forbidden = leaks.Questions.of(held)
    kept: list[examples.Learned] = []
    for pair in training:
        if forbidden.held_in(pair.question) or forbidden.held_in(pair.answer):
            continue
        bad = {at for at, s in enumerate(pair.sources) if forbidden.held_in(f"{s.title}\n{s.text}")}
        if bad & set(pair.cited):
            continue
        if bad:
            pair = _without(pair, bad)
        kept.append(pair)
    return kept, len(training) - len(kept)


def write(
    directory: Path, material: Material, *, anchor: Sequence[examples.Example], seed: int
) -> tuple[str, dict[str, Any]]:
    """Write the snapshot whole or not at all; returns its digest and its card."""
    train = examples.training(material.training, seed=seed)
    everyone = [*material.training, *material.holdout]
    items = [
        *examples.evaluation(material.holdout, seed=seed),
        *anchor,
        *examples.locked(material.locked, seed=seed),
    ]
    temporary = directory.with_name(directory.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    _lines(temporary / TRAIN, train)
    _lines(temporary / ITEMS, items)
    digest = hashlib.sha256(
        (temporary / TRAIN).read_bytes() + (temporary / ITEMS).read_bytes()
    ).hexdigest()
    kinds = Counter(example.kind for example in [*train, *items])
    card = {
        "pairs": {"training": len(material.training), "holdout": len(material.holdout)},
        "examples": dict(kinds),
        "clusters": len({pair.cluster for pair in everyone}),
        "origins": dict(material.origins),
        "languages": dict(material.languages),
        "left_out": dict(material.left_out),
        "scrubbed": material.scrubbed,
        "digest": digest,
        "learned": hashlib.sha256((temporary / TRAIN).read_bytes()).hexdigest(),
    }
    (temporary / CARD).write_text(json.dumps(card, indent=1, sort_keys=True), "utf-8")
    shutil.rmtree(directory, ignore_errors=True)
    temporary.rename(directory)
    return digest, card


def read(path: Path) -> list[examples.Example]:
    """The examples of one file of a snapshot; raises ``OSError`` or ``ValueError``."""
    with path.open(encoding="utf-8") as lines:
        return [examples.Example.from_json(json.loads(line)) for line in lines]


def store_sides(session: Session, material: Material) -> None:
    """Keep where each new pair stands; what stood somewhere already is never moved."""
    for pair_id, placed in material.sides.items():
        session.execute(_SIDE, {"id": pair_id, "cluster": placed.cluster, "side": placed.side})


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
            yield from (passage["title"], passage["text"])


def _open_to_all(session: Session, rows: Sequence[Pair]) -> set[str]:
    """Hashes of passages that these pairs show and everybody may still see."""
    shown = sorted({passage["hash"] for row in rows for passage in row.passages})
    return set(session.scalars(_OPEN, {"hashes": shown}))


def _learned(row: Pair, cluster: str, names: Names, open_to_all: set[str]) -> examples.Learned:
    """The pair, scrubbed. Of passages that it does not rest on, those that may still be shown: a
    pair follows the changes of its sources, not of what merely stood beside them."""
    shown = [passage for passage in row.passages if passage.get("pair_id") is None]
    sources = tuple(
        examples.Source(
            hash=passage["hash"],
            title=scrub.scrub(passage["title"], names),
            text=scrub.scrub(passage["text"], names),
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
    learned = examples.Learned(
        id=row.id,
        cluster=cluster,
        question=scrub.scrub(row.question, names),
        answer=scrub.scrub(row.answer, names),
        sources=sources,
        cited=cited,
        locked=row.locked,
    )
    return _without(learned, closed) if closed else learned


def _without(pair: examples.Learned, bad: set[int]) -> examples.Learned:
    """The pair without some passages that it does not cite; ``[n]`` still counts its sources."""
    kept = [at for at in range(len(pair.sources)) if at not in bad]
    place = {old: new for new, old in enumerate(kept)}
    answer = marks.replace(pair.answer, lambda n: place[n - 1] + 1 if n - 1 in place else None)
    return examples.Learned(
        id=pair.id,
        cluster=pair.cluster,
        question=pair.question,
        answer=answer,
        locked=pair.locked,
        sources=tuple(pair.sources[at] for at in kept),
        cited=tuple(place[at] for at in pair.cited),
    )


def _sample(held: list[examples.Learned], most: int) -> list[examples.Learned]:
    ranked = sorted(held, key=lambda p: hashlib.sha256(f"item:{p.id}".encode()).hexdigest())
    return sorted(ranked[:most], key=lambda p: p.id)


def _script(words: str) -> str:
    """The script that most letters are of, as a stand-in for the language."""
    found = Counter(unicodedata.name(c, "OTHER").split()[0].title() for c in words if c.isalpha())
    return found.most_common(1)[0][0] if found else "Other"


def _lines(path: Path, rows: Iterable[examples.Example]) -> None:
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row.as_json(), ensure_ascii=False) + "\n")
