"""Training examples and evaluation items, made from pairs. Pure and seeded by pair.

Retrieval-augmented fine-tuning (RAFT, arXiv 2403.10131): an example shows the passages that its
answer rests on among others that do not help, in any order, with ``[n]`` renumbered; some examples
show only passages that do not help, and the right answer is the refusal.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from models.lm.prompt import REFUSAL
from models.store import marks

PASSAGES = 4  # that an example shows at most
REFUSALS = 0.15  # share of pairs with sources that also teach the refusal


@dataclass(frozen=True, kw_only=True)
class Source:
    """A passage of a pair, scrubbed."""

    hash: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A pair as examples are made from it, scrubbed. ``cited`` are places in ``sources``."""

    id: int
    cluster: str
    question: str
    answer: str
    sources: tuple[Source, ...] = ()
    cited: tuple[int, ...] = ()
    locked: bool = False

    def without(self, places: Collection[int]) -> Learned:
        """Without some sources that it does not cite; ``[n]`` still counts those that stay."""
        if not places:
            return self
        kept = [at for at in range(len(self.sources)) if at not in places]
        new = {old: at for at, old in enumerate(kept)}
        return replace(
            self,
            answer=marks.replace(self.answer, lambda n: new[n - 1] + 1 if n - 1 in new else None),
            sources=tuple(self.sources[at] for at in kept),
            cited=tuple(new[at] for at in self.cited),
        )


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Different passages in a fixed order, to draw distractors from."""

    sources: Sequence[Source]
    places: Mapping[str, int]  # by hash

    @classmethod
    def of(cls, pairs: Iterable[Learned]) -> Pool:
        """What these pairs rest on."""
        found = {
            pair.sources[at].hash: pair.sources[at]
            for pair in pairs
            for at in pair.cited or (0,)
            if pair.sources
        }
        return cls(
            sources=[found[key] for key in sorted(found)],
            places={key: at for at, key in enumerate(sorted(found))},
        )

    def draw(self, rng: random.Random, most: int, *, but: set[str]) -> list[Source]:
        """At random, at most so many, and none of ``but``."""
        holes = sorted(self.places[key] for key in but if key in self.places)
        spare = len(self.sources) - len(holes)
        drawn: list[Source] = []
        for at in rng.sample(range(spare), min(spare, most)):
            for hole in holes:  # counted among what is left, as if the others were not there
                at += hole <= at
            drawn.append(self.sources[at])
        return drawn


NOTHING = Pool(sources=(), places={})


@dataclass(frozen=True, kw_only=True)
class Example:
    """One question with what is shown and what ought to be said."""

    item: str  # train:12, holdout:12, unsupported:12, anchor:12, locked:12
    pair_id: int | None
    cluster: str
    question: str
    passages: tuple[tuple[str, str], ...]  # title, text
    answer: str
    support: tuple[int, ...] = ()  # 1-based numbers of the passages that the answer rests on

    @property
    def kind(self) -> str:
        """What the item is for."""
        return self.item.partition(":")[0]

    def as_json(self) -> dict[str, Any]:
        """One line of a snapshot."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Example:
        """The inverse of ``as_json``; raises ``KeyError`` or ``TypeError``."""
        return cls(
            item=row["item"],
            pair_id=row["pair_id"],
            cluster=row["cluster"],
            question=row["question"],
            passages=tuple((title, text) for title, text in row["passages"]),
            answer=row["answer"],
            support=tuple(row["support"]),
        )


def supported(pair: Learned, others: Pool, *, item: str, seed: int) -> Example:
    """The pair with its sources and distractors from ``others``, shuffled; closed-book without."""
    if not pair.sources:
        answer = marks.replace(pair.answer, lambda _: None)
        return Example(
            item=item,
            pair_id=pair.id,
            cluster=pair.cluster,
            question=pair.question,
            passages=(),
            answer=answer,
        )
    rng = random.Random(f"{seed}:{item}")  # noqa: S311 - the order of passages is no secret
    own = [pair.sources[at] for at in pair.cited] or [pair.sources[0]]
    rest = [source for source in pair.sources if source not in own]
    shown = (own + rest)[:PASSAGES]
    held = {source.hash for source in shown}
    shown += others.draw(rng, PASSAGES - len(shown), but=held)
    rng.shuffle(shown)
    numbers = {source.hash: n for n, source in reversed(list(enumerate(shown, start=1)))}
    support = tuple(sorted(numbers[source.hash] for source in own if source.hash in numbers))
    return Example(
        item=item,
        pair_id=pair.id,
        cluster=pair.cluster,
        question=pair.question,
        passages=tuple((source.title, source.text) for source in shown),
        answer=_cite(pair, numbers, support),
        support=support,
    )


def unsupported(pair: Learned, others: Pool, *, item: str, seed: int) -> Example | None:
    """The pair's question before passages that do not help; none where there are too few."""
    rng = random.Random(f"{seed}:{item}")  # noqa: S311
    shown = others.draw(rng, PASSAGES, but={source.hash for source in pair.sources})
    if not pair.sources or len(shown) < 2:
        return None
    return Example(
        item=item,
        pair_id=pair.id,
        cluster=pair.cluster,
        question=pair.question,
        passages=tuple((source.title, source.text) for source in shown),
        answer=REFUSAL,
    )


def training(pairs: Sequence[Learned], *, seed: int) -> list[Example]:
    """Every training pair with its sources, and ``REFUSALS`` of them without."""
    pool = Pool.of(pairs)
    made = [supported(pair, pool, item=f"train:{pair.id}", seed=seed) for pair in pairs]
    for pair in pairs:
        drawn = random.Random(f"{seed}:refusal:{pair.id}").random()  # noqa: S311
        if drawn < REFUSALS:
            example = unsupported(pair, pool, item=f"refuse:{pair.id}", seed=seed)
            made += [example] if example is not None else []
    return made


def evaluation(pairs: Sequence[Learned], *, seed: int) -> list[Example]:
    """Held-out items: as stored, the same without support, and those that a curator locked."""
    pool = Pool.of(pairs)
    made: list[Example] = []
    for pair in pairs:
        made.append(supported(pair, NOTHING, item=f"holdout:{pair.id}", seed=seed))
        bare = unsupported(pair, pool, item=f"unsupported:{pair.id}", seed=seed)
        made += [bare] if bare is not None else []
    return made


def locked(pairs: Sequence[Learned], *, seed: int) -> list[Example]:
    """The pairs that a curator has locked, on whichever side they stand."""
    return [supported(p, NOTHING, item=f"locked:{p.id}", seed=seed) for p in pairs]


def shorten(example: Example) -> Example | None:
    """The example without its last passage that does not support it; none where all do."""
    numbers = range(len(example.passages), 0, -1)
    spare = next((n for n in numbers if n not in example.support), None)
    if spare is None:
        return None

    return Example(
        item=example.item,
        pair_id=example.pair_id,
        cluster=example.cluster,
        question=example.question,
        passages=example.passages[: spare - 1] + example.passages[spare:],
        answer=marks.replace(example.answer, lambda n: n - (n > spare)),
        support=tuple(n - (n > spare) for n in example.support),
    )


def _cite(pair: Learned, numbers: Mapping[str, int], support: Sequence[int]) -> str:
    """The answer with ``[n]`` counting the passages shown; its source is cited if nothing is."""

    def shown(number: int) -> int | None:
        at = number - 1
        return numbers.get(pair.sources[at].hash) if 0 <= at < len(pair.sources) else None

    answer = marks.replace(pair.answer, shown)
    if not marks.numbers(answer) and support:
        answer = f"{answer.rstrip()} [{support[0]}]"
    return answer
