"""Which pairs ask the same thing, and on which side of the holdout they stand. Pure.

A Jaccard index of two questions' words, weighted by how rare each word is in the ledger, decides;
MinHash (Broder 1997) with banding proposes whom to compare. Each word's hash is an exponential
variate with its weight as the rate, so that two minima agree with the probability of the weighted
index, and a template's common words propose nothing. So "When does the Gull leave?" and "When
does the Tern leave?" are two questions, though they differ in one word only. The answer never
counts: a house style would make everything alike.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOLDOUT = 0.25  # share of clusters that is held out
NEAR = 0.5  # weighted Jaccard of two questions that ask the same
NEAR_SAME_SOURCE = 0.35  # the same, where both rest on the same passages
_BANDS, _ROWS = 32, 2  # finds an index of 0.35 with probability 0.985
_MOST = 200  # of a bucket that a question is compared with
_WORD = re.compile(r"\w+", re.UNICODE)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A pair as clustering sees it."""

    id: int
    question: str
    sources: frozenset[str]  # hashes of the passages it rests on
    cluster: str | None = None  # as stored; kept
    side: str | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a pair stands from now on."""

    cluster: str
    side: str  # training, holdout, neither


def side_of(cluster: str) -> str:
    """Decided by the cluster's name alone, once."""
    drawn = int(hashlib.sha256(f"side:{cluster}".encode()).hexdigest()[:12], 16) / 16**12
    return "holdout" if drawn < HOLDOUT else "training"


def words(text: str) -> frozenset[str]:
    """Folded words; scripts without spaces give their bigrams."""
    found: set[str] = set()
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if any(ord(c) >= 0x2E80 for c in word) and len(word) > 1:
            found.update(word[at : at + 2] for at in range(len(word) - 1))
        else:
            found.add(word)
    return frozenset(found)


def place(asked: Sequence[Asked]) -> dict[int, Placed]:
    """Cluster and side of every pair; what is stored stays, new ones follow their neighbours.

    A new pair near clusters of both sides joins neither. A holdout cluster is named after its first
    question, so that the same ledger gives the same sides everywhere.
    """
    ordered = sorted(asked, key=lambda pair: pair.id)
    bags = {pair.id: words(pair.question) for pair in ordered}
    near = _neighbours(ordered, bags)
    placed: dict[int, Placed] = {
        pair.id: Placed(cluster=pair.cluster, side=pair.side)
        for pair in ordered
        if pair.cluster and pair.side
    }
    for pair in ordered:
        if pair.id in placed:
            continue
        around = [placed[other] for other in sorted(near[pair.id]) if other in placed]
        sides = {neighbour.side for neighbour in around}
        if not around:
            name = hashlib.sha256(" ".join(sorted(bags[pair.id])).encode()).hexdigest()[:16]
            placed[pair.id] = Placed(cluster=name, side=side_of(name))
        elif len(sides) == 1:
            placed[pair.id] = around[0]
        else:
            placed[pair.id] = Placed(cluster=around[0].cluster, side="neither")
    return placed


def similarity(one: Iterable[str], other: Iterable[str], weight: Mapping[str, float]) -> float:
    """Weighted Jaccard index of two sets of words, in [0, 1]; the same in whatever order."""
    left, right = set(one), set(other)
    union = math.fsum(weight[word] for word in left | right)
    shared = math.fsum(weight[word] for word in left & right)
    return shared / union if union > 0 else float(left == right)


def _neighbours(asked: Sequence[Asked], bags: Mapping[int, frozenset[str]]) -> dict[int, set[int]]:
    counts = Counter(word for bag in bags.values() for word in bag)
    # A word seen once may be a courtesy or a name: it tells no more than one seen twice.
    weight = {word: math.log((len(bags) + 1) / max(2, n)) for word, n in counts.items()}
    sources = {pair.id: pair.sources for pair in asked}
    whole = {key: sum(weight[word] for word in bag) for key, bag in bags.items()}
    near: dict[int, set[int]] = defaultdict(set)
    for one, others in _candidates(bags, weight):
        for other in others:
            shared = 0.0  # an estimate; most are not alike, and the index itself costs more
            for word in bags[one] & bags[other]:
                shared += weight[word]
            if shared < (NEAR_SAME_SOURCE - 0.01) * (whole[one] + whole[other] - shared):
                continue
            alike = similarity(bags[one], bags[other], weight)
            together = sources[one] | sources[other]
            same = len(sources[one] & sources[other]) / len(together) if together else 0.0
            if alike >= NEAR or (alike >= NEAR_SAME_SOURCE and same >= 0.5):
                near[one].add(other)
                near[other].add(one)
    return near


def _candidates(
    bags: Mapping[int, frozenset[str]], weight: Mapping[str, float]
) -> Iterator[tuple[int, set[int]]]:
    """Each id with earlier ones whose words share a band of their MinHash signatures."""
    place = {word: at for at, word in enumerate(weight)}
    hashed = np.array([_exponentials(word) / max(weight[word], 1e-9) for word in weight])
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for key, bag in bags.items():
        if not bag:
            continue
        signature = hashed[[place[word] for word in bag]].min(axis=0).tobytes()
        size = len(signature) // _BANDS
        found: set[int] = set()
        for band in range(_BANDS):
            members = buckets[band, signature[band * size : (band + 1) * size]]
            found.update(members[-_MOST:])
            members.append(key)
        yield key, found


def _exponentials(word: str) -> NDArray[np.float64]:
    """Standard exponential variates that are this word's everywhere, shape (bands x rows,)."""
    drawn = np.frombuffer(hashlib.shake_256(word.encode()).digest(8 * _BANDS * _ROWS), "<u8")
    return -np.log((drawn.astype(np.float64) + 1) / 2.0**64)
