"""Pure: which of a query's words propose candidates, and in which order candidates come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.store import lexical
from models.store.common import foreign

LEXICAL_WEIGHT = 0.7  # of BM25 against the cosine, both in standard deviations
FOREIGN_WEIGHT = 1.2  # the same for queries in other languages than English
BIGRAM_WEIGHT = 2.0  # and for scripts without spaces: bigrams know their order too
LEAST_DEVIATION = 0.03  # few candidates, or all alike: do not blow up nothing
PROPOSING_ROWS = 600  # rows that a query's telling words may stand in, taken together
TOGETHER = 3  # of more frequent words, the rarest so many propose where they stand together
COMMON_ROWS = 20_000  # a word in more rows than that proposes nothing: its list is long to read


@dataclass(frozen=True)
class Scored:
    """A candidate with what both arms say of it, whichever of them found it."""

    kind: str  # chunk or pair
    id: int
    hash: str
    similarity: (
        float  # cosine on ``scale.REFERENCE``; 0 where it has no vector of the active model yet
    )
    bm25: float  # over its upper bound, the sum of the query's weights: in [0, 1)
    coverage: float  # idf-weighted share of the query's words, in [0, 1]
    named: int = 0  # of the query's identifiers, how many it holds


@dataclass(frozen=True)
class Telling:
    """The words that propose: rows that hold any of ``alone``, or all of ``together``."""

    alone: tuple[str, ...]
    together: tuple[str, ...]


def fuse(
    candidates: Sequence[Scored], *, lexical_weight: float = LEXICAL_WEIGHT
) -> list[tuple[Scored, float]]:
    """Candidates with their scores, best first; of the same text, all but the best go last.

    The score is a convex combination of cosine and BM25 (Bruch, Gai and Ingber 2023). Each counts
    in units of its own standard deviation among the candidates, so that an arm which cannot tell
    them apart, as an English embedding model asked in Chinese, has little to say: to reciprocal
    ranks, the best of nothing is like the best of much. ``benchmarks.retrieval`` measures both.
    Before all that comes what holds the identifiers that the query names, where these are rare.
    """
    if not candidates:
        return []
    near = 1 / max(LEAST_DEVIATION, _deviation([c.similarity for c in candidates]))
    words = lexical_weight / max(LEAST_DEVIATION, _deviation([c.bm25 for c in candidates]))
    lift = _tells([c.named for c in candidates])
    scored = [
        (c, (near * c.similarity + words * c.bm25) / (near + words) + lift * c.named)
        for c in candidates
    ]
    scored.sort(key=lambda pair: (-pair[1], pair[0].kind, pair[0].id))
    seen: set[str] = set()
    first: list[tuple[Scored, float]] = []
    again: list[tuple[Scored, float]] = []
    for candidate, score in scored:
        (again if candidate.hash in seen else first).append((candidate, score))
        seen.add(candidate.hash)
    return first + again


def _tells(named: Sequence[int]) -> bool:
    """Whether identifiers tell candidates apart: most of them hold none."""
    return 0 < sum(map(bool, named)) * 2 <= len(named)


def _deviation(values: Sequence[float]) -> float:
    """The population's standard deviation; ``statistics`` takes a hundred times as long."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def words_weight(query: str) -> float:
    """How much BM25 counts against the cosine for ``query``."""
    if lexical.mostly_unspaced(query):
        return BIGRAM_WEIGHT
    return FOREIGN_WEIGHT if foreign(query) else LEXICAL_WEIGHT


def telling(weights: Mapping[str, float], rows: Mapping[str, int]) -> Telling:
    """The rarest words that together stand in at most ``PROPOSING_ROWS`` rows, and the next ones.

    ``weights``: word -> idf; ``rows``: word -> rows that hold it. Frequent words add to the rank of
    what others propose; by themselves they would make Postgres rank half of a large table.
    """
    known = sorted((w for w in weights if rows.get(w)), key=lambda w: (-weights[w], w))
    total, split = 0, len(known)
    for index, word in enumerate(known):
        total += rows[word]
        if total > PROPOSING_ROWS:
            split = index
            break
    together = tuple(known[split : split + TOGETHER])
    return Telling(
        tuple(known[:split]), together if together and rows[together[0]] <= COMMON_ROWS else ()
    )
